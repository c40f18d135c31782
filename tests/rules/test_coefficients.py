"""Coefficients against published values, tables worked out by hand, slow formulas and a peer.

Agreement with the majority, leave-one-out, pooled agreement and pooled Fleiss' kappa of items with
unequal numbers of labels stand beside plain loops only: no library has them.
"""

import math

import numpy as np
import pandas as pd
import pytest
from helpers.agreement import (
    FLEISS_1971,
    FLEISS_FOURTEEN,
    KRIPPENDORFF,
    Counts,
    count_tables,
    counts_of,
    estimated,
    labels_of,
    mean_over_overlap,
    mean_shares,
    modes,
    share_of_equal_pairs,
)
from hypothesis import given, settings
from irrCAC.raw import CAC
from statsmodels.stats.inter_rater import fleiss_kappa as peer_fleiss_kappa

from app.rules.coefficients import (
    agreement_with_majority,
    chance_agreement,
    fleiss_kappa,
    fleiss_kappa_pooled,
    gwet_ac1,
    gwet_ac2_quadratic,
    leave_one_out_agreement,
    percent_agreement,
    percent_agreement_pairs,
)
from app.rules.krippendorff import krippendorff_alpha_nominal
from app.rules.proportions import wilson

EVERY = (
    percent_agreement, percent_agreement_pairs, chance_agreement, agreement_with_majority,
    leave_one_out_agreement, fleiss_kappa, fleiss_kappa_pooled, gwet_ac1,
)  # fmt: skip


def two_raters(table: list[list[int]]) -> Counts:
    """Items of two labels each, from how often the first said row and the second column."""
    eye = np.eye(len(table), dtype=np.int64)
    pairs = [(a, b) for a, row in enumerate(table) for b, n in enumerate(row) for _ in range(n)]
    return np.array([eye[a] + eye[b] for a, b in pairs])


def slow_ac(counts: Counts, weights: list[list[float]]) -> float | None:
    """Gwet (2014), ch. 4, written out pair by pair; identity weights give AC1."""
    q = counts.shape[1]

    def weight(labels: list[int]) -> float:
        pairs = [(a, b) for i, a in enumerate(labels) for j, b in enumerate(labels) if i != j]
        return sum(weights[a][b] for a, b in pairs) / len(pairs)

    observed = mean_over_overlap(counts, weight)
    if observed is None:
        return None
    total = sum(map(sum, weights))
    chance = total * sum(p * (1 - p) for p in mean_shares(counts)) / (q * (q - 1))
    return (observed - chance) / (1 - chance)


def slow_fleiss(counts: Counts, shares: list[float]) -> float | None:
    observed = mean_over_overlap(counts, share_of_equal_pairs)
    chance = sum(p * p for p in shares)
    if observed is None or chance > 1 - 1e-12:
        return None
    return (observed - chance) / (1 - chance)


def close(expected: float | None):
    return None if expected is None else pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("table", "published"), [(FLEISS_1971, 0.430), (FLEISS_FOURTEEN, 0.210)])
def test_fleiss_kappa_equals_its_published_examples(table, published):
    shares = [sum(column) / table.sum() for column in zip(*table.tolist(), strict=True)]

    for kappa in (fleiss_kappa, fleiss_kappa_pooled):
        assert estimated(kappa(table)).value == pytest.approx(published, abs=5e-4)
        assert estimated(kappa(table)).value == pytest.approx(slow_fleiss(table, shares), abs=1e-9)


def test_ac1_and_fleiss_kappa_equal_gwets_published_values_with_missing_ratings():
    # Unit 12 has a single rating: it counts in the label shares, but not in the agreement.
    counts = counts_of(KRIPPENDORFF, range(1, 6))

    assert estimated(gwet_ac1(counts)).value == pytest.approx(0.77544, abs=5e-6)
    assert estimated(fleiss_kappa(counts)).value == pytest.approx(0.76117, abs=5e-6)
    assert estimated(percent_agreement(counts)).value == pytest.approx(0.8181818, abs=5e-8)
    assert estimated(gwet_ac1(counts)).n == 11


def test_ac1_stays_high_where_one_label_is_nearly_always_given():
    counts = two_raters([[118, 5], [2, 0]])

    assert estimated(gwet_ac1(counts)).value == pytest.approx(0.94, abs=0.005)
    assert estimated(fleiss_kappa(counts)).value < 0


def test_an_unused_label_that_was_allowed_moves_ac1_and_nothing_else():
    """Sixty items of two labels, ten of them split, 48 of 120 labels the first: by hand, chance is
    2 · 0.4 · 0.6 = 0.48 with two labels allowed and half of that with three."""
    counts = np.array([[2, 0]] * 19 + [[0, 2]] * 31 + [[1, 1]] * 10)
    allowed = np.column_stack([counts, np.zeros(60, dtype=np.int64)])

    assert estimated(gwet_ac1(counts)).value == pytest.approx((50 / 60 - 0.48) / 0.52)
    assert estimated(gwet_ac1(allowed)).value == pytest.approx((50 / 60 - 0.24) / 0.76)
    for coefficient in EVERY[:-1]:
        assert estimated(coefficient(allowed)) == estimated(coefficient(counts))


def test_ac1_of_a_single_used_label_is_one_and_kappa_undefined():
    counts = np.array([[3, 0], [2, 0]])

    assert estimated(gwet_ac1(counts)).value == 1
    assert estimated(gwet_ac2_quadratic(counts, [1, 2])).value == 1
    for kappa in (fleiss_kappa, fleiss_kappa_pooled):
        assert estimated(kappa(counts)).reason == "one_category"
        assert estimated(kappa(counts)).value is None


def test_with_one_label_declared_there_is_no_chance_to_correct_for():
    counts = np.array([[3], [2]])

    for found in (estimated(gwet_ac1(counts)), estimated(gwet_ac2_quadratic(counts, [4.0]))):
        assert (found.value, found.n, found.reason) == (None, 2, "one_category")


def test_one_item_with_two_different_labels_has_fleiss_kappa_minus_one():
    assert estimated(fleiss_kappa(np.array([[1, 1]]))).value == pytest.approx(-1)


def test_an_item_with_many_labels_outweighs_others_among_pairs_but_not_among_items():
    """Ten items of two labels, nine of them agreed, beside one of twenty labels split in halves."""
    counts = np.array([[2, 0]] * 9 + [[1, 1], [10, 10]])

    assert estimated(percent_agreement(counts)).value == pytest.approx(
        (9 + 2 * 90 / 380) / 11, abs=1e-12
    )
    assert estimated(percent_agreement(counts)).value == pytest.approx(0.86, abs=0.005)
    assert estimated(percent_agreement_pairs(counts)).value == pytest.approx((18 + 180) / 400)


def test_agreement_with_the_majority_counts_the_judged_vote_and_leave_one_out_does_not():
    # By hand. Two against one: the two hit the majority, 2/3; left out, each of the two sees one
    # of each (1/2), the third sees two against (0). A split of two: 1/2 and 0.
    counts = np.array([[2, 1], [1, 1]])

    assert estimated(agreement_with_majority(counts)).value == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert estimated(leave_one_out_agreement(counts)).value == pytest.approx((1 / 3 + 0) / 2)


@pytest.mark.parametrize("coefficient", EVERY)
def test_without_a_second_label_every_coefficient_is_undefined_with_its_reason(coefficient):
    for counts in (np.array([[1, 0], [0, 1]]), np.zeros((0, 0), dtype=np.int64)):
        found = estimated(coefficient(counts))
        assert (found.value, found.n, found.reason) == (None, 0, "no_overlap")


@given(count_tables())
@settings(max_examples=60, deadline=None)
def test_figures_over_labels_equal_the_textbook_written_out(counts):
    def credit(label: int, among: list[int]) -> float:
        best = modes(among)
        return (label in best) / len(best)

    def with_majority(labels: list[int]) -> float:
        return sum(credit(label, labels) for label in labels) / len(labels)

    def with_others(labels: list[int]) -> float:
        rests = [labels[:i] + labels[i + 1 :] for i in range(len(labels))]
        return sum(map(credit, labels, rests)) / len(labels)

    overlap = [labels_of(row) for row in counts if sum(row) > 1]
    pairs = [(len(labels) ** 2 - len(labels), share_of_equal_pairs(labels)) for labels in overlap]
    pooled = sum(n * share for n, share in pairs) / sum(n for n, _ in pairs) if pairs else None
    pool = [label for labels in overlap for label in labels]
    shares = [pool.count(k) / len(pool) for k in range(3)] if pool else []
    expected = {
        percent_agreement: mean_over_overlap(counts, share_of_equal_pairs),
        percent_agreement_pairs: pooled,
        agreement_with_majority: mean_over_overlap(counts, with_majority),
        leave_one_out_agreement: mean_over_overlap(counts, with_others),
        chance_agreement: sum(p * p for p in shares) if pool else None,
        fleiss_kappa: slow_fleiss(counts, mean_shares(counts)) if pool else None,
        fleiss_kappa_pooled: slow_fleiss(counts, shares),
        gwet_ac1: slow_ac(counts, np.eye(3).tolist()),
    }
    for coefficient, value in expected.items():
        assert estimated(coefficient(counts)).value == close(value), coefficient.__name__


@given(count_tables(4))
@settings(max_examples=60, deadline=None)
def test_ac2_equals_the_textbook_written_out(counts):
    values = [1.0, 2.0, 4.0, 8.0]
    weights = [[1 - ((a - b) / 7) ** 2 for a in values] for b in values]

    found = estimated(gwet_ac2_quadratic(counts, values))

    assert found.value == close(slow_ac(counts, weights))


@pytest.mark.parametrize("seed", range(20))
def test_fleiss_kappa_equals_the_peer_library_where_that_applies(seed):
    """Which is where all items have equally many labels."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(2 + seed % 5, rng.dirichlet([1, 1, 1]), size=5 + seed)

    peer = peer_fleiss_kappa(counts, method="fleiss")

    assert estimated(fleiss_kappa(counts)).value == pytest.approx(peer, abs=1e-9)
    assert estimated(fleiss_kappa_pooled(counts)).value == pytest.approx(peer, abs=1e-9)


@pytest.mark.parametrize("seed", range(30))
def test_coefficients_of_tables_with_missing_labels_equal_those_of_irrcac(seed):
    rng = np.random.default_rng(seed)
    q, annotators, n = rng.integers((2, 2, 8), (5, 6, 40))
    labels = rng.integers(0, q, (n, annotators)).astype(float)
    labels[:q, 0] = range(q)
    agreed = rng.random(n) < 0.5
    labels[agreed] = labels[agreed][:, [0]]
    # The first column stays, and in it every label.
    missing = rng.random((n, annotators)) < 0.2
    missing[:, 0] = False
    labels[missing] = np.nan
    counts = np.stack([(labels == k).sum(axis=1) for k in range(q)], axis=1)
    rated = pd.DataFrame(labels)
    peer, squared = (
        CAC(rated, weights=weights, categories=list(range(q)), digits=12)
        for weights in ("identity", "quadratic")
    )
    fleiss = peer.fleiss()["est"]

    for found, expected in (
        (percent_agreement(counts), fleiss["pa"]),
        (fleiss_kappa(counts), fleiss["coefficient_value"]),
        (gwet_ac1(counts), peer.gwet()["est"]["coefficient_value"]),
        (gwet_ac2_quadratic(counts, range(q)), squared.gwet()["est"]["coefficient_value"]),
        (krippendorff_alpha_nominal(counts), peer.krippendorff()["est"]["coefficient_value"]),
    ):
        assert estimated(found).value == pytest.approx(expected, abs=1e-9)


@given(count_tables())
@settings(max_examples=40, deadline=None)
def test_leave_one_out_equals_percent_agreement_where_items_have_two_labels(counts):
    pairs = counts[counts.sum(axis=1) == 2]

    assert estimated(leave_one_out_agreement(pairs)) == estimated(percent_agreement(pairs))


@pytest.mark.parametrize(
    ("each", "expected"), [(2, 0.58), (3, 0.58), (4, 0.6136), (5, 0.6136), (6, 0.63476)]
)
def test_leave_one_out_agreement_of_the_same_annotators_grows_with_their_number(each, expected):
    """Labels that are right with probability 0.7, in every way they can fall, each as often as it
    comes. The mode of one other is right in 0.7, of three in 0.784, of five in 0.83692: the judged
    label is the same in 0.7 m + 0.3 (1 - m). An even number of others is a coin where it ties."""
    counts = np.array([[k, each - k] for k in range(each + 1)])
    weights = [math.comb(each, k) * 0.7**k * 0.3 ** (each - k) for k in range(each + 1)]
    found = [estimated(leave_one_out_agreement(row[None])).value for row in counts]

    assert np.dot(weights, found) == pytest.approx(expected, abs=1e-5)


@given(count_tables())
@settings(max_examples=40, deadline=None)
def test_coefficients_ignore_the_order_of_rows_and_the_names_of_labels(counts):
    for coefficient in EVERY:
        found = estimated(coefficient(counts))
        turned = estimated(coefficient(counts[::-1, ::-1]))
        assert turned.value == close(found.value)
        assert (turned.n, turned.reason) == (found.n, found.reason)


def test_wilson_fits_where_each_item_agrees_wholly_or_not_at_all():
    """Which is so with two labels an item, and where nobody ever disagreed."""
    two, unanimous, mixed = (
        np.array([[2, 0]] * 30 + [[1, 1]] * 10),
        np.array([[3, 0]] * 25 + [[0, 2]] * 5),
        np.array([[2, 1]] * 30),
    )

    assert percent_agreement(two).trials
    assert percent_agreement_pairs(two).trials
    assert leave_one_out_agreement(two).trials
    assert percent_agreement(unanimous).trials
    assert not percent_agreement_pairs(unanimous).trials
    assert not agreement_with_majority(two).trials
    assert not percent_agreement(mixed).trials
    assert wilson(30, 40).low == pytest.approx(0.598, abs=5e-4)
