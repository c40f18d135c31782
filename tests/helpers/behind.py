"""Links from numbers to the comparisons behind them, read from a page's HTML."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

CELLS = {"td", "th", "p", "li", "dd", "svg", "figure"}
"""What holds one number and what is said of it."""


@dataclass
class Link:
    href: str
    label: str | None
    """What is read out for it instead of its text."""
    text: str = ""
    after: str = ""
    """What follows it in its cell."""

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.href).query, keep_blank_values=True))

    @property
    def says(self) -> str:
        """What it tells, without the name of it that stands before a colon."""
        return (self.text if self.label is None else self.label).rpartition(": ")[2].strip()

    @property
    def count(self) -> int | None:
        """The number that it is, with or without what is counted. What is followed by an n, or by
        digits after a point, is no count."""
        found = re.match(r"(?:n (?:= )?)?([0-9][0-9,]*)(?= [a-z]|$)", self.says)
        is_n = self.says.startswith("n ")
        return _whole(found[1]) if found and (is_n or self.n is None) else None

    @property
    def n(self) -> int | None:
        """What is counted in a figure that is no count."""
        found = re.search(r"\bn (?:= )?([0-9][0-9,]*)", f"{self.says} {self.after}")
        return _whole(found[1]) if found else None

    @property
    def share(self) -> float | None:
        found = re.match(r"([0-9.]+)\s+%", self.says)
        return float(found[1]) / 100 if found else None


def _whole(text: str) -> int:
    return int(text.replace(",", ""))


@dataclass
class _Cell:
    tag: str
    links: list[Link] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[Link] = []
        self.cells: list[_Cell] = []
        self.open: Link | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        # What tags part are two words.
        self.handle_data(" ")
        if tag in CELLS:
            self.cells.append(_Cell(tag))
        if tag == "a" and "/comparisons?" in (given.get("href") or ""):
            self.open = Link(given["href"] or "", given.get("aria-label"))
            self.links.append(self.open)
            if self.cells:
                self.cells[-1].links.append(self.open)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self.open = None
        if self.cells and tag == self.cells[-1].tag:
            self.cells.pop()

    def handle_data(self, data: str) -> None:
        if self.open is not None:
            self.open.text += data
        for link in self.cells[-1].links if self.cells else ():
            if link is not self.open:
                link.after += data


def links_to_comparisons(html: str) -> list[Link]:
    reader = _Reader()
    reader.feed(html)
    return reader.links
