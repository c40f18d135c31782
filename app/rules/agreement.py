"""Agreement between annotators of one set of judgments, from counts of labels per item.

`counts` is (N, q): how often each of the q declared labels was given to each item. What each
statistic is stands in `coefficients` and `krippendorff`; here they are put together. Without ties,
labels that are ties are dropped, and an item counts if two labels or more are left.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress

import numpy as np

from app.rules.bootstrap import Integers, Resampling, Statistic, Summed, bootstrap
from app.rules.coefficients import (
    Counts,
    agreement_with_majority,
    chance_agreement,
    fleiss_kappa,
    fleiss_kappa_pooled,
    gwet_ac1,
    leave_one_out_agreement,
    percent_agreement,
    percent_agreement_pairs,
)
from app.rules.krippendorff import krippendorff_alpha_nominal, krippendorff_alpha_ordinal
from app.rules.proportions import wilson

Function = Callable[[Counts], Summed]
NOMINAL: dict[str, Function] = {
    "percent_agreement{}": percent_agreement,
    "percent_agreement{}_pairs": percent_agreement_pairs,
    "krippendorff_alpha_nominal{}": krippendorff_alpha_nominal,
    "chance_agreement{}": chance_agreement,
    "agreement_with_majority{}": agreement_with_majority,
    "leave_one_out_agreement{}": leave_one_out_agreement,
    "fleiss_kappa{}": fleiss_kappa,
    "fleiss_kappa_pooled{}": fleiss_kappa_pooled,
    "gwet_ac1{}": gwet_ac1,
}
ORDINAL = "krippendorff_alpha_ordinal{}"
"""In names, `{}` is empty with ties and `_no_ties` without."""


@dataclass(frozen=True, kw_only=True)
class AgreementReport:
    """Agreement over one set of judgments; every statistic has its own n and interval."""

    counted: str
    """`all` judgments of an item in its statistics, or only its `first_two`. The counts and shares
    below are of all of them."""
    n_judgments: int
    n_items: int
    n_items_overlap: int
    n_annotators: int
    n_pairs: int
    resampled: str
    """What the intervals resample: `items`, or `prompt_groups` (256 random groups of whole
    prompts)."""
    verdict_shares: dict[str, float | None]
    """Of all judgments; None where there is none."""
    percent_agreement: Statistic
    percent_agreement_no_ties: Statistic
    percent_agreement_pairs: Statistic
    percent_agreement_no_ties_pairs: Statistic
    krippendorff_alpha_nominal: Statistic
    krippendorff_alpha_nominal_no_ties: Statistic
    krippendorff_alpha_ordinal: Statistic
    krippendorff_alpha_ordinal_no_ties: Statistic
    chance_agreement: Statistic
    chance_agreement_no_ties: Statistic
    agreement_with_majority: Statistic
    agreement_with_majority_no_ties: Statistic
    leave_one_out_agreement: Statistic
    leave_one_out_agreement_no_ties: Statistic
    fleiss_kappa: Statistic
    fleiss_kappa_no_ties: Statistic
    fleiss_kappa_pooled: Statistic
    fleiss_kappa_pooled_no_ties: Statistic
    gwet_ac1: Statistic
    gwet_ac1_no_ties: Statistic


@dataclass(frozen=True, kw_only=True)
class Table:
    """What is measured: each row stands for one or more items with equal counts."""

    counts: Counts
    """(N, q)."""
    groups: Integers | None
    """(N,): the unit of resampling that a row's items belong to, a prompt or a group of prompts;
    None where every item is a unit of its own."""
    items: Integers
    """(N,): how many items."""
    resampled: str


def measure(
    table: Table,
    labels: Sequence[str],
    ties: Sequence[str],
    n_annotators: int,
    *,
    order: Sequence[float] | None = None,
    resampling: Resampling = Resampling(),
    first_two: Table | None = None,
) -> AgreementReport:
    """All statistics. `ties` names the labels that the figures without ties leave out; `order` is
    (q,), the place of each label for ordinal alpha, None where labels have no order. `first_two`
    are the first two labels of the same items, where only these are a fair sample."""
    items, totals = table.items, table.items @ table.counts
    n = int(totals.sum())
    per_item = table.counts.sum(axis=1)
    return AgreementReport(
        counted="all" if first_two is None else "first_two",
        n_judgments=n,
        n_items=int(items[per_item > 0].sum()),
        n_items_overlap=int(items[per_item > 1].sum()),
        n_annotators=n_annotators,
        n_pairs=int(items @ (per_item * (per_item - 1) // 2)),
        resampled=table.resampled,
        verdict_shares={
            label: float(total) / n if n else None
            for label, total in zip(labels, totals, strict=True)
        },
        **statistics_of(
            table if first_two is None else first_two,
            [x in ties for x in labels],
            order,
            resampling=resampling,
        ),
    )


def statistics_of(
    table: Table,
    is_tie: Sequence[bool],
    order: Sequence[float] | None,
    names: Collection[str] | None = None,
    *,
    resampling: Resampling = Resampling(),
) -> dict[str, Statistic]:
    """The statistics of a report by their names, all of them unless `names` says which. is_tie and
    order are (q,), as in `measure`."""
    wanted = {}
    for suffix, kept in (("", [True] * len(is_tie)), ("_no_ties", [not tie for tie in is_tie])):
        counts = table.counts[:, np.array(kept, dtype=bool)]
        places = None if order is None else list(compress(order, kept))
        functions: dict[str, Function] = {**NOMINAL, ORDINAL: partial(_ordinal, order=places)}
        for template, function in functions.items():
            name = template.format(suffix)
            if names is None or name in names:
                wanted[name] = function(counts)
    return estimate(table, wanted, resampling)


def estimate(
    table: Table, wanted: Mapping[str, Summed], resampling: Resampling = Resampling()
) -> dict[str, Statistic]:
    """The statistics under their names, each with n and interval.

    A share of independent items that agree or do not has Wilson's interval. So has one of items
    that are bound in groups where all agree or none does: resampling could only claim certainty,
    and as many trials as there are groups are the fewest that it can be.
    """
    estimated = bootstrap(list(wanted.values()), table.groups, table.items, resampling)
    found = dict(zip(wanted, estimated, strict=True))
    for name, statistic in found.items():
        summed, share = wanted[name], statistic.value
        if not summed.trials or share is None or statistic.reason not in (None, "no_variation"):
            continue
        if table.groups is None:
            trials = statistic.n
        elif share in (0.0, 1.0):
            trials = len(np.unique(table.groups[summed.counts]))
        else:
            continue
        ends = wilson(share * trials, trials)
        found[name] = Statistic(value=share, low=ends.low, high=ends.high, n=statistic.n)
    return found


def _ordinal(counts: Counts, order: Sequence[float] | None) -> Summed:
    if order is not None:
        return krippendorff_alpha_ordinal(counts, order)
    return Summed(
        rows=np.zeros((len(counts), 1)),
        counts=counts.sum(axis=1) > 1,
        statistic=lambda sums: np.full(len(sums), np.nan),
        undefined="no_order",
    )
