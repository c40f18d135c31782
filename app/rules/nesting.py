"""How deeply JSON may be nested: what walks through it may run out of stack."""

from __future__ import annotations

from collections.abc import Iterable

DEEPEST = 32
"""Lists and objects within each other."""

Nested = dict[str, object] | list[object]


def is_too_deep(value: object) -> bool:
    """Whether a value made from JSON has more than DEEPEST levels."""
    level = _nested([value])
    for _ in range(DEEPEST):
        if not level:
            return False
        level = [
            inner
            for outer in level
            for inner in _nested(outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def _nested(values: Iterable[object]) -> list[Nested]:
    """Those that hold others."""
    return [value for value in values if isinstance(value, dict | list)]
