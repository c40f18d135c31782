"""From scores of completions to rewards of tokens.

B completions, T completion tokens. The order is: normalise the scores, replace those of completions
that did not end, subtract the KL penalty per token, add the score to the last token. Left out:
clipping of scores and whitening of rewards.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from training.errors import TrainingError

UNFINISHED_MARGIN = 1.0


@dataclass(frozen=True, kw_only=True)
class ScoreNormaliser:
    """An affine map of scores: gain * score + bias."""

    gain: float = 1.0
    bias: float = 0.0

    @classmethod
    def fit(cls, scores: Tensor) -> "ScoreNormaliser":
        """The map that gives these scores mean 0 and (biased) standard deviation 1."""
        scores = scores.double()
        mean, std = scores.mean().item(), scores.std(unbiased=False).item()
        if not std > 1e-8:
            raise TrainingError(
                f"{scores.numel()} scores have standard deviation {std:.3g}, expected more than 0: "
                "the reward model does not tell completions apart. Train it on more comparisons."
            )
        return cls(gain=1 / std, bias=-mean / std)

    def __call__(self, scores: Tensor) -> Tensor:
        return self.gain * scores + self.bias


def unfinished_floor(scores: Tensor) -> Tensor:
    """The score of a completion without end token: 1 below the lowest score of its whole batch."""
    return scores.amin() - UNFINISHED_MARGIN


def replace_unfinished(scores: Tensor, finished: Tensor, floor: Tensor) -> Tensor:
    """The floor where a completion was cut by the token limit, its score elsewhere; all (B,)."""
    return torch.where(finished, scores, floor.to(scores.dtype))


def assemble_rewards(
    scores: Tensor, kl: Tensor, completion_mask: Tensor, *, kl_coef: float
) -> Tensor:
    """Rewards per token (B, T): -kl_coef * kl, plus the score (B,) on the last True of each row.

    The result is 0 outside the mask. A row without any True raises.
    """
    if not bool(completion_mask.any(dim=1).all()):
        empty = int((~completion_mask.any(dim=1)).sum())
        raise ValueError(
            f"{empty} of {len(scores)} completions have no token, expected at least one each."
        )
    rewards = torch.where(completion_mask, -kl_coef * kl, 0.0)
    length = completion_mask.shape[1]
    last = length - 1 - completion_mask.int().flip(1).argmax(1, keepdim=True)
    return rewards.scatter_add(1, last, scores.to(rewards.dtype)[:, None])


@dataclass(frozen=True, kw_only=True)
class KLController:
    """The weight of the KL penalty: fixed, or steered towards a target (arXiv 1909.08593, 2.2)."""

    kl_coef: float
    target: float | None = None
    """Wanted KL per completion in nats; None keeps kl_coef as it is."""
    horizon: int = 10_000
    """Completions over which the weight can change by a fifth."""

    def after(self, kl_per_completion: float, completions: int) -> "KLController":
        """The controller after an update with this mean KL over this many completions."""
        if self.target is None:
            return self
        error = min(max(kl_per_completion / self.target - 1, -0.2), 0.2)
        kl_coef = self.kl_coef * (1 + error * completions / self.horizon)
        return KLController(kl_coef=kl_coef, target=self.target, horizon=self.horizon)


def explained_variance(
    values: Tensor,
    returns: Tensor,
    completion_mask: Tensor,
    *,
    reduce_sum: Callable[[Tensor], Tensor] = lambda total: total,
) -> float:
    """1 - var(returns - values) / var(returns) over trained tokens; NaN if returns do not vary."""
    returns, errors = (
        torch.where(completion_mask, tensor, 0.0).double() for tensor in (returns, returns - values)
    )
    terms = [completion_mask.double(), returns, returns.square(), errors, errors.square()]
    sums = reduce_sum(torch.stack([term.sum() for term in terms]))
    count, total, squares, error_total, error_squares = sums.tolist()
    variance = squares / count - (total / count) ** 2
    if variance < 1e-12:
        return math.nan
    return float(1 - (error_squares / count - (error_total / count) ** 2) / variance)
