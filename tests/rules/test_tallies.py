"""What a comparison's judgments add to the kept sums."""

from collections import Counter
from datetime import date, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.rules.tallies import CREDIT, Vote, change, contribution

MONDAY = date(2026, 5, 4)


def vote(annotator: int, says: int | str = 0, *, day: int = 0, kind: str = "normal", side=None):
    position = says if isinstance(says, int) else None
    return Vote(
        annotator_id=UUID(int=annotator),
        day=MONDAY + timedelta(days=day),
        kind=kind,
        verdict="preferred" if position is not None else says,
        choice=position,
        preferred_position=position,
        side=side,
    )


votes_of_some = st.lists(
    st.builds(
        vote,
        st.integers(1, 5),
        st.sampled_from([0, 1, "tie", "both_bad"]),
        day=st.integers(0, 2),
        kind=st.sampled_from(["normal", "repeat"]),
        side=st.sampled_from([None, 0, 1]),
    ),
    max_size=6,
)


def test_three_votes_on_two_completions_add_up_by_hand() -> None:
    votes = [vote(1, 0, side=0), vote(2, 0, day=1, side=1), vote(3, "tie")]

    found = contribution(votes, gold=False, size=2)

    assert (found.votes, found.judged, found.contested) == ((2, 0, 1, 0), 3, True)
    ada, bo, cy = (found.days[UUID(int=i), MONDAY + timedelta(days=i == 2)] for i in (1, 2, 3))
    # Ada agrees with one of the two others: a credit of one half.
    assert ada == Counter(
        judged=1, counted=1, preferred=1, sided=1, first_side=1, shared=1, credit=CREDIT // 2
    )
    assert (bo["first_side"], bo["credit"]) == (0, CREDIT // 2)
    assert (cy["tie"], cy["sided"], cy["credit"]) == (1, 0, 0)


def test_of_three_completions_no_verdict_is_for_the_left_or_the_right() -> None:
    found = contribution([vote(1, 2, side=0), vote(2, 0, side=2)], gold=False, size=3)
    for number in (1, 2):
        sums = found.days[UUID(int=number), MONDAY]
        assert (sums["preferred"], sums["sided"], sums["first_side"]) == (1, 0, 0)


def test_a_single_vote_is_shared_with_nobody() -> None:
    found = contribution([vote(1, 1)], gold=False, size=2)
    assert (found.votes, found.contested) == ((0, 1, 0, 0), False)
    assert found.days[UUID(int=1), MONDAY]["shared"] == 0


def test_repeats_and_gold_are_work_done_and_nothing_else() -> None:
    repeat = contribution([vote(1), vote(1, 1, kind="repeat", day=1)], gold=False, size=2)
    gold = contribution([vote(1, kind="gold"), vote(2, 1, kind="gold")], gold=True, size=2)

    assert (repeat.votes, repeat.judged, repeat.contested) == ((1, 0, 0, 0), 1, False)
    assert repeat.days[UUID(int=1), MONDAY + timedelta(days=1)] == Counter(judged=1)
    assert (gold.votes, gold.judged, gold.contested) == ((0, 0, 0, 0), 2, False)
    assert set(gold.days.values().__iter__().__next__()) == {"judged"}


def test_more_than_two_completions_have_no_label_counts_but_agree_or_not() -> None:
    found = contribution([vote(1, 2), vote(2, 2), vote(3, 0)], gold=False, size=3)
    assert (found.votes, found.contested) == ((0, 0, 0, 0), True)
    assert found.days[UUID(int=1), MONDAY]["credit"] == CREDIT // 2


@given(votes_of_some, votes_of_some)
def test_the_change_leads_from_one_state_to_the_other_and_back(before, after) -> None:
    old, new = (contribution(votes, gold=False, size=2) for votes in (before, after))
    forward, back = change(old, new), change(new, old)

    for key in old.days.keys() | new.days.keys():
        reached = Counter(old.days.get(key, Counter()))
        reached.update(forward.get(key, Counter()))
        assert +reached == +new.days.get(key, Counter())
        reached.update(back.get(key, Counter()))
        assert +reached == +old.days.get(key, Counter())
    assert change(old, old) == {}


@given(votes_of_some)
def test_the_order_in_which_judgments_come_does_not_matter(votes) -> None:
    forward, back = (contribution(v, gold=False, size=2) for v in (votes, votes[::-1]))
    assert forward == back
