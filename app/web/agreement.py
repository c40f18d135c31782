"""The page of a project's agreement: headline figures, over time, and by group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from app.db import utc_now
from app.rules.bootstrap import FEWEST_UNITS, REPLICATES
from app.rules.project_statistics import Dimension
from app.services import (
    agreement,
    agreement_slices,
    guidelines,
    projects,
    queue,
    ranking_agreement,
    statistics,
)
from app.services.agreement_slices import By
from app.services.annotator_matrix import Ties
from app.web import comparison_query, readings
from app.web.access import CurrentReviewer
from app.web.charts.lines import Given, LineChart, line_chart
from app.web.pages import render
from app.web.published import STUDIES
from app.web.visitors import DatabaseDep

router = APIRouter(prefix="/admin/{slug}/agreement")

Figure = Literal["agreement", "others", "alpha", "ordinal", "graded", "fleiss", "ac1"]


@dataclass(frozen=True)
class Coefficient:
    name: str
    template: str
    """Of the names of its statistics in a report."""
    kind: Literal["share", "coefficient"]
    text: str

    def statistic(self, ties: Ties) -> str:
        return self.template.format("" if ties == "with" else "_no_ties")


COEFFICIENTS: dict[Figure, Coefficient] = {
    "agreement": Coefficient(
        "Agreement",
        "percent_agreement{}",
        "share",
        "how often two annotators of one comparison gave the same verdict",
    ),
    "others": Coefficient(
        "With the others",
        "leave_one_out_agreement{}",
        "share",
        "how often a verdict is the most frequent one of the others; it grows with their number",
    ),
    "alpha": Coefficient(
        "Alpha",
        "krippendorff_alpha_nominal{}",
        "coefficient",
        "Krippendorff’s alpha, agreement beyond chance; all different verdicts are equally far "
        "apart",
    ),
    "ordinal": Coefficient(
        "Alpha, ordinal",
        "krippendorff_alpha_ordinal{}",
        "coefficient",
        "Krippendorff’s alpha with ties and both bad between the two preferences: a clash is worse "
        "than a tie against a preference; without ties the same as alpha",
    ),
    "graded": Coefficient(
        "Alpha, graded",
        agreement.GRADED,
        "coefficient",
        "alpha on the seven grades from much better one way to much better the other; both bad and "
        "preferences without a strength have no grade",
    ),
    "fleiss": Coefficient(
        "Fleiss’ kappa",
        "fleiss_kappa{}",
        "coefficient",
        "agreement beyond chance, any number of annotators for each comparison",
    ),
    "ac1": Coefficient(
        "Gwet’s AC1",
        "gwet_ac1{}",
        "coefficient",
        "agreement beyond chance that skewed verdicts do not lower; it rewards them instead, so "
        "read it beside alpha",
    ),
}


VERDICTS: dict[tuple[Literal["nominal", "graded"], Ties], tuple[str, ...]] = {
    ("nominal", "with"): (),
    ("nominal", "without"): ("preferred",),
    ("graded", "with"): ("graded", "tie"),
    ("graded", "without"): ("graded",),
}
"""Those of `judgment_filters.VERDICTS` that a coefficient is about; all where there are none."""


@router.get("")
def show_agreement(
    request: Request,
    reviewer: CurrentReviewer,
    database: DatabaseDep,
    slug: str,
    by: Annotated[By, Query()] = "guideline",
    figure: Annotated[Figure, Query()] = "agreement",
    ties: Annotated[Ties, Query()] = "with",
) -> Response:
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
    sums = statistics.read(database, project.id, now=utc_now())
    with database.reading() as session:
        rankings = ranking_agreement.for_project(session, project)
        versions = guidelines.versions(session, project)
    shown = COEFFICIENTS[figure].statistic(ties)
    verdicts = VERDICTS["graded" if figure == "graded" else "nominal", ties]
    counted = agreement.counted_of(project)
    # What a filter asks for the comparisons that agreement is measured on.
    measured = {"overlap": 2, "size": 2, "first_two": counted == "first_two"}
    weeks = agreement_slices.by(sums, Dimension.WEEK, versions, [shown], counted=counted)
    breakdown = weeks
    if by != "week":
        breakdown = agreement_slices.by(sums, Dimension(by), versions, [shown], counted=counted)
    published = [(v.published_at.toordinal(), f"v{v.version}") for v in versions]
    response = render(
        request,
        "admin/agreement.html",
        project=project,
        report=agreement.report(project, sums),
        of_all=None if counted == "all" else agreement.report(project, sums, "all"),
        policy=queue.policy_of(project),
        others=agreement.for_others(project, sums),
        graded=agreement.graded_alpha(sums, counted=counted),
        rankings=rankings,
        most_ranked=ranking_agreement.MOST_COMPARISONS,
        weeks=weeks,
        chart=_over_time(slug, weeks, shown, verdicts, measured, published),
        measured=measured,
        breakdown=breakdown,
        by=by,
        coefficients=COEFFICIENTS,
        figure=figure,
        ties=ties,
        shown=shown,
        verdicts=VERDICTS,
        shown_verdicts=verdicts,
        fewest=FEWEST_UNITS,
        replicates=REPLICATES,
        waiting=sums.waiting,
        studies=STUDIES,
        filters=comparison_query,
    )
    return readings.catching_up(response, database, project.id, sums)


def _over_time(
    slug: str,
    weeks: agreement_slices.Breakdown,
    shown: str,
    verdicts: tuple[str, ...],
    measured: Mapping[str, int | bool],
    marks: list[tuple[int, str]],
) -> LineChart | None:
    """None where there are fewer than two weeks to join."""
    given = []
    for row in weeks.rows:
        assert isinstance(row.value, date), "weeks are named by their Mondays"
        # A week stands at its middle.
        middle = row.value.toordinal() + 3
        statistic = row.statistics[shown]
        query = comparison_query.write(row.wanted, show="all", verdict=verdicts, **measured)
        given.append(
            Given(
                middle,
                row.name,
                statistic,
                statistic.n < FEWEST_UNITS,
                f"/admin/{slug}/comparisons?{query}",
            )
        )
    if sum(one.statistic.value is not None for one in given) < 2:
        return None
    return line_chart(given, start=given[0].at - 3, end=given[-1].at + 4, marks=marks)
