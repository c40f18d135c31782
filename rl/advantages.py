"""Generalised advantage estimation and whitening.

B completions, T completion tokens. Group baselines (RLOO, GRPO) are left out.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def estimate_advantages(
    values: Tensor, rewards: Tensor, completion_mask: Tensor, *, gamma: float, gae_lambda: float
) -> tuple[Tensor, Tensor]:
    """Advantages and returns by generalised advantage estimation (arXiv 1506.02438, eq. 16).

    All tensors are (B, T); completion_mask is bool. The step after the last True is terminal, its
    value counts as 0. Positions that are False, between two True ones too, are stepped over as if
    they were not there. Both results are 0 outside the mask and are not standardised.
    """
    advantages = torch.zeros_like(rewards)
    running = torch.zeros_like(rewards[:, 0])  # (B,)
    next_value = torch.zeros_like(running)
    for t in reversed(range(rewards.shape[1])):
        real = completion_mask[:, t]
        td_error = rewards[:, t] + gamma * next_value - values[:, t]
        running = torch.where(real, td_error + gamma * gae_lambda * running, running)
        next_value = torch.where(real, values[:, t], next_value)
        advantages[:, t] = torch.where(real, running, 0.0)
    return advantages, torch.where(completion_mask, advantages + values, 0.0)


def whiten(
    advantages: Tensor,
    completion_mask: Tensor,
    *,
    reduce_sum: Callable[[Tensor], Tensor] = lambda total: total,
) -> Tensor:
    """Advantages shifted and scaled to mean 0 and variance 1 over all trained tokens.

    `reduce_sum` adds a tensor over ranks, so that every rank uses the same mean and variance. The
    variance is the biased one plus 1e-8: equal advantages become 0. Outside the mask it is 0.
    """
    masked = torch.where(completion_mask, advantages, 0.0).double()
    count = completion_mask.sum().double()
    total, count = reduce_sum(torch.stack([masked.sum(), count])).unbind()
    mean = total / count
    deviation = torch.where(completion_mask, masked - mean, 0.0)
    variance = reduce_sum(deviation.square().sum()) / count
    return (deviation / (variance + 1e-8).sqrt()).to(advantages.dtype)


def whitened_advantages(
    values: Tensor,
    rewards: Tensor,
    completion_mask: Tensor,
    *,
    gamma: float,
    gae_lambda: float,
    reduce_sum: Callable[[Tensor], Tensor] = lambda total: total,
) -> tuple[Tensor, Tensor]:
    """What the policy learns from, whitened, and what the value model learns, which is not."""
    advantages, returns = estimate_advantages(
        values, rewards, completion_mask, gamma=gamma, gae_lambda=gae_lambda
    )
    return whiten(advantages, completion_mask, reduce_sum=reduce_sum), returns
