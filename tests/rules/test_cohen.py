"""Kappa of pairs of annotators against published tables, a peer library and slow loops."""

import itertools

import numpy as np
import pytest
from helpers.agreement import COHEN_1968, judgments_of
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa as peer_kappa

from app.rules import cohen
from app.rules.cohen import annotator_pairs, kappas, mean_kappa, pair_kappa
from app.rules.judgment_table import Judgments

tables = st.lists(st.lists(st.integers(0, 6), min_size=3, max_size=3), min_size=3, max_size=3).map(
    lambda rows: np.array(rows, dtype=np.int64)
)
observers = st.integers(1, 12).flatmap(
    lambda n: st.lists(
        st.lists(st.sampled_from([None, 0, 1, 2]), min_size=n, max_size=n), min_size=2, max_size=5
    )
)


def kappa_of(table, values=None) -> float | None:
    found = kappas(np.array(table)[None], values)[0]
    return None if np.isnan(found) else found


def slow_kappa(pairs: list[tuple[int, int]]) -> float | None:
    n = len(pairs)
    agreed = sum(a == b for a, b in pairs) / n
    chance = sum(
        sum(a == k for a, _ in pairs) * sum(b == k for _, b in pairs) for k in range(3)
    ) / (n * n)
    return None if chance == 1 else (agreed - chance) / (1 - chance)


def crowd(rng: np.random.Generator, items: int, annotators: int) -> Judgments:
    """Three of the annotators, who differ in care, judge each item as one of three labels."""
    truth, care = rng.integers(0, 3, items), np.linspace(0.5, 0.9, annotators)
    who = np.array([rng.choice(annotators, 3, replace=False) for _ in range(items)])
    right = rng.random(who.shape) < care[who]
    labels = np.where(right, truth[:, None], rng.integers(0, 3, who.shape))
    return Judgments(
        items=np.repeat(np.arange(items), 3),
        annotators=who.ravel(),
        labels=labels.ravel(),
        n_items=items,
        n_annotators=annotators,
        n_labels=3,
    )


def items_of(judgments: Judgments, wanted: np.ndarray) -> Judgments:
    """Some items, each as often as it is wanted."""
    places = (wanted[:, None] * 3 + np.arange(3)).ravel()
    return Judgments(
        items=np.repeat(np.arange(len(wanted)), 3),
        annotators=judgments.annotators[places],
        labels=judgments.labels[places],
        n_items=len(wanted),
        n_annotators=judgments.n_annotators,
        n_labels=3,
    )


def test_kappa_equals_the_published_example():
    # By hand: (88 + 40 + 12) / 200 = 0.70 agree; chance is 0.5 · 0.6 + 0.3 · 0.3 + 0.2 · 0.1.
    assert kappa_of(COHEN_1968) == pytest.approx((0.70 - 0.41) / 0.59)
    assert kappa_of(COHEN_1968) == pytest.approx(0.492, abs=5e-4)


def test_equal_agreement_gives_another_kappa_where_one_label_prevails():
    assert kappa_of([[40, 9], [6, 45]]) == pytest.approx(0.70, abs=0.005)
    assert kappa_of([[80, 10], [5, 5]]) == pytest.approx(0.32, abs=0.005)
    assert kappa_of([[118, 5], [2, 0]]) == pytest.approx(-0.02, abs=0.005)


def test_equal_agreement_gives_a_larger_kappa_where_annotators_differ_in_their_labels():
    """Feinstein and Cicchetti (1990), the second paradox: both pairs agree on 60 of 100."""
    assert kappa_of([[45, 15], [25, 15]]) == pytest.approx(0.13, abs=0.005)
    assert kappa_of([[25, 35], [5, 35]]) == pytest.approx(0.26, abs=0.005)


def test_annotators_who_always_say_one_thing():
    assert kappa_of([[70, 30], [0, 0]]) == 0
    assert kappa_of([[0, 9], [0, 0]]) == 0
    same = pair_kappa(np.array([[9, 0], [0, 0]]))
    assert (same.value, same.n, same.reason) == (None, 9, "one_category")
    strangers = pair_kappa(np.zeros((2, 2), dtype=np.int64))
    assert (strangers.value, strangers.n, strangers.reason) == (None, 0, "no_overlap")


@given(tables)
@settings(max_examples=60, deadline=None)
def test_kappa_equals_the_peer_library_plain_and_weighted(table):
    if not table.any():
        return
    for values, weights in ((None, None), ([0, 1, 2], "quadratic")):
        found = kappa_of(table, values)
        with np.errstate(invalid="ignore", divide="ignore"):
            peer = peer_kappa(table, wt=weights, return_results=False)
        assert found == (None if np.isnan(peer) else pytest.approx(peer, abs=1e-9))


def test_a_large_difference_of_grades_counts_with_its_square():
    # Grades -1, 0, 1: of six one differs by 1 and one by 2. By chance, from 2 2 2 and 2 1 3:
    # (2 (1 + 4 · 3) + 2 (2 + 3) + 2 (4 · 2 + 1)) / 36 = 54 / 36.
    table = [[1, 0, 1], [1, 1, 0], [0, 0, 2]]
    assert kappa_of(table, [-1, 0, 1]) == pytest.approx(1 - (5 / 6) / (54 / 36))


@pytest.mark.parametrize(("values", "weights"), [(None, None), ((0, 1, 2), "quadratic")])
@given(tables)
@settings(max_examples=60, deadline=None)
def test_the_interval_of_many_common_items_is_that_of_the_peer_library(values, weights, table):
    """Fleiss, Cohen and Everitt (1969)."""
    table = np.array(table) * 50
    found = pair_kappa(table, values)
    if found.value is None:
        return
    with np.errstate(invalid="ignore", divide="ignore"):
        peer = peer_kappa(table, wt=weights)
    if np.isnan(peer.std_kappa):
        # The peer's variance rounds to a little less than 0.
        assert found.high - found.low < 1e-6
        return

    assert found.low == pytest.approx(max(-1, peer.kappa_low), abs=1e-7)
    assert found.high == pytest.approx(min(1, peer.kappa_upp), abs=1e-7)


@pytest.mark.parametrize("table", [[[18, 4], [3, 20]], [[10, 5, 2], [3, 12, 1], [4, 2, 9]]])
def test_the_interval_of_fewer_resamples_them_and_is_nearly_the_same(table):
    found, peer = pair_kappa(np.array(table)), peer_kappa(np.array(table))

    assert (found.low, found.high) != (peer.kappa_low, peer.kappa_upp)
    assert (found.low, found.high) == pytest.approx((peer.kappa_low, peer.kappa_upp), abs=0.04)


def test_the_interval_of_fewer_than_twenty_common_items_is_left_out():
    found = pair_kappa(np.array([[9, 1], [2, 7]]))

    assert (found.n, found.low, found.reason) == (19, None, "too_few_for_interval")


@pytest.mark.parametrize("most_cells", [20_000_000, 0])
@given(observers)
@settings(max_examples=40, deadline=None)
def test_tables_of_all_pairs_equal_those_of_a_loop(most_cells, rows):
    judgments = judgments_of(rows, 3)
    dense, cohen._MOST_CELLS = cohen._MOST_CELLS, most_cells
    try:
        found = annotator_pairs(judgments)
    finally:
        cohen._MOST_CELLS = dense

    expected = {}
    for a, b in itertools.combinations(range(len(rows)), 2):
        both = [(x, y) for x, y in zip(rows[a], rows[b], strict=True) if None not in (x, y)]
        if both:
            expected[a, b] = both
    pairs = list(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert pairs == list(expected)
    for table, kappa, both in zip(
        found.tables, kappas(found.tables), expected.values(), strict=True
    ):
        assert table.tolist() == [[both.count((a, b)) for b in range(3)] for a in range(3)]
        assert kappa == pytest.approx(slow_kappa(both), nan_ok=True) or np.isnan(kappa)
        assert np.isnan(kappa) == (slow_kappa(both) is None)


def test_the_mean_is_that_of_the_defined_pairs():
    rows = [[0, 0, 1, 1], [0, 1, 1, 1], [0, None, None, None]]

    found = mean_kappa(judgments_of(rows, 2), annotator_pairs(judgments_of(rows, 2)))

    # First and second: 3 of 4 agree, chance 1/2 · 1/4 + 1/2 · 3/4 = 1/2. The third gave one label.
    assert (found.value, found.n, found.reason) == (0.5, 1, "too_few_for_interval")


@pytest.mark.parametrize("most_cells", [20_000_000, 0])
def test_the_interval_of_the_mean_is_that_of_a_bootstrap_of_items(monkeypatch, most_cells):
    monkeypatch.setattr(cohen, "_MOST_CELLS", most_cells)
    rng = np.random.default_rng(5)
    judgments = crowd(rng, items=400, annotators=6)

    found = mean_kappa(judgments, annotator_pairs(judgments))

    drawn = (items_of(judgments, rng.integers(0, 400, 400)) for _ in range(300))
    means = [np.nanmean(kappas(annotator_pairs(again).tables)) for again in drawn]
    half = 1.96 * np.std(means)
    assert found.n == 15
    assert found.high - found.value == pytest.approx(half, rel=0.15)
    assert found.value - found.low == pytest.approx(half, rel=0.15)


@pytest.mark.parametrize(("items", "has_interval"), [(110, True), (90, False)])
def test_pairs_that_share_few_items_have_a_mean_without_an_interval(items, has_interval):
    """Three pairs of judgments an item among fifteen pairs of annotators: a fifth of the items."""
    judgments = crowd(np.random.default_rng(6), items=items, annotators=6)

    found = mean_kappa(judgments, annotator_pairs(judgments))

    assert found.n == 15
    assert (found.low is not None) == has_interval
    assert found.reason == (None if has_interval else "too_few_for_interval")


def test_nobody_shares_an_item():
    rows = [[0, None], [None, 1]]

    found = mean_kappa(judgments_of(rows, 2), annotator_pairs(judgments_of(rows, 2)))

    assert (found.value, found.n, found.reason) == (None, 0, "no_overlap")


def test_random_overlap_leaves_pairs_of_annotators_too_few_items_for_a_kappa():
    """Twelve people, two of whom judge each of 1,000 items: 15 for each of 66 pairs."""
    rng = np.random.default_rng(5)
    who = np.array([rng.choice(12, 2, replace=False) for _ in range(1000)])
    judgments = Judgments(
        items=np.repeat(np.arange(1000), 2),
        annotators=who.ravel(),
        labels=rng.integers(0, 2, 2000),
        n_items=1000,
        n_annotators=12,
        n_labels=2,
    )

    shared = annotator_pairs(judgments).tables.sum(axis=(1, 2))

    assert (len(shared), shared.sum()) == (66, 1000)
    assert shared.mean() == pytest.approx(15, abs=0.2)
    assert shared.max() < cohen.FEWEST_LARGE
