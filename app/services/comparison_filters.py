"""What all comparisons of a list have in common: a filter, and what it asks of a comparison."""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from app.models.accounts import Annotator
from app.models.adjudications import Adjudication
from app.models.judgments import Flag, Judgment
from app.models.projects import (
    Comparison,
    ComparisonCompletion,
    Completion,
    GuidelineVersion,
    Prompt,
)
from app.rules.tallies import LABELS
from app.rules.triage import LabelCounts
from app.services.adjudications import is_current as is_current_adjudication

LABEL_COUNTS = ("n_first", "n_second", "n_tie", "n_both_bad")
WEEK = timedelta(days=7)
UNCLEAR = "unclear"
"""The cause of adjudications that name none."""


@dataclass(frozen=True, kw_only=True)
class ComparisonFilter:
    """What all comparisons of a list have in common; an empty field asks for nothing."""

    show: str = "all"
    """`all`, `judged`, `open`, `contested`, `gold`, `flagged`, `adjudicated`, or `unadjudicated`
    (contested and not adjudicated)."""
    tag: str = ""
    sources: tuple[str, str] | None = None
    """The sources of two of its responses, in any order; an empty one is an unknown source."""
    version: int | None = None
    """Somebody judged it by this version of the guideline, 0 by none; with a cause: the newest
    version that anybody judged it by."""
    week: date | None = None
    """Somebody judged it in the week (UTC) that begins on this Monday."""
    strength: int | None = None
    """The mean strength of its verdicts, rounded."""
    annotator: str = ""
    """Name of somebody who judged it."""
    other: str = ""
    """Name of somebody else who judged it, and said something else unless `labels` are given."""
    labels: tuple[str, str] | None = None
    """What `annotator` and `other` said: two of `first`, `second`, `tie`, `both_bad`."""
    outcome: str = ""
    """Of its adjudication."""
    cause: str = ""
    """That its adjudication names, or `unclear`."""
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
    """A condition on Comparison and Prompt. A tag is looked for as it is written in the stored
    JSON list, with what stands before it, so that nothing inside another tag is taken for it."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    place = func.instr if is_sqlite else func.strpos
    written = json.dumps(tag)
    return or_(
        *(
            place(cast(tags, Text), f"{before}{written}") > 0
            for tags in (Comparison.tags, Prompt.tags)
            for before in ("[", " ")
        )
    )


def conditions(
    session: Session,
    wanted: ComparisonFilter,
    people: list[Annotator],
    version: GuidelineVersion | None,
) -> list[ColumnElement[bool]]:
    """What a comparison has to be, one condition for each field that asks for something."""
    found = [SHOWN[wanted.show]()] if wanted.show != "all" else []
    key = version.id if version else None
    if wanted.tag:
        found.append(has_tag(session, wanted.tag))
    if wanted.sources is not None:
        found.append(_has_sources(*wanted.sources))
    if wanted.version is not None and not wanted.cause:
        found.append(_judged(*under(wanted, version)))
    if wanted.week is not None:
        found.append(_judged(*within(wanted)))
    if wanted.strength is not None:
        found.append(_mean_strength() == wanted.strength)
    if wanted.outcome:
        found.append(adjudicated(Adjudication.outcome == wanted.outcome))
    if wanted.cause:
        named = None if wanted.cause == UNCLEAR else wanted.cause
        followed = [Adjudication.guideline_version_id == key] if wanted.version is not None else []
        found.append(adjudicated(Adjudication.cause == named, *followed))
    if wanted.counts is not None:
        columns = (getattr(Comparison, name) for name in LABEL_COUNTS)
        found += [column == n for column, n in zip(columns, wanted.counts, strict=True)]
    if len(people) == 1:
        found.append(_judged(Judgment.annotator_id == people[0].id))
    if len(people) == 2:
        found.append(_said(people[0], people[1], wanted.labels))
    return found


def under(wanted: ComparisonFilter, version: GuidelineVersion | None) -> list[ColumnElement[bool]]:
    """Judgments under the version that a filter asks for."""
    if wanted.version is None:
        return []
    return [Judgment.guideline_version_id == (version.id if version else None)]


def within(wanted: ComparisonFilter) -> list[ColumnElement[bool]]:
    """Judgments of the week that it asks for."""
    if wanted.week is None:
        return []
    start = datetime.combine(wanted.week, time(), UTC)
    return [Judgment.received_at >= start, Judgment.received_at < start + WEEK]


def _counting(judgment: Any) -> list[ColumnElement[bool]]:
    """Of a comparison: the judgments that agreement is made of."""
    later = aliased(Judgment)
    return [
        judgment.comparison_id == Comparison.id,
        judgment.kind == "normal",
        ~exists().where(later.supersedes_id == judgment.id),
    ]


def _judged(*which: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(*_counting(Judgment), *which)


def _mean_strength() -> ColumnElement[int | None]:
    """Rounded, half a step up, in whole numbers."""
    total, n = func.sum(Judgment.strength), func.count()
    mean: ColumnElement[int | None] = (2 * total + n) // (2 * n)
    return (
        select(mean)
        .where(*_counting(Judgment), Judgment.strength.is_not(None))
        .correlate(Comparison)
        .scalar_subquery()
    )


def _has_sources(source: str, other: str) -> ColumnElement[bool]:
    """Whether two of its responses are of these sources."""
    one, two = aliased(ComparisonCompletion), aliased(ComparisonCompletion)
    text_one, text_two = aliased(Completion), aliased(Completion)
    return exists().where(
        one.comparison_id == Comparison.id,
        two.comparison_id == Comparison.id,
        one.position != two.position,
        text_one.id == one.completion_id,
        text_two.id == two.completion_id,
        func.coalesce(text_one.source, "") == source,
        func.coalesce(text_two.source, "") == other,
    )


def _said(
    annotator: Annotator, other: Annotator, labels: tuple[str, str] | None
) -> ColumnElement[bool]:
    """Whether the two said these labels of it, or without labels different things."""
    one, two = aliased(Judgment), aliased(Judgment)
    both = [
        *_counting(one),
        *_counting(two),
        one.annotator_id == annotator.id,
        two.annotator_id == other.id,
    ]
    if labels is not None:
        return exists().where(*both, _says(one, labels[0]), _says(two, labels[1]))
    same = and_(
        one.verdict == two.verdict,
        one.preferred_id.is_not_distinct_from(two.preferred_id),
    )
    return exists().where(*both, ~same)


def _says(judgment: Any, label: str) -> ColumnElement[bool]:
    if label in ("tie", "both_bad"):
        verdict: ColumnElement[bool] = judgment.verdict == label
        return verdict
    return exists().where(
        ComparisonCompletion.comparison_id == judgment.comparison_id,
        ComparisonCompletion.completion_id == judgment.preferred_id,
        ComparisonCompletion.position == LABELS.index(label),
    )


def adjudicated(*which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a comparison has a current adjudication (such a one)."""
    return exists().where(
        Adjudication.comparison_id == Comparison.id, is_current_adjudication(), *which
    )


SHOWN: dict[str, Callable[[], ColumnElement[bool]]] = {
    "judged": lambda: Comparison.judged > 0,
    "open": lambda: Comparison.open_slots > 0,
    "contested": lambda: Comparison.contested.is_(True),
    "gold": lambda: Comparison.kind == "gold",
    "flagged": lambda: exists().where(Flag.comparison_id == Comparison.id),
    "adjudicated": adjudicated,
    "unadjudicated": lambda: and_(Comparison.contested.is_(True), ~adjudicated()),
}
