"""Finds the comparisons that a filter lets through without reading a whole project.

One filter drives: an index leads to at most LOOK_AT rows, and the other filters are asked of these
alone. Where the index has more, the list says that it is not whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Uuid,
    and_,
    case,
    column,
    func,
    literal,
    select,
    text,
    true,
    type_coerce,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from app.errors import InvalidInput
from app.models.accounts import Annotator
from app.models.adjudications import Adjudication
from app.models.judgments import Flag, Judgment, Skip
from app.models.projects import Comparison, GuidelineVersion, Project, Prompt
from app.models.tallies import AnnotatorDay
from app.services import habit_filters, judgment_filters, text_filters
from app.services.comparison_filters import LABEL_COUNTS, ComparisonFilter, conditions
from app.services.judgment_filters import under, within

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
LOOK_AT = 10_000


@dataclass(frozen=True)
class Found:
    ids: list[UUID]
    number: int | None
    """Of the judgments that the filter is about; of skips, where what was skipped is asked for;
    None where it is about none."""
    is_cut: bool
    """Whether LOOK_AT rows were looked at and there may be more."""


def find(session: Session, project: Project, wanted: ComparisonFilter) -> Found:
    """All comparisons that a filter lets through, as far as LOOK_AT reaches. Raises InvalidInput
    where it names an annotator or a version that is not there."""
    people = [_annotator(session, name) for name in (wanted.annotator, wanted.other) if name]
    version = _version(session, project, wanted.version)
    driver = _driver(session, project, wanted, people, version)
    rows = driver.query.limit(LOOK_AT).subquery()
    passes = and_(
        true(),
        *conditions(session, wanted, version),
        *judgment_filters.conditions(session, wanted, people, version),
    )
    counted = judgment_filters.number(session, wanted, people, version)
    n, least = (literal(1), 1) if counted is None else counted
    places = (rows.c.place, rows.c.comparison_id)
    looked_at = session.execute(
        select(rows.c.comparison_id, case((passes, n), else_=0))
        .select_from(rows)
        .join(Comparison, Comparison.id == rows.c.comparison_id)
        .join(Prompt, Prompt.id == Comparison.prompt_id)
        .order_by(*(places if driver.oldest_first else [place.desc() for place in places]))
    ).all()
    found = {comparison: number for comparison, number in looked_at if number >= least}
    if text_filters.asks(wanted):
        such = judgment_filters.such(session, wanted, people, version)
        of_texts = text_filters.number(session, wanted, such, list(found))
        found = {key: of_texts[key] for key in found if of_texts.get(key, 0) >= least}
    if wanted.habit:
        of_habit = habit_filters.number(session, project, people[0].id, wanted.habit)
        found = {key: of_habit[key] for key in found if of_habit[key]}
    if wanted.wrote:
        of_reason = text_filters.written(session, wanted, list(found))
        found = {key: number for key, number in found.items() if key in of_reason}
    total = None if counted is None else sum(found.values())
    return Found(list(found), total, len(looked_at) == LOOK_AT)


@dataclass(frozen=True)
class Slice:
    """Comparisons, of each of which some judgments are looked at; it may have no such judgment."""

    comparisons: Sequence[Any]
    """Ids, as the driver gives them."""
    judgments: list[ColumnElement[bool]]
    """Conditions on them: those under one version of the guideline, or of one week."""
    is_cut: bool
    """Whether LOOK_AT rows were looked at and there may be more."""


def judgments_of(session: Session, project: Project, wanted: ComparisonFilter) -> Slice:
    """What a filter lets through, as far as LOOK_AT reaches, for whoever reads the judgments: to
    count them for each comparison, as `find` does, takes longer than to read them."""
    version = _version(session, project, wanted.version)
    judgments = under(wanted, version) + within(wanted)
    others = replace(wanted, week=None, day=None, version=wanted.version if wanted.cause else None)
    if (
        wanted.show != "judged"
        or wanted.annotator
        or wanted.overlap is not None
        or judgment_filters.asks(others)
    ):
        found = find(session, project, wanted)
        return Slice(found.ids, judgments, found.is_cut)
    driver = _driver(session, project, wanted, [], version)
    passes = [
        *conditions(session, replace(others, show="all") if driver.is_judged else others, version),
        *judgment_filters.conditions(session, others, [], version),
    ]
    rows = driver.query.limit(LOOK_AT).subquery()
    key = rows.c.comparison_id
    looked_at = select(type_coerce(key, NullType()), and_(true(), *passes)).select_from(rows)
    if passes:
        looked_at = looked_at.join(Comparison, Comparison.id == key)
    if wanted.tag:
        looked_at = looked_at.join(Prompt, Prompt.id == Comparison.prompt_id)
    found_rows = session.connection().execute(looked_at).all()
    ids = dict.fromkeys(comparison for comparison, is_such in found_rows if is_such)
    return Slice(list(ids), judgments, len(found_rows) == LOOK_AT)


@dataclass(frozen=True)
class _Driver:
    """Rows of `comparison_id` and `place`, best read in one direction of an index."""

    query: Select[Any]
    oldest_first: bool = False
    is_judged: bool = False
    """Whether it leads to comparisons that somebody judged, and to no others."""


def _driver(
    session: Session,
    project: Project,
    wanted: ComparisonFilter,
    people: list[Annotator],
    version: GuidelineVersion | None,
) -> _Driver:
    """The filter that leaves least to look at."""
    if wanted.show == "skipped":
        skips = _placed(Skip.comparison_id, Skip.skipped_at).where(Skip.project_id == project.id)
        if people:
            skips = skips.where(Skip.annotator_id == people[0].id)
        return _Driver(skips.order_by(Skip.skipped_at.desc()))
    if people:
        return _by_annotator(session, project, wanted, people)
    if wanted.outcome or wanted.cause or wanted.show == "adjudicated":
        place = Adjudication.adjudicated_at
        rows = _placed(Adjudication.comparison_id, place)
        return _Driver(rows.where(Adjudication.project_id == project.id).order_by(place.desc()))
    if wanted.show == "flagged":
        rows = _placed(Flag.comparison_id, Flag.flagged_at)
        return _Driver(rows.where(Flag.project_id == project.id).order_by(Flag.flagged_at.desc()))
    return _by_time(project, wanted, version) or _Driver(_listed(session, project, wanted))


def _by_time(
    project: Project, wanted: ComparisonFilter, version: GuidelineVersion | None
) -> _Driver | None:
    """The judgments of a week or a day, or those since a version of the guideline came out."""
    received = _placed(Judgment.comparison_id, Judgment.received_at).where(
        Judgment.project_id == project.id
    )
    if wanted.week is not None or wanted.day is not None:
        of_time = received.where(*within(wanted))
        return _Driver(of_time.order_by(Judgment.received_at.desc()), is_judged=True)
    if version is not None:
        # From when it was published on, nearly all follow it until the next one is.
        since = received.where(Judgment.received_at >= version.published_at)
        return _Driver(since.order_by(Judgment.received_at), oldest_first=True, is_judged=True)
    return None


def _placed(comparison: Any, place: Any) -> Select[Any]:
    return select(comparison.label("comparison_id"), place.label("place"))


def _by_annotator(
    session: Session, project: Project, wanted: ComparisonFilter, people: list[Annotator]
) -> _Driver:
    """The judgments of the one who judged less, of the time that is asked for."""
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
        Judgment.annotator_id == fewest.id, Judgment.project_id == project.id, *within(wanted)
    )
    return _Driver(rows.order_by(Judgment.received_at.desc()))


def _listed(session: Session, project: Project, wanted: ComparisonFilter) -> Select[Any]:
    """Comparisons in the queue's order, from the shortest list that holds all that are wanted."""
    shortest = "contested" if wanted.show == "unadjudicated" else wanted.show
    if shortest not in INDEXED:
        shortest = "judged" if shortest == "finished" else "all"
    if shortest == "all" and (
        wanted.strength is not None
        or wanted.overlap is not None
        or wanted.wrote
        or wanted.usable
        or judgment_filters.asks(wanted)
    ):
        shortest = "gold" if wanted.kind.startswith("gold") else "judged"
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
