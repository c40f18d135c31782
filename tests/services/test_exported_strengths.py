"""What an export leaves out where one response is only slightly better."""

import pytest
from helpers.data import NOON, import_plain, make_project, pair, project_of
from typer.testing import CliRunner

from app.errors import InvalidInput
from app.services.exports import ExportOptions, export_project, preference_rows
from prefloop.cli import app


def judged(number: int, *given: tuple[int | str, int | None]) -> dict[str, object]:
    votes = [
        {"annotator": f"w{i}", "verdict": verdict}
        | ({} if strength is None else {"strength": strength})
        for i, (verdict, strength) in enumerate(given)
    ]
    return pair(number, judgments=votes)


@pytest.fixture
def strong_and_slight(database):
    """Chosen slightly; slightly and clearly, which is 1.5; twice slightly by those who prefer it,
    and much the other way by one; without a strength; a tie."""
    make_project(database, pairs=0)
    records = [
        judged(1, (1, 1)), judged(2, (1, 1), (1, 2)), judged(3, (2, 1), (2, 1), (1, 3)),
        judged(4, (1, None)), judged(5, ("tie", None)),
    ]  # fmt: skip
    assert not import_plain(database, records).rejected
    return database


def exported(database, **options) -> list[float | None]:
    """The strengths of the rows, smallest first."""
    with database.reading() as session:
        found = preference_rows(session, project_of(session), ExportOptions(**options))
        return sorted((row["strength"] for _, row in found), key=lambda s: s or 0)


def test_slight_preferences_are_kept_or_dropped_as_asked(strong_and_slight):
    assert exported(strong_and_slight) == [None, 1, 1, 1.5]
    assert exported(strong_and_slight, slight="drop") == [None, 1.5]
    # A tie has no strength: it is dropped as a tie, or not at all.
    assert exported(strong_and_slight, slight="drop", ties="keep") == [None, None, 1.5]


def test_rows_by_judgment_go_by_the_strength_of_each(strong_and_slight):
    assert exported(strong_and_slight, rows="judgments") == [None, 1, 1, 1, 1, 2, 3]
    assert exported(strong_and_slight, rows="judgments", slight="drop") == [None, 2, 3]


def test_the_bundle_says_that_they_were_dropped(strong_and_slight, tmp_path):
    options = ExportOptions(slight="drop")
    made = export_project(strong_and_slight, "p", tmp_path / "out", options, now=NOON)

    assert made.manifest["filters"] == {"rows": "aggregated", "ties": "drop", "slight": "drop"}
    assert sum(made.manifest["counts"]["preferences"].values()) == 2


def test_another_word_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="slight is 'some'; expected keep or drop"):
        ExportOptions(slight="some")  # type: ignore[arg-type]
    arguments = ["export", "--project", "p", "--out", str(tmp_path / "o"), "--slight", "some"]
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 1
    assert "slight is 'some'" in found.output
