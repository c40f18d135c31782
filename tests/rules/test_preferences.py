from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.preferences import aggregate, preference_pairs

A, B, C = (UUID(int=i) for i in (1, 2, 3))


def test_a_preferred_completion_beats_every_other() -> None:
    assert preference_pairs([A, B, C], B, None) == [(B, A), (B, C)]


def test_a_ranking_gives_every_pair_of_different_groups() -> None:
    assert preference_pairs([A, B, C], None, [[B], [A, C]]) == [(B, A), (B, C)]
    assert preference_pairs([A, B, C], None, [[C], [A], [B]]) == [(C, A), (C, B), (A, B)]


def test_a_tie_gives_no_pair() -> None:
    assert preference_pairs([A, B], None, None) == []


def test_two_votes_against_one_by_hand() -> None:
    # (2 + 0 / 2 + 1) / (3 + 2) = 0.6; one of three pairs of annotators agrees.
    found = aggregate(2, 1, 0)

    assert found.first_probability == pytest.approx(0.6)
    assert found.agreement == pytest.approx(1 / 3)


def test_a_tie_counts_half_for_each_side() -> None:
    assert aggregate(1, 0, 1).first_probability == pytest.approx((1 + 0.5 + 1) / 4)


def test_no_votes_have_no_aggregate() -> None:
    with pytest.raises(ValueError, match="without votes"):
        aggregate(0, 0, 0)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_swapping_the_completions_mirrors_the_probability(a: int, b: int, ties: int) -> None:
    if a + b + ties == 0:
        return
    found, swapped = aggregate(a, b, ties), aggregate(b, a, ties)

    assert found.first_probability == pytest.approx(1 - swapped.first_probability)
    assert found.agreement == swapped.agreement
    assert (found.first_probability > 0.5) == (a > b)
