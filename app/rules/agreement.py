"""Agreement between annotators of one set of judgments, from counts of labels per item.

`counts` is (N, q): how often each of the q declared labels was given to each item. What each
statistic is stands in `coefficients` and `krippendorff`; here they are put together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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


@dataclass(frozen=True, kw_only=True)
class AgreementReport:
    """Agreement over one set of judgments; every statistic has its own n and interval."""

    n_judgments: int
    n_items: int
    n_items_overlap: int
    n_annotators: int
    n_pairs: int
    resampled: str
    """What the intervals resample: `items`, `prompts`, or `prompt_groups` (random groups of whole
    prompts, in a large project)."""
    verdict_shares: dict[str, float]
    percent_agreement: Statistic
    percent_agreement_no_ties: Statistic
    percent_agreement_pairs: Statistic
    percent_agreement_no_ties_pairs: Statistic
    krippendorff_alpha_nominal: Statistic
    krippendorff_alpha_nominal_no_ties: Statistic
    krippendorff_alpha_ordinal: Statistic
    chance_agreement: Statistic
    chance_agreement_no_ties: Statistic
    agreement_with_majority: Statistic
    leave_one_out_agreement: Statistic
    fleiss_kappa: Statistic
    fleiss_kappa_pooled: Statistic
    gwet_ac1: Statistic


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

    @classmethod
    def of_patterns(cls, patterns: Mapping[tuple[int, ...], int], n_labels: int) -> "Table":
        """From {labels of each kind on an item: number of such items}, every item a unit."""
        found = sorted(patterns.items())
        return cls(
            counts=np.array([p for p, _ in found], dtype=np.int64).reshape(-1, n_labels),
            groups=None,
            items=np.array([times for _, times in found], dtype=np.int64),
            resampled="items",
        )


def measure(
    table: Table,
    labels: Sequence[str],
    ties: Sequence[str],
    n_annotators: int,
    *,
    order: Sequence[float] | None = None,
    resampling: Resampling = Resampling(),
) -> AgreementReport:
    """All statistics. `ties` names the labels that the figures without ties leave out; `order` is
    (q,), the place of each label for ordinal alpha, None where labels have no order."""
    items, totals = table.items, table.items @ table.counts
    n = int(totals.sum())
    per_item = table.counts.sum(axis=1)
    n_overlap = int(items[per_item > 1].sum())
    ordinal = {"krippendorff_alpha_ordinal": Statistic(value=None, n=n_overlap, reason="no_order")}
    return AgreementReport(
        n_judgments=n,
        n_items=int(items[per_item > 0].sum()),
        n_items_overlap=n_overlap,
        n_annotators=n_annotators,
        n_pairs=int(items @ (per_item * (per_item - 1) // 2)),
        resampled=table.resampled,
        verdict_shares={
            label: float(total) / n if n else 0.0
            for label, total in zip(labels, totals, strict=True)
        },
        **ordinal
        | estimate(table, _wanted(table.counts, [x in ties for x in labels], order), resampling),
    )


def estimate(
    table: Table, wanted: Mapping[str, Summed], resampling: Resampling = Resampling()
) -> dict[str, Statistic]:
    """The statistics under their names, each with n and interval.

    Those in which items judged once have no part are drawn apart, so that such items leave their
    intervals as they are. A share of independent items that agree or do not has Wilson's interval,
    which says more than resampling does where all agree.
    """
    found: dict[str, Statistic] = {}
    for names in (
        [name for name, summed in wanted.items() if summed.also is None],
        [name for name, summed in wanted.items() if summed.also is not None],
    ):
        if names:
            estimated = bootstrap(
                [wanted[name] for name in names], table.groups, table.items, resampling
            )
            found.update(zip(names, estimated, strict=True))
    if table.groups is None:
        for name, statistic in found.items():
            if wanted[name].trials and statistic.value is not None and statistic.low is not None:
                share = wilson(statistic.value * statistic.n, statistic.n)
                found[name] = replace(statistic, low=share.low, high=share.high)
    return found


def _wanted(
    counts: Counts, is_tie: Sequence[bool], order: Sequence[float] | None
) -> dict[str, Summed]:
    decisive = counts[:, ~np.array(is_tie, dtype=bool)]
    wanted = {
        "percent_agreement": percent_agreement(counts),
        "percent_agreement_no_ties": percent_agreement(decisive),
        "percent_agreement_pairs": percent_agreement_pairs(counts),
        "percent_agreement_no_ties_pairs": percent_agreement_pairs(decisive),
        "krippendorff_alpha_nominal": krippendorff_alpha_nominal(counts),
        "krippendorff_alpha_nominal_no_ties": krippendorff_alpha_nominal(decisive),
        "chance_agreement": chance_agreement(counts),
        "chance_agreement_no_ties": chance_agreement(decisive),
        "agreement_with_majority": agreement_with_majority(counts),
        "leave_one_out_agreement": leave_one_out_agreement(counts),
        "fleiss_kappa": fleiss_kappa(counts),
        "fleiss_kappa_pooled": fleiss_kappa_pooled(counts),
        "gwet_ac1": gwet_ac1(counts),
    }
    if order is not None:
        wanted["krippendorff_alpha_ordinal"] = krippendorff_alpha_ordinal(counts, order)
    return wanted
