"""Which comparisons a list holds: filters, and how they are found without reading a whole project.

One filter drives: an index leads to at most LOOK_AT rows, and the other filters are asked of these
alone. Where the index has more, the list says that it is not whole.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    cast,
    column,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.orm import Session, aliased

from app.errors import InvalidInput
from app.models.accounts import Annotator
from app.models.adjudications import Adjudication
from app.models.judgments import Flag, Judgment
from app.models.projects import (
    Comparison,
    ComparisonCompletion,
    Completion,
    GuidelineVersion,
    Project,
    Prompt,
)
from app.models.tallies import AnnotatorDay
from app.rules.tallies import LABELS
from app.rules.triage import LabelCounts
from app.services.adjudications import is_current as is_current_adjudication

T = TypeVar("T")
INDEXED: dict[str, tuple[str, str | None]] = {
    "all": ("ix_comparisons_project", None),
    "open": ("ix_comparisons_queue", "open_slots > 0"),
    "judged": ("ix_comparisons_judged", "judged > 0"),
    "contested": ("ix_comparisons_contested", "contested"),
    "gold": ("ix_comparisons_gold", "kind = 'gold'"),
}
"""Lists with an index of their own, and its condition in the words of `models/projects.py`: a
database reads a partial index only where a query says the same."""
SPLIT = ("ix_comparisons_split", "contested")
"""Contested comparisons by how often each label was given."""
LABEL_COUNTS = ("n_first", "n_second", "n_tie", "n_both_bad")
LOOK_AT = 10_000
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


@dataclass(frozen=True)
class Found:
    ids: list[UUID]
    is_cut: bool
    """Whether LOOK_AT rows were looked at and there may be more."""


def find(session: Session, project: Project, wanted: ComparisonFilter) -> Found:
    """All comparisons that a filter lets through, as far as LOOK_AT reaches. Raises InvalidInput
    where it names an annotator or a version that is not there."""
    people = [_annotator(session, name) for name in (wanted.annotator, wanted.other) if name]
    version = _version(session, project, wanted.version)
    driver = _driver(session, project, wanted, people, version)
    rows = driver.query.limit(LOOK_AT).subquery()
    passes = and_(true(), *_conditions(session, wanted, people, version))
    places = (rows.c.place, rows.c.comparison_id)
    looked_at = session.execute(
        select(rows.c.comparison_id, passes)
        .select_from(rows)
        .join(Comparison, Comparison.id == rows.c.comparison_id)
        .join(Prompt, Prompt.id == Comparison.prompt_id)
        .order_by(*(places if driver.oldest_first else [place.desc() for place in places]))
    ).all()
    ids = list(dict.fromkeys(comparison for comparison, let_through in looked_at if let_through))
    return Found(ids, len(looked_at) == LOOK_AT)


def judgments_of(
    session: Session, project: Project, wanted: ComparisonFilter
) -> list[ColumnElement[bool]]:
    """Which judgments of the comparisons a slice consists of: those under one version of the
    guideline, or of one week."""
    version = _version(session, project, wanted.version)
    return _under(wanted, version) + _within(wanted)


def _under(wanted: ComparisonFilter, version: GuidelineVersion | None) -> list[ColumnElement[bool]]:
    if wanted.version is None:
        return []
    return [Judgment.guideline_version_id == (version.id if version else None)]


def _within(wanted: ComparisonFilter) -> list[ColumnElement[bool]]:
    if wanted.week is None:
        return []
    start = datetime.combine(wanted.week, time(), UTC)
    return [Judgment.received_at >= start, Judgment.received_at < start + WEEK]


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


@dataclass(frozen=True)
class _Driver:
    """Rows of `comparison_id` and `place`, best read in one direction of an index."""

    query: Select[Any]
    oldest_first: bool = False


def _driver(
    session: Session,
    project: Project,
    wanted: ComparisonFilter,
    people: list[Annotator],
    version: GuidelineVersion | None,
) -> _Driver:
    """The filter that leaves least to look at."""
    if people:
        return _by_annotator(session, project, people)
    if wanted.outcome or wanted.cause or wanted.show == "adjudicated":
        place = Adjudication.adjudicated_at
        rows = _placed(Adjudication.comparison_id, place)
        return _Driver(rows.where(Adjudication.project_id == project.id).order_by(place.desc()))
    if wanted.show == "flagged":
        rows = _placed(Flag.comparison_id, Flag.flagged_at)
        return _Driver(rows.where(Flag.project_id == project.id).order_by(Flag.flagged_at.desc()))
    received = _placed(Judgment.comparison_id, Judgment.received_at).where(
        Judgment.project_id == project.id
    )
    if wanted.week is not None:
        within = received.where(*_within(wanted))
        return _Driver(within.order_by(Judgment.received_at.desc()))
    if version is not None:
        # From when it was published on, nearly all follow it until the next one is.
        since = received.where(Judgment.received_at >= version.published_at)
        return _Driver(since.order_by(Judgment.received_at), oldest_first=True)
    return _Driver(_listed(session, project, wanted))


def _placed(comparison: Any, place: Any) -> Select[Any]:
    return select(comparison.label("comparison_id"), place.label("place"))


def _by_annotator(session: Session, project: Project, people: list[Annotator]) -> _Driver:
    """The judgments of the one who judged less."""
    judged = {
        person: session.scalar(
            select(func.sum(AnnotatorDay.judged)).where(
                AnnotatorDay.project_id == project.id, AnnotatorDay.annotator_id == person.id
            )
        )
        or 0
        for person in people
    }
    fewest = min(people, key=lambda person: judged[person])
    rows = _placed(Judgment.comparison_id, Judgment.received_at).where(
        Judgment.annotator_id == fewest.id, Judgment.project_id == project.id
    )
    return _Driver(rows.order_by(Judgment.received_at.desc()))


def _listed(session: Session, project: Project, wanted: ComparisonFilter) -> Select[Any]:
    """Comparisons in the queue's order, from the shortest list that holds all that are wanted."""
    shortest = "contested" if wanted.show == "unadjudicated" else wanted.show
    if shortest == "all" and wanted.strength is not None:
        shortest = "judged"
    index, condition = SPLIT if wanted.counts is not None else INDEXED[shortest]
    key = column("id", Uuid)
    listed = from_index(session, project, index, condition, key.label("comparison_id"))
    if wanted.counts is not None:
        listed = listed.where(
            *(column(name) == n for name, n in zip(LABEL_COUNTS, wanted.counts, strict=True))
        )
        return listed.add_columns(literal(0).label("place")).order_by(key.desc())
    priority = column("priority", Integer)
    return listed.add_columns(priority.label("place")).order_by(priority.desc(), key.desc())


def from_index(
    session: Session,
    project: Project,
    index: str,
    condition: str | None,
    selected: ColumnElement[T],
) -> Select[T]:
    """A query of an index of the project's comparisons. SQLite must be told to use it: it takes the
    columns of the index's own condition for something that only the rows know."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    table = text(f"comparisons INDEXED BY {index}" if is_sqlite else "comparisons")
    listed = select(selected).select_from(table).where(column("project_id", Uuid) == project.id)
    return listed if condition is None else listed.where(text(condition))


def _conditions(
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
        found.append(_judged(*_under(wanted, version)))
    if wanted.week is not None:
        found.append(_judged(*_within(wanted)))
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


def _annotator(session: Session, name: str) -> Annotator:
    found = session.scalar(select(Annotator).where(Annotator.name == name))
    if found is None:
        raise InvalidInput(f"There is no annotator {name!r}; the page Annotators has the names.")
    return found


def _version(session: Session, project: Project, number: int | None) -> GuidelineVersion | None:
    if not number:
        return None
    found = session.scalar(
        select(GuidelineVersion).where(
            GuidelineVersion.project_id == project.id, GuidelineVersion.version == number
        )
    )
    if found is None:
        raise InvalidInput(f"The guideline of {project.slug} has no version {number}.")
    return found
