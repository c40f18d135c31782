"""Two camps in one crowd show as blocks in the kappas of pairs, which one coefficient hides."""

import numpy as np

from app.rules.cohen import annotator_pairs, kappas, pair_kappa
from app.rules.judgment_table import Judgments

CAMP = np.repeat([0, 1], 5)
"""Five like long responses, five like short ones."""


def two_camps(seed: int) -> Judgments:
    """Each of 400 items is about length or not, half and half; in 85 % somebody says what the camp
    says, which is the opposite of the other camp's where it is about length."""
    rng = np.random.default_rng(seed)
    better, about_length = rng.integers(0, 2, 400), rng.random(400) < 0.5
    items, annotators, labels = [], [], []
    for item in range(400):
        for who in rng.permutation(10)[:5]:
            said = better[item] ^ (about_length[item] & CAMP[who])
            items.append(item)
            annotators.append(who)
            labels.append(said if rng.random() < 0.85 else 1 - said)
    columns = (np.array(column, dtype=np.int64) for column in (items, annotators, labels))
    return Judgments(
        **dict(zip(("items", "annotators", "labels"), columns, strict=True)),
        n_items=400,
        n_annotators=10,
        n_labels=2,
    )


def test_planted_camps_are_blocks_of_the_pairwise_kappas():
    """Within a camp two agree in 0.85^2 + 0.15^2 = 0.745, which is a kappa of 0.49; between camps
    in that or its opposite, half of the time each: 0.5, a kappa of 0."""
    pairs = annotator_pairs(two_camps(seed=7))
    found = kappas(pairs.tables)
    alike = CAMP[pairs.first] == CAMP[pairs.second]

    assert (alike.sum(), (~alike).sum()) == (20, 25)
    assert abs(found[alike].mean() - 0.49) < 0.05
    assert abs(found[~alike].mean()) < 0.05
    assert found[alike].min() > found[~alike].max()
    # Each pair has its own interval: within a camp none reaches down to 0.
    for place in np.flatnonzero(alike):
        low = pair_kappa(pairs.tables[place]).low
        assert low is not None
        assert low > 0
