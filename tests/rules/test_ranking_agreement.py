"""Agreement of rankings against scipy's tau, Kendall's own example and tables by hand."""

import itertools

import numpy as np
import pytest
from scipy.stats import friedmanchisquare, kendalltau

from app.rules.ranking_agreement import measure_rankings


def test_three_rankings_by_hand():
    # Of the three pairs of completions all agree on (1, 3); one of three disagrees on the others.
    report = measure_rankings([np.array([[1, 2, 3], [1, 2, 3], [2, 1, 3]])])

    # Annotators 1 and 2 agree on 3 of 3 pairs, each of them and annotator 3 on 2 of 3.
    assert report.pair_agreement.value == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    assert report.pair_agreement_no_ties == report.pair_agreement
    # Rank sums 4, 5, 9 around 6: S = 4 + 1 + 9 = 14, of 9 · 24 / 12 = 18.
    assert report.kendall_w.value == pytest.approx(14 / 18)
    assert report.top_choice.value == pytest.approx(1 / 3)
    assert (report.kendall_w.n, report.kendall_w.reason) == (1, "too_few_for_interval")


@pytest.mark.parametrize("seed", range(5))
def test_without_ties_pair_agreement_is_the_mean_tau_plus_one_halved(seed):
    rng = np.random.default_rng(seed)
    rankings = [
        np.array([rng.permutation(k) + 1 for _ in range(m)]) for k, m in ((3, 2), (4, 3), (6, 4))
    ]

    report = measure_rankings(rankings)

    taus = [
        np.mean([kendalltau(a, b).statistic for a, b in itertools.combinations(ranks, 2)])
        for ranks in rankings
    ]
    assert report.pair_agreement.value == pytest.approx((np.mean(taus) + 1) / 2)
    assert report.pair_agreement_no_ties.value == pytest.approx((np.mean(taus) + 1) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_kendalls_w_with_ties_is_friedmans_statistic_scaled(seed):
    """chi^2 = m (K - 1) W, and scipy corrects for ties too."""
    ranks = np.random.default_rng(seed).integers(1, 4, size=(5, 4))

    found = measure_rankings([ranks]).kendall_w.value

    assert found == pytest.approx(friedmanchisquare(*ranks.T).statistic / (5 * 3))


def test_a_tie_agrees_with_a_tie_only_and_may_be_left_out():
    report = measure_rankings([np.array([[1, 1, 3], [1, 2, 3]])])

    assert report.pair_agreement.value == pytest.approx(2 / 3)
    assert report.pair_agreement_no_ties.value == 1
    assert report.top_choice.value == pytest.approx(1 / 2)


def test_what_cannot_be_said_has_its_reason():
    single = measure_rankings([np.array([[1, 2, 3]])])
    tied = measure_rankings([np.array([[1, 1, 1], [1, 1, 1]])])

    assert (single.kendall_w.value, single.kendall_w.reason) == (None, "no_overlap")
    assert (tied.kendall_w.value, tied.kendall_w.reason) == (None, "all_tied")
    assert tied.pair_agreement_no_ties.reason == "all_tied"
    assert tied.pair_agreement.value == 1


def test_pairs_of_one_ranking_are_not_independent_and_the_interval_knows():
    """Forty items whose six completions are all ordered alike or all the other way round: the
    interval is that of forty coins, not of 600 pairs of completions."""
    same, turned = np.arange(6), np.arange(6)[::-1]
    rankings = [np.array([same, same if i % 2 else turned]) for i in range(40)]

    found = measure_rankings(rankings).pair_agreement

    assert found.value == pytest.approx(0.5)
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.5 / 40**0.5, rel=0.1)
