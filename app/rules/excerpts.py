"""The beginning of a text, for lists."""

LONGEST = 160


def excerpt(text: str) -> str:
    """In one line of at most LONGEST characters, with … where something was left out."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
