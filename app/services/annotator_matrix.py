"""How far every two annotators agree on what both judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models.accounts import Annotator
from app.rules.bootstrap import FEWEST_UNITS
from app.rules.cohen import kappas
from app.rules.project_statistics import ProjectStatistics

MOST_SHOWN = 30


@dataclass(frozen=True, kw_only=True)
class Cell:
    n: int
    """Comparisons that both judged."""
    agreed: int
    kappa: float | None
    """None where both always gave the same single label."""

    @property
    def agreement(self) -> float:
        return self.agreed / self.n

    @property
    def is_faint(self) -> bool:
        return self.n < FEWEST_UNITS


@dataclass(frozen=True, kw_only=True)
class AnnotatorMatrix:
    people: list[Annotator]
    """Those with most judgments first."""
    cells: dict[tuple[UUID, UUID], Cell]
    """Both ways; pairs without a comparison in common are not there."""
    total: int
    """Annotators who judged, whose names the filter lets through."""


def for_project(
    session: Session, statistics: ProjectStatistics, *, name: str = ""
) -> AnnotatorMatrix:
    """The MOST_SHOWN with most judgments, of those whose name holds `name`."""
    counted = {who: sums.totals.counted for who, sums in statistics.annotators().items()}
    busiest = sorted(counted, key=lambda who: (-counted[who], who))
    people = _named(session, busiest, name.strip())
    shown = people[:MOST_SHOWN]
    wanted = {person.id for person in shown}
    pairs = [pair for pair in statistics.pairs() if pair.a in wanted and pair.b in wanted]
    cells: dict[tuple[UUID, UUID], Cell] = {}
    if pairs:
        for pair, kappa in zip(pairs, kappas(np.stack([p.labels for p in pairs])), strict=True):
            cell = Cell(
                n=int(pair.labels.sum()),
                agreed=int(np.trace(pair.labels)),
                kappa=None if np.isnan(kappa) else float(kappa),
            )
            cells[pair.a, pair.b] = cells[pair.b, pair.a] = cell
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
