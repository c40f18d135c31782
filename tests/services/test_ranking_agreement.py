"""Rankings of a project: which ones count, and what is measured of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from helpers.data import NOON, add_annotator, import_plain, make_project, project_of
from helpers.rankings import rank

from app.db import Database
from app.models.projects import Comparison
from app.rules.ranking_agreement import RankingReport
from app.services import full_tallies, queue, ranking_agreement


def make_threes(database: Database, comparisons: int) -> None:
    make_project(database, pairs=1)
    records = [
        {"prompt": f"Rank {i}?", "completions": [f"{name} {i}" for name in "abc"]}
        for i in range(comparisons)
    ]
    assert not import_plain(database, records).rejected
    for name in ("ada", "lin", "bo"):
        add_annotator(database, name)


def measured(database: Database) -> RankingReport | None:
    with database.writing() as session:
        project = project_of(session)
        full_tallies.rebuild(session, project, queue.policy_of(project))
    with database.reading() as session:
        found = ranking_agreement.for_project(session, project_of(session))
    assert found is None or not found.is_part
    return None if found is None else found.report


def test_a_project_without_rankings_has_no_report(database: Database) -> None:
    make_threes(database, 1)
    assert measured(database) is None


def test_rankings_are_measured_as_by_hand(database: Database) -> None:
    make_threes(database, 2)
    with database.writing() as session:
        rank(session, 0, "ada", "a b c")
        rank(session, 0, "lin", "b a c")
        rank(session, 1, "ada", "a=b c")
        rank(session, 1, "lin", "b c a")
        rank(session, 1, "bo", "b c a")
    found = measured(database)
    assert found is not None
    # On the first they agree on two of three pairs. On the second lin and bo agree on three,
    # and ada with each of them on b before c alone.
    assert found.pair_agreement.value == pytest.approx((2 / 3 + (1 + 1 / 3 + 1 / 3) / 3) / 2)
    # Without ties ada and each of the others have two pairs on the second, and agree on one.
    assert found.pair_agreement_no_ties.value == pytest.approx((2 / 3 + (3 + 1 + 1) / 7) / 2)
    # The first: sums of ranks 3, 3, 6 around 4, so 12 * 6 / (4 * 24). The second: ranks with ties
    # 1.5 1.5 3, sums 7.5 3.5 7 around 6, so 12 * 9.5 / (9 * 24 - 3 * 6).
    assert found.kendall_w.value == pytest.approx((72 / 96 + 114 / 198) / 2)
    # Ada's best on the second is b in one of two.
    assert found.top_choice.value == pytest.approx((0 + (1 + 1 / 2 + 1 / 2) / 3) / 2)
    assert found.pair_agreement.n == 2


def test_only_current_rankings_that_are_not_planted_count(database: Database) -> None:
    make_threes(database, 2)
    with database.writing() as session:
        rank(session, 0, "ada", "a b c")
        first = rank(session, 0, "lin", "c b a")
        rank(session, 0, "lin", "b a c", supersedes_id=first.id)
        rank(session, 0, "ada", "c b a", kind="repeat", received_at=NOON - timedelta(hours=1))
        gold = rank(session, 1, "ada", "a b c")
        rank(session, 1, "lin", "c b a")
        session.get_one(Comparison, gold.comparison_id).kind = "gold"
    found = measured(database)
    assert found is not None
    assert (found.pair_agreement.value, found.pair_agreement.n) == (pytest.approx(2 / 3), 1)


def test_intervals_resample_prompts(database: Database) -> None:
    """Of 20 prompts half have rankings that are alike, half have opposite ones."""
    make_threes(database, 20)
    with database.writing() as session:
        for number in range(20):
            rank(session, number, "ada", "a b c")
            rank(session, number, "lin", "a b c" if number % 2 else "c b a")
    found = measured(database)
    assert found is not None
    agreement = found.pair_agreement
    assert (agreement.value, agreement.n) == (pytest.approx(0.5), 20)
    assert agreement.low is not None
    assert agreement.high is not None
    # Twenty coins.
    assert agreement.high - agreement.low == pytest.approx(2 * 1.96 * 0.5 / 20**0.5, rel=0.15)


def test_of_very_many_comparisons_the_first_by_id_are_measured_and_it_is_said(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_threes(database, 4)
    agreed = {}
    with database.writing() as session:
        for number in range(4):
            given = rank(session, number, "ada", "a b c")
            rank(session, number, "lin", "a b c" if number % 2 else "c b a")
            agreed[given.comparison_id] = number % 2
    assert measured(database) is not None
    monkeypatch.setattr(ranking_agreement, "MOST_COMPARISONS", 3)

    with database.reading() as session:
        found = ranking_agreement.for_project(session, project_of(session))

    assert found is not None
    assert found.is_part
    first = [agreed[key] for key in sorted(agreed)[:3]]
    assert found.report.pair_agreement.n == 3
    assert found.report.pair_agreement.value == pytest.approx(sum(first) / 3)
