"""A list's filter in the query of its address: read from it, written to it, and told in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import BaseModel, Field

from app.errors import InvalidInput
from app.models.adjudications import Cause, Outcome
from app.rules.tallies import LABELS
from app.services.comparison_filters import SHOWN, UNCLEAR, ComparisonFilter
from app.services.comparison_search import LOOK_AT

__all__ = [
    "CAUSES",
    "LOOK_AT",
    "OUTCOMES",
    "STRENGTHS",
    "FilterQuery",
    "chips",
    "entries",
    "read",
    "write",
]

Entry = Annotated[str, Field(max_length=300)]
SHOWS = ("all", *SHOWN)
STRENGTHS = {1: "slightly", 2: "clearly", 3: "much"}
SAID = {"first": "prefers 1", "second": "prefers 2", "tie": "tie", "both_bad": "both bad"}
OUTCOMES: dict[str, str] = {
    Outcome.PREFERRED: "one is better",
    Outcome.TIE: "tie",
    Outcome.BOTH_BAD: "both bad",
    Outcome.SPLIT: "fairly split",
}
CAUSES: dict[str, str] = {
    Cause.TASTE: "taste",
    Cause.UNDERSPECIFIED: "underspecified prompt",
    Cause.FACTUAL: "factual",
    Cause.SAFETY: "safety",
    Cause.SLIP: "slip",
    UNCLEAR: "not clear",
}


class FilterQuery(BaseModel):
    """What stands in the address; what is empty asks for nothing."""

    show: Entry = "all"
    tag: Entry = ""
    source: Entry | None = None
    against: Entry | None = None
    version: Entry = ""
    week: Entry = ""
    strength: Entry = ""
    annotator: Entry = ""
    other: Entry = ""
    labels: Entry = ""
    outcome: Entry = ""
    cause: Entry = ""
    counts: Entry = ""
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1


def read(query: FilterQuery) -> ComparisonFilter:
    """Raises InvalidInput with one sentence for the first field that cannot be read."""
    has_sources = query.source is not None or query.against is not None
    if query.other and not query.annotator:
        raise InvalidInput("The filter names another annotator and no first one; name both.")
    if query.labels and not query.other:
        raise InvalidInput("The filter names labels of two annotators; name the two as well.")
    return ComparisonFilter(
        show=_one_of("show", query.show, SHOWS),
        tag=query.tag.strip(),
        sources=(query.source or "", query.against or "") if has_sources else None,
        version=_version(query.version),
        week=_monday(query.week),
        strength=int(_one_of("strength", query.strength, ("1", "2", "3")))
        if query.strength
        else None,
        annotator=query.annotator.strip(),
        other=query.other.strip(),
        labels=_labels(query.labels),
        outcome=_one_of("outcome", query.outcome, tuple(OUTCOMES)) if query.outcome else "",
        cause=_one_of("cause", query.cause, tuple(CAUSES)) if query.cause else "",
        counts=_counts(query.counts),
    )


def entries(wanted: ComparisonFilter, **changes: Any) -> dict[str, str]:
    """What the address of the filter's list holds, with some fields changed; `show` comes first."""
    wanted = replace(wanted, **changes)
    found = {"show": wanted.show}
    for field in fields(wanted):
        value = getattr(wanted, field.name)
        if field.name == "show" or value == field.default:
            continue
        if field.name == "sources":
            found["source"], found["against"] = value
        elif isinstance(value, tuple):
            found[field.name] = ("-" if field.name == "counts" else ",").join(map(str, value))
        else:
            found[field.name] = "none" if value == 0 else str(value)
    return found


def write(wanted: ComparisonFilter, **changes: Any) -> str:
    """The same as a query."""
    return urlencode(entries(wanted, **changes))


def chips(wanted: ComparisonFilter) -> list[tuple[str, str]]:
    """What is asked for beside `show`, each in words and with the query that asks for the rest."""
    names = {field.name for field in fields(wanted) if getattr(wanted, field.name) != field.default}
    texts: dict[str, Callable[[], str]] = {
        "tag": lambda: f"tag {wanted.tag}",
        "sources": lambda: " against ".join(name or "unknown" for name in wanted.sources or ()),
        "version": lambda: f"guideline {wanted.version}" if wanted.version else "no guideline",
        "week": lambda: f"week of {wanted.week}",
        "strength": lambda: f"{STRENGTHS[wanted.strength or 1]} better on average",
        "outcome": lambda: f"decided: {OUTCOMES[wanted.outcome]}",
        "cause": lambda: f"cause: {CAUSES[wanted.cause]}",
        "counts": lambda: f"votes {' : '.join(map(str, wanted.counts or ()))}",
    }
    found = [
        (text(), write(wanted, **{name: ComparisonFilter.__dataclass_fields__[name].default}))
        for name, text in texts.items()
        if name in names
    ]
    if wanted.other:
        said = (
            " and ".join(
                f"{name}: {SAID[label]}"
                for name, label in zip((wanted.annotator, wanted.other), wanted.labels, strict=True)
            )
            if wanted.labels
            else f"{wanted.annotator} and {wanted.other} differ"
        )
        found.append((said, write(wanted, annotator="", other="", labels=None)))
    elif wanted.annotator:
        found.append((f"judged by {wanted.annotator}", write(wanted, annotator="")))
    return found


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise InvalidInput(
            f"The filter {name} is {value[:60]!r}; expected {', '.join(allowed[:-1])} or "
            f"{allowed[-1]}."
        )
    return value


def _version(text: str) -> int | None:
    if not text:
        return None
    if text == "none":
        return 0
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise InvalidInput(
            f"The filter version is {text[:60]!r}; expected the number of a guideline's version, "
            "or none."
        )
    return int(text)


def _monday(text: str) -> date | None:
    """The Monday of a week, which is given by it, or as a year and week such as 2026-W19."""
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
        if not 1970 <= found.year <= 9000:
            raise ValueError(text)
    except ValueError as error:
        raise InvalidInput(
            f"The filter week is {text[:60]!r}; expected a day or a week such as 2026-W19."
        ) from error
    return date.fromordinal(found.toordinal() - found.weekday())


def _labels(text: str) -> tuple[str, str] | None:
    if not text:
        return None
    given = text.split(",")
    if len(given) != 2 or not set(given) <= set(LABELS):
        raise InvalidInput(
            f"The filter labels is {text[:60]!r}; expected two of {', '.join(LABELS)} with a comma "
            "between."
        )
    return given[0], given[1]


def _counts(text: str) -> tuple[int, int, int, int] | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,4}(-[0-9]{1,4}){3}", text):
        raise InvalidInput(
            f"The filter counts is {text[:60]!r}; expected how often first, second, tie and both "
            "bad were given, such as 2-1-0-0."
        )
    first, second, tie, both_bad = (int(n) for n in text.split("-"))
    return first, second, tie, both_bad
