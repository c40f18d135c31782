"""What models of a project say, and the rows of `model_fits` that keep it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models.projects import Project
from app.models.statistics import ModelFit
from app.rules.bootstrap import Integers, Statistic
from app.rules.latent_truth import Estimates

NO_SOURCE = ""
"""Stands for what has no source."""
Key = TypeVar("Key")


@dataclass(frozen=True, kw_only=True)
class Fitted(Generic[Key]):
    """One figure, of annotators by their ids or of sources by their names."""

    of: dict[Key, Statistic]
    """n counts judgments in the fit: those of an annotator, or of a source."""
    judgments: int
    fitted_at: datetime | None
    """None for a fit of what is stored now."""


Fits = Mapping[str, Fitted[UUID]]
"""Of annotators, by the names of figures; one that is not there is not fitted yet."""
NO_FITS: Fits = {}
SourceFits = Mapping[str, Fitted[str]]
"""Of sources likewise; some are of effects that all sources share, by the effects' names."""
NO_SOURCE_FITS: SourceFits = {}


def fitted(
    names: Sequence[Key], found: Estimates, n: Integers, reasons: Sequence[str]
) -> Fitted[Key]:
    """(R,) each. `reasons` say why somebody has no figure, "" where there is one."""
    columns = (found.value.tolist(), found.low.tolist(), found.high.tolist(), n.tolist(), reasons)
    return Fitted(
        of={
            who: Statistic(value=None, n=count, reason=reason)
            if reason
            else Statistic(value=value, low=low, high=high, n=count)
            for who, value, low, high, count, reason in zip(names, *columns, strict=True)
        },
        judgments=int(n.sum()),
        fitted_at=None,
    )


def read(
    session: Session, project: Project, figures: Collection[str], key: Callable[[str], Key]
) -> dict[str, Fitted[Key]]:
    """Those of the figures that are kept. `key` makes of a text what it names."""
    rows = session.scalars(
        select(ModelFit).where(ModelFit.project_id == project.id, ModelFit.model.in_(figures))
    )
    return {
        row.model: Fitted(
            of={key(name): Statistic(**found) for name, found in row.result.items()},
            judgments=row.judgments,
            fitted_at=row.fitted_at,
        )
        for row in rows
    }


def row(project: Project, figure: str, said: Fitted[Key], now: datetime) -> dict[str, object]:
    """The values that keep a figure."""
    return {
        "project_id": project.id,
        "model": figure,
        "fitted_at": now,
        "judgments": said.judgments,
        "result": {str(name): asdict(statistic) for name, statistic in said.of.items()},
    }
