"""What a project has spent on judgments, and what a comparison, a usable pair and a bit cost.

Everything that was judged is paid, known answers and repeats too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.models.accounts import Annotator, AnnotatorKind
from app.models.projects import Project
from app.models.tallies import AnnotatorDay
from app.rules.agreement import Table
from app.rules.bootstrap import Statistic
from app.rules.contributions import LABELS
from app.rules.costs import UnitCosts, cost_to_come, unit_costs
from app.rules.project_statistics import AnnotatorSums, Totals
from app.rules.queue_policy import QueuePolicy
from app.services.pay import PayRates, Rate


@dataclass(frozen=True, kw_only=True)
class KindSpending:
    kind: AnnotatorKind
    rate: Rate | None
    judgments: int
    seconds: float | None
    """Active time; judgments whose time is unknown count with the mean of the others. None where
    no time is known."""
    spent: float | None
    """None where pay is by the hour and no time is known."""


@dataclass(frozen=True, kw_only=True)
class Spending:
    kinds: list[KindSpending]
    """Those that judged."""
    costs: UnitCosts | None
    """None without a rate, and where the spend of a kind is unknown."""
    to_come: Statistic
    """What a judgment that is wanted will cost; n counts the judgments of late that say so."""

    @property
    def unknown(self) -> list[AnnotatorKind]:
        return [one.kind for one in self.kinds if one.spent is None]


def for_project(
    session: Session,
    project: Project,
    people: Mapping[UUID, AnnotatorSums],
    table: Table,
    rates: PayRates,
    recent: Mapping[AnnotatorKind, int],
    policy: QueuePolicy,
) -> Spending:
    """table: the counts of labels of all comparisons of two responses; recent: `RecentWork`."""
    totals: defaultdict[AnnotatorKind, list[Totals]] = defaultdict(list)
    for who, kind in session.execute(_kinds(project)):
        if who in people:
            totals[AnnotatorKind(kind)].append(people[who].totals)
    kinds = [_of_kind(kind, totals[kind], rates) for kind in AnnotatorKind if totals[kind]]
    counted = sum(sums.totals.counted for sums in people.values())
    return Spending(
        kinds=kinds,
        costs=_costs(kinds, table, counted, rates),
        to_come=_to_come(kinds, rates, recent, policy),
    )


def _to_come(
    kinds: list[KindSpending],
    rates: PayRates,
    recent: Mapping[AnnotatorKind, int],
    policy: QueuePolicy,
) -> Statistic:
    if not rates.rates:
        return Statistic(value=None, n=sum(recent.values()), reason="no_rates")
    known = {one.kind: one for one in kinds}
    each = {kind: _each(rates.rates.get(kind), known.get(kind)) for kind in recent}
    return cost_to_come(each, recent, policy.gold_share + policy.repeat_share)


def _each(rate: Rate | None, known: KindSpending | None) -> float | None:
    """What one judgment of a kind costs; None where it is paid by the hour and no time is known."""
    if rate is None or rate.per == "judgment":
        return 0.0 if rate is None else rate.amount
    if known is None or known.seconds is None:
        return None
    return rate.pay.cost(1, known.seconds / known.judgments)


def _kinds(project: Project) -> Select[UUID, str]:
    judges = select(AnnotatorDay.annotator_id).where(AnnotatorDay.project_id == project.id)
    return select(Annotator.id, Annotator.kind).where(Annotator.id.in_(judges))


def _of_kind(kind: AnnotatorKind, totals: list[Totals], rates: PayRates) -> KindSpending:
    judged, timed, active_ms = (
        sum(getattr(one, name) for one in totals) for name in ("judged", "timed", "active_ms")
    )
    seconds = active_ms / 1000 / timed * judged if timed else None
    rate = rates.rates.get(kind)
    spent: float | None = 0.0
    if rate is not None:
        is_unknown = rate.per == "hour" and seconds is None
        spent = None if is_unknown else rate.pay.cost(judged, seconds or 0.0)
    return KindSpending(kind=kind, rate=rate, judgments=judged, seconds=seconds, spent=spent)


def _costs(
    kinds: list[KindSpending], table: Table, counted: int, rates: PayRates
) -> UnitCosts | None:
    """counted: the judgments that agreement counts, also those of more than two responses. What was
    spent is divided between these and those of two by their numbers."""
    spent = [one.spent for one in kinds if one.spent is not None]
    if not rates.rates or len(spent) < len(kinds):
        return None
    first, second = (table.counts[:, LABELS.index(name)] for name in ("first", "second"))
    n = table.counts.sum(axis=1)
    # The vote share under a Beta(1, 1) prior, a tie and both bad being half for each side.
    probabilities = (first + (n - first - second) / 2 + 1) / (n + 2)
    judged = sum(one.judgments for one in kinds)
    return unit_costs(
        sum(spent),
        judged,
        probabilities,
        table.items,
        share_of_two=int(n @ table.items) / counted if counted else 0.0,
    )
