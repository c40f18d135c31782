"""The triage queue: its order, what is not in it, and that it looks at no more than it has to."""

import pytest
from helpers.adjudicating import add_reviewer, decide, find_comparison, numbers
from helpers.data import import_plain, make_project, pair, project_of
from sqlalchemy import select, update

from app.models.accounts import Annotator
from app.models.judgments import Judgment
from app.services import triage


def import_votes(database, votes, **extra):
    """One comparison for each tuple of verdicts, numbered from 1."""
    records = [
        pair(
            number,
            judgments=[{"annotator": f"w{i}", "verdict": v, **extra} for i, v in enumerate(given)],
        )
        for number, given in enumerate(votes, start=1)
    ]
    import_plain(database, records)


def queue(database, reviewer, **options):
    with database.reading() as session:
        return triage.page_of(session, project_of(session), reviewer, **options)


@pytest.fixture
def vera(database) -> Annotator:
    make_project(database, pairs=0)
    return add_reviewer(database)


def test_the_more_even_and_the_more_disputed_come_first(database, vera):
    import_votes(database, [(1, 1), (1, 1, 2), (1, 2), (1, 1, 1, 2)])
    page = queue(database, vera)
    assert numbers(page) == [3, 2, 4]
    assert [row.votes for row in page.rows] == [[1, 1], [2, 1], [3, 1]]
    assert page.rows[0].gain == 1
    assert [row.seconds for row in page.rows] == [None, None, None]
    mean = (1 + 0 + 1 / 3 + 1 / 2) / 4
    first = 1 - mean / 2
    assert page.rows[1].gain == pytest.approx(0.96 * (1 - (1 + mean) / 4) / first)
    assert page.rows[2].gain == pytest.approx(4 * (4 / 6) * (2 / 6) * (1 - (3 + mean) / 7) / first)


def test_of_equal_splits_the_quicker_one_comes_first(database, vera):
    import_votes(database, [(1, 2), (1, 2)])
    with database.writing() as session:
        for number, seconds in ((1, 40), (2, 10)):
            session.execute(
                update(Judgment)
                .where(Judgment.comparison_id == find_comparison(session, number))
                .values(active_ms=1000 * seconds)
            )
    page = queue(database, vera)
    assert numbers(page) == [2, 1]
    # The mean time is 25 s, which counts as one more judgment of each.
    assert [row.seconds for row in page.rows] == [pytest.approx(15), pytest.approx(35)]
    assert page.rows[1].gain == pytest.approx(15 / 35)


def test_what_is_decided_or_was_judged_by_the_reviewer_is_not_in_their_queue(database, vera):
    import_votes(database, [(1, 2), (1, 2), (1, 2)])
    with database.reading() as session:
        keys = [find_comparison(session, n) for n in (1, 2, 3)]
        judge = session.get(Annotator, _annotator_id(session, keys[0]))
    decide(database, vera, keys[0], "split")
    page = queue(database, vera)
    assert sorted(numbers(page)) == [2, 3]
    assert (page.contested, page.undecided) == (3, 2)
    assert queue(database, judge).rows == []


def _annotator_id(session, comparison):
    return session.scalars(
        select(Judgment.annotator_id).where(Judgment.comparison_id == comparison)
    ).first()


def test_a_tag_is_found_exactly_wherever_it_stands(database, vera):
    tags = [["short"], ["long", "short"], ['x"short', "shorter"], ['a "short" b'], ["kürzer"]]
    records = [
        pair(
            n,
            tags=given,
            judgments=[{"annotator": "a", "verdict": 1}, {"annotator": "b", "verdict": 2}],
        )
        for n, given in enumerate(tags, start=1)
    ]
    import_plain(database, records)
    assert sorted(numbers(queue(database, vera, tag="short"))) == [1, 2]
    assert numbers(queue(database, vera, tag="kürzer")) == [5]
    assert numbers(queue(database, vera, tag='x"short')) == [3]
    assert numbers(queue(database, vera, tag="nothing")) == []


def test_a_comparison_of_three_comes_last_and_without_a_gain(database, vera):
    three = {"prompt": "Which of three?", "completions": ["one", "two", "three"]}
    votes = [{"annotator": "a", "verdict": 1}, {"annotator": "b", "verdict": 3}]
    import_votes(database, [(1, 1, 1, 2)])
    import_plain(database, [{**three, "judgments": votes}])
    page = queue(database, vera)
    assert [row.gain for row in page.rows] == [1, None]
    assert page.rows[1].excerpt == "Which of three?"


def test_pages_hold_each_comparison_once_in_one_order(database, vera):
    import_votes(database, [(1, 2)] * 3 + [(1, 1, 2)] * 4)
    whole = numbers(queue(database, vera))
    parts = [numbers(queue(database, vera, page=page, per_page=3)) for page in (1, 2, 3)]
    assert [number for part in parts for number in part] == whole
    assert set(whole[:3]) == {1, 2, 3}


def test_the_queue_is_cut_at_its_window_and_says_so(database, vera, monkeypatch):
    import_votes(database, [(1, 1, 2)] * 4 + [(1, 2)] * 3)
    monkeypatch.setattr(triage, "WINDOW", 4)
    page = queue(database, vera)
    assert (page.total, page.is_cut) == (4, True)
    assert {5, 6, 7} < set(numbers(page))


def test_the_next_one_is_among_the_best_and_differs_between_reviewers(database, vera):
    import_votes(database, [(1, 2)] * 8 + [(1, 1, 1, 2)] * 3)
    reviewers = [add_reviewer(database, f"reviewer {n}") for n in range(6)]
    with database.reading() as session:
        project = project_of(session)
        best = {find_comparison(session, n) for n in range(1, 9)}
        given = [triage.next_for(session, project, reviewer) for reviewer in reviewers]
        again = [triage.next_for(session, project, reviewer) for reviewer in reviewers]
    assert given == again
    assert set(given) <= best
    assert len(set(given)) > 1


def test_an_empty_queue_has_no_next_one(database, vera):
    with database.reading() as session:
        assert triage.next_for(session, project_of(session), vera) is None
    assert queue(database, vera).rows == []
