"""What a decision adds to the rows of an export, and what it leaves alone."""

import pytest
from helpers.adjudicating import LATER, add_reviewer, decide, split_comparison
from helpers.data import make_project, project_of

from app.services import adjudications, exports, judgment_readings
from app.services.exports import ExportOptions


def row_of(database, rows="aggregated"):
    with database.reading() as session:
        options = ExportOptions(rows=rows)
        return next(
            row for _, row in exports.preference_rows(session, project_of(session), options)
        )


@pytest.fixture
def judged(database):
    """Two for the first response, one for the second."""
    make_project(database, pairs=0)
    return split_comparison(database, votes=(1, 1, 2))


def side_of(database, reviewer, comparison, text):
    with database.reading() as session:
        view = adjudications.blind(session, project_of(session), reviewer, comparison)
    return next(side.label for side in view.sides if side.text == text)


@pytest.mark.parametrize(
    ("preferred", "expected"), [("first answer 9", "chosen"), ("second answer 9", "rejected")]
)
def test_a_preferred_response_is_named_by_its_place_in_the_row(
    database, judged, preferred, expected
):
    before = row_of(database)
    assert (before["adjudicated"], before["cause"]) == (None, None)
    vera = add_reviewer(database)
    decide(database, vera, judged, side_of(database, vera, judged, preferred), cause="factual")
    after = row_of(database)
    assert (after["adjudicated"], after["cause"]) == (expected, "factual")
    # (2 + 1) / (3 + 2), as before: the reviewer is no annotator.
    assert after["probability"] == before["probability"] == pytest.approx(0.6)


def test_other_outcomes_are_named_and_a_revision_counts(database, judged):
    vera = add_reviewer(database)
    first = decide(database, vera, judged, "both_bad")
    assert row_of(database)["adjudicated"] == "both_bad"
    decide(database, vera, judged, "split", cause="taste", revises=first.id)
    assert (row_of(database)["adjudicated"], row_of(database)["cause"]) == ("split", "taste")
    assert row_of(database, rows="judgments")["adjudicated"] == "split"


def test_a_row_tells_whether_the_reviewer_had_seen_the_judgments(database, judged):
    assert row_of(database)["adjudicated_blind"] is None
    vera, olga = add_reviewer(database), add_reviewer(database, "olga")
    first = decide(database, vera, judged, "tie")
    assert row_of(database)["adjudicated_blind"] is True
    with database.writing() as session:
        judgment_readings.note(session, olga, [judged], now=LATER)
    decide(database, olga, judged, "split", revises=first.id)
    assert row_of(database)["adjudicated_blind"] is False


def test_a_decision_is_a_change_of_the_project(database, judged, tmp_path):
    decide(database, add_reviewer(database), judged, "tie")
    result = exports.export_project(database, "p", tmp_path / "out", ExportOptions(), now=LATER)
    assert result.manifest["created_at"] == "2026-05-05T12:00:00.000000Z"
    assert "`adjudicated` says what" in (tmp_path / "out" / "README.md").read_text()
