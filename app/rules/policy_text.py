"""A queue's policy in sentences, for pages and the command line."""

from app.rules.queue_policy import QueuePolicy


def sentences(policy: QueuePolicy) -> list[str]:
    """What the policy does, one thing a sentence."""
    return [*_overlap(policy), *_adaptive(policy), *_planted(policy)]


def share(value: float) -> str:
    """A share in percent, without digits that say nothing."""
    return f"{100 * value:.6g}"


def _annotators(number: int) -> str:
    return f"{number} annotator{'' if number == 1 else 's'}"


def _overlap(policy: QueuePolicy) -> list[str]:
    if policy.overlap_share == 1:
        said = [f"Every comparison is judged by {_annotators(policy.overlap)}."]
    else:
        said = [
            f"{share(policy.overlap_share)} % of the comparisons, drawn at random, are judged by "
            f"{_annotators(policy.overlap)}, the others by 1."
        ]
    return said + [
        f"Those with the tag {tag} are judged by {_annotators(overlap)}."
        for tag, overlap in sorted(policy.overlap_by_tag.items())
    ]


def _adaptive(policy: QueuePolicy) -> list[str]:
    if policy.adaptive_max is None:
        return []
    return [
        "Judging ends sooner where one response is the better one with a probability of "
        f"{share(policy.adaptive_confidence)} % or more, and goes on, up to "
        f"{_annotators(policy.adaptive_max)}, where they disagree."
    ]


def _planted(policy: QueuePolicy) -> list[str]:
    said = []
    if policy.gold_share:
        said.append(
            f"{share(policy.gold_share)} % of an annotator’s work are comparisons with a known "
            "answer."
        )
    if policy.repeat_share:
        said.append(
            f"{share(policy.repeat_share)} % are comparisons that they judged at least "
            f"{policy.repeat_after_hours:g} hours before."
        )
    return said or ["No gold and no repeats are planted."]
