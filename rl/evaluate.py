"""Evaluation of a policy on held-out prompts, with the same random numbers every time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rl.losses import kl_k1
from rl.prompts import Prompts
from rl.roles import Roles
from rl.rollouts import Rollout, Sampling, draw_streams, gather_rows, roll_out
from training.bundle import Message


@dataclass(frozen=True, kw_only=True)
class PolicyEvaluation:
    """Means over completions; scores are the reward model's own, cut completions closed."""

    completions: int
    prompts: int
    """Different ones, each answered in turn."""
    score_mean: float
    score_std: float
    kl_per_completion: float
    """Nats from the reference policy."""
    completion_tokens_mean: float
    eos_rate: float
    repeated_share: float
    """Of a completion's runs of three tokens, those that it has written before."""


@dataclass(frozen=True)
class Evaluated:
    """Completion i answers prompt i modulo the number of prompts, whatever the policy."""

    evaluation: PolicyEvaluation
    scores: list[float]
    tokens: list[float]


def evaluate_policy(
    roles: Roles,
    policy: PreTrainedModel,
    prompts: Prompts,
    sampling: Sampling,
    *,
    completions: int,
    seed: int,
) -> Evaluated:
    """Sample completions, prompts in turn, and describe them; the same on every process."""
    dist = roles.dist
    streams = draw_streams(seed, 0, completions, len(prompts), shuffled=False)
    mine = streams[dist.rank :: dist.world_size]
    rollout = roll_out(roles, policy, prompts.tokens, mine, sampling)
    kl = kl_k1(rollout.logprobs, rollout.ref_logprobs).sum(1)
    samples = rollout.samples
    repetition = samples.repetition().to(kl.device)
    columns = [rollout.scores, kl, samples.completion_lengths, samples.finished, repetition]
    table = torch.stack([column.double() for column in columns], dim=1)
    scores, kl, tokens, finished, repeated = gather_rows(table, roles).unbind(1)
    evaluation = PolicyEvaluation(
        completions=completions,
        prompts=min(completions, len(prompts)),
        score_mean=float(scores.mean()),
        score_std=float(scores.std(correction=0)),
        kl_per_completion=float(kl.mean()),
        completion_tokens_mean=float(tokens.mean()),
        eos_rate=float(finished.mean()),
        repeated_share=float(repeated.mean()),
    )
    return Evaluated(evaluation, scores.tolist(), tokens.tolist())


def mean_interval(values: Tensor, clusters: Tensor) -> tuple[float, float]:
    """Normal 95 % interval of the mean (N,), whose errors may be alike inside a cluster (N,).

    The variance is G / (G - 1) * sum over the G clusters of (sum of deviations)^2, over N^2. With
    one cluster it is undefined: NaN.
    """
    count = int(clusters.max()) + 1
    mean = values.mean()
    sums = torch.zeros(count, dtype=values.dtype).index_add_(0, clusters, values - mean)
    variance = count / (count - 1) * sums.square().sum() / len(values) ** 2 if count > 1 else None
    half = 1.96 * float(variance) ** 0.5 if variance is not None else math.nan
    return float(mean) - half, float(mean) + half


def describe_samples(
    roles: Roles, messages: Sequence[list[Message]], rollout: Rollout
) -> list[dict[str, Any]]:
    """Rows for samples.jsonl: {"prompt", "completion", "score", "finish_reason", "tokens"}."""
    tokens = rollout.samples.completion_tokens()
    texts = roles.tokenizer.batch_decode(tokens, skip_special_tokens=True)
    return [
        {
            "prompt": prompt,
            "completion": text,
            "score": score,
            "finish_reason": reason,
            "tokens": len(ids),
        }
        for prompt, text, score, reason, ids in zip(
            messages,
            texts,
            rollout.scores.tolist(),
            rollout.samples.finish_reasons,
            tokens,
            strict=True,
        )
    ]
