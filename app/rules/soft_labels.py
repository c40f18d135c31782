"""The probability of a label, with annotators weighed by how reliable they are.

Two questions have two answers. `preferred` is how likely a random annotator prefers the first
completion: a mean under a Beta(1, 1) prior, a tie counting half for each, and each annotator with
the weight 2 s - 1, where s is the one-coin accuracy; it stays between 0 and 1 where people differ,
and is what a reward model learns from. `true` is the one-coin posterior that the first is the
better one, if one of them is: it goes to 0 or 1 as judgments accumulate, and serves to filter.

Weights are relative to the mean of all, so annotators who are equally reliable count one each.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from scipy.special import expit, logit

from app.rules import one_coin
from app.rules.bootstrap import FEWEST_UNITS, Integers

Annotator = TypeVar("Annotator", bound=Hashable)
UNKNOWN_ACCURACY = one_coin.RIGHT / (one_coin.RIGHT + one_coin.WRONG)
"""Of everybody, where nobody is known: the mean of the one-coin prior."""
_DIGITS = 3
"""Accuracies and weights are rounded, so that every machine and every order of rows gives the same
labels, and those of equally reliable annotators can balance exactly."""


@dataclass(frozen=True, kw_only=True)
class Reliability(Generic[Annotator]):
    """How reliable annotators are, as far as 20 decisive judgments or more tell, each of a
    comparison that others decided too. Of anybody else the mean is assumed."""

    accuracy: Mapping[Annotator, float] = field(default_factory=dict)
    """Of those who are known."""
    mean_accuracy: float = UNKNOWN_ACCURACY
    """Of those who are known, by their judgments."""
    mean_reliability: float = 2 * UNKNOWN_ACCURACY - 1
    """The same of 2 s - 1, or 0 where that is negative."""

    def accuracy_of(self, annotator: Annotator) -> float:
        return self.accuracy.get(annotator, self.mean_accuracy)

    def weight_of(self, annotator: Annotator) -> float:
        """1 for somebody unknown, and for all where nobody known is better than a coin."""
        if annotator not in self.accuracy or self.mean_reliability == 0:
            return 1.0
        return round(_reliability(self.accuracy[annotator]) / self.mean_reliability, _DIGITS)


def _reliability(accuracy: float) -> float:
    return max(0.0, 2 * accuracy - 1)


def reliability(
    items: Integers, annotators: Integers, labels: Integers, names: Sequence[Annotator]
) -> Reliability[Annotator]:
    """From decisive judgments, (M,) each: item and annotator from 0, and label 0 or 1.

    Which completion is 0 may differ from item to item: the two are exchangeable. `names` are the
    annotators'. Items that one annotator decided tell nothing and change nothing.
    """
    together = np.bincount(items)[items] > 1 if len(items) else np.zeros(0, dtype=bool)
    items, annotators, labels = (values[together] for values in (items, annotators, labels))
    n = np.bincount(annotators, minlength=len(names))
    known = np.flatnonzero(n >= FEWEST_UNITS)
    if not len(known):
        return Reliability()
    _, items = np.unique(items, return_inverse=True)
    fitted = one_coin.fit(
        items,
        annotators,
        labels,
        n_items=int(items.max()) + 1,
        n_annotators=len(names),
        n_labels=2,
        exchangeable=(0, 1),
    )
    accuracy = fitted.accuracy[known].round(_DIGITS)
    reliable = np.maximum(0.0, 2 * accuracy - 1)
    return Reliability(
        accuracy={names[int(i)]: float(s) for i, s in zip(known, accuracy, strict=True)},
        mean_accuracy=round(float(np.average(accuracy, weights=n[known])), _DIGITS),
        mean_reliability=float(np.average(reliable, weights=n[known])),
    )


@dataclass(frozen=True, kw_only=True)
class SoftLabel:
    """About the first of two completions."""

    preferred: float
    """P(a random annotator prefers it)."""
    true: float
    """P(it is the better one, if one is)."""


def soft_label(
    first: Sequence[Annotator],
    second: Sequence[Annotator],
    ties: Sequence[Annotator],
    reliable: Reliability[Annotator],
) -> SoftLabel:
    """From who preferred the first, the second, neither. Raises ValueError without judgments.

    preferred = (first + ties / 2 + 1) / (all + 2), in weights. A tie tells nothing of `true`.
    """
    if not first and not second and not ties:
        raise ValueError("a pair without votes has no label")
    for_first, for_second, for_none = (
        sum(map(reliable.weight_of, group)) for group in (first, second, ties)
    )
    evidence = sum(logit(reliable.accuracy_of(who)) for who in first) - sum(
        logit(reliable.accuracy_of(who)) for who in second
    )
    total = for_first + for_second + for_none
    return SoftLabel(
        preferred=round((for_first + for_none / 2 + 1) / (total + 2), 2 * _DIGITS),
        true=round(float(expit(evidence)), 2 * _DIGITS),
    )
