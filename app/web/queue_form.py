"""The form of a queue's policy: texts as an admin writes them, to a policy or to what is wrong.

A form that is refused goes back with every text as it was, so this keeps texts, not numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field

from app.errors import InvalidInput
from app.rules.policy_text import share
from app.rules.queue_policy import ONE_JUDGMENT, QueuePolicy

Entry = Annotated[str, Field(max_length=40)]
T = TypeVar("T")
MOST_TAGS = 200
LONGEST_TAG = 100


class PolicyForm(BaseModel):
    """What was written into each field."""

    overlap: Entry = ""
    overlap_share: Entry = ""
    overlap_by_tag: Annotated[str, Field(max_length=50_000)] = ""
    adaptive_max: Entry = ""
    adaptive_confidence: Entry = ""
    gold_share: Entry = ""
    repeat_share: Entry = ""
    repeat_after_hours: Entry = ""


def form_of(policy: QueuePolicy) -> PolicyForm:
    return PolicyForm(
        overlap=str(policy.overlap),
        overlap_share=share(policy.overlap_share),
        overlap_by_tag="\n".join(
            f"{tag} = {overlap}" for tag, overlap in sorted(policy.overlap_by_tag.items())
        ),
        adaptive_max="" if policy.adaptive_max is None else str(policy.adaptive_max),
        adaptive_confidence=share(policy.adaptive_confidence),
        gold_share=share(policy.gold_share),
        repeat_share=share(policy.repeat_share),
        repeat_after_hours=f"{policy.repeat_after_hours:g}",
    )


def read(form: PolicyForm) -> tuple[QueuePolicy | None, dict[str, str]]:
    """The policy, or None and a sentence for each field that is wrong. What is wrong with the
    fields together is under the empty name."""
    problems: dict[str, str] = {}

    def field(name: str, parse: Callable[[str], T]) -> T | None:
        try:
            return parse(getattr(form, name).strip())
        except InvalidInput as error:
            problems[name] = str(error)
            return None

    found: dict[str, Any] = {
        "overlap": field("overlap", _judgments),
        "overlap_share": field("overlap_share", _share),
        "overlap_by_tag": field("overlap_by_tag", _by_tag),
        "adaptive_max": field("adaptive_max", lambda text: _judgments(text) if text else None),
        "adaptive_confidence": field("adaptive_confidence", _confidence),
        "gold_share": field("gold_share", _share),
        "repeat_share": field("repeat_share", _share),
        "repeat_after_hours": field("repeat_after_hours", _hours),
    }
    if problems:
        return None, problems
    try:
        return QueuePolicy(**found), {}
    except InvalidInput as error:
        return None, {"": str(error)}


def _judgments(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1000):
        raise InvalidInput(f"“{text}” is no number of judgments; write 1 to 1000.")
    return int(text)


def _number(text: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidInput(f"“{text}” is no number of {what}; write one such as 12.5.")
    return number


def _share(text: str) -> float:
    percent = _number(text, "percent")
    if not 0 <= percent <= 100:
        raise InvalidInput(f"{text} % is no share; write 0 to 100.")
    return percent / 100


def _confidence(text: str) -> float:
    percent = _number(text, "percent")
    least = 100 * ONE_JUDGMENT
    if not least < percent < 100:
        raise InvalidInput(
            f"{text} % is no confidence; write more than {least:g}, which one judgment reaches, "
            "and less than 100."
        )
    return percent / 100


def _hours(text: str) -> float:
    hours = _number(text, "hours")
    if not 0 <= hours <= 100_000:
        raise InvalidInput(f"{text} hours is no wait; write 0 to 100000.")
    return hours


def _by_tag(text: str) -> dict[str, int]:
    """One `tag = judgments` a line."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        tag, sign, judgments = (part.strip() for part in line.rpartition("="))
        if not tag or not sign or "\x00" in tag or len(tag) > LONGEST_TAG:
            raise InvalidInput(
                f"Line {number} is “{line.strip()[:60]}”; write a tag, = and a number of judgments."
            )
        if tag in found:
            raise InvalidInput(f"The tag {tag} is there twice; leave one line of them.")
        try:
            found[tag] = _judgments(judgments)
        except InvalidInput as error:
            raise InvalidInput(f"Line {number}: {error}") from error
    if len(found) > MOST_TAGS:
        raise InvalidInput(f"{len(found)} tags are named; name at most {MOST_TAGS}.")
    return found
