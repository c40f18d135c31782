"""What all comparisons of a list have in common: a filter, and what it asks of a comparison.

What it asks of the judgments is in `judgment_filters.py`, what of its texts in `text_filters.py`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, exists, func, or_
from sqlalchemy.orm import Session, aliased

from app.models.adjudications import Adjudication
from app.models.judgments import Assignment, AssignmentState, Flag, Skip
from app.models.projects import (
    Comparison,
    ComparisonCompletion,
    Completion,
    GuidelineVersion,
    Prompt,
)
from app.rules.triage import LabelCounts
from app.services.adjudications import is_current as is_current_adjudication

LABEL_COUNTS = ("n_first", "n_second", "n_tie", "n_both_bad")
UNCLEAR = "unclear"
"""The cause of adjudications that name none."""


@dataclass(frozen=True, kw_only=True)
class ComparisonFilter:
    """What all comparisons of a list have in common; an empty field asks for nothing.

    The fields from `version` to `time` are about one judgment, which has all of them. With an
    annotator it is theirs, with two each has such a one. Without one, `overlap` and `contested` are
    about such judgments alone: those of a week, say.
    """

    show: str = "all"
    """`all`, or one of SHOWN."""
    tag: str = ""
    sources: tuple[str, str] | None = None
    """The sources of two of its responses, in any order; an empty one is an unknown source."""
    written_by: str | None = None
    """One of its responses is from this source; empty is an unknown one."""
    mixed: bool = False
    """Its responses are from different sources."""
    size: int | None = None
    """How many responses it compares."""
    overlap: int | None = None
    """So many judgments or more count, of which agreement is made."""
    strength: int | None = None
    """The mean strength of its verdicts, rounded."""
    version: int | None = None
    """Judged by this version of the guideline, 0 by none; with a cause: the newest version that
    anybody judged it by."""
    week: date | None = None
    """Judged in the week (UTC) that begins on this Monday."""
    day: date | None = None
    """Judged on this day (UTC)."""
    kind: str = ""
    """One of `judgment_filters.KINDS`: `counted` is what agreement is made of."""
    first_two: bool = False
    """Among the first two of its comparison that count, which is all that agreement is made of
    where the queue is or was adaptive."""
    verdict: tuple[str, ...] = ()
    """One of these `judgment_filters.VERDICTS`."""
    given: int | None = None
    """A preference of this strength, 0 for one without."""
    reason: str = ""
    """With this reason code."""
    chose: str = ""
    """One of `judgment_filters.CHOICES` or `text_filters.MARKDOWN`."""
    layout: str = ""
    time: str = ""
    """Of `judgment_filters.TIMES`, or `text_filters.FAST`."""
    annotators: str = ""
    """Given by an annotator of this kind."""
    annotator: str = ""
    """Name of somebody who judged it."""
    other: str = ""
    """Name of somebody else who judged it, and said something else unless `labels` are given."""
    labels: tuple[str, str] | None = None
    """What `annotator` and `other` said: two of `first`, `second`, `tie`, `both_bad`, `any`."""
    habit: str = ""
    """Judged by `annotator` in one of `habit_filters.HABITS`."""
    differs: bool = False
    """Somebody else said something else than `annotator`."""
    outcome: str = ""
    """Of its adjudication."""
    cause: str = ""
    """That its adjudication names, or `unclear`."""
    wrote: str = ""
    """A judgment of it that counts, or its adjudication, gives this reason in words, but for spaces
    and capitals."""
    usable: bool = False
    """More judgments prefer one of its two responses than the other."""
    counts: LabelCounts | None = None
    """How often each label was given, where annotators disagree."""

    @property
    def is_plain(self) -> bool:
        """Whether nothing but `show` is asked for."""
        return all(
            getattr(self, field.name) == field.default
            for field in fields(self)
            if field.name != "show"
        )


def has_tag(session: Session, tag: str) -> ColumnElement[bool]:
    """A condition on Comparison and Prompt."""
    return or_(holds(session, Comparison.tags, tag), holds(session, Prompt.tags, tag))


def holds(session: Session, texts: Any, text: str) -> ColumnElement[bool]:
    """Whether a column's JSON list holds a text, which is looked for as it is written there, with
    what stands before it, so that nothing inside another text is taken for it."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    place = func.instr if is_sqlite else func.strpos
    written = json.dumps(text)
    return or_(*(place(cast(texts, Text), f"{before}{written}") > 0 for before in ("[", " ")))


def conditions(
    session: Session, wanted: ComparisonFilter, version: GuidelineVersion | None
) -> list[ColumnElement[bool]]:
    """What a comparison has to be whoever judged it how, one condition for each field that asks
    for something."""
    found = [SHOWN[wanted.show]()] if wanted.show in SHOWN else []
    if wanted.tag:
        found.append(has_tag(session, wanted.tag))
    if wanted.sources is not None:
        found.append(_has_sources(*wanted.sources))
    if wanted.written_by is not None:
        found.append(_is_from(wanted.written_by))
    if wanted.mixed:
        found.append(_is_mixed())
    if wanted.size is not None:
        found.append(Comparison.size == wanted.size)
    if wanted.usable:
        found += [Comparison.kind == "normal", Comparison.n_first != Comparison.n_second]
    if wanted.outcome:
        found.append(adjudicated(Adjudication.outcome == wanted.outcome))
    if wanted.cause:
        key = version.id if version else None
        named = None if wanted.cause == UNCLEAR else wanted.cause
        followed = [Adjudication.guideline_version_id == key] if wanted.version is not None else []
        found.append(adjudicated(Adjudication.cause == named, *followed))
    if wanted.counts is not None:
        columns = (getattr(Comparison, name) for name in LABEL_COUNTS)
        found += [column == n for column, n in zip(columns, wanted.counts, strict=True)]
    return found


def _has_sources(source: str, other: str) -> ColumnElement[bool]:
    """Whether two of its responses are of these sources."""
    return _two_sources(
        lambda one, two: and_(
            func.coalesce(one.source, "") == source, func.coalesce(two.source, "") == other
        )
    )


def _is_mixed() -> ColumnElement[bool]:
    return _two_sources(lambda one, two: one.source.is_distinct_from(two.source))


def _two_sources(condition: Callable[[Any, Any], ColumnElement[bool]]) -> ColumnElement[bool]:
    """Whether two of its responses meet the condition, in this order."""
    one, two = aliased(ComparisonCompletion), aliased(ComparisonCompletion)
    text_one, text_two = aliased(Completion), aliased(Completion)
    return exists().where(
        one.comparison_id == Comparison.id,
        two.comparison_id == Comparison.id,
        one.position != two.position,
        text_one.id == one.completion_id,
        text_two.id == two.completion_id,
        condition(text_one, text_two),
    )


def _is_from(source: str) -> ColumnElement[bool]:
    return exists().where(
        ComparisonCompletion.comparison_id == Comparison.id,
        Completion.id == ComparisonCompletion.completion_id,
        func.coalesce(Completion.source, "") == source,
    )


def adjudicated(*which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a comparison has a current adjudication (such a one)."""
    return exists().where(
        Adjudication.comparison_id == Comparison.id, is_current_adjudication(), *which
    )


def _finished() -> ColumnElement[bool]:
    """It wants no further judgment, and nobody has one on lease."""
    is_leased = exists().where(
        Assignment.comparison_id == Comparison.id,
        Assignment.state == AssignmentState.LEASED,
        Assignment.kind == "normal",
    )
    return and_(Comparison.kind == "normal", Comparison.open_slots == 0, ~is_leased)


SHOWN: dict[str, Callable[[], ColumnElement[bool]]] = {
    "judged": lambda: Comparison.judged > 0,
    "open": lambda: Comparison.open_slots > 0,
    "contested": lambda: Comparison.contested.is_(True),
    "gold": lambda: Comparison.kind == "gold",
    "normal": lambda: Comparison.kind == "normal",
    "finished": _finished,
    "flagged": lambda: exists().where(Flag.comparison_id == Comparison.id),
    "skipped": lambda: exists().where(Skip.comparison_id == Comparison.id),
    "adjudicated": adjudicated,
    "unadjudicated": lambda: and_(Comparison.contested.is_(True), ~adjudicated()),
}
"""Lists by name. `normal` are those without a known answer, `unadjudicated` those that are
contested and wait for a decision. `skipped` is, with an annotator, what they skipped."""
