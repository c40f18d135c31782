import math
from collections.abc import Sequence

import pytest
from helpers.data import NOON, import_plain, make_project, project_of

from app.db import Database
from app.services import comparisons, leaderboards, statistics
from app.services.leaderboards import Board


def contest(number: int, sources: Sequence[str | None], *verdicts: int | str) -> dict[str, object]:
    """A comparison of two sources; the first annotator gave the first verdict."""
    responses = [
        {"text": f"{number} {place}", **({"source": source} if source else {})}
        for place, source in zip(("one", "two"), sources, strict=True)
    ]
    return {
        "prompt": f"Question {number}?",
        "completions": responses,
        "judgments": [{"annotator": f"w{i}", "verdict": v} for i, v in enumerate(verdicts)],
    }


def board_of(database: Database, records: list[dict[str, object]]) -> Board:
    make_project(database, pairs=0)
    if records:
        assert not import_plain(database, records).rejected
    with database.reading() as session:
        project_id = project_of(session).id
    return leaderboards.for_project(statistics.read(database, project_id, now=NOON))


def test_three_wins_to_one_are_a_difference_of_the_logarithm_of_three(database: Database) -> None:
    # The last one is stored the other way round.
    records = [contest(i, ("a", "b"), 1) for i in range(2)]
    records += [contest(2, ("b", "a"), 2), contest(3, ("b", "a"), 1)]

    board = board_of(database, records)

    first, second = board.rows
    assert (first.name, first.rating.rank, second.name, second.rating.rank) == ("a", 1, "b", 2)
    assert first.rating.strength.value == pytest.approx(math.log(3) / 2)
    assert second.rating.strength.value == pytest.approx(-math.log(3) / 2)
    # 400 points are odds of 10 to 1, so odds of 3 to 1 are 400 log10(3), half of it for each.
    assert first.arena.value == pytest.approx(1000 + 200 * math.log10(3))
    assert (first.rating.strength.n, board.judgments, board.ties.value) == (4, 4, 0)
    # Four prompts lie in at most four groups.
    assert first.rating.strength.reason == "too_few_for_interval"
    (pair,) = board.pairs
    assert (pair.name, pair.other, pair.observed.n) == ("a", "b", 4)
    assert pair.observed.value == pair.predicted.value == pytest.approx(0.75)
    assert pair.difference.value == pytest.approx(0, abs=1e-9)
    with database.reading() as session:
        found = comparisons.page_of(session, project_of(session), pair.wanted, page=1)
    assert found.total == 4


def test_both_bad_is_a_tie_and_a_tie_half_a_win_for_each(database: Database) -> None:
    board = board_of(
        database,
        [contest(0, ("a", "b"), 1, "tie"), contest(1, ("a", "b"), "both_bad", 2, 1, 1)],
    )
    # 3 wins, 1 loss and 2 ties: 4 to 2.
    assert board.rows[0].rating.strength.value == pytest.approx(math.log(2) / 2)
    assert (board.judgments, board.ties.n) == (6, 6)
    assert board.ties.value == pytest.approx(2 / 6)
    # Of 3 : 1 : 2 follows nu = 2 / sqrt(3), as the tie weighs nu times the geometric mean.
    assert board.nu is not None
    assert board.nu.value == pytest.approx(2 / math.sqrt(3))
    assert board.tie_rate is not None
    assert board.tie_rate.value == pytest.approx(2 / (2 * math.sqrt(3) + 2))


def test_a_source_that_never_lost_is_a_part_of_its_own(database: Database) -> None:
    board = board_of(
        database,
        [contest(0, ("a", "b"), 1), contest(1, ("b", "c"), 1), contest(2, ("b", None), 1, 2)],
    )
    assert board.reason == "not_connected"
    assert sorted(map(sorted, board.parts)) == [["a"], ["b", "unknown"], ["c"]]
    assert [row.rating.rank for row in board.rows] == [None] * 4
    assert board.pairs == []
    assert (board.nu, board.tie_rate) == (None, None)


def test_where_strengths_are_undefined_those_under_a_prior_are_provisional(
    database: Database,
) -> None:
    """One win: the mode under N(0, 1) solves 1 / (1 + e^(2 x)) = x."""
    board = board_of(database, [contest(0, ("a", "b"), 1)])
    assert board.reason == "not_connected"
    told = {row.name: row.provisional for row in board.rows}
    assert told["a"] is not None
    assert told["b"] is not None
    x = told["a"].value
    assert x is not None
    assert 1 / (1 + math.exp(2 * x)) == pytest.approx(x)
    assert told["b"].value == pytest.approx(-x)


def test_sources_that_go_round_are_counted_and_equally_strong(database: Database) -> None:
    board = board_of(
        database,
        [contest(0, ("a", "b"), 1), contest(1, ("b", "c"), 1), contest(2, ("c", "a"), 1)],
    )
    assert (board.cycles.value, board.cycles.n) == (1.0, 1)
    assert [row.rating.strength.value for row in board.rows] == pytest.approx([0, 0, 0])
    assert [row.rating.rank for row in board.rows] == [1, 1, 1]
    ((ab, bc, ca),) = board.rounds
    told = [(step.name, step.other, step.share, step.n) for step in (ab, bc, ca)]
    assert told == [("a", "b", 1, 1), ("b", "c", 1, 1), ("c", "a", 1, 1)]
    with database.reading() as session:
        found = comparisons.page_of(session, project_of(session), ca.wanted, page=1)
    assert found.total == 1


def test_with_enough_prompts_strengths_and_ranks_have_intervals(database: Database) -> None:
    records = [contest(i, ("a", "b"), 2 if i % 4 == 0 else 1) for i in range(120)]
    board = board_of(database, records)
    first = board.rows[0]
    strength = first.rating.strength
    assert strength.low is not None
    assert strength.high is not None
    assert strength.low < math.log(3) / 2 < strength.high
    assert (first.rating.rank_low, first.rating.rank_high) == (1, 1)
    # The interval of ln(odds) / 2 of 30 in 120: about 1.96 / 2 / sqrt(120 * 0.25 * 0.75) each way.
    assert (strength.high - strength.low) / 2 == pytest.approx(0.207, rel=0.35)


def test_ties_and_their_weight_have_intervals(database: Database) -> None:
    """120 prompts with one verdict each, in about 95 groups: nearly a binomial share."""
    verdicts: list[int | str] = [1, "tie", 2, 1]
    board = board_of(database, [contest(i, ("a", "b"), verdicts[i % 4]) for i in range(120)])
    assert board.ties.value == 0.25
    assert board.ties.low is not None
    assert board.ties.high is not None
    half = 1.96 * math.sqrt(0.25 * 0.75 / 120)
    assert (board.ties.high - board.ties.low) / 2 == pytest.approx(half, rel=0.25)
    # 60, 30 and 30: nu = 30 / sqrt(60 * 30).
    assert board.nu is not None
    assert board.tie_rate is not None
    assert board.nu.value == pytest.approx(1 / math.sqrt(2))
    assert board.nu.low is not None
    assert board.tie_rate.low == pytest.approx(board.nu.low / (2 + board.nu.low))
    assert board.tie_rate.n == 120


def test_all_ties_leave_equal_strengths_and_no_model_of_ties(database: Database) -> None:
    board = board_of(database, [contest(0, ("a", "b"), "tie", "tie")])
    assert [row.rating.strength.value for row in board.rows] == pytest.approx([0, 0])
    assert (board.ties.value, board.ties.low, board.ties.reason) == (1, None, "one_outcome")
    assert (board.nu, board.tie_rate) == (None, None)


def test_one_who_never_lost_but_tied_has_a_strength_and_no_model_of_ties(
    database: Database,
) -> None:
    board = board_of(database, [contest(0, ("a", "b"), 1, 1, "tie", "tie")])
    assert board.rows[0].rating.strength.value == pytest.approx(math.log(3) / 2)
    assert (board.nu, board.tie_rate) == (None, None)


def test_without_contests_there_is_nothing_to_rank(database: Database) -> None:
    same = contest(0, ("a", "a"), 1)
    board = board_of(database, [same])
    assert (board.rows, board.judgments, board.reason) == ([], 0, "no_contests")
