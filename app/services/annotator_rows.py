"""One line for each annotator of a project, in an order that puts those first who need a look.

Counts, sides and agreement with the others come from the sums that are kept with each judgment
(`AnnotatorDay`); pace is that of an annotator's latest judgments, which an index finds; the rest is
from the project's state of statistics (`annotator_figures`) and a model (`annotator_models`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Subquery, func, select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.models.accounts import Annotator
from app.models.judgments import Judgment
from app.models.projects import Project
from app.models.tallies import AnnotatorDay
from app.rules.bootstrap import Statistic
from app.rules.pace import median_of
from app.rules.proportions import wilson
from app.rules.tallies import CREDIT
from app.services import annotator_models
from app.services.annotator_figures import NO_FIGURES, AnnotatorFigures, Figures
from app.services.annotator_models import DAWID_SKENE, DAWID_SKENE_SKILL
from app.services.current import clamp_page
from app.services.kept_fits import NO_FITS, Fits

LATEST = 200
"""Of so many judgments, the latest ones, is the median time."""
OF_THE_LIST = (DAWID_SKENE, DAWID_SKENE_SKILL)
"""What the list tells of models: the one that learns which verdicts somebody favours, so that who
guesses has no skill whatever they guess."""
SUMS = (
    "judged", "counted", "tie", "both_bad", "skipped", "sided", "first_side", "shared", "credit",
)  # fmt: skip
SORTED_BY = ("judgments", "agreement", "skill", "gold", "repeats", "side", "pace")


@dataclass(frozen=True, kw_only=True)
class AnnotatorRow:
    id: UUID
    name: str
    kind: str
    judgments: int
    """Those that agreement and exports are made of."""
    planted: int
    """Judgments of gold and repeats, which are counted nowhere else in the row."""
    ties: int
    skips: int
    median_active_ms: Statistic
    """Over the annotator's latest judgments of any kind, as far as their time is known."""
    left_rate: Statistic
    """Share of verdicts for the left side among those for a side; unknown for imported ones."""
    agreement_with_others: Statistic
    """Mean share of the others on the same comparison who gave the same verdict; n counts the
    comparisons that others judged too."""
    accuracy: Statistic
    """By Dawid-Skene."""
    skill: Statistic
    """That accuracy corrected for chance."""
    figures: AnnotatorFigures | None
    """None beyond those who are tested."""
    last_judged_at: datetime


@dataclass(frozen=True, kw_only=True)
class AnnotatorsPage:
    rows: list[AnnotatorRow]
    page: int
    pages: int
    total: int


def for_project(
    session: Session,
    project: Project,
    figures: Figures = NO_FIGURES,
    fits: Fits = NO_FITS,
    *,
    page: int = 1,
    per_page: int = 50,
    name: str = "",
    sort: str = "judgments",
) -> AnnotatorsPage:
    """One page of those who judged and whose name holds `name`; `sort` is one of SORTED_BY."""
    sums = _sums(project)
    query = select(Annotator.name, Annotator.kind, sums).join(
        sums, sums.c.annotator_id == Annotator.id
    )
    if name.strip():
        query = query.where(Annotator.name.icontains(name.strip(), autoescape=True))
    found = [_Known.of(row, figures, fits) for row in session.execute(query)]
    found.sort(key=lambda one: (*_KEYS[sort](one), one.row.name))
    page, pages = clamp_page(page, len(found), per_page)
    shown = found[(page - 1) * per_page : page * per_page]
    return AnnotatorsPage(
        rows=[_row(session, project, one) for one in shown],
        page=page,
        pages=pages,
        total=len(found),
    )


def for_annotator(
    session: Session,
    project: Project,
    annotator_id: UUID,
    figures: Figures,
    fits: Fits,
) -> AnnotatorRow:
    """The line of one annotator. Raises NotFound where they judged nothing here."""
    sums = _sums(project)
    row = session.execute(
        select(Annotator.name, Annotator.kind, sums)
        .join(sums, sums.c.annotator_id == Annotator.id)
        .where(Annotator.id == annotator_id)
    ).one_or_none()
    if row is None:
        raise NotFound(f"Nobody with the id {annotator_id} has judged in {project.slug}.")
    return _row(session, project, _Known.of(row, figures, fits))


@dataclass(frozen=True)
class _Known:
    """What an order may be made by, before anything is read for those who are shown."""

    row: Row[Any]
    figures: AnnotatorFigures | None
    accuracy: Statistic
    skill: Statistic

    @classmethod
    def of(cls, row: Row[Any], figures: Figures, fits: Fits) -> "_Known":
        who = row.annotator_id
        accuracy, skill = (annotator_models.told(fits, name, who) for name in OF_THE_LIST)
        return cls(row, figures.of.get(who), accuracy, skill)

    @property
    def agreement_with_others(self) -> Statistic:
        return wilson(int(self.row.credit) / CREDIT, self.row.shared, undefined="no_overlap")


def _row(session: Session, project: Project, one: _Known) -> AnnotatorRow:
    row = one.row
    median_active_ms, last_judged_at = _latest(session, project, row.annotator_id)
    return AnnotatorRow(
        id=row.annotator_id,
        name=row.name,
        kind=row.kind,
        judgments=row.counted,
        planted=row.judged - row.counted,
        ties=row.tie + row.both_bad,
        skips=row.skipped,
        median_active_ms=median_active_ms,
        left_rate=wilson(row.first_side, row.sided, undefined="no_shown_sides"),
        agreement_with_others=one.agreement_with_others,
        accuracy=one.accuracy,
        skill=one.skill,
        figures=one.figures,
        last_judged_at=last_judged_at,
    )


def _sums(project: Project) -> Subquery:
    """The sums of everybody who judged."""
    return (
        select(
            AnnotatorDay.annotator_id,
            *(func.sum(getattr(AnnotatorDay, name)).label(name) for name in SUMS),
        )
        .where(AnnotatorDay.project_id == project.id)
        .group_by(AnnotatorDay.annotator_id)
        .having(func.sum(AnnotatorDay.judged) > 0)
        .subquery()
    )


def _latest(session: Session, project: Project, annotator_id: UUID) -> tuple[Statistic, datetime]:
    """The median active time of the latest judgments, and when the last one came."""
    rows = session.execute(
        select(Judgment.active_ms, Judgment.received_at)
        .where(Judgment.annotator_id == annotator_id, Judgment.project_id == project.id)
        .order_by(Judgment.received_at.desc())
        .limit(LATEST)
    ).all()
    times = [row.active_ms for row in rows if row.active_ms is not None]
    return median_of(times), rows[0].received_at


Key = tuple[float, ...]
LAST: Key = (1.0, 0.0)


def _surely_low(statistic: Statistic | None) -> Key:
    """By the upper end of the interval, so that few judgments make nobody weak; undefined last."""
    if statistic is None or statistic.value is None:
        return LAST
    return (0.0, statistic.value if statistic.high is None else statistic.high)


def _surely_off(figures: AnnotatorFigures | None) -> Key:
    """By how far the interval of the left side's share is from one half, farthest first."""
    if figures is None or figures.side.statistic.low is None:
        return LAST
    side = figures.side.statistic
    assert side.low is not None
    assert side.high is not None
    return (0.0, -max(side.low - 0.5, 0.5 - side.high))


def _fast(figures: AnnotatorFigures | None) -> Key:
    return LAST if figures is None or figures.pace.value is None else (0.0, -figures.pace.value)


_KEYS: dict[str, Callable[[_Known], Key]] = {
    "judgments": lambda one: (-one.row.counted,),
    "agreement": lambda one: _surely_low(one.agreement_with_others),
    "skill": lambda one: _surely_low(one.skill),
    "gold": lambda one: _surely_low(one.figures.gold.accuracy if one.figures else None),
    "repeats": lambda one: _surely_low(one.figures.repeats if one.figures else None),
    "side": lambda one: _surely_off(one.figures),
    "pace": lambda one: _fast(one.figures),
}
