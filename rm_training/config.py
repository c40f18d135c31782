"""Settings of reward-model training."""

from dataclasses import dataclass

from training.config import require_range
from training.loop import LoopConfig


@dataclass(frozen=True, kw_only=True)
class RewardModelConfig(LoopConfig):
    """Rows are pairs, each two sequences in a forward pass, and whole rankings: one of K
    completions is one row of K sequences."""

    minibatch_size: int = 64
    """Rows per optimiser step over all processes."""
    centring: float = 0.01
    """Weight of (chosen + rejected)^2, which keeps scores near 0 on every prompt."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "centring", 0.0, 10.0)
