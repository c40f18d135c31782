"""The optimisation phase of PPO: epochs of clipped policy and value updates over one rollout.

B completions of a micro-batch, T completion tokens. Every loss is divided by the trained tokens of
its whole optimizer step, over all micro-batches and processes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from rl.losses import (
    PolicyLoss,
    ValueLoss,
    completion_logprobs,
    policy_loss,
    value_loss,
)
from rl.ppo_config import PPOConfig
from rl.ppo_metrics import SANITY_TOLERANCE
from rl.roles import Roles
from rl.rollouts import Rollout, gather_rows
from rl.samples import Samples, completion_logits, completion_values
from training.errors import TrainingError
from training.models import autocast
from training.optim import GuardedOptimizer, backward_scaled


@dataclass(frozen=True)
class Batch:
    """A micro-batch with all that its losses need."""

    samples: Samples
    old_logprobs: Tensor
    old_values: Tensor
    advantages: Tensor
    returns: Tensor


@dataclass(frozen=True, kw_only=True)
class Optimizers:
    policy: GuardedOptimizer
    value: GuardedOptimizer

    def clear(self) -> None:
        for guarded in (self.policy, self.value):
            guarded.optimizer.zero_grad(set_to_none=True)


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Learning rates of one update; a policy rate of None leaves the policy as it is."""

    policy: float | None
    value: float


@dataclass
class OptimisationLog:
    """What happened in one optimisation phase. Losses are means over the steps taken."""

    steps: list[dict[str, float]] = field(default_factory=list)
    stopped_early: bool = False

    def metrics(self) -> dict[str, float | None]:
        names = list(dict.fromkeys(name for step in self.steps for name in step))
        means: dict[str, float | None] = {
            name: sum(step[name] for step in self.steps) / len(self.steps) for name in names
        }
        if "ratio_max" in means:
            means["ratio_max"] = max(step["ratio_max"] for step in self.steps)
        return {**means, "optimizer_steps": len(self.steps)}


def make_batches(
    rollout: Rollout, advantages: Tensor, returns: Tensor, minibatches: Sequence[Sequence[Tensor]]
) -> list[list[Batch]]:
    """The rollout cut into minibatches of micro-batches, without padding that all rows share."""

    def cut(rows: Tensor) -> Batch:
        samples = rollout.samples.select(rows)
        length = samples.completion_mask.shape[1]
        tensors = (rollout.logprobs, rollout.values, advantages, returns)
        return Batch(samples, *(tensor[rows, :length] for tensor in tensors))

    return [[cut(rows) for rows in parts] for parts in minibatches]


def optimise(
    roles: Roles,
    optimizers: Optimizers,
    minibatches: Sequence[Sequence[Batch]],
    config: PPOConfig,
    rates: Rates,
) -> OptimisationLog:
    """All epochs over a rollout, ended early once the policy has moved beyond the KL limit."""
    log = OptimisationLog()
    for _ in range(config.epochs):
        for batches in minibatches:
            metrics = accumulate_gradients(
                roles, batches, config, with_policy=rates.policy is not None
            )
            if not log.steps and rates.policy is not None:
                _require_unit_ratio(metrics, config)
            limit = config.approx_kl_limit
            if rates.policy is not None and limit is not None and metrics["approx_kl"] > limit:
                optimizers.clear()
                log.stopped_early = True
                return log
            if rates.policy is not None:
                metrics["policy_grad_norm"] = optimizers.policy.step(rates.policy)
            metrics["value_grad_norm"] = optimizers.value.step(rates.value)
            log.steps.append(metrics)
    return log


def accumulate_gradients(
    roles: Roles, batches: Sequence[Batch], config: PPOConfig, *, with_policy: bool
) -> dict[str, float]:
    """Gradients of one optimizer step in place; metrics per token over all processes."""
    dist = roles.dist
    local = torch.stack([batch.samples.completion_mask.sum() for batch in batches]).sum()
    tokens = float(dist.all_reduce_sum(local))
    sums = torch.zeros(2, dtype=torch.float64, device=dist.device)
    policy_sums = torch.zeros(3, dtype=torch.float64, device=dist.device)
    ratio_max = torch.zeros(1, dtype=torch.float64, device=dist.device)
    for batch in batches:
        if with_policy:
            result = _policy_loss(roles, batch, config)
            backward_scaled(result.loss, normaliser=tokens, world_size=dist.world_size)
            policy_sums += torch.stack([x.detach().double() for x in result[:3]])
            ratio_max = torch.maximum(ratio_max, result.ratio_max.double())
        fit = _value_loss(roles, batch, config)
        backward_scaled(fit.loss, normaliser=tokens, world_size=dist.world_size)
        sums += torch.stack([x.detach().double() for x in fit])
    value_mean, value_clipped = (dist.all_reduce_sum(sums) / tokens).tolist()
    metrics = {"value_loss": value_mean, "value_clip_fraction": value_clipped}
    if with_policy:
        loss, clipped, approx_kl = (dist.all_reduce_sum(policy_sums) / tokens).tolist()
        metrics |= {"policy_loss": loss, "clip_fraction": clipped, "approx_kl": approx_kl}
        metrics["ratio_max"] = float(gather_rows(ratio_max, roles).max())
    return metrics


def _policy_loss(roles: Roles, batch: Batch, config: PPOConfig) -> PolicyLoss:
    with autocast(roles.dist.device, roles.precision):
        logits = completion_logits(roles.policy, batch.samples)
    logprobs = completion_logprobs(
        logits, batch.samples.completion_ids, temperature=config.temperature
    )
    mask = batch.samples.completion_mask
    return policy_loss(
        logprobs, batch.old_logprobs, batch.advantages, mask, clip_range=config.clip_range
    )


def _value_loss(roles: Roles, batch: Batch, config: PPOConfig) -> ValueLoss:
    with autocast(roles.dist.device, roles.precision):
        values = completion_values(roles.value_model, batch.samples)
    mask = batch.samples.completion_mask
    return value_loss(
        values, batch.old_values, batch.returns, mask, clip_range=config.value_clip_range
    )


def _require_unit_ratio(metrics: dict[str, float], config: PPOConfig) -> None:
    """Before the first step, the policy that trains must be the one that sampled."""
    tolerance = SANITY_TOLERANCE[config.precision]
    if metrics["ratio_max"] > 1 + tolerance or metrics["approx_kl"] > tolerance:
        raise TrainingError(
            f"Before the first step the ratio of new to old probabilities reaches "
            f"{metrics['ratio_max']:.6g} with KL {metrics['approx_kl']:.3g}, expected 1 and 0: two "
            "forward passes of this model differ. Use precision fp32 and a model without dropout."
        )
