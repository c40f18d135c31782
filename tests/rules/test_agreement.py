"""Agreement against published tables, a slow formula, and a peer library."""

import itertools
import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.rules.agreement import AgreementReport, Table, measure
from app.rules.bootstrap import Statistic, Summed, bootstrap
from app.rules.coefficients import chance_agreement, percent_agreement
from app.rules.krippendorff import krippendorff_alpha_nominal

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), example C: four observers,
# twelve units, missing values; nominal alpha is 0.743.
PUBLISHED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]

tables = st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=30).map(
    lambda rows: np.array(rows, dtype=np.int64)
)


def counts_of(observers: list[list[int | None]], labels: range) -> NDArray[np.int64]:
    return np.array(
        [[sum(o[i] == k for o in observers) for k in labels] for i in range(len(observers[0]))],
        dtype=np.int64,
    )


def estimated(summed: Summed, groups: NDArray[np.int64] | None = None) -> Statistic:
    """Each row is one item, a unit of its own unless `groups` says otherwise."""
    n = len(summed.rows)
    groups = np.arange(n) if groups is None else groups
    return bootstrap([summed], groups, np.ones(n, dtype=np.int64))[0]


def report_of(counts: NDArray[np.int64], groups: NDArray[np.int64], **fields) -> AgreementReport:
    items = fields.pop("items", np.ones(len(counts), dtype=np.int64))
    table = Table(counts=counts, groups=groups, items=items, resampled="prompts")
    labels = ("first", "second", "tie", "both_bad")[: counts.shape[1]]
    return measure(table, labels, ("tie", "both_bad"), n_annotators=3)


def pairwise_agreement(counts: NDArray[np.int64]) -> float | None:
    """By writing out every pair of labels."""
    shares = []
    for row in counts:
        labels = [k for k, n in enumerate(row) for _ in range(n)]
        pairs = list(itertools.combinations(labels, 2))
        if pairs:
            shares.append(sum(a == b for a, b in pairs) / len(pairs))
    return sum(shares) / len(shares) if shares else None


def test_alpha_equals_the_published_example() -> None:
    counts = counts_of(PUBLISHED, range(1, 6))

    assert estimated(krippendorff_alpha_nominal(counts)).value == pytest.approx(0.743, abs=5e-4)


def test_percent_agreement_of_three_items_by_hand() -> None:
    # Three of three agree: 1. Two against one: 1 of 3 pairs. One label alone does not count.
    counts = np.array([[3, 0], [2, 1], [1, 0]])

    found = estimated(percent_agreement(counts))

    assert found.value == pytest.approx((1 + 1 / 3) / 2)
    assert found.n == 2


def test_without_a_second_label_agreement_is_undefined_with_its_reason() -> None:
    counts = np.array([[1, 0], [0, 1]])

    for statistic in (percent_agreement, krippendorff_alpha_nominal, chance_agreement):
        found = estimated(statistic(counts))
        assert (found.value, found.n, found.reason) == (None, 0, "no_overlap")


def test_alpha_of_a_single_used_category_is_undefined_not_one() -> None:
    counts = np.array([[3, 0], [2, 0]])

    found = estimated(krippendorff_alpha_nominal(counts))

    assert (found.value, found.reason) == (None, "one_category")


def test_a_single_disputed_item_has_alpha_zero() -> None:
    counts = np.array([[1, 1]])

    assert estimated(krippendorff_alpha_nominal(counts)).value == pytest.approx(0.0)


def test_fewer_than_twenty_units_have_a_value_but_no_interval() -> None:
    counts = np.tile([2, 1], (19, 1))

    found = estimated(percent_agreement(counts))

    assert found.value == pytest.approx(1 / 3)
    assert (found.low, found.high, found.reason) == (None, None, "too_few_for_interval")


def test_the_bootstrap_interval_matches_the_normal_one_where_both_are_right() -> None:
    """2,000 pairs, 1,400 equal: the normal interval is 0.7 ± 1.96 sqrt(0.21 / 2000)."""
    counts = np.array([[2, 0]] * 1400 + [[1, 1]] * 600)

    found = estimated(percent_agreement(counts))

    half = 1.96 * math.sqrt(0.7 * 0.3 / 2000)
    assert found.low == pytest.approx(0.7 - half, abs=0.003)
    assert found.high == pytest.approx(0.7 + half, abs=0.003)


def test_items_of_one_prompt_are_resampled_together() -> None:
    """Fifty prompts of twenty equal items carry the information of fifty items, not a thousand."""
    counts = np.repeat(np.array([[2, 0]] * 35 + [[1, 1]] * 15), 20, axis=0)
    prompts = np.repeat(np.arange(50), 20)

    found = estimated(percent_agreement(counts), prompts)

    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * math.sqrt(0.21 / 50), rel=0.15)


def test_ties_are_left_out_of_the_figures_without_ties() -> None:
    counts = np.array([[2, 0, 1], [0, 2, 0], [1, 0, 1]])

    report = report_of(counts, np.arange(3))

    assert report.percent_agreement_no_ties.value == pytest.approx(1.0)
    assert report.percent_agreement_no_ties.n == 2
    assert report.percent_agreement.value == pytest.approx((1 / 3 + 1 + 0) / 3)
    assert report.n_pairs == 3 + 1 + 1
    assert report.verdict_shares == pytest.approx({"first": 3 / 7, "second": 2 / 7, "tie": 2 / 7})


@given(tables)
@settings(max_examples=60, deadline=None)
def test_percent_agreement_equals_the_list_of_all_pairs(counts: NDArray[np.int64]) -> None:
    found = estimated(percent_agreement(counts)).value

    expected = pairwise_agreement(counts)
    assert found == (None if expected is None else pytest.approx(expected))


@given(tables)
@settings(max_examples=60, deadline=None)
def test_alpha_equals_the_peer_library_and_ignores_the_order_of_rows_and_labels(
    counts: NDArray[np.int64],
) -> None:
    found = estimated(krippendorff_alpha_nominal(counts))
    overlapping = counts[counts.sum(axis=1) > 1]
    if (overlapping.sum(axis=0) > 0).sum() < 2:
        assert found.value is None
        return

    peer = krippendorff.alpha(value_counts=overlapping, level_of_measurement="nominal")
    assert found.value == pytest.approx(peer, abs=1e-9)
    assert estimated(krippendorff_alpha_nominal(counts[::-1, ::-1])).value == pytest.approx(
        found.value, abs=1e-9
    )


STATISTICS = (
    "percent_agreement", "percent_agreement_no_ties", "krippendorff_alpha_nominal",
    "krippendorff_alpha_nominal_no_ties", "chance_agreement", "chance_agreement_no_ties",
)  # fmt: skip


def votes_with_a_prompt_effect(
    rng: np.random.Generator, prompts: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Five comparisons of each prompt, three judgments of each; some prompts are easy, others are
    a coin's toss, so that the comparisons of one prompt have much in common."""
    groups = np.repeat(np.arange(prompts), 5)
    clear = np.repeat(rng.beta(0.4, 0.4, prompts), 5)
    n_tie = rng.binomial(3, 0.15, len(groups))
    n_first = rng.binomial(3 - n_tie, np.where(rng.random(len(groups)) < 0.5, clear, 1 - clear))
    zero = np.zeros_like(n_tie)
    return np.column_stack([n_first, 3 - n_tie - n_first, n_tie, zero]), groups


def merged(
    counts: NDArray[np.int64], groups: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Equal rows of one group as one row, and how many there were."""
    rows, items = np.unique(np.column_stack([groups, counts]), axis=0, return_counts=True)
    return rows[:, 1:], rows[:, 0], items


def test_equal_items_of_a_unit_may_come_as_one_row_with_their_number() -> None:
    counts, prompts = votes_with_a_prompt_effect(np.random.default_rng(3), 40)
    few, groups, items = merged(counts, prompts)

    one_by_one, together = report_of(counts, prompts), report_of(few, groups, items=items)

    assert len(few) < len(counts)
    for name in ("n_judgments", "n_items", "n_items_overlap", "n_pairs"):
        assert getattr(together, name) == getattr(one_by_one, name)
    assert together.verdict_shares == pytest.approx(one_by_one.verdict_shares, rel=1e-12)
    for name in STATISTICS:
        a, b = getattr(one_by_one, name), getattr(together, name)
        assert (b.value, b.low, b.high) == pytest.approx((a.value, a.low, a.high), rel=1e-9)
        assert b.n == a.n


def test_groups_of_whole_prompts_give_nearly_the_interval_of_prompts() -> None:
    """What a large project resamples, on data of a size where both can be done."""
    rng = np.random.default_rng(8)
    counts, prompts = votes_with_a_prompt_effect(rng, 4000)
    few, groups, items = merged(counts, rng.integers(0, 256, 4000)[prompts])

    exact, grouped = report_of(counts, prompts), report_of(few, groups, items=items)

    for name in STATISTICS:
        a, b = getattr(exact, name), getattr(grouped, name)
        assert b.value == pytest.approx(a.value, rel=1e-12)
        assert b.n == a.n
        # With 256 groups the width itself has a standard error of 4 %.
        width = a.high - a.low
        assert b.high - b.low == pytest.approx(width, rel=0.15)
        assert (b.low, b.high) == pytest.approx((a.low, a.high), abs=0.12 * width)
    # Comparisons of one prompt are far from independent here: taken as such, they would claim more.
    naive = report_of(counts, np.arange(len(counts))).percent_agreement
    assert naive.high - naive.low < 0.8 * (
        exact.percent_agreement.high - exact.percent_agreement.low
    )


@pytest.mark.parametrize("kinds", [3, 3000])
def test_intervals_of_few_and_of_many_kinds_of_units_are_those_of_the_normal_approximation(
    kinds: int,
) -> None:
    """Units that repeat are drawn in another way than units that differ; 0.5 ± 1.96 s / sqrt(n)."""
    values = np.resize(np.linspace(0, 1, kinds), 3000)
    rows = np.column_stack([values, np.ones(3000)])
    mean = Summed(
        rows=rows,
        counts=np.ones(3000, dtype=bool),
        statistic=lambda sums: sums[:, 0] / sums[:, 1],
        undefined="-",
    )

    found = estimated(mean)

    half = 1.96 * values.std() / math.sqrt(3000)
    assert found.value == pytest.approx(0.5)
    assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.06 * half)
