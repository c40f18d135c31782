"""Reads a plain file of verdicts: a JSON object a line with `a`, `b` and `verdict`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.errors import InvalidInput
from app.rules.bootstrap import SEED
from app.rules.bradley_terry import Contests
from prefloop.judgment_file import json_object, numbered_lines

EXPECTED = '{"a": …, "b": …, "verdict": "a", "b" or "tie"}'
VERDICTS = ("a", "b", "tie")
MOST_GROUPS = 1024
"""More prompts, or more verdicts without prompts, are resampled in so many random groups."""
Name = str | int


@dataclass(frozen=True, kw_only=True)
class VerdictFile:
    contests: Contests
    names: list[Name]
    """In order of first appearance."""
    resampled: str
    """What the groups are: `prompts`, `verdicts`, or `groups_of_` these."""


def read_verdicts(path: Path) -> VerdictFile:
    """Raises InvalidInput for a file or a line that cannot be read. A row without a prompt is a
    unit of its own."""
    names: dict[Name, int] = {}
    units: dict[Any, int] = {}
    cells: dict[tuple[int, int, int], list[int]] = {}
    with_prompt = 0
    for number, line in numbered_lines(path):
        try:
            row = json_object(line, EXPECTED)
            a, b = (_name(row, key) for key in ("a", "b"))
            place = _verdict(row)
            if a == b:
                raise InvalidInput(f"compares {a!r} with itself; such a row says nothing.")
        except InvalidInput as error:
            raise InvalidInput(f"{path}, line {number}: {error}") from error
        first, second = (names.setdefault(name, len(names)) for name in (a, b))
        prompt = row.get("prompt")
        with_prompt += prompt is not None
        key = ("line", number) if prompt is None else ("prompt", repr(prompt))
        unit = units.setdefault(key, len(units))
        cells.setdefault((first, second, unit), [0, 0, 0])[place] += 1
    group = _groups(len(units))
    keys = np.array(list(cells), dtype=np.int64).reshape(-1, 3)
    kind = "prompts" if with_prompt else "verdicts"
    return VerdictFile(
        contests=Contests(
            first=keys[:, 0],
            second=keys[:, 1],
            groups=group[keys[:, 2]],
            wins=np.array(list(cells.values()), dtype=np.int64).reshape(-1, 3),
            n_sources=len(names),
        ),
        names=list(names),
        resampled=kind if len(units) <= MOST_GROUPS else f"groups_of_{kind}",
    )


def _name(row: dict[str, Any], key: str) -> Name:
    if key not in row:
        raise InvalidInput(f"has no {key!r}; expected {EXPECTED}.")
    value = row[key]
    if type(value) is not str and type(value) is not int:
        raise InvalidInput(f"{key} is {value!r}; expected a name or a whole number.")
    return value


def _verdict(row: dict[str, Any]) -> int:
    if "verdict" not in row:
        raise InvalidInput(f"has no 'verdict'; expected {EXPECTED}.")
    value = row["verdict"]
    if not isinstance(value, str) or value not in VERDICTS:
        raise InvalidInput(f"verdict is {value!r}; expected 'a', 'b' or 'tie'.")
    return VERDICTS.index(value)


def _groups(units: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The group of each unit: itself, or one of MOST_GROUPS of nearly equal size, at random."""
    group = np.arange(units)
    if units > MOST_GROUPS:
        group = np.random.default_rng(SEED).permutation(group) % MOST_GROUPS
    return group
