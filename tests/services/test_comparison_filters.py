"""Filters of the list of comparisons, each against what plain Python finds in the records."""

from datetime import UTC, date, datetime, timedelta

import pytest
from helpers.adjudicating import add_reviewer, decide, find_comparison, numbers
from helpers.data import (
    NOON,
    add_annotator,
    import_plain,
    lease,
    make_project,
    pair,
    project_of,
    submit,
)

from app.errors import InvalidInput
from app.services import comparison_search, comparisons, guidelines
from app.services.comparison_filters import ComparisonFilter

MONDAY = date(2026, 5, 4)
# Number of the pair, sources, tags, judgments as (annotator, verdict, strength, day of May).
ROWS = [
    (1, ("alpha", "beta"), ["code"], [("ada", 1, 3, 4), ("lin", 2, 1, 5)]),
    (2, ("beta", "alpha"), ["code", "long"], [("ada", 1, 2, 12), ("lin", 1, 1, 12)]),
    (3, ("alpha", "alpha"), [], [("ada", "tie", None, 10), ("lin", 2, 3, 11)]),
    (4, ("alpha", None), ["long"], [("ada", 2, 3, 4), ("lin", "tie", None, 4)]),
    (5, ("beta", "gamma"), ["code"], [("ada", 2, 1, 18)]),
    (6, ("gamma", "beta"), ["codes"], []),
]


@pytest.fixture
def filled(database):
    make_project(database, pairs=0)
    records = []
    for number, sources, tags, votes in ROWS:
        texts = pair(number)["completions"]
        records.append(
            pair(
                number,
                tags=tags,
                completions=[
                    {"text": text, "source": source}
                    for text, source in zip(texts, sources, strict=True)
                ],
                judgments=[
                    {
                        "annotator": name,
                        "verdict": verdict,
                        "strength": strength,
                        "reason": "so",
                        "ended_at": datetime(2026, 5, day, 9, tzinfo=UTC).isoformat(),
                    }
                    for name, verdict, strength, day in votes
                ],
            )
        )
    import_plain(database, records)
    vera = add_reviewer(database)
    with database.reading() as session:
        keys = {number: find_comparison(session, number) for number, *_ in ROWS}
    decide(database, vera, keys[1], "split", cause="taste")
    decide(database, vera, keys[2], "tie", note="What is long?")
    return database


def listed(database, **asked):
    with database.reading() as session:
        page = comparisons.page_of(session, project_of(session), ComparisonFilter(**asked))
    return sorted(numbers(page))


ADA, LIN = "p/ada", "p/lin"


CASES = [
    ({"tag": "code"}, [1, 2, 5]),
    ({"tag": "long"}, [2, 4]),
    ({"tag": "cod"}, []),
    ({"sources": ("alpha", "beta")}, [1, 2]),
    ({"sources": ("beta", "alpha")}, [1, 2]),
    ({"sources": ("alpha", "alpha")}, [3]),
    ({"sources": ("alpha", "")}, [4]),
    ({"week": MONDAY}, [1, 3, 4]),
    ({"week": MONDAY + timedelta(days=7)}, [2, 3]),
    ({"week": MONDAY - timedelta(days=7)}, []),
    # Means: 2, 1.5 (rounds up), 3, 3, 1.
    ({"strength": 1}, [5]),
    ({"strength": 2}, [1, 2]),
    ({"strength": 3}, [3, 4]),
    ({"annotator": LIN}, [1, 2, 3, 4]),
    ({"annotator": ADA, "other": LIN}, [1, 3, 4]),
    ({"annotator": ADA, "other": LIN, "labels": ("first", "second")}, [1]),
    ({"annotator": LIN, "other": ADA, "labels": ("first", "second")}, []),
    ({"annotator": LIN, "other": ADA, "labels": ("second", "tie")}, [3]),
    ({"annotator": ADA, "other": LIN, "labels": ("first", "first")}, [2]),
    ({"outcome": "tie"}, [2]),
    ({"outcome": "preferred"}, []),
    ({"cause": "taste"}, [1]),
    ({"cause": "unclear"}, [2]),
    ({"cause": "taste", "version": 0}, [1]),
    ({"cause": "slip"}, []),
    ({"show": "adjudicated"}, [1, 2]),
    ({"show": "unadjudicated"}, [3, 4]),
    ({"counts": (1, 1, 0, 0)}, [1]),
    ({"counts": (0, 1, 1, 0)}, [3, 4]),
    ({"version": 0}, [1, 2, 3, 4, 5]),
    ({"show": "contested", "tag": "code"}, [1]),
    ({"show": "open", "tag": "codes"}, [6]),
    ({"show": "judged", "tag": "code", "week": MONDAY}, [1]),
    ({"show": "flagged", "tag": "code"}, []),
    ({"show": "gold", "tag": "code"}, []),
    ({"annotator": ADA, "tag": "long", "strength": 3}, [4]),
    ({"size": 2, "overlap": 2}, [1, 2, 3, 4]),
    ({"size": 3}, []),
    ({"overlap": 1}, [1, 2, 3, 4, 5]),
    ({"overlap": 3}, []),
    # 1 and 4 were judged twice in that week; ada judged 3 on its Sunday, lin a day later.
    ({"overlap": 2, "week": MONDAY}, [1, 4]),
    ({"show": "contested", "week": MONDAY}, [1, 4]),
    ({"show": "contested"}, [1, 3, 4]),
    ({"annotator": ADA, "week": MONDAY, "overlap": 2}, [1, 3, 4]),
    ({"annotator": LIN, "week": MONDAY, "overlap": 2}, [1, 4]),
    ({"annotator": ADA, "other": LIN, "week": MONDAY}, [1, 4]),
    ({"annotator": ADA, "other": LIN, "labels": ("any", "any")}, [1, 2, 3, 4]),
    ({"annotator": ADA, "differs": True}, [1, 3, 4]),
    ({"annotator": ADA, "differs": True, "verdict": ("second",)}, [4]),
    ({"day": date(2026, 5, 12)}, [2]),
    ({"verdict": ("tie",)}, [3, 4]),
    ({"verdict": ("first",)}, [1, 2]),
    ({"verdict": ("preferred",), "overlap": 2}, [1, 2]),
    ({"verdict": ("graded", "tie"), "overlap": 2}, [1, 2, 3, 4]),
    ({"verdict": ("both_bad", "ranking")}, []),
    ({"given": 3}, [1, 3, 4]),
    ({"given": 0}, []),
    ({"annotator": LIN, "given": 1}, [1, 2]),
    ({"written_by": "gamma"}, [5, 6]),
    ({"written_by": ""}, [4]),
    ({"mixed": True}, [1, 2, 4, 5, 6]),
    ({"kind": "counted"}, [1, 2, 3, 4, 5]),
    ({"kind": "planted"}, []),
    # Nobody was shown sides.
    ({"chose": "seen"}, []),
    ({"show": "finished"}, [1, 2, 3, 4, 5]),
    # 1 has one for each; a tie is one for neither.
    ({"usable": True}, [2, 3, 4, 5]),
    ({"annotators": "imported"}, [1, 2, 3, 4, 5]),
    ({"annotators": "imported", "overlap": 2}, [1, 2, 3, 4]),
    ({"annotators": "person"}, []),
    # All imported judgments give one reason; 2 has the note of its decision too.
    ({"wrote": "SO"}, [1, 2, 3, 4, 5]),
    ({"wrote": "so", "annotator": LIN, "week": MONDAY}, [1, 4]),
    ({"wrote": "what is  LONG?\n"}, [2]),
    ({"wrote": "what is long"}, []),
    ({"wrote": "what is long?", "cause": "taste"}, []),
    ({"show": "normal"}, [1, 2, 3, 4, 5, 6]),
]


def test_a_filter_lets_exactly_these_through(filled):
    found = [(asked, listed(filled, **asked)) for asked, _ in CASES]
    assert found == CASES


def test_the_list_shows_the_decision_and_its_cause(filled):
    with filled.reading() as session:
        wanted = ComparisonFilter(show="adjudicated")
        rows = comparisons.page_of(session, project_of(session), wanted).rows
    assert {(row.decision, row.cause) for row in rows} == {("split", "taste"), ("tie", None)}


def test_pages_of_a_filtered_list_hold_each_comparison_once(filled):
    with filled.reading() as session:
        project = project_of(session)
        wanted = ComparisonFilter(annotator=LIN)
        pages = [
            comparisons.page_of(session, project, wanted, page=page, per_page=3) for page in (1, 2)
        ]
    assert [(page.total, page.pages) for page in pages] == [(4, 2), (4, 2)]
    assert sorted(numbers(pages[0]) + numbers(pages[1])) == [1, 2, 3, 4]


def test_what_was_judged_by_a_version_is_found_though_another_came_meanwhile(database):
    make_project(database, pairs=3, overlap=2, guideline="Be fair.")
    ada = add_annotator(database, "ada")
    first, second = lease(database, ada), None
    submit(database, ada, first, "A")
    second = lease(database, ada)
    with database.writing() as session:
        guidelines.publish(
            session, project_of(session), "Be kind.", by=None, now=NOON + timedelta(minutes=1)
        )
    # Taken before the new version and judged after it.
    submit(database, ada, second, "B", now=NOON + timedelta(minutes=2))
    third = lease(database, ada, now=NOON + timedelta(minutes=3))
    submit(database, ada, third, "B", now=NOON + timedelta(minutes=4))

    assert len(listed(database, version=1)) == 2
    assert len(listed(database, version=2)) == 1
    with pytest.raises(InvalidInput, match="no version 3"):
        listed(database, version=3)


def test_an_unknown_annotator_is_named(filled):
    with pytest.raises(InvalidInput, match="no annotator 'nobody'"):
        listed(filled, annotator="nobody")


def test_a_list_that_is_not_whole_says_so(filled, monkeypatch):
    with filled.reading() as session:
        project = project_of(session)
        # Three comparisons have the tag, and two were adjudicated.
        monkeypatch.setattr(comparison_search, "LOOK_AT", 2)
        cut = comparisons.page_of(session, project, ComparisonFilter(tag="code"))
        monkeypatch.setattr(comparison_search, "LOOK_AT", 3)
        whole = comparisons.page_of(session, project, ComparisonFilter(cause="taste"))
    assert cut.is_cut
    assert cut.total < 3
    assert (whole.is_cut, whole.total) == (False, 1)
