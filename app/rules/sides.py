"""Which completion is shown on which side."""

import hashlib
import random
import re
from collections.abc import Sequence
from string import ascii_uppercase
from uuid import UUID

from app.errors import InvalidInput

MOST_SIDES = len(ascii_uppercase)
PLACE = re.compile("[1-9][0-9]?")


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


def ranking_of_places(places: Sequence[str]) -> list[list[str]]:
    """The ranking of sides A, B, … that these places give: the lowest is the best, equal ones tie.

    Raises InvalidInput where one is no whole number from 1 to 99.
    """
    if len(places) > MOST_SIDES:
        raise InvalidInput(
            f"{len(places)} places were given; at most {MOST_SIDES} responses are shown."
        )
    groups: dict[int, list[str]] = {}
    for i, place in enumerate(places):
        if not PLACE.fullmatch(place):
            raise InvalidInput(
                f"Response {side_label(i)} has no place; give every response a number, 1 for the "
                "best and equal ones for a tie."
            )
        groups.setdefault(int(place), []).append(side_label(i))
    return [groups[place] for place in sorted(groups)]


def completions_ranked(ranking: Sequence[Sequence[str]], order: Sequence[UUID]) -> list[list[UUID]]:
    """The ranking of sides (best group first, a group of several is a tie) as one of completions.

    Those of a tie are in the order of their ids, so that equal rankings are equal whatever was
    shown where. Raises InvalidInput unless there are more than two sides, each named exactly once.
    """
    sides = {side_label(i): completion for i, completion in enumerate(order)}
    named = [side for group in ranking for side in group]
    once = f"Name each of {', '.join(sides)} once, the best first, ties in one list."
    if len(sides) <= 2:
        raise InvalidInput(
            "This comparison shows two responses, which a ranking is not for; send the verdict A, "
            "B, tie or both_bad instead."
        )
    for side in named:
        if side not in sides:
            raise InvalidInput(f"The ranking names side {side!r}, which was not shown. {once}")
        if named.count(side) > 1:
            raise InvalidInput(f"The ranking names side {side} more than once. {once}")
    for side in sides:
        if side not in named:
            raise InvalidInput(f"The ranking leaves out side {side}. {once}")
    if not all(ranking):
        raise InvalidInput(f"The ranking has an empty list. {once}")
    return [sorted(sides[side] for side in group) for group in ranking]
