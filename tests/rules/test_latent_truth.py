"""What one-coin and Dawid-Skene have in common, on crowds whose accuracy is known."""

import time

import numpy as np
import pytest
from helpers.crowds import crowd
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rules import dawid_skene, one_coin

MODELS = [one_coin.fit, dawid_skene.fit]


def log_loss(posterior, truth):
    return -np.log(posterior[np.arange(len(truth)), truth]).mean()


def share_right(posterior, truth):
    given = posterior[np.arange(len(truth)), truth]
    return ((given > 0.5) + 0.5 * (given == 0.5)).mean()


@pytest.mark.parametrize(
    ("labels_per_item", "one_coin_table", "dawid_skene_table"),
    [
        ((1, 3), (0.776, 0.485), (0.776, 0.483)),
        ((3, 3), (0.840, 0.367), (0.838, 0.373)),
        ((5, 5), (0.908, 0.224), (0.905, 0.230)),
    ],
)
def test_soft_labels_are_as_good_as_known_of_simulated_crowds(
    labels_per_item, one_coin_table, dawid_skene_table
):
    """STATISTICS.md 4.6: 40 crowds of 12 annotators, Beta(8, 3), and 400 items; here 15 crowds.

    Between crowds the accuracy varies with a standard deviation of 0.04 and the log-loss with one
    of 0.06 (a crowd is 12 draws), so the difference of two means has standard errors of 0.012
    and 0.018.
    """
    found = {model: [] for model in MODELS}
    for seed in range(15):
        accuracy = np.random.default_rng(seed).beta(8, 3, 12)
        made = crowd(accuracy, n_items=400, labels_per_item=labels_per_item, seed=seed)
        for model in MODELS:
            fitted = model(made.items, made.annotators, made.labels, **made.sizes)
            posterior = fitted.posterior
            found[model].append(
                (share_right(posterior, made.truth), log_loss(posterior, made.truth))
            )

    for model, expected in zip(MODELS, (one_coin_table, dawid_skene_table), strict=True):
        right, loss = np.mean(found[model], axis=0)
        assert right == pytest.approx(expected[0], abs=0.03)
        assert loss == pytest.approx(expected[1], abs=0.045)


@pytest.mark.parametrize(
    ("labels_per_item", "share_table", "maximum_table"),
    [
        ((1, 3), (0.755, 0.538), (0.764, 0.794)),
        ((3, 3), (0.825, 0.479), (0.837, 0.417)),
        ((5, 5), (0.882, 0.427), (0.907, 0.225)),
    ],
)
def test_smoothed_one_coin_beats_the_share_of_votes_and_maximum_likelihood(
    labels_per_item, share_table, maximum_table
):
    """The other columns of STATISTICS.md 4.6; ours come from ten crowds, theirs from forty. The
    same crowds see all three, so that their order is surer than each of them."""
    found = {"share": [], "maximum": [], "smoothed": []}
    for seed in range(10):
        accuracy = np.random.default_rng(seed).beta(8, 3, 12)
        made = crowd(accuracy, n_items=400, labels_per_item=labels_per_item, seed=seed)
        counts = np.zeros((400, 2))
        np.add.at(counts, (made.items, made.labels), 1)
        posteriors = {"share": (counts + 1) / (counts.sum(axis=1, keepdims=True) + 2)}
        for name, smoothing in (("maximum", 0), ("smoothed", None)):
            fitted = one_coin.fit(
                made.items, made.annotators, made.labels, smoothing=smoothing, **made.sizes
            )
            posteriors[name] = np.clip(fitted.posterior, 1e-12, 1)
        for name, posterior in posteriors.items():
            found[name].append(
                (share_right(posterior, made.truth), log_loss(posterior, made.truth))
            )
    (right, loss), (of_maximum, its_loss), (of_smoothed, least) = (
        np.mean(pairs, axis=0) for pairs in found.values()
    )

    assert right == pytest.approx(share_table[0], abs=0.035)
    assert loss == pytest.approx(share_table[1], abs=0.045)
    assert of_maximum == pytest.approx(maximum_table[0], abs=0.035)
    assert right < of_smoothed
    assert least < loss
    # Of few labels maximum likelihood is far too sure of itself; of five each it no longer is.
    if labels_per_item == (1, 3):
        assert its_loss > loss > least
    else:
        assert least < its_loss + 0.005
        assert its_loss < loss


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("labels_per_item", "q"), [((1, 3), 2), ((5, 5), 2), ((3, 3), 3)])
def test_intervals_hold_the_true_accuracy_about_95_times_in_100(model, labels_per_item, q):
    """20 crowds of 12 give 240 intervals, hardly dependent: a standard error of 1.4 %."""
    inside = 0
    for seed in range(20):
        accuracy = np.random.default_rng(100 + seed).beta(8, 3, 12)
        made = crowd(accuracy, n_items=300, labels_per_item=labels_per_item, seed=seed, q=q)
        fitted = model(made.items, made.annotators, made.labels, **made.sizes)
        inside += int(((fitted.low <= accuracy) & (accuracy <= fitted.high)).sum())

    assert 0.91 <= inside / 240 <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("labels_per_item", [(1, 3), (2, 2), (3, 3), (5, 5)])
@pytest.mark.parametrize("q", [2, 3])
def test_intervals_hold_the_true_accuracy_in_many_crowds(model, labels_per_item, q):
    inside = []
    for seed in range(200):
        accuracy = np.random.default_rng(1000 + seed).beta(8, 3, 12)
        made = crowd(accuracy, n_items=300, labels_per_item=labels_per_item, seed=seed, q=q)
        fitted = model(made.items, made.annotators, made.labels, **made.sizes)
        inside.append(((fitted.low <= accuracy) & (accuracy <= fitted.high)).mean())

    assert 0.935 <= np.mean(inside) <= 0.98


@pytest.mark.parametrize("model", MODELS)
def test_a_spammer_has_no_skill_and_an_inverter_has_less(model):
    accuracy = np.array([0.9, 0.85, 0.8, 0.75, 0.8, 0.85, 0.5, 0.15])
    made = crowd(accuracy, n_items=600, labels_per_item=(4, 4), seed=3)

    fitted = model(made.items, made.annotators, made.labels, **made.sizes)

    assert fitted.accuracy == pytest.approx(accuracy, abs=0.07)
    assert fitted.skill.value == pytest.approx(2 * accuracy - 1, abs=0.14)
    assert fitted.skill.low[6] < 0 < fitted.skill.high[6] < 0.3
    assert fitted.skill.high[7] < 0
    assert fitted.high[7] < 0.5


def with_spammers(seed, *, spam):
    """Five of 85 % among 900 items with few ties, and some who never look and give the labels with
    the probabilities of `spam` (None is any alike). With the labels the true skills, which are
    Cohen's kappa with the truth."""
    rng = np.random.default_rng(seed)
    likely = np.array([0.45, 0.45, 0.1])
    truth = rng.choice(3, 900, p=likely)
    seen = rng.random((5, 900)) < 0.85
    labels = np.where(seen, truth, (truth + rng.integers(1, 3, (5, 900))) % 3)
    blind = [rng.choice(3, 900, p=p) for p in spam]
    everybody = np.vstack([labels, blind])
    # Of the good, a label is given as often as 85 % of its items and half of 15 % of the others.
    given = 0.85 * likely + 0.075 * (1 - likely)
    good = (0.85 - given @ likely) / (1 - given @ likely)
    rows, columns = np.nonzero(rng.random(everybody.shape) < 0.5)
    return columns, rows, everybody[rows, columns], np.array([good] * 5 + [0.0] * len(spam))


def skills_of_spammers(model, spam, *, crowds):
    """(crowds, annotators) each: skills, whether their intervals hold the true ones, accuracies."""
    values, inside, accuracies = [], [], []
    for seed in range(crowds):
        items, annotators, labels, true = with_spammers(seed, spam=spam)
        sizes = {"n_items": 900, "n_annotators": len(true), "n_labels": 3}
        fitted = model(items, annotators, labels, exchangeable=(0, 1), **sizes)
        values.append(fitted.skill.value)
        inside.append((fitted.skill.low <= true) & (true <= fitted.skill.high))
        accuracies.append(fitted.accuracy)
    return np.array(values), np.array(inside), np.array(accuracies)


def test_whoever_does_not_look_has_no_skill_whatever_labels_they_give():
    """By Dawid-Skene, which learns what somebody favours; accuracies tell otherwise."""
    spam = (None, (0.5, 0.5, 0.0), (0.0, 0.0, 1.0))
    values, inside, accuracies = skills_of_spammers(dawid_skene.fit, spam, crowds=12)

    assert np.abs(values[:, 5:]).max() < 0.2
    assert np.abs(values[:, 5:].mean(axis=0)).max() < 0.05
    assert accuracies[:, 6].min() > 0.35
    # 96 intervals: 95 % of them have a standard error of 2.2 %.
    assert np.mean(inside) >= 0.89


def test_one_coin_finds_no_skill_where_spam_is_even_and_a_little_where_it_favours_sides():
    """It takes errors for uniform, so some of what a side is given for counts as knowing it."""
    even, inside, _ = skills_of_spammers(one_coin.fit, (None,), crowds=12)
    assert abs(even[:, 5].mean()) < 0.05
    assert np.mean(inside) >= 0.89

    sided, _, _ = skills_of_spammers(one_coin.fit, ((0.5, 0.5, 0.0),), crowds=12)
    assert 0.02 < sided[:, 5].mean() < 0.12


@pytest.mark.parametrize("model", MODELS)
def test_skill_is_undefined_where_one_label_is_all_there_is(model):
    fitted = model(
        [0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0], smoothing=0, n_items=2, n_annotators=2, n_labels=1
    )

    assert np.isnan(fitted.skill.value).all()


@pytest.mark.parametrize("model", MODELS)
def test_who_shares_no_item_with_anybody_keeps_the_prior(model):
    """Beta(4, 1): mean 4/5, quantiles by hand p^(1/4), as its distribution function is x^4."""
    made = crowd(np.full(6, 0.8), n_items=60, labels_per_item=(3, 3), seed=1)
    items = np.append(made.items, np.arange(60, 75))
    annotators = np.append(made.annotators, np.full(15, 6))
    labels = np.append(made.labels, np.arange(15) % 2)

    fitted = model(
        items, annotators, labels, exchangeable=(0, 1), n_items=75, n_annotators=7, n_labels=2
    )

    assert fitted.accuracy[6] == pytest.approx(0.8, abs=1e-4)
    assert fitted.low[6] == pytest.approx(0.025**0.25, abs=1e-3)
    assert fitted.high[6] == pytest.approx(0.975**0.25, abs=1e-3)


@pytest.mark.parametrize("model", MODELS)
def test_an_item_without_labels_has_the_posterior_of_the_shares(model):
    fitted = model([0, 0, 2], [0, 1, 1], [1, 1, 0], n_items=4, n_annotators=3, n_labels=2)

    assert fitted.posterior[1] == pytest.approx(fitted.priors)
    assert fitted.posterior[3] == pytest.approx(fitted.priors)
    assert fitted.accuracy[2] == pytest.approx(0.8)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("smoothing", [None, 0])
def test_no_judgments_at_all_leave_everything_equal(model, smoothing):
    fitted = model([], [], [], n_items=2, n_annotators=1, n_labels=2, smoothing=smoothing)

    assert fitted.posterior == pytest.approx(np.full((2, 2), 0.5))
    assert fitted.low[0] < fitted.accuracy[0] < fitted.high[0]


@pytest.mark.parametrize("model", MODELS)
def test_a_label_out_of_range_is_refused(model):
    with pytest.raises(ValueError, match="labels are from 0 to 2; expected 0 to 1"):
        model([0, 0], [0, 1], [0, 2], n_items=1, n_annotators=2, n_labels=2)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(MODELS))
def test_the_order_of_judgments_and_the_names_of_annotators_do_not_matter(seed, model):
    rng = np.random.default_rng(seed)
    made = crowd(rng.beta(8, 3, 5), n_items=20, labels_per_item=(1, 3), seed=seed, q=3)
    order, names = rng.permutation(len(made.items)), rng.permutation(5)

    fitted = model(made.items, made.annotators, made.labels, **made.sizes)
    again = model(
        made.items[order], names[made.annotators[order]], made.labels[order], **made.sizes
    )

    assert again.posterior == pytest.approx(fitted.posterior, abs=1e-5)
    assert again.accuracy[names] == pytest.approx(fitted.accuracy, abs=1e-5)
    assert again.low[names] == pytest.approx(fitted.low, abs=1e-4)
    assert (fitted.low <= fitted.accuracy).all()
    assert (fitted.accuracy <= fitted.high).all()


@pytest.mark.parametrize("model", MODELS)
def test_swapping_exchangeable_labels_mirrors_the_posterior(model):
    made = crowd(np.array([0.9, 0.8, 0.7, 0.6]), n_items=80, labels_per_item=(2, 3), seed=5, q=3)
    swap = np.array([1, 0, 2])

    fitted, mirrored = (
        model(made.items, made.annotators, labels, exchangeable=(0, 1), **made.sizes)
        for labels in (made.labels, swap[made.labels])
    )

    assert fitted.priors[0] == pytest.approx(fitted.priors[1])
    assert fitted.confusion[:, 0, 1] == pytest.approx(fitted.confusion[:, 1, 0])
    assert fitted.confusion[:, 0, 2] == pytest.approx(fitted.confusion[:, 1, 2])
    assert fitted.posterior[:, swap] == pytest.approx(mirrored.posterior, abs=1e-5)
    assert fitted.accuracy == pytest.approx(mirrored.accuracy, abs=1e-5)


def test_one_coin_is_dawid_skene_with_two_exchangeable_labels():
    made = crowd(np.array([0.9, 0.8, 0.7, 0.6]), n_items=80, labels_per_item=(2, 3), seed=6)

    one, tied = (
        model(
            made.items, made.annotators, made.labels, exchangeable=(0, 1), smoothing=s, **made.sizes
        )
        # Each of the two rows of a matrix has the pseudo-counts that one coin has in all.
        for model, s in ((one_coin.fit, 2), (dawid_skene.fit, 1))
    )

    assert one.accuracy == pytest.approx(tied.accuracy, abs=1e-5)
    assert one.posterior == pytest.approx(tied.posterior, abs=1e-5)


def test_a_single_label_of_an_unknown_annotator_is_believed_as_far_as_the_prior():
    """By hand: with accuracy (4 + t) / 6 and shares (1 + t) / 3 and (2 - t) / 3, Bayes' rule
    t = (4 + t)(1 + t) / ((4 + t)(1 + t) + (2 - t)^2) is 2 t^3 + 3 t = 4."""
    fitted = one_coin.fit([0], [0], [0], n_items=1, n_annotators=1, n_labels=2)

    t = fitted.posterior[0, 0]
    assert 2 * t**3 + 3 * t == pytest.approx(4, abs=1e-5)
    assert fitted.accuracy[0] == pytest.approx((4 + t) / 6, abs=1e-5)


@pytest.mark.slow
def test_a_million_judgments_take_seconds():
    made = crowd(
        np.random.default_rng(0).beta(8, 3, 200),
        n_items=333_334,
        labels_per_item=(3, 3),
        seed=0,
    )
    start = time.perf_counter()
    fitted = one_coin.fit(made.items, made.annotators, made.labels, **made.sizes)
    assert time.perf_counter() - start < 10
    assert fitted.converged
