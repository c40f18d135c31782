"""Rollouts: sampled completions with what PPO needs to know of them, five numbers a token.

B completions of this process, T completion tokens. Log-probabilities are recomputed with the
forward pass that training uses; those of the sampler come from other kernels and are thrown away.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rl.generate import Stream
from rl.losses import completion_logprobs, entropy
from rl.roles import Roles
from rl.samples import (
    Samples,
    completion_logits,
    completion_values,
    microbatches,
    scatter_rows,
)
from training.models import autocast
from training.text import pad_sequences


@dataclass(frozen=True, kw_only=True)
class Sampling:
    max_new_tokens: int
    temperature: float
    microbatch_size: int


@dataclass(frozen=True)
class Rollout:
    """Everything (B, T) is 0 outside samples.completion_mask."""

    samples: Samples
    logprobs: Tensor
    ref_logprobs: Tensor
    values: Tensor
    entropy: Tensor
    scores: Tensor
    """(B,), the reward model's output, as it stands."""


def draw_streams(
    seed: int, step: int, completions: int, prompts: int, *, shuffled: bool = True
) -> list[Stream]:
    """Which prompt each completion of a step answers: all prompts in turn, epoch after epoch.

    A pure function of its arguments, so that a resumed run and any world size draw the same.
    """
    streams: list[Stream] = []
    for number in range(step * completions, (step + 1) * completions):
        epoch, place = divmod(number, prompts)
        if place == 0 or not streams:
            order = _order(seed, epoch, prompts) if shuffled else list(range(prompts))
        streams.append(Stream(seed, step, order[place], epoch))
    return streams


def _order(seed: int, epoch: int, prompts: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order: list[int] = torch.randperm(prompts, generator=generator).tolist()
    return order


def roll_out(
    roles: Roles,
    policy: PreTrainedModel,
    prompts: Sequence[list[int]],
    streams: Sequence[Stream],
    sampling: Sampling,
) -> Rollout:
    """One completion for each stream, by this process alone, with all numbers about it."""
    samples = sample(roles, policy, prompts, streams, sampling)
    [parts] = microbatches(samples.lengths, len(samples), sampling.microbatch_size)
    return collect(roles, policy, samples, parts, temperature=sampling.temperature)


def sample(
    roles: Roles,
    policy: PreTrainedModel,
    prompts: Sequence[list[int]],
    streams: Sequence[Stream],
    sampling: Sampling,
) -> Samples:
    return roles.generator(policy).sample(
        [prompts[stream.prompt_index] for stream in streams],
        streams,
        max_new_tokens=sampling.max_new_tokens,
        temperature=sampling.temperature,
    )


@torch.no_grad()
def collect(
    roles: Roles,
    policy: PreTrainedModel,
    samples: Samples,
    parts: Sequence[Tensor],
    *,
    temperature: float,
) -> Rollout:
    """The rollout of these samples, computed in the micro-batches `parts` of row numbers."""
    results: list[tuple[Tensor, ...]] = []
    for rows in parts:
        part = samples.select(rows)
        with autocast(roles.dist.device, roles.precision):
            logits = completion_logits(policy, part)
            ref_logits = completion_logits(roles.ref_policy, part)
            values = completion_values(roles.value_model, part)
            scores = score_samples(roles, part)
        numbers = (
            completion_logprobs(logits, part.completion_ids, temperature=temperature),
            completion_logprobs(ref_logits, part.completion_ids, temperature=temperature),
            values,
            entropy(logits, temperature=temperature),
        )
        kept = tuple(torch.where(part.completion_mask, number, 0.0) for number in numbers)
        results.append((*kept, scores[:, None]))
    shape = (len(samples), samples.completion_mask.shape[1])
    columns = list(zip(*results, strict=True))
    logprobs, ref_logprobs, values, entropies = (
        scatter_rows(column, parts, shape) for column in columns[:4]
    )
    scores = scatter_rows(columns[4], parts, (len(samples), 1)).squeeze(1)
    return Rollout(samples, logprobs, ref_logprobs, values, entropies, scores)


def score_samples(roles: Roles, samples: Samples) -> Tensor:
    """Scores (B,) of the sampled ids. A completion that was cut is closed with the end token.

    Every row that the reward model was trained on ends so; elsewhere its output means nothing.
    """
    closing: list[list[int]] = [
        [] if done else [roles.eos_id] for done in samples.finished.tolist()
    ]
    rows = [
        prompt + completion + end
        for prompt, completion, end in zip(
            samples.prompt_tokens(), samples.completion_tokens(), closing, strict=True
        )
    ]
    batch = pad_sequences(rows, roles.pad_id).to(roles.dist.device)
    return roles.reward_model.score(batch.input_ids, batch.attention_mask, batch.position_ids)


def gather_rows(local: Tensor, roles: Roles) -> Tensor:
    """Values (B, ...) of all processes in the global order of completions, for every process.

    Process r holds the completions r, r + world size, and so on.
    """
    dist = roles.dist
    whole = local.new_zeros(len(local) * dist.world_size, *local.shape[1:])
    whole[dist.rank :: dist.world_size] = local
    return dist.all_reduce_sum(whole)
