"""The report of one set of judgments, its intervals, and what they resample."""

import math
from dataclasses import asdict

import krippendorff
import numpy as np
import pytest
from helpers.agreement import estimated
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.rules.agreement import AgreementReport, Table, measure, statistics_of
from app.rules.bootstrap import Resampling, Summed, bootstrap
from app.rules.coefficients import chance_agreement, percent_agreement
from app.rules.krippendorff import krippendorff_alpha_nominal
from app.rules.proportions import wilson


def report_of(counts: NDArray[np.int64], groups: NDArray[np.int64], **fields) -> AgreementReport:
    items = fields.pop("items", np.ones(len(counts), dtype=np.int64))
    table = Table(counts=counts, groups=groups, items=items, resampled="prompts")
    labels = ("first", "second", "tie", "both_bad")[: counts.shape[1]]
    return measure(table, labels, ("tie", "both_bad"), n_annotators=3)


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


def test_every_coefficient_without_ties_by_hand() -> None:
    # Without ties: 3 against 1, 2 of 2, a single label, 1 against 1.
    counts = np.array([[3, 1, 1], [0, 2, 0], [1, 0, 1], [1, 1, 2]])
    table = Table(counts=counts, groups=np.arange(4), items=np.ones(4, int), resampled="prompts")

    found = measure(table, ("first", "second", "tie"), ("tie",), 3, order=(0, 2, 1))

    # Mean shares: (3/4 + 0 + 1 + 1/2) / 4 = 9/16 and 7/16, so two labels are the same in
    # 130 of 256. In C each label comes four times, and 2 + 0 + 2 of 8 coincidences differ.
    expected = {
        "percent_agreement_no_ties": (1 / 2 + 1 + 0) / 3,
        "percent_agreement_no_ties_pairs": (6 + 2 + 0) / (12 + 2 + 2),
        "chance_agreement_no_ties": 1 / 2,
        "agreement_with_majority_no_ties": (3 / 4 + 1 + 1 / 2) / 3,
        "leave_one_out_agreement_no_ties": (3 / 4 + 1 + 0) / 3,
        "fleiss_kappa_no_ties": (128 - 130) / (256 - 130),
        "fleiss_kappa_pooled_no_ties": 0.0,
        "gwet_ac1_no_ties": (128 - 126) / (256 - 126),
        "krippendorff_alpha_nominal_no_ties": 1 - 7 * 4 / (64 - 32),
        "krippendorff_alpha_ordinal_no_ties": 1 - 7 * 4 / (64 - 32),
    }
    for name, value in expected.items():
        assert getattr(found, name).value == pytest.approx(value), name
        assert getattr(found, name).n == 3
    assert {name.replace("_no_ties", "") for name in expected} < asdict(found).keys()


def test_ordinal_alpha_without_ties_keeps_the_order_of_the_other_labels() -> None:
    counts = np.array([[2, 0, 1, 1], [0, 1, 1, 0], [1, 0, 0, 3], [0, 2, 1, 2], [1, 1, 0, 0]])
    table = Table(counts=counts, groups=np.arange(5), items=np.ones(5, int), resampled="prompts")

    found = measure(table, ("bad", "tie", "good", "fair"), ("tie",), 4, order=(0, 7, 2, 1))

    in_order = counts[:, [0, 3, 2]]
    expected = krippendorff.alpha(value_counts=in_order[:4], level_of_measurement="ordinal")
    assert found.krippendorff_alpha_ordinal_no_ties.value == pytest.approx(expected)
    assert found.krippendorff_alpha_ordinal_no_ties.n == 3
    assert found.krippendorff_alpha_nominal_no_ties.value != pytest.approx(expected, abs=0.01)


STATISTICS = (
    "percent_agreement", "percent_agreement_no_ties", "percent_agreement_pairs",
    "percent_agreement_no_ties_pairs", "krippendorff_alpha_nominal",
    "krippendorff_alpha_nominal_no_ties", "chance_agreement", "chance_agreement_no_ties",
    "agreement_with_majority", "leave_one_out_agreement", "leave_one_out_agreement_no_ties",
    "fleiss_kappa", "fleiss_kappa_no_ties", "fleiss_kappa_pooled", "gwet_ac1", "gwet_ac1_no_ties",
)  # fmt: skip
LABELS = ("first", "second", "tie", "both_bad")


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


def patterns_report(counts: NDArray[np.int64], **options) -> AgreementReport:
    patterns, items = np.unique(counts, axis=0, return_counts=True)
    table = Table(counts=patterns, groups=None, items=items, resampled="items")
    return measure(table, LABELS, ("tie", "both_bad"), 3, order=(0, 2, 1, 1), **options)


def test_patterns_with_their_numbers_give_what_single_items_give():
    """Items are drawn in another way when each is named, so intervals agree up to the draw."""
    counts, _ = votes_with_a_prompt_effect(np.random.default_rng(4), 150)

    one_by_one = report_of(counts, np.arange(len(counts)))
    together = patterns_report(counts)

    assert together.resampled == "items"
    assert (together.n_judgments, together.n_pairs) == (2250, 2250)
    for name in STATISTICS:
        a, b = getattr(one_by_one, name), getattr(together, name)
        assert (b.value, b.n) == (pytest.approx(a.value, abs=1e-12), a.n)
        assert (b.low, b.high) == pytest.approx((a.low, a.high), abs=0.16 * (a.high - a.low))


def test_items_judged_once_move_neither_value_nor_interval_of_what_needs_two_judgments():
    counts, _ = votes_with_a_prompt_effect(np.random.default_rng(4), 30)
    singles = np.vstack([counts, np.repeat(np.eye(4, dtype=np.int64), 25, axis=0)])

    before, after = asdict(patterns_report(counts)), asdict(patterns_report(singles))

    assert after["n_items"] == before["n_items"] + 100
    for name in (*STATISTICS, "krippendorff_alpha_ordinal"):
        # Both take their chance from all labels.
        if name.removesuffix("_no_ties") not in ("fleiss_kappa", "gwet_ac1"):
            assert after[name] == before[name]
        assert after[name]["n"] == before[name]["n"]


def test_agreement_of_items_with_two_labels_has_wilsons_interval_unless_prompts_bind_them():
    counts = np.array([[2, 0, 0, 0]] * 30 + [[1, 1, 0, 0]] * 10)

    free, bound = patterns_report(counts), report_of(counts, np.arange(40) // 2)

    expected = wilson(30, 40)
    for name in ("percent_agreement", "percent_agreement_no_ties", "leave_one_out_agreement"):
        found = getattr(free, name)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert bound.percent_agreement.low != pytest.approx(expected.low, abs=0.01)


def test_where_nobody_ever_disagreed_the_share_is_one_but_not_certain():
    found = patterns_report(np.array([[3, 0, 0, 0]] * 20 + [[0, 3, 0, 0]] * 20))

    # Wilson: n / (n + z^2) at 40 of 40.
    assert found.percent_agreement.value == 1
    assert found.percent_agreement.low == pytest.approx(40 / (40 + 1.96**2), abs=1e-4)
    assert found.krippendorff_alpha_nominal.value == 1


@pytest.mark.parametrize(("pattern", "share"), [([2, 0, 0, 0], 1.0), ([1, 1, 0, 0], 0.0)])
def test_where_prompts_bind_items_that_all_agree_or_none_does_each_prompt_is_one_trial(
    pattern, share
):
    found = report_of(np.array([pattern] * 60), np.arange(60) // 2)

    # Wilson of 30 trials: z^2 / (n + z^2) from the end.
    width = 1.96**2 / (30 + 1.96**2)
    expected = (1 - width, 1.0) if share else (0.0, width)
    for name in ("percent_agreement", "percent_agreement_no_ties", "leave_one_out_agreement"):
        one = getattr(found, name)
        assert (one.value, one.n, one.reason) == (share, 60, None)
        assert (one.low, one.high) == pytest.approx(expected, abs=1e-4)
    few = report_of(np.array([pattern] * 60), np.arange(60) // 4).percent_agreement
    assert (few.low, few.high, few.reason) == (None, None, "too_few_for_interval")


def test_where_resamples_cannot_differ_there_is_no_interval():
    """All agree, on one label or the other: every resample has an alpha of 1."""
    found = report_of(np.array([[2, 0, 0], [0, 2, 0]] * 30), np.arange(60))
    for one in (found.krippendorff_alpha_nominal, found.fleiss_kappa, found.gwet_ac1):
        assert (one.value, one.n) == (pytest.approx(1.0), 60)
        assert (one.low, one.high, one.reason) == (None, None, "no_variation")


def test_the_seed_and_the_number_of_replicates_are_the_callers():
    counts, _ = votes_with_a_prompt_effect(np.random.default_rng(4), 30)

    def interval(**options):
        found = patterns_report(counts, resampling=Resampling(**options)).percent_agreement
        return found.low, found.high

    assert interval(seed=1) == interval(seed=1)
    assert interval(seed=1) != interval(seed=2)
    assert interval(replicates=0) == (None, None)
    none = patterns_report(counts, resampling=Resampling(replicates=0)).percent_agreement
    assert none.reason == "not_resampled"


def test_without_an_order_of_labels_ordinal_alpha_says_so():
    report = report_of(np.array([[2, 0, 0], [1, 1, 0], [0, 0, 2]]), np.arange(3))

    for found, n in (
        (report.krippendorff_alpha_ordinal, 3),
        (report.krippendorff_alpha_ordinal_no_ties, 2),
    ):
        assert (found.value, found.n, found.reason) == (None, n, "no_order")


@given(st.permutations(range(40)))
@settings(max_examples=10, deadline=None)
def test_the_order_of_items_changes_no_figure_at_all(order):
    counts, _ = votes_with_a_prompt_effect(np.random.default_rng(9), 8)

    assert patterns_report(counts[list(order)]) == patterns_report(counts)


def test_a_statistic_is_the_same_whichever_others_are_asked_for():
    counts, prompts = votes_with_a_prompt_effect(np.random.default_rng(4), 60)
    # Without ties, the first prompts have no comparison left that two judged.
    counts[:25] = [1, 0, 1, 1]
    table = Table(counts=counts, groups=prompts, items=np.ones(300, int), resampled="prompt_groups")

    def ask(names=None):
        return statistics_of(table, [False, False, True, True], (0, 2, 1, 1), names)

    for name, found in ask().items():
        assert found.low is not None
        (alone,) = ask([name]).values()
        assert alone.n == found.n
        # Sums of other columns may differ in their last digits.
        expected = pytest.approx((found.value, found.low, found.high), rel=1e-12)
        assert (alone.value, alone.low, alone.high) == expected


def test_without_a_judgment_the_shares_of_verdicts_are_undefined():
    nothing = report_of(np.zeros((0, 3), np.int64), np.zeros(0, np.int64))

    assert nothing.verdict_shares == {"first": None, "second": None, "tie": None}


@pytest.mark.parametrize(("needed", "is_fair"), [(1, True), (2, False)])
def test_an_interval_needs_half_of_the_resamples(needed, is_fair):
    """Of 50 items a resample lacks a certain one with probability (49/50)^50, and one of two with
    2 (49/50)^50 - (48/50)^50."""
    rows = np.zeros((50, 3))
    rows[0, 0] = rows[1, 1] = rows[:, 2] = 1
    statistic = Summed(
        rows=rows,
        counts=np.ones(50, bool),
        statistic=lambda sums: np.where((sums[:, :needed] > 0).all(axis=1), sums[:, 0], np.nan),
        undefined="-",
    )

    (found,) = bootstrap([statistic], None, np.ones(50, np.int64))

    one, either = (49 / 50) ** 50, 2 * (49 / 50) ** 50 - (48 / 50) ** 50
    lacking = 2000 * (one if needed == 1 else either)
    assert found.undefined_replicates == pytest.approx(lacking, abs=4 * math.sqrt(500))
    assert found.value == 1
    assert (found.low is not None) is is_fair
    assert found.reason == (None if is_fair else "not_resampled")


@pytest.mark.parametrize(("prompts", "comparisons"), [(30, 1), (400, 5)])
def test_intervals_over_groups_of_prompts_hold_the_truth_nineteen_times_in_twenty(
    prompts, comparisons
):
    """As many prompts as small projects have, each a group of its own for most, and more prompts
    than groups. A third of prompts are a coin's toss, of the others nine in ten prefer one."""
    truth, covered, runs = (0.5 + 2 * (0.9**2 + 0.1**2)) / 3, 0, 150
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        clear = np.repeat(np.where(rng.random(prompts) < 1 / 3, 0.5, 0.9), comparisons)
        first = rng.binomial(2, clear)
        counts = np.column_stack([first, 2 - first, 0 * first, 0 * first])
        groups = np.repeat(rng.integers(0, 256, prompts), comparisons)
        items = np.ones(len(counts), np.int64)
        table = Table(counts=counts, groups=groups, items=items, resampled="prompt_groups")
        found = statistics_of(table, [False] * 4, None, ["percent_agreement"])["percent_agreement"]
        covered += found.low <= truth <= found.high
    # Of 150, 95 % are 142.5 with a standard error of 2.7; percentiles of 30 units are a little
    # narrow, so about 93 % are expected there.
    assert 0.9 <= covered / runs <= 0.985
