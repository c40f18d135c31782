"""What is logged of a rollout, over the completions of all processes, and a check of its KL.

B completions of this process, T completion tokens. A metric uses the mask of its loss.
"""

import torch
from torch import Tensor

from rl.losses import kl_k1
from rl.rewards import explained_variance
from rl.roles import Roles
from rl.rollouts import Rollout, gather_rows
from training.errors import TrainingError

SANITY_TOLERANCE = {"fp32": 1e-4, "bf16": 0.05}


def rollout_metrics(
    rollout: Rollout, rewards: Tensor, returns: Tensor, roles: Roles
) -> dict[str, float]:
    """Scores as the reward model gave them; KL and entropy in nats; lengths in tokens."""
    mask = rollout.samples.completion_mask
    columns = (
        rollout.scores,
        kl_k1(rollout.logprobs, rollout.ref_logprobs).sum(1),
        rollout.entropy.sum(1),
        rewards.sum(1),
        rollout.values.sum(1),
        mask.sum(1),
        rollout.samples.finished,
        rollout.samples.repetition().to(mask.device),
    )
    table = gather_rows(torch.stack([column.double() for column in columns], dim=1), roles)
    scores, kl, entropy, reward, values, lengths, finished, repeated = table.unbind(1)
    tokens = lengths.sum()
    mean, deviation = scores.mean(), scores.std(correction=0)
    metrics = {
        "score_mean": mean,
        "score_std": deviation,
        "score_low": mean - deviation,
        "score_high": mean + deviation,
        "score_min": scores.min(),
        "score_max": scores.max(),
        "reward_mean": reward.mean(),
        "kl_per_completion": kl.mean(),
        "kl_per_token": kl.sum() / tokens,
        "entropy": entropy.sum() / tokens,
        "completion_tokens_mean": lengths.mean(),
        "completion_tokens_p95": lengths.quantile(0.95),
        "eos_rate": finished.mean(),
        "repeated_share": repeated.mean(),
        "value_mean": values.sum() / tokens,
    }
    explained = explained_variance(
        rollout.values, returns, mask, reduce_sum=roles.dist.all_reduce_sum
    )
    numbers = {name: float(value) for name, value in metrics.items()}
    return {**numbers, "value_explained_variance": explained}


def require_no_drift(rollout: Rollout, roles: Roles) -> None:
    """While the policy is untrained, its log-probabilities must be those of the reference."""
    largest = kl_k1(rollout.logprobs, rollout.ref_logprobs).abs().amax().view(1)
    worst = float(gather_rows(largest, roles).max())
    if not worst <= SANITY_TOLERANCE[roles.precision]:
        raise TrainingError(
            f"Before any step, a log-probability of the policy differs by {worst:.3g} nats from "
            "the reference's, 0 expected: two forward passes of this model differ. Use precision "
            "fp32 and a model without dropout."
        )
