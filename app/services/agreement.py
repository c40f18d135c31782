"""Agreement of a project's annotators: takes counts of labels from its sums to the rules.

Where the policy asks for more judgments of comparisons that annotators disagree on, or stops early
where they agree, all judgments together are no fair sample: the contested comparisons have more of
them. Each comparison's first two are, whatever the policy asks for later, so agreement is measured
on these (STATISTICS 6.3). A policy that was once adaptive has left such judgments behind.
"""

from collections.abc import Collection
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy.orm import Session

from app.models.projects import Project
from app.rules.agreement import ORDINAL, AgreementReport, measure, statistics_of
from app.rules.bootstrap import Statistic
from app.rules.contributions import GRADES, LABELS
from app.rules.other_annotators import for_other_annotators
from app.rules.project_statistics import Counted, Dimension, ProjectStatistics, Value
from app.services import statistics
from app.services.projects import EVER_ADAPTIVE
from app.services.queue import policy_of

TIES = ("tie", "both_bad")
ORDER = (0, 2, 1, 1)
"""For ordinal alpha: a tie of either kind lies between the two preferences."""
GRADED = "krippendorff_alpha_graded{}"
"""Ordinal alpha on the seven grades, and without ties on the six that are none."""


def counted_of(project: Project) -> Counted:
    """The judgments of a comparison that the project's agreement is measured on."""
    is_adaptive = policy_of(project).adaptive_max is not None
    return "first_two" if is_adaptive or EVER_ADAPTIVE in project.settings else "all"


def for_project(session: Session, project: Project) -> AgreementReport:
    """Agreement as of this transaction."""
    return report(project, statistics.as_of(session, project.id))


def report(
    project: Project, found: ProjectStatistics, counted: Counted | None = None
) -> AgreementReport:
    """Agreement over the comparisons of two completions, by what `counted_of` says unless `counted`
    says otherwise. Gold and repeats are left out."""
    is_first = (counted or counted_of(project)) == "first_two"
    return measure(
        found.table(),
        LABELS,
        TIES,
        found.judged(),
        order=ORDER,
        first_two=found.table(counted="first_two") if is_first else None,
    )


def for_others(project: Project, found: ProjectStatistics) -> dict[str, Statistic]:
    """The headline figures with the intervals that hold where other annotators judge. What any two
    annotators said is of all judgments, so there are none where these are no fair sample."""
    table, pairs = found.table(counted=counted_of(project)), found.verdict_pairs()
    figures = for_other_annotators(table, pairs, [label in TIES for label in LABELS])
    if counted_of(project) == "all":
        return figures
    return {
        name: replace(one, low=None, high=None, reason=one.reason or "adaptive_overlap")
        for name, one in figures.items()
    }


def summary(project: Project, found: ProjectStatistics) -> dict[str, Any]:
    """The report, the graded alpha and what holds of other annotators, as programs read them."""
    graded = graded_alpha(found, counted=counted_of(project))
    others = for_others(project, found)
    return {
        **asdict(report(project, found)),
        **{name: asdict(statistic) for name, statistic in graded.items()},
        "for_other_annotators": {name: asdict(one) for name, one in others.items()},
    }


def graded_alpha(
    found: ProjectStatistics,
    dimension: Dimension = Dimension.ALL,
    value: Value = None,
    names: Collection[str] | None = None,
    *,
    counted: Counted,
) -> dict[str, Statistic]:
    """Of the project or of a slice, by its names with ties and without; only those in `names`."""
    asked = {
        ORDINAL.format(suffix): GRADED.format(suffix)
        for suffix in ("", "_no_ties")
        if names is None or GRADED.format(suffix) in names
    }
    if not asked:
        return {}
    table = found.graded_table(dimension, value, counted=counted)
    estimated = statistics_of(table, [grade == 0 for grade in GRADES], GRADES, asked)
    return {asked[name]: statistic for name, statistic in estimated.items()}
