"""How far other annotators may agree, against loops over pairs of verdicts and simulated crowds."""

import itertools
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from app.rules.agreement import Table, statistics_of
from app.rules.bootstrap import Resampling, Statistic
from app.rules.cohen import annotator_pairs
from app.rules.judgment_table import Judgments, count_patterns
from app.rules.other_annotators import VerdictPairs, for_other_annotators

AGREEMENT, ALPHA = "percent_agreement", "krippendorff_alpha_nominal"
Integers = NDArray[np.int64]


def crowd(
    rng: np.random.Generator, annotators: int, items: int, each: int
) -> tuple[Integers, Integers]:
    """(N, m) who judged an item, and with which of two labels. How often somebody is right where it
    is easy has Beta(4, 2) among all who could be asked."""
    skill = rng.beta(4, 2, annotators)
    easy = rng.random(items)
    who = np.argsort(rng.random((items, annotators)), axis=1)[:, :each]
    right = rng.random(who.shape) < 0.5 + (skill[who] - 0.5) * easy[:, None]
    truth = rng.integers(0, 2, items)[:, None]
    return who, np.where(right, truth, 1 - truth)


OF_EVERYBODY = 0.5 + 2 * (4 / 6 - 0.5) ** 2 / 3
"""Two random annotators agree where both are right or both are wrong: 1/2 + 2 (a - 1/2) (b - 1/2)
for probabilities a and b, whose means over people are 2/3 where it is easy; the square of how easy
an item is has the mean 1/3."""


def judgments_of(who: Integers, labels: Integers) -> Judgments:
    items, each = who.shape
    return Judgments(
        items=np.repeat(np.arange(items), each),
        annotators=who.ravel(),
        labels=labels.ravel(),
        n_items=items,
        n_annotators=int(who.max()) + 1,
        n_labels=2,
    )


def table_of(who: Integers, labels: Integers) -> Table:
    patterns = count_patterns(judgments_of(who, labels))
    return Table(counts=patterns.counts, groups=None, items=patterns.items, resampled="items")


def found_of(
    who: Integers, labels: Integers, resampling: Resampling, table: Table | None = None
) -> dict[str, Statistic]:
    pairs = annotator_pairs(judgments_of(who, labels))
    return for_other_annotators(
        table or table_of(who, labels),
        VerdictPairs(first=pairs.first, second=pairs.second, tables=pairs.tables),
        [False, False],
        resampling,
    )


def alpha_of(pairs: list[tuple[int, int]], weights: list[float]) -> float:
    """From the coincidences of weighted pairs of an item's labels."""
    coincidences: Counter[tuple[int, int]] = Counter()
    for (x, y), weight in zip(pairs, weights, strict=True):
        coincidences[x, y] += weight
        coincidences[y, x] += weight
    n_c = [sum(coincidences[c, k] for k in (0, 1)) for c in (0, 1)]
    n = sum(n_c)
    return 1 - (n - 1) * 2 * coincidences[0, 1] / (n**2 - n_c[0] ** 2 - n_c[1] ** 2)


def agreement_of(pairs: list[tuple[int, int]], weights: list[float]) -> float:
    agreed = sum(weight for (x, y), weight in zip(pairs, weights, strict=True) if x == y)
    return agreed / sum(weights)


@pytest.mark.parametrize("each", [2, 4])
@pytest.mark.parametrize(("name", "figure"), [(AGREEMENT, agreement_of), (ALPHA, alpha_of)])
def test_the_interval_has_the_variance_of_all_pairs_that_share_an_item_or_an_annotator(
    each, name, figure
):
    who, labels = crowd(np.random.default_rng(3), 9, 60, each)
    # Two always say the same, and disagree, so that people differ by more than chance.
    labels[who == 0], labels[who == 1] = 0, 1
    ends, said, item = [], [], []
    for i, (people, given) in enumerate(zip(who.tolist(), labels.tolist(), strict=True)):
        for a, b in itertools.combinations(range(each), 2):
            ends.append({people[a], people[b]})
            said.append((given[a], given[b]))
            item.append(i)
    # Each pair of an item of m labels adds 1 / (m - 1) to coincidences, and as much to agreement.
    ones = [1 / (each - 1)] * len(said)
    adds = []
    for p in range(len(said)):
        up, down = ones.copy(), ones.copy()
        up[p], down[p] = ones[p] * 1.001, ones[p] * 0.999
        adds.append((figure(said, up) - figure(said, down)) / 0.002)
    adds = list(np.array(adds) - np.mean(adds))
    left = (9 - 2) * (9 - 3) / (9 * 8)
    variance = 0.0
    for p, q in itertools.product(range(len(said)), repeat=2):
        people = len(ends[p] & ends[q])
        apart = item[p] == item[q] and people == 0
        variance += adds[p] * adds[q] * (people / left + apart)

    found = found_of(who, labels, Resampling(replicates=20_000, seed=1))[name]

    assert found.value == pytest.approx(figure(said, ones))
    half = (found.high - found.low) / 2
    assert half == pytest.approx(1.96 * variance**0.5, rel=0.04)
    assert found.n == 9


def test_the_agreement_of_everybody_is_inside_nearly_always_and_the_items_interval_misses_it():
    rng = np.random.default_rng(8)
    few = Resampling(replicates=400, seed=1)
    inside, of_items, runs = Counter[str](), 0, 150
    for _ in range(runs):
        who, labels = crowd(rng, 16, 300, 5)
        found = found_of(who, labels, few)
        # Labels are balanced: alpha is twice what agreement has over one half.
        for name, truth in ((AGREEMENT, OF_EVERYBODY), (ALPHA, 2 * OF_EVERYBODY - 1)):
            inside[name] += found[name].low <= truth <= found[name].high
        over_items = statistics_of(
            table_of(who, labels), [False, False], None, [AGREEMENT], resampling=few
        )[AGREEMENT]
        of_items += over_items.low <= OF_EVERYBODY <= over_items.high

    assert min(inside.values()) >= 0.92 * runs
    assert of_items < 0.88 * runs


def test_of_fewer_than_eight_annotators_it_cannot_be_told():
    who, labels = crowd(np.random.default_rng(1), 7, 100, 3)
    found = found_of(who, labels, Resampling())[AGREEMENT]

    assert (found.low, found.high, found.n) == (None, None, 7)
    assert found.reason == "too_few_annotators"
    assert found.value == pytest.approx(
        (labels[:, :, None] == labels[:, None]).sum((1, 2)).mean() / 6 - 0.5
    )


def test_what_is_undefined_or_of_few_items_has_its_reason():
    who = np.argsort(np.random.default_rng(1).random((30, 9)), axis=1)[:, :2]
    same = found_of(who, np.zeros_like(who), Resampling())
    assert (same[ALPHA].value, same[ALPHA].reason) == (None, "one_category")
    assert (same[AGREEMENT].value, same[AGREEMENT].low, same[AGREEMENT].high) == (1.0, 1.0, 1.0)
    assert same["percent_agreement_no_ties"].value == 1.0
    few_who, few_labels = crowd(np.random.default_rng(2), 9, 19, 4)
    few = found_of(few_who, few_labels, Resampling())[AGREEMENT]
    assert (few.low, few.reason) == (None, "too_few_for_interval")


def test_two_items_of_one_prompt_tell_no_more_than_one():
    who, labels = crowd(np.random.default_rng(5), 12, 200, 3)
    once = found_of(who, labels, Resampling(replicates=4000, seed=1))[AGREEMENT]
    twice_who, twice = np.concatenate([who, who]), np.concatenate([labels, labels])
    counts = np.stack([(twice == 0).sum(axis=1), (twice == 1).sum(axis=1)], axis=1)
    prompts = Table(
        counts=counts,
        groups=np.tile(np.arange(200), 2),
        items=np.ones(400, np.int64),
        resampled="prompt_groups",
    )
    found = found_of(twice_who, twice, Resampling(replicates=4000, seed=1), prompts)[AGREEMENT]

    assert (found.low, found.high) == pytest.approx((once.low, once.high), abs=0.006)


def test_the_same_seed_gives_the_same_interval():
    who, labels = crowd(np.random.default_rng(6), 10, 80, 3)
    first, again, other = (
        found_of(who, labels, Resampling(seed=seed))[AGREEMENT] for seed in (1, 1, 2)
    )

    assert first == again
    assert (first.low, first.high) != (other.low, other.high)
    assert (first.low, first.high) == pytest.approx((other.low, other.high), abs=0.02)
