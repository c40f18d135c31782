"""How often each annotator is right, by the one-coin model of a project's judgments.

The model needs every judgment, so a project of up to FITTED_UP_TO is fitted while its page is made.
A larger one keeps its last fit (`model_fits`), which says when it was made, until somebody wants
another: it takes a minute for three million judgments.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import and_, select, type_coerce
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from app.db import Database, upsert
from app.models.judgments import Judgment, Verdict
from app.models.projects import Comparison, ComparisonCompletion, Project
from app.models.statistics import ModelFit
from app.rules import one_coin
from app.rules.bootstrap import Integers, Statistic
from app.rules.contributions import LABELS
from app.services import projects
from app.services.current import counts_for

FITTED_UP_TO = 20_000
"""Judgments that are read in a request."""
MODEL = "one_coin"


@dataclass(frozen=True, kw_only=True)
class Accuracies:
    of: dict[UUID, Statistic]
    """n counts the annotator's judgments in the fit."""
    judgments: int
    fitted_at: datetime | None
    """None for a fit of what is stored now."""


def for_project(session: Session, project: Project, judgments: int) -> Accuracies | None:
    """judgments: about how many there are. None where a large project has no fit yet."""
    if judgments <= FITTED_UP_TO:
        return _fit(session, project)
    kept = session.get(ModelFit, (project.id, MODEL))
    if kept is None:
        return None
    return Accuracies(
        of={UUID(who): Statistic(**found) for who, found in kept.result.items()},
        judgments=kept.judgments,
        fitted_at=kept.fitted_at,
    )


def fit(database: Database, slug: str, *, now: datetime) -> Accuracies:
    """Fit the model anew and keep the result."""
    with database.reading() as session:
        project = projects.by_slug(session, slug)
        found = _fit(session, project)
    row = {
        "project_id": project.id,
        "model": MODEL,
        "fitted_at": now,
        "judgments": found.judgments,
        "result": {
            str(who): {"value": s.value, "low": s.low, "high": s.high, "n": s.n}
            for who, s in found.of.items()
        },
    }
    with database.writing() as session:
        upsert(session, ModelFit, [row], replace=("fitted_at", "judgments", "result"))
    return found


def _fit(session: Session, project: Project) -> Accuracies:
    items, annotators, labels, people = _read(session, project)
    if not len(items):
        return Accuracies(of={}, judgments=0, fitted_at=None)
    # A label that nobody gave is none that could have been given.
    given = sorted({0, 1, *np.unique(labels).tolist()})
    model = one_coin.fit(
        items,
        annotators,
        np.searchsorted(given, labels),
        n_items=int(items.max()) + 1,
        n_annotators=len(people),
        n_labels=len(given),
        exchangeable=(0, 1),
    )
    n = np.bincount(annotators, minlength=len(people))
    return Accuracies(
        of={
            who: Statistic(
                value=float(model.accuracy[i]),
                low=float(model.low[i]),
                high=float(model.high[i]),
                n=int(n[i]),
            )
            for i, who in enumerate(people)
        },
        judgments=len(items),
        fitted_at=None,
    )


def _read(session: Session, project: Project) -> tuple[Integers, Integers, Integers, list[UUID]]:
    """(M,) each: numbers of comparisons, of annotators and of LABELS; and who the annotators are.

    Only current judgments of comparisons of two that agreement counts, the first of each annotator.
    """
    people: dict[Any, int] = {}
    items, annotators, labels = array("q"), array("q"), array("q")
    item, before = -1, None
    seen: set[Any] = set()
    for comparison, who, verdict, position in _rows(session, project):
        if comparison != before:
            item, before, seen = item + 1, comparison, set()
        if who not in seen:
            seen.add(who)
            items.append(item)
            annotators.append(people.setdefault(who, len(people)))
            labels.append(LABELS.index(verdict) if position is None else position)
    found = [np.frombuffer(values, np.int64) for values in (items, annotators, labels)]
    return found[0], found[1], found[2], [w if isinstance(w, UUID) else UUID(w) for w in people]


def _rows(session: Session, project: Project) -> Iterator[tuple[Any, Any, str, int | None]]:
    """Ids are taken as the driver gives them: to make an object of each takes longer than all the
    rest."""
    raw = [type_coerce(c, NullType()) for c in (Judgment.comparison_id, Judgment.annotator_id)]
    preferred = and_(
        ComparisonCompletion.comparison_id == Judgment.comparison_id,
        ComparisonCompletion.completion_id == Judgment.preferred_id,
    )
    query = (
        select(*raw, Judgment.verdict, ComparisonCompletion.position)
        .join(Comparison, Comparison.id == Judgment.comparison_id)
        .outerjoin(ComparisonCompletion, preferred)
        .where(*counts_for(project), Comparison.size == 2, Judgment.verdict != Verdict.RANKING)
        .order_by(Judgment.comparison_id, Judgment.received_at)
        .execution_options(yield_per=10_000)
    )
    found: Any = session.execute(query)
    yield from found
