"""How many judgments a comparison gets, and what is planted."""

from collections import Counter
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from app.errors import InvalidInput
from app.rules.queue_policy import (
    QueuePolicy,
    first_target,
    order_in_block,
    planned_kind,
    posterior,
    read_policy,
    refuse_hasty,
    target_after,
    write_policy,
)

SPACE = UUID(int=7)
IDS = [uuid5(SPACE, str(i)) for i in range(4000)]
counts = st.integers(0, 12)


def test_its_own_overlap_comes_before_its_tags_and_these_before_the_project() -> None:
    policy = QueuePolicy(overlap=2, overlap_by_tag={"hard": 5, "safety": 7})
    comparison = IDS[0]

    assert first_target(policy, comparison, ["easy"], None) == 2
    assert first_target(policy, comparison, ["hard", "safety"], None) == 7
    assert first_target(policy, comparison, ["hard"], 3) == 3


def test_a_share_of_the_overlap_is_drawn_once_and_about_so_large() -> None:
    policy = QueuePolicy(overlap=3, overlap_share=0.2)

    drawn = [first_target(policy, comparison, [], None) for comparison in IDS]

    assert drawn == [first_target(policy, comparison, [], None) for comparison in IDS]
    assert set(drawn) == {1, 3}
    # 4000 draws with p = 0.2: the standard deviation of the count is 25.3.
    assert abs(drawn.count(3) - 800) < 4 * 25.3


def test_a_larger_share_keeps_those_drawn_before() -> None:
    some, more = (QueuePolicy(overlap=2, overlap_share=share) for share in (0.1, 0.3))

    assert all(
        first_target(more, comparison, [], None) == 2
        for comparison in IDS
        if first_target(some, comparison, [], None) == 2
    )


@given(counts, counts, counts)
def test_the_posterior_is_that_of_a_beta_with_ties_counting_half(a: int, b: int, t: int) -> None:
    larger, smaller = max(a, b) + t / 2, min(a, b) + t / 2
    assert posterior((a, b, t, 0)) == pytest.approx(beta.sf(0.5, larger + 1, smaller + 1))
    assert posterior((a, b, 0, t)) == posterior((b, a, t, 0)) >= 0.5 - 1e-12


@pytest.mark.parametrize(
    ("votes", "target"),
    [
        ((0, 0, 0, 0), 3),
        ((1, 0, 0, 0), 3),  # P = 0.75: goes on to the overlap
        ((2, 0, 0, 0), 3),  # 0.875
        ((3, 0, 0, 0), 3),  # 0.9375 and unanimous: as planned
        ((0, 0, 3, 0), 3),  # all say tie
        ((2, 1, 0, 0), 4),  # they disagree: one more
        ((3, 1, 0, 0), 5),
        ((2, 2, 0, 0), 5),
        ((2, 2, 1, 0), 5),  # the maximum
        ((1, 0, 1, 1), 4),
    ],
)
def test_conflict_asks_one_more_up_to_the_maximum(votes, target: int) -> None:
    policy = QueuePolicy(overlap=3, adaptive_max=5)
    assert target_after(policy, 3, sum(votes), votes) == target


def test_conflict_about_more_than_two_completions_asks_one_more_too() -> None:
    policy, untold = QueuePolicy(overlap=2, adaptive_max=4), (0, 0, 0, 0)
    found = [
        target_after(policy, 2, judged, untold, contested=contested)
        for judged, contested in ((1, False), (2, False), (2, True), (3, True), (4, True))
    ]
    assert found == [2, 2, 3, 4, 4]


def test_a_clear_posterior_stops_early() -> None:
    eager = QueuePolicy(overlap=5, adaptive_max=7, adaptive_confidence=0.85)
    strict = QueuePolicy(overlap=5, adaptive_max=7)

    assert target_after(eager, 5, 2, (2, 0, 0, 0)) == 2
    assert target_after(strict, 5, 2, (2, 0, 0, 0)) == 5
    # 4 to 0 is the first unanimous count that reaches 0.95: 1 - 1/2^5 = 0.96875.
    assert target_after(strict, 5, 3, (3, 0, 0, 0)) == 5
    assert target_after(strict, 5, 4, (0, 4, 0, 0)) == 4


@given(st.tuples(counts, counts, counts, counts), st.integers(1, 6))
def test_without_adaptive_overlap_nothing_moves_the_target(votes, overlap: int) -> None:
    assert target_after(QueuePolicy(overlap=overlap), overlap, sum(votes), votes) == overlap


@given(st.tuples(counts, counts, counts, counts), st.integers(1, 6), st.integers(0, 4))
def test_the_adaptive_target_never_passes_its_maximum(votes, overlap: int, more: int) -> None:
    policy = QueuePolicy(overlap=overlap, adaptive_max=overlap + more)
    judged = sum(votes)
    target = target_after(policy, overlap, judged, votes)
    assert 1 <= target <= max(overlap + more, judged)
    assert target <= judged + 1 or target <= overlap


def test_the_plan_keeps_its_shares_and_differs_between_annotators() -> None:
    policy = QueuePolicy(gold_share=0.1, repeat_share=0.05)

    plans = [
        [planned_kind(policy, SPACE, annotator, n) for n in range(4000)] for annotator in IDS[:2]
    ]

    assert plans[0] != plans[1]
    for plan in plans:
        found = Counter(plan)
        assert abs(found["gold"] - 400) < 4 * 19
        assert abs(found["repeat"] - 200) < 4 * 13.8


def test_each_annotator_has_an_order_of_their_own_in_a_block() -> None:
    block = IDS[:32]
    orders = {
        tuple(sorted(block, key=lambda c, a=annotator: order_in_block(a, c)))
        for annotator in IDS[100:150]
    }
    assert len(orders) == 50


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"overlap": 0}, "Overlap is 0"),
        ({"overlap_by_tag": {"hard": 0}}, "hard is 0"),
        ({"overlap_share": 1.1}, "overlap_share is 1.1"),
        ({"gold_share": 0.4, "repeat_share": 0.2}, "60% of the work"),
        ({"overlap": 3, "adaptive_max": 2}, "adaptive maximum is 2"),
        ({"adaptive_confidence": 0.5}, "confidence is 0.5"),
        ({"repeat_after_hours": -1}, "after -1 hours"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(fields, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        QueuePolicy(**fields)


def test_an_adaptive_policy_by_which_one_judgment_decides_is_refused_and_read_all_the_same() -> (
    None
):
    one, two, undecided = (1, 0, 0, 0), (2, 0, 0, 0), (0, 0, 1, 0)
    hasty = QueuePolicy(overlap=3, adaptive_max=5, adaptive_confidence=0.75)
    # By hand: 1 - 1/2^2 after one verdict; a tie leaves both sides equal.
    assert target_after(hasty, 3, 1, one) == 1
    assert target_after(hasty, 3, 1, undecided) == 3
    with pytest.raises(InvalidInput, match=r"0\.75, which one judgment reaches"):
        refuse_hasty(hasty)
    assert read_policy(3, write_policy(hasty)) == hasty

    slower = QueuePolicy(overlap=3, adaptive_max=5, adaptive_confidence=0.751)
    assert [target_after(slower, 3, sum(votes), votes) for votes in (one, two)] == [3, 2]
    refuse_hasty(slower)
    # Where nothing is adaptive it decides nothing.
    refuse_hasty(QueuePolicy(overlap=3, adaptive_confidence=0.6))


def test_a_policy_is_read_as_it_was_written() -> None:
    policy = QueuePolicy(overlap=2, overlap_by_tag={"a": 3}, adaptive_max=4, gold_share=0.1)
    assert read_policy(2, write_policy(policy)) == policy
    assert read_policy(4, {}) == QueuePolicy(overlap=4)
