"""Log-probabilities, KL estimates, entropy and the clipped PPO losses, as pure functions.

B completions, T completion tokens, P prompt tokens, V vocabulary. Row P - 1 + t of a model's output
predicts completion token t; every tensor here is already cut to these T rows. Losses are sums over
trained tokens, so that a caller divides once by the tokens of its whole optimizer step, over all
micro-batches and ranks. Left out: an entropy bonus, dual clipping, and KL as a loss term.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CHUNK_ELEMENTS = 2**26
MAX_LOG_RATIO = 20.0


def completion_logprobs(
    logits: Tensor,
    completion_ids: Tensor,
    *,
    temperature: float,
    chunk_elements: int = CHUNK_ELEMENTS,
) -> Tensor:
    """Log-probability (B, T), in float32, of each token under softmax(logits / temperature).

    `logits` (B, T, V) may be of any float type: chunks of at most `chunk_elements` are raised to
    float32, and recomputed in the backward pass where there is more than one.
    """
    batch, length, vocabulary = logits.shape
    rows, ids = logits.reshape(-1, vocabulary), completion_ids.reshape(-1, 1)
    chunk_rows = max(1, chunk_elements // vocabulary)
    if rows.shape[0] <= chunk_rows:
        return _token_logprobs(rows, ids, temperature).view(batch, length)
    chunks = [
        checkpoint(_token_logprobs, rows_chunk, ids_chunk, temperature, use_reentrant=False)
        for rows_chunk, ids_chunk in zip(
            torch.split(rows, chunk_rows), torch.split(ids, chunk_rows), strict=True
        )
    ]
    return torch.cat(chunks).view(batch, length)


def _token_logprobs(rows: Tensor, ids: Tensor, temperature: float) -> Tensor:
    scaled = rows.float() / temperature
    return scaled.gather(-1, ids).squeeze(-1) - scaled.logsumexp(-1)


def entropy(logits: Tensor, *, temperature: float, chunk_elements: int = CHUNK_ELEMENTS) -> Tensor:
    """Entropy (B, T) in nats of softmax(logits / temperature), in float32; for (B, T, V) logits."""
    rows = logits.reshape(-1, logits.shape[-1])
    chunks = []
    for chunk in torch.split(rows, max(1, chunk_elements // logits.shape[-1])):
        log_softmax = (chunk.float() / temperature).log_softmax(-1)
        chunks.append(-(log_softmax.exp() * log_softmax).sum(-1))
    return torch.cat(chunks).view(logits.shape[:-1])


def kl_k1(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """KL(policy || ref) per token in nats, of any sign; unbiased for tokens the policy sampled."""
    return logprobs - ref_logprobs


class PolicyLoss(NamedTuple):
    """Sums over trained tokens, and the largest ratio among them (0 when there is none)."""

    loss: Tensor
    clipped_tokens: Tensor
    approx_kl: Tensor
    ratio_max: Tensor


def policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    completion_mask: Tensor,
    *,
    clip_range: float,
) -> PolicyLoss:
    """Clipped surrogate loss (arXiv 1707.06347, eq. 7), summed over the mask; all are (B, T).

    A log-ratio beyond ±20 counts as ±20 and passes no gradient. `clipped_tokens` counts those
    whose clipped term is the larger one; `approx_kl` is k3 of the new policy against the old.
    """
    zero = torch.zeros_like(logprobs)
    log_ratio = torch.where(completion_mask, logprobs - old_logprobs, zero)
    log_ratio = log_ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
    ratio = log_ratio.exp()
    plain = -advantages * ratio
    clipped = -advantages * ratio.clamp(1 - clip_range, 1 + clip_range)
    with torch.no_grad():
        clipped_tokens = ((clipped > plain) & completion_mask).sum()
        approx_kl = torch.where(completion_mask, log_ratio.expm1() - log_ratio, zero).sum()
        ratio_max = torch.where(completion_mask, ratio, zero).amax()
    loss = torch.where(completion_mask, torch.maximum(plain, clipped), zero).sum()
    return PolicyLoss(loss, clipped_tokens, approx_kl, ratio_max)


class ValueLoss(NamedTuple):
    """Sums over trained tokens."""

    loss: Tensor
    clipped_tokens: Tensor


def value_loss(
    values: Tensor,
    old_values: Tensor,
    returns: Tensor,
    completion_mask: Tensor,
    *,
    clip_range: float | None,
) -> ValueLoss:
    """Half the squared error, summed over the mask; with a clip range, the larger of two errors.

    The second error is that of the value kept within `clip_range` of its old value, so a token
    passes no gradient once its value has moved further than that towards its return.
    """
    zero = torch.zeros_like(values)
    error = (values - returns).square()
    if clip_range is None:
        loss = 0.5 * torch.where(completion_mask, error, zero).sum()
        return ValueLoss(loss, torch.zeros((), dtype=torch.long, device=values.device))
    near_old = old_values + (values - old_values).clamp(-clip_range, clip_range)
    near_error = (near_old - returns).square()
    loss = 0.5 * torch.where(completion_mask, torch.maximum(error, near_error), zero).sum()
    return ValueLoss(loss, ((near_error > error) & completion_mask).sum())
