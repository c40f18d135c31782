"""Which completion is shown on which side."""

import hashlib
import random
from collections.abc import Sequence
from string import ascii_uppercase
from uuid import UUID

from app.errors import InvalidInput


def shown_order(
    comparison: UUID, annotator: UUID, completions: Sequence[UUID], *, repeat: int = 0
) -> list[UUID]:
    """A shuffle that is fair over comparisons, annotators and repeats, and stable for each."""
    again = repeat.to_bytes(4, "big") if repeat else b""
    seed = hashlib.sha256(comparison.bytes + annotator.bytes + again).digest()
    order = list(completions)
    random.Random(seed).shuffle(order)  # noqa: S311 - fairness, not secrecy
    return order


def side_label(index: int) -> str:
    return ascii_uppercase[index]


def completion_on_side(label: str, order: Sequence[UUID]) -> UUID:
    """The completion shown on side A, B, …

    Raises InvalidInput for a side that was not shown.
    """
    sides = {side_label(i): completion for i, completion in enumerate(order)}
    if label not in sides:
        raise InvalidInput(
            f"The verdict names side {label!r}, but the sides shown were {', '.join(sides)}. "
            "Choose one of them, tie or both_bad."
        )
    return sides[label]
