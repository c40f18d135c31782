"""A policy in words."""

import pytest

from app.rules.policy_text import sentences, share
from app.rules.queue_policy import QueuePolicy


def test_a_simple_policy_is_two_sentences() -> None:
    assert sentences(QueuePolicy()) == [
        "Every comparison is judged by 1 annotator.",
        "No gold and no repeats are planted.",
    ]


def test_each_part_of_a_policy_is_said() -> None:
    policy = QueuePolicy(
        overlap=3, overlap_share=0.4, overlap_by_tag={"b": 1, "a": 5}, adaptive_max=6,
        gold_share=0.07, repeat_share=0.025, repeat_after_hours=0.5,
    )  # fmt: skip

    assert sentences(policy) == [
        "40 % of the comparisons, drawn at random, are judged by 3 annotators, the others by 1.",
        "Those with the tag a are judged by 5 annotators.",
        "Those with the tag b are judged by 1 annotator.",
        "Judging ends sooner where one response is the better one with a probability of 95 % or "
        "more, and goes on, up to 6 annotators, where they disagree.",
        "7 % of an annotator’s work are comparisons with a known answer.",
        "2.5 % are comparisons that they judged at least 0.5 hours before.",
    ]


@pytest.mark.parametrize(("value", "text"), [(0.07, "7"), (1.0, "100"), (0.29, "29"), (0, "0")])
def test_a_share_has_no_digits_that_say_nothing(value: float, text: str) -> None:
    assert share(value) == text
