"""What is still to come of a project, what its labels can reach, and how many more say so.

Everything comes from sums. Agreement is that without ties: of judgments that prefer a response.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from sqlalchemy import func, literal_column, select
from sqlalchemy.orm import Session

from app.models.projects import Comparison, Project
from app.rules.agreement import Table, estimate
from app.rules.bootstrap import Statistic
from app.rules.ceiling import (
    BetaCeiling,
    Ceiling,
    beta_ceiling,
    bounds,
    concentration_of,
    majority_accuracy,
    single_label_accuracy,
)
from app.rules.coefficients import percent_agreement
from app.rules.contributions import LABELS
from app.rules.costs import ExpectedCosts, days_left, expected_costs
from app.rules.planning import (
    OverlapOption,
    WidthAt,
    design_effect,
    half_widths,
    items_for_kappa,
    items_for_side_bias,
    overlap_options,
)
from app.rules.project_statistics import ProjectStatistics
from app.services import pay, queue, recent_work, spending
from app.services.agreement import counted_of
from app.services.annotator_page import time_bars
from app.services.pay import PayRates
from app.services.spending import Spending

LOOK_AT = 20_000
"""Open comparisons whose wanted judgments are added up; of more, they stand for the rest."""
LONGEST_FORECAST = 36_500
"""Days after which no date is named."""
KAPPA_ERROR = 0.05
SIDE_RATES = (0.55, 0.6)
MAJORITIES = (1, 3, 5)
PLANNED = (1, 2, 3, 5)
"""Judgments of a comparison whose costs are told in advance."""
DECISIVE = [LABELS.index("first"), LABELS.index("second")]


@dataclass(frozen=True, kw_only=True)
class Left:
    """Judgments still wanted beyond those on lease."""

    judgments: int
    is_estimated: bool
    cost: float | None
    """None where the cost of one is undefined (`Spending.to_come`)."""
    days: Statistic
    """Until they are judged."""
    end: date | None
    """None without a pace, and beyond LONGEST_FORECAST."""
    earliest: date | None
    latest: date | None


@dataclass(frozen=True, kw_only=True)
class Target:
    """What reaches a half-width of the interval of agreement."""

    half_width: float
    options: list[OverlapOption]
    """The fewest judgments first; empty where agreement is not between one half and one."""
    design_effect: float
    """How much more variance prompts with several comparisons bring; 1 where they bring none."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What other questions take."""

    kappa: float | None
    """Of two random annotators, without ties; None where chance alone cannot be told apart."""
    for_kappa: int | None
    """Comparisons that two annotators both decide, for their kappa to KAPPA_ERROR. None where kappa
    is not between 0 and 1."""
    for_side_bias: dict[float, int]
    """Decisive judgments of one annotator that tell such a share of the left from one half."""
    majorities: dict[int, float]
    """How often the majority of so many labels is right, if a single one is as often as above."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    agreement: Statistic
    """Without ties."""
    left: Left
    strengths: dict[int, int]
    """Preferences by strength; 0 where none was given."""
    times: list[tuple[str, int]]
    ceilings: list[Ceiling]
    """Against one label, and against the majority of three."""
    beta: BetaCeiling
    single_label: Statistic
    widths: list[WidthAt]
    target: Target
    needs: Needs
    rates: PayRates
    spending: Spending
    expected: list[ExpectedCosts]
    """By PLANNED; empty where the cost of a judgment is undefined, or agreement is not between one
    half and one."""


def for_project(
    session: Session,
    project: Project,
    statistics: ProjectStatistics,
    *,
    half_width: float,
    n_open: int,
    now: datetime,
) -> Plan:
    """n_open: comparisons that somebody may still be asked about."""
    table, people = statistics.table(), statistics.annotators()
    decisive = table.counts[:, DECISIVE]
    agreement = _agreement(statistics.table(counted=counted_of(project)))
    first, second = decisive.T
    assert table.groups is not None, "sums know the part of each prompt"
    beta = beta_ceiling(first, second, table.groups, table.items, labels=(1, 3))
    rates = pay.of(project)
    recent = recent_work.read(session, project, today=now.date())
    spent = spending.for_project(
        session, project, people, table, rates, recent.by_kind, queue.policy_of(project)
    )
    each = spent.to_come.value
    target = _target(agreement, half_width)
    strengths: Counter[int] = Counter()
    for sums in people.values():
        strengths.update(sums.strengths)
    seconds = [sums.seconds for sums in people.values()]
    return Plan(
        agreement=agreement,
        left=_left(_wanted(session, project, n_open), each, recent.by_day, now=now),
        strengths=dict(strengths),
        times=time_bars(np.vstack([np.zeros((0, 2), np.int64), *seconds])),
        ceilings=[bounds(agreement, labels=labels) for labels in (1, 3)],
        beta=beta,
        single_label=single_label_accuracy(agreement),
        widths=half_widths(agreement, _numbers(agreement, target)),
        target=target,
        needs=_needs(agreement, int(first @ table.items), int(second @ table.items)),
        rates=rates,
        spending=spent,
        expected=_expected(agreement, beta, each),
    )


def _agreement(table: Table) -> Statistic:
    """Without ties."""
    return estimate(table, {"agreement": percent_agreement(table.counts[:, DECISIVE])})["agreement"]


def _left(
    wanted_and_how: tuple[int, bool],
    each: float | None,
    judged_by_day: Sequence[int],
    *,
    now: datetime,
) -> Left:
    wanted, is_estimated = wanted_and_how
    today = now.date()
    found = days_left(wanted, judged_by_day)

    def day(days: float | None) -> date | None:
        if days is None or days > LONGEST_FORECAST:
            return None
        return today + timedelta(days=math.ceil(days))

    return Left(
        judgments=wanted,
        is_estimated=is_estimated,
        cost=None if each is None else wanted * each,
        days=found,
        end=day(found.value),
        earliest=day(found.low),
        latest=day(found.high),
    )


def _wanted(session: Session, project: Project, n_open: int) -> tuple[int, bool]:
    """Judgments wanted, and whether some are estimated."""
    some = (
        select(Comparison.open_slots)
        .where(
            Comparison.project_id == project.id,
            # As the index says it.
            literal_column("comparisons.open_slots > 0"),
        )
        .order_by(Comparison.priority.desc(), Comparison.id.desc())
        .limit(LOOK_AT)
        .subquery()
    )
    wanted = session.scalar(select(func.sum(some.c.open_slots))) or 0
    if n_open <= LOOK_AT:
        return wanted, False
    return round(wanted / LOOK_AT * n_open), True


def _target(agreement: Statistic, half_width: float) -> Target:
    a = agreement.value
    # Below 1 it only says that comparisons have more labels than two, which the options count.
    effect = max(1.0, design_effect(agreement))
    options = []
    if a is not None and 0.5 < a < 1:
        options = overlap_options(a, half_width, design_effect=effect)
    return Target(half_width=half_width, options=options, design_effect=effect)


def _needs(agreement: Statistic, first: int, second: int) -> Needs:
    """first, second: how often each was preferred."""
    a, accuracy = agreement.value, single_label_accuracy(agreement).value
    kappa = for_kappa = None
    if a is not None and first and second:
        share = first / (first + second)
        chance = share**2 + (1 - share) ** 2
        kappa = (a - chance) / (1 - chance)
        if 0 < kappa < 1:
            for_kappa = items_for_kappa(kappa, share, KAPPA_ERROR)
    return Needs(
        kappa=kappa,
        for_kappa=for_kappa,
        for_side_bias={rate: items_for_side_bias(rate) for rate in SIDE_RATES},
        majorities={}
        if accuracy is None
        else {m: majority_accuracy(accuracy, m) for m in MAJORITIES},
    )


def _numbers(agreement: Statistic, target: Target) -> list[int]:
    """Round numbers of comparisons around what there is and what is wanted."""
    most = max([200, 4 * agreement.n, *(option.items for option in target.options)])
    steps = [n * 10**power for power in range(1, 8) for n in (1, 2, 5)]
    last = next(i for i, n in enumerate(steps) if n >= most or i == len(steps) - 1)
    return steps[1 : last + 1]


def _expected(agreement: Statistic, beta: BetaCeiling, each: float | None) -> list[ExpectedCosts]:
    concentration, a = beta.concentration.value, agreement.value
    if each is None:
        return []
    if concentration is None:
        if a is None or not 0.5 < a < 1:
            return []
        concentration = concentration_of(a)
    return [expected_costs(each, concentration, n) for n in PLANNED]
