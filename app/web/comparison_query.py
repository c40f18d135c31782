"""A list's filter in the query of its address: read from it, written to it, and told in words."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import BaseModel, Field

from app.errors import InvalidInput
from app.models.accounts import AnnotatorKind
from app.rules.tallies import LABELS
from app.services.candidates import LONGEST
from app.services.comparison_filters import SHOWN, ComparisonFilter
from app.services.comparison_search import LOOK_AT
from app.services.habit_filters import HABITS
from app.services.judgment_filters import ANY, CHOICES, KINDS, TIMES, VERDICTS
from app.services.text_filters import FAST, MARKDOWN
from app.web.comparison_words import CAUSES, OUTCOMES, STRENGTHS, chips_of

__all__ = [
    "CAUSES",
    "LOOK_AT",
    "OUTCOMES",
    "STRENGTHS",
    "TIMES",
    "FilterQuery",
    "asking",
    "chips",
    "entries",
    "read",
    "write",
]

Entry = Annotated[str, Field(max_length=300)]
SHOWS = ("all", *SHOWN)
YES = "yes"


class FilterQuery(BaseModel):
    """What stands in the address; what is empty asks for nothing."""

    show: Entry = "all"
    tag: Entry = ""
    source: Entry | None = None
    against: Entry | None = None
    written_by: Entry | None = None
    mixed: Entry = ""
    size: Entry = ""
    overlap: Entry = ""
    strength: Entry = ""
    version: Entry = ""
    week: Entry = ""
    day: Entry = ""
    kind: Entry = ""
    first_two: Entry = ""
    verdict: Entry = ""
    given: Entry = ""
    reason: Entry = ""
    chose: Entry = ""
    layout: Entry = ""
    time: Entry = ""
    annotators: Entry = ""
    annotator: Entry = ""
    other: Entry = ""
    labels: Entry = ""
    habit: Entry = ""
    differs: Entry = ""
    outcome: Entry = ""
    cause: Entry = ""
    wrote: Annotated[str, Field(max_length=LONGEST)] = ""
    usable: Entry = ""
    counts: Entry = ""
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1


def read(query: FilterQuery) -> ComparisonFilter:
    """Raises InvalidInput with one sentence for the first field that cannot be read."""
    has_sources = query.source is not None or query.against is not None
    if query.other and not query.annotator:
        raise InvalidInput("The filter names another annotator and no first one; name both.")
    if query.labels and not query.other:
        raise InvalidInput("The filter names labels of two annotators; name the two as well.")
    if query.differs and not query.annotator:
        raise InvalidInput("The filter differs is about an annotator and names none; name one.")
    if query.habit and not query.annotator:
        raise InvalidInput("The filter habit is about an annotator and names none; name one.")
    return ComparisonFilter(
        show=_one_of("show", query.show, SHOWS),
        tag=query.tag.strip(),
        sources=(query.source or "", query.against or "") if has_sources else None,
        written_by=query.written_by,
        mixed=_one_of("mixed", query.mixed, ("", YES)) == YES,
        size=_number("size", query.size),
        overlap=_number("overlap", query.overlap),
        strength=_among("strength", query.strength, (1, 2, 3)),
        version=_version(query.version),
        week=_monday(query.week),
        day=_day("day", query.day),
        kind=_one_of("kind", query.kind, ("", *KINDS)),
        first_two=_one_of("first_two", query.first_two, ("", YES)) == YES,
        verdict=_verdicts(query.verdict),
        given=_among("given", query.given, (0, 1, 2, 3)),
        reason=query.reason,
        chose=_one_of("chose", query.chose, ("", *CHOICES, *MARKDOWN)),
        layout=query.layout.strip(),
        time=_one_of("time", query.time, ("", *TIMES, FAST)),
        annotators=_one_of("annotators", query.annotators, ("", *AnnotatorKind)),
        annotator=query.annotator.strip(),
        other=query.other.strip(),
        labels=_labels(query.labels),
        habit=_one_of("habit", query.habit, ("", *HABITS)),
        differs=_one_of("differs", query.differs, ("", YES)) == YES,
        outcome=_one_of("outcome", query.outcome, ("", *OUTCOMES)),
        cause=_one_of("cause", query.cause, ("", *CAUSES)),
        wrote=query.wrote.strip(),
        usable=_one_of("usable", query.usable, ("", YES)) == YES,
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
        elif isinstance(value, bool):
            found[field.name] = YES
        else:
            found[field.name] = "none" if (field.name, value) == ("version", 0) else str(value)
    return found


def write(wanted: ComparisonFilter, **changes: Any) -> str:
    """The same as a query."""
    return urlencode(entries(wanted, **changes))


def asking(**asked: Any) -> str:
    """The query of a filter that asks for nothing but this."""
    return write(ComparisonFilter(**asked))


def chips(wanted: ComparisonFilter) -> list[tuple[str, str]]:
    """What is asked for beside `show`, each in words and with the query that asks for the rest."""
    unasked = {field.name: field.default for field in fields(wanted)}
    return [
        (text, write(wanted, **{name: unasked[name] for name in names}))
        for text, names in chips_of(wanted)
    ]


def _number(name: str, text: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text):
        raise InvalidInput(f"The filter {name} is {text[:60]!r}; expected a number such as 2.")
    return int(text)


def _among(name: str, text: str, allowed: tuple[int, ...]) -> int | None:
    return int(_one_of(name, text, tuple(map(str, allowed)))) if text else None


def _verdicts(text: str) -> tuple[str, ...]:
    return tuple(_one_of("verdict", one, tuple(VERDICTS)) for one in text.split(",") if one)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        *some, last = [one for one in allowed if one]
        expected = f"{', '.join(some)} or {last}" if some else last
        raise InvalidInput(f"The filter {name} is {value[:60]!r}; expected {expected}.")
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
    found = _day("week", text)
    return None if found is None else date.fromordinal(found.toordinal() - found.weekday())


def _day(name: str, text: str) -> date | None:
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
        if not 1970 <= found.year <= 9000:
            raise ValueError(text)
    except ValueError as error:
        raise InvalidInput(
            f"The filter {name} is {text[:60]!r}; expected a day or a week such as 2026-W19."
        ) from error
    return found


def _labels(text: str) -> tuple[str, str] | None:
    if not text:
        return None
    given = text.split(",")
    if len(given) != 2 or not set(given) <= {*LABELS, ANY}:
        raise InvalidInput(
            f"The filter labels is {text[:60]!r}; expected two of {', '.join(LABELS)} and {ANY} "
            "with a comma between."
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
