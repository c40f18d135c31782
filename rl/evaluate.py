"""Evaluation of a policy on held-out prompts, with the same random numbers every time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
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
    score_mean: float
    score_std: float
    kl_per_completion: float
    """Nats from the reference policy."""
    completion_tokens_mean: float
    eos_rate: float


@dataclass(frozen=True)
class Evaluated:
    evaluation: PolicyEvaluation
    scores: list[float]
    """One a completion, in an order that does not depend on the policy."""


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
    columns = [rollout.scores, kl, rollout.samples.completion_lengths, rollout.samples.finished]
    table = torch.stack([column.double() for column in columns], dim=1)
    scores, kl, tokens, finished = gather_rows(table, roles).unbind(1)
    evaluation = PolicyEvaluation(
        completions=completions,
        score_mean=float(scores.mean()),
        score_std=float(scores.std(correction=0)),
        kl_per_completion=float(kl.mean()),
        completion_tokens_mean=float(tokens.mean()),
        eos_rate=float(finished.mean()),
    )
    return Evaluated(evaluation, scores.tolist())


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
