"""`prefloop db check --sums` is silent where sums are right, and an alarm where one is not."""

import pytest
from helpers.data import NOON, import_plain, make_project, pair, project_of
from helpers.databases import make_database
from sqlalchemy import text
from typer.testing import CliRunner

from app.services import statistics
from prefloop.cli import app


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (None, ""),
        ("UPDATE vote_counts SET comparisons = 7 WHERE n_first = 2", "kept 7, computed 1"),
        ("UPDATE annotator_days SET tie = tie + 1", "days "),
        ("UPDATE comparisons SET open_slots = 9", "comparisons.open_slots: 3 wrong, the first is "),
        # A judgment that was taken as folded and is not in the state.
        ("DELETE FROM pending_judgments", "judgments: kept 4, computed 5"),
    ],
)
def test_sums_are_compared_with_all_judgments(tmp_path, monkeypatch, damage, line):
    database = make_database(tmp_path / "prefloop.db")
    monkeypatch.setenv("PREFLOOP_DATABASE_URL", f"sqlite:///{tmp_path}/prefloop.db")
    make_project(database, pairs=0)
    given = [{"annotator": who, "verdict": 1, "ended_at": NOON.isoformat()} for who in "uv"]
    import_plain(database, [pair(1, judgments=given), pair(2, judgments=[*given])])
    with database.reading() as session:
        key = project_of(session).id
    statistics.catch_up(database, key, now=NOON)
    import_plain(database, [pair(3, judgments=given[:1])])
    if damage:
        with database.writing() as session:
            session.execute(text(damage))

    found = CliRunner().invoke(app, ["db", "check", "--sums"])

    assert "p: adding up all judgments" in found.stderr
    if damage is None:
        assert (found.exit_code, found.stdout) == (0, "")
        return
    assert found.exit_code == 1
    assert all(one.startswith("p: ") for one in found.stdout.splitlines())
    assert line in found.stdout
    assert "Kept sums differ from what the judgments say in p (" in found.stderr
    # Tables and revision are right, which is all that the plain check looks at.
    assert CliRunner().invoke(app, ["db", "check"]).exit_code == 0
