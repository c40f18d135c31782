"""The page that plans a project: what is left, what it costs, and what its labels can reach."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.db import Database, utc_now
from app.errors import InvalidInput
from app.models.accounts import Annotator, AnnotatorKind
from app.rules.bootstrap import Statistic
from app.rules.project_statistics import ProjectStatistics
from app.services import agreement, overview, pay, planning, projects, statistics
from app.services.planning import Left, Plan
from app.web import comparison_query, readings
from app.web.access import CurrentAdmin, CurrentReviewer
from app.web.charts.lines import Given, LineChart, line_chart
from app.web.pages import render
from app.web.pay_form import PayForm, form_of, read
from app.web.visitors import DatabaseDep

router = APIRouter(prefix="/admin/{slug}/planning")

TARGET = "3"
"""In percent points."""
STEPS = 6
"""Of a forecast, between today and its end."""


@router.get("")
def show_planning(
    request: Request,
    reviewer: CurrentReviewer,
    database: DatabaseDep,
    slug: str,
    target: Annotated[str, Query(max_length=40)] = TARGET,
) -> Response:
    half_width = _half_width(target)
    sums, shown = _shown(database, reviewer, slug, half_width)
    form = form_of(shown["plan"].rates)
    response = render(request, "admin/planning.html", form=form, problem="", **shown)
    return readings.catching_up(response, database, shown["project"].id, sums)


@router.post("")
def change_pay(
    request: Request,
    admin: CurrentAdmin,
    database: DatabaseDep,
    slug: str,
    form: Annotated[PayForm, Form()],
) -> Response:
    """A form that is wrong comes back as it was written, with a sentence about the mistake."""
    try:
        rates = read(form)
    except InvalidInput as error:
        _, shown = _shown(database, admin, slug, _half_width(TARGET))
        return render(
            request, "admin/planning.html", status=422, form=form, problem=str(error), **shown
        )
    with database.writing() as session:
        project = projects.get_for(session, admin, slug)
        pay.change(session, project, rates, by=admin, now=utc_now())
    return RedirectResponse(f"/admin/{slug}/planning#pay", status_code=303)


def _shown(
    database: Database, reader: Annotator, slug: str, half_width: float
) -> tuple[ProjectStatistics, dict[str, Any]]:
    now = utc_now()
    with database.reading() as session:
        project = projects.get_for(session, reader, slug)
    sums = statistics.read(database, project.id, now=now)
    with database.reading() as session:
        progress = overview.for_project(session, project)
        n_open = progress.open_comparisons
        plan = planning.for_project(
            session, project, sums, half_width=half_width, n_open=n_open, now=now
        )
    return sums, {
        "project": project,
        "plan": plan,
        "overview": progress,
        "chart": _widths(plan),
        "forecast": forecast(plan.left, now.date()),
        "target": f"{100 * half_width:g}",
        "kinds": list(AnnotatorKind),
        "waiting": sums.waiting,
        "money": _money,
        "n_open": n_open,
        "is_of_first": agreement.counted_of(project) == "first_two",
        "filters": comparison_query,
    }


def _half_width(text: str) -> float:
    try:
        points = float(text)
    except ValueError:
        points = math.nan
    if not 0.1 <= points <= 25:
        raise InvalidInput(f"The target is {text[:40]!r}; write percent points from 0.1 to 25.")
    return points / 100


def _widths(plan: Plan) -> LineChart | None:
    """Half-widths over the logarithm of the number of comparisons; None where there are none."""
    if not plan.widths:
        return None
    given = [
        Given(
            math.log(one.items),
            f"{one.items:,} comparisons",
            Statistic(value=one.half_width, n=one.items),
        )
        for one in plan.widths
    ]
    now = [(math.log(plan.agreement.n), "now")] if plan.agreement.n else []
    return line_chart(given, marks=now, also=(0.0, plan.target.half_width))


def forecast(left: Left, today: date) -> LineChart | None:
    """Judgments still wanted, day by day until the latest end, or to twice the expected time where
    that has no upper limit; None without an end to go to."""
    days = left.days
    if not left.judgments or days.value is None or left.end is None:
        return None
    last = days.value if days.low is None else 2 * days.value
    if left.latest is not None and days.high is not None:
        last = days.high

    def wanted(after: float, until: float | None) -> float:
        """After so many days, at the pace that ends in `until`; no pace where that is None."""
        return left.judgments * (1 - (0.0 if until is None else min(1.0, after / until)))

    given: list[Given] = []
    for step in range(STEPS + 1):
        # Whole days, as dates are.
        after = math.ceil(last * step / STEPS)
        statistic = Statistic(value=wanted(after, days.value), n=days.n)
        if days.low is not None:
            low, high = wanted(after, days.low), wanted(after, days.high)
            statistic = replace(statistic, low=low, high=high)
        day = today + timedelta(days=after)
        if not given or given[-1].at < day.toordinal():
            given.append(Given(day.toordinal(), day.isoformat(), statistic))
    return line_chart(given, also=(0.0,))


def _money(amount: float, currency: str) -> str:
    """Two digits after the point, more for small amounts."""
    digits = 2 if amount == 0 or amount >= 1 else min(8, 1 - math.floor(math.log10(amount)))
    return f"{amount:,.{max(2, digits)}f} {currency}"
