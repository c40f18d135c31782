"""How far every two annotators agree on what both judged, in a project or in a slice of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal
from uuid import UUID

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models.accounts import Annotator
from app.models.projects import Project
from app.rules.bootstrap import FEWEST_UNITS, Integers, Statistic
from app.rules.cohen import annotator_pairs, pair_kappa
from app.rules.contributions import GRADES, LABELS
from app.rules.judgment_table import Judgments
from app.rules.project_statistics import ProjectStatistics
from app.rules.proportions import wilson
from app.services import comparison_search, counted_judgments
from app.services.agreement import TIES
from app.services.comparison_filters import ComparisonFilter

MOST_SHOWN = 30
Ties = Literal["with", "without"]
Pair = tuple[UUID, UUID]
DECISIVE = [i for i, label in enumerate(LABELS) if label not in TIES]
TIE, UNGRADED = GRADES.index(0), len(GRADES)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """What two annotators said of the same comparisons. A figure is computed when it is asked for:
    a page shows one of them for some four hundred pairs."""

    table: Integers
    """(q, q): how often the first gave label a and the second label b, or the other way round."""
    values: tuple[float, ...] | None = None
    """(q,): of the labels, where they are grades."""

    @cached_property
    def n(self) -> int:
        """Comparisons on which both gave such a verdict."""
        return int(self.table.sum())

    @cached_property
    def differ(self) -> int:
        """On how many of them the two preferred something else, however strongly."""
        says = np.sign(self.values) if self.values else np.arange(len(self.table))
        return int(self.table[says[:, None] != says].sum())

    @cached_property
    def agreement(self) -> Statistic:
        """Equal labels."""
        return wilson(int(np.trace(self.table)), self.n, undefined="no_overlap")

    @cached_property
    def kappa(self) -> Statistic:
        """Weighted by the squared distance of grades. Undefined where both always gave the same
        single label."""
        return pair_kappa(self.table, self.values)

    @property
    def is_faint(self) -> bool:
        return self.n < FEWEST_UNITS


@dataclass(frozen=True, kw_only=True)
class AnnotatorMatrix:
    people: list[Annotator]
    """Those with most judgments first."""
    cells: dict[Pair, Cell]
    """Both ways; pairs without a comparison in common are not there."""
    total: int
    """Annotators who judged, whose names the filter lets through."""
    is_cut: bool = False
    """Whether the slice may have more comparisons than were looked at."""


def for_project(
    session: Session, statistics: ProjectStatistics, *, ties: Ties = "with", name: str = ""
) -> AnnotatorMatrix:
    """The MOST_SHOWN with most judgments, of those whose name holds `name`."""
    counted = {who: sums.totals.counted for who, sums in statistics.annotators().items()}
    kept = range(len(LABELS)) if ties == "with" else DECISIVE
    tables = {(pair.a, pair.b): pair.labels for pair in statistics.pairs()}
    return _matrix(session, counted, tables, kept, name)


def for_slice(
    session: Session,
    project: Project,
    wanted: ComparisonFilter,
    *,
    ties: Ties = "with",
    graded: bool = False,
    name: str = "",
) -> AnnotatorMatrix:
    """The same over the judgments of a slice, as far as a search of comparisons reaches; of those
    with a grade alone where it is `graded`, by grades. Between two sources, as in agreement by
    sources, a label says which source is preferred. Raises InvalidInput where the filter names an
    annotator or a version that is not there."""
    found = comparison_search.judgments_of(session, project, wanted)
    given = counted_judgments.read(
        session,
        project,
        *found.judgments,
        comparisons=found.comparisons,
        with_contests=wanted.sources is not None,
    )
    people, labels = given.people, given.labels
    if given.contests is not None:
        # Which of the two is called first changes no kappa, if it is the same in all comparisons.
        first, second = given.contests.sources.T
        labels = np.where((first > second) & (labels < len(DECISIVE)), 1 - labels, labels)
    kept = [i for i in range(len(LABELS)) if ties == "with" or i in DECISIVE]
    if graded:
        labels = np.select(
            [labels == LABELS.index("tie"), (given.strengths > 0) & (labels < len(DECISIVE))],
            [TIE, TIE + given.strengths * (2 * labels - 1)],
            UNGRADED,
        )
        kept = [i for i in range(len(GRADES)) if ties == "with" or i != TIE]
    pairs = annotator_pairs(
        Judgments(
            items=given.items,
            annotators=given.annotators,
            labels=labels,
            n_items=len(found.comparisons),
            n_annotators=len(people),
            n_labels=len(GRADES) + 1 if graded else len(LABELS),
        )
    )
    counted = np.bincount(given.annotators, minlength=len(people)).tolist()
    tables = {
        (people[a], people[b]): table
        for a, b, table in zip(
            pairs.first.tolist(), pairs.second.tolist(), pairs.tables, strict=True
        )
    }
    matrix = _matrix(
        session,
        dict(zip(people, counted, strict=True)),
        tables,
        kept,
        name,
        values=tuple(GRADES[i] for i in kept) if graded else None,
    )
    return replace(matrix, is_cut=found.is_cut)


def _matrix(
    session: Session,
    counted: Mapping[UUID, int],
    tables: Mapping[Pair, Integers],
    kept: Sequence[int],
    name: str,
    *,
    values: tuple[float, ...] | None = None,
) -> AnnotatorMatrix:
    """`kept` are the labels of `tables` that are shown, and `values` theirs."""
    busiest = sorted(counted, key=lambda who: (-counted[who], who))
    people = _named(session, busiest, name.strip())
    shown = people[:MOST_SHOWN]
    wanted = {person.id for person in shown}
    cells: dict[Pair, Cell] = {}
    for (a, b), table in tables.items():
        if a in wanted and b in wanted:
            cells[a, b] = cells[b, a] = Cell(table=table[np.ix_(kept, kept)], values=values)
    return AnnotatorMatrix(people=shown, cells=cells, total=len(people))


def _named(session: Session, annotators: Sequence[UUID], name: str) -> list[Annotator]:
    """In the order given. Without a name to look for, only so many are read as can be shown."""
    found: list[Annotator] = []
    for start in range(0, len(annotators), 500):
        chunk = annotators[start : start + 500]
        query = select(Annotator).where(Annotator.id.in_(chunk))
        if name:
            query = query.where(Annotator.name.icontains(name, autoescape=True))
        known = {person.id: person for person in session.scalars(query)}
        found += [known[who] for who in chunk if who in known]
    return found
