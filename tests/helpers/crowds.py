"""Simulated annotators whose accuracy is known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Judgments (M,) of a crowd, with what the models have to find."""

    items: NDArray[np.int64]
    annotators: NDArray[np.int64]
    labels: NDArray[np.int64]
    truth: NDArray[np.int64]
    accuracy: NDArray[np.float64]

    @property
    def sizes(self) -> dict[str, int]:
        return {
            "n_items": len(self.truth),
            "n_annotators": len(self.accuracy),
            "n_labels": int(max(self.truth.max(), self.labels.max())) + 1,
        }


def crowd(
    accuracy: NDArray[np.float64],
    *,
    n_items: int,
    labels_per_item: tuple[int, int],
    seed: int,
    q: int = 2,
) -> Crowd:
    """Each item gets from `low` to `high` labels of random annotators; errors are uniform."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, q, n_items)
    low, high = labels_per_item
    times = rng.integers(low, high + 1, n_items)
    items = np.repeat(np.arange(n_items), times)
    annotators = np.concatenate([rng.permutation(len(accuracy))[:k] for k in times])
    right = rng.random(len(items)) < accuracy[annotators]
    wrong = (truth[items] + rng.integers(1, q, len(items))) % q
    return Crowd(
        items=items,
        annotators=annotators,
        labels=np.where(right, truth[items], wrong),
        truth=truth,
        accuracy=accuracy,
    )
