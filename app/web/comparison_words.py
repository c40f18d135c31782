"""What a filter of comparisons asks for, in words."""

from __future__ import annotations

from collections.abc import Callable

from app.models.adjudications import Cause, Outcome
from app.rules.annotator_sums import TIME_LIMITS
from app.rules.excerpts import excerpt
from app.services.comparison_filters import UNCLEAR, ComparisonFilter
from app.services.judgment_filters import ANY, TIMES
from app.services.text_filters import FAST

STRENGTHS = {1: "slightly", 2: "clearly", 3: "much"}
SAID = {
    "first": "prefers 1", "second": "prefers 2", "tie": "tie", "both_bad": "both bad", ANY: "any",
}  # fmt: skip
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
KINDS = {
    "any": "judgments of any kind",
    "counted": "judgments that count for agreement",
    "planted": "known answers and repeats",
    "gold": "known answers",
    "gold_right": "known answers, right",
    "gold_wrong": "known answers, wrong",
    "repeat": "judged again",
    "repeat_swapped": "judged again, sides swapped",
    "repeat_kept": "judged again, sides as before",
    "repeat_same": "judged again, the same verdict",
    "repeat_other": "judged again, another verdict",
}
VERDICTS = {
    "preferred": "one is better",
    "graded": "one is better, with a strength",
    "first": "prefers 1",
    "second": "prefers 2",
    "tie": "tie",
    "both_bad": "both bad",
    "ranking": "ranking",
}
CHOICES = {
    "seen": "sides known",
    "a_or_b": "chose one of two known sides",
    "a": "chose the left or first",
    "longer_or_shorter": "chose between a longer and a shorter one",
    "longer": "chose the longer one",
    "markdown_or_plain": "chose between Markdown and plain text",
    "markdown": "chose Markdown",
}


HABITS = {
    "in_triples": "all of three responses compared",
    "in_circles": "goes round in a circle",
    "timed": "of the latest whose time is known",
    "unusual_time": "unusual time",
    "unusually_fast": "unusually fast",
}


def chips_of(wanted: ComparisonFilter) -> list[tuple[str, tuple[str, ...]]]:
    """What is asked for beside `show`, each in words and with the fields that ask for it."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for name, text in TEXTS.items():
        value = getattr(wanted, name)
        if value != ComparisonFilter.__dataclass_fields__[name].default:
            found.append((text(wanted), (name,)))
    if wanted.other:
        found.append((_of_two(wanted), ("annotator", "other", "labels", "differs", "habit")))
    elif wanted.annotator:
        by = "skipped" if wanted.show == "skipped" else "judged"
        found.append((f"{by} by {wanted.annotator}", ("annotator", "differs", "habit")))
    return found


TEXTS: dict[str, Callable[[ComparisonFilter], str]] = {
    "tag": lambda wanted: f"tag {wanted.tag}",
    "sources": lambda wanted: " against ".join(map(_source, wanted.sources or ())),
    "written_by": lambda wanted: f"a response of {_source(wanted.written_by or '')}",
    "mixed": lambda wanted: "different sources",
    "size": lambda wanted: f"{wanted.size} responses",
    "overlap": lambda wanted: (
        "with a judgment that counts"
        if wanted.overlap == 1
        else f"{wanted.overlap} such judgments or more"
    ),
    "strength": lambda wanted: f"{STRENGTHS[wanted.strength or 1]} better on average",
    "version": lambda wanted: f"guideline {wanted.version}" if wanted.version else "no guideline",
    "week": lambda wanted: f"week of {wanted.week}",
    "day": lambda wanted: f"{wanted.day}",
    "kind": lambda wanted: KINDS[wanted.kind],
    "first_two": lambda wanted: "among the first two of a comparison",
    "verdict": lambda wanted: " or ".join(VERDICTS[verdict] for verdict in wanted.verdict),
    "given": lambda wanted: (
        f"{STRENGTHS[wanted.given]} better" if wanted.given else "no strength given"
    ),
    "reason": lambda wanted: f"reason: {wanted.reason}",
    "chose": lambda wanted: CHOICES[wanted.chose],
    "layout": lambda wanted: wanted.layout.replace("_", " "),
    "time": lambda wanted: _time(wanted.time),
    "outcome": lambda wanted: f"decided: {OUTCOMES[wanted.outcome]}",
    "cause": lambda wanted: f"cause: {CAUSES[wanted.cause]}",
    "wrote": lambda wanted: f"reason: “{excerpt(wanted.wrote)}”",
    "annotators": lambda wanted: f"annotators: {wanted.annotators}",
    "habit": lambda wanted: HABITS[wanted.habit],
    "usable": lambda wanted: "one response ahead",
    "counts": lambda wanted: f"votes {' : '.join(map(str, wanted.counts or ()))}",
    "differs": lambda wanted: f"somebody differs from {wanted.annotator}",
}


def _source(name: str) -> str:
    return name or "unknown"


def _time(name: str) -> str:
    if name == FAST:
        return "faster than reading"
    if name == "known":
        return "time known"
    place = TIMES.index(name) - 1
    if place == len(TIME_LIMITS):
        return f"more than about {TIME_LIMITS[-1]} s"
    return f"about {name} to {TIME_LIMITS[place]} s"


def _of_two(wanted: ComparisonFilter) -> str:
    one, other = wanted.annotator, wanted.other
    if wanted.labels is None:
        return f"{one} and {other} differ"
    if wanted.labels == (ANY, ANY):
        return f"judged by {one} and {other}"
    said = zip((one, other), wanted.labels, strict=True)
    return " and ".join(f"{name}: {SAID[label]}" for name, label in said)
