"""The beginning of a text, for lists, and of any value, for sentences about it."""

import reprlib

LONGEST = 160

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 60


def shown(value: object) -> str:
    """A value as Python writes it, with … in the place of what would make a sentence too long."""
    return _repr.repr(value).replace("...", "…")


def excerpt(text: str) -> str:
    """In one line of at most LONGEST characters, with … where something was left out."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
