"""Scores of single completions by a trained reward model."""

from collections.abc import Sequence
from pathlib import Path

import torch

from rm_training.model import load_reward_model
from training.bundle import Message
from training.distributed import Distributed
from training.errors import RunError
from training.models import load_tokenizer, max_positions
from training.text import encode_completion, encode_prompt, fit_length, pad_sequences

ROWS_AT_ONCE = 32


@torch.no_grad()
def score_completions(
    reward_model: str | Path, rows: Sequence[tuple[list[Message], str]]
) -> list[float]:
    """One score for each (prompt, completion), in the order given. One process only."""
    tokenizer = load_tokenizer(reward_model)
    model = load_reward_model(reward_model)
    device = Distributed.start().device
    model.to(device)
    limit = max_positions(model.model)
    sequences = []
    for number, (prompt, completion) in enumerate(rows, start=1):
        ids = encode_prompt(tokenizer, prompt), encode_completion(tokenizer, completion)
        fitted = ids if limit is None else fit_length(*ids, limit)
        if fitted is None:
            raise RunError(
                f"Row {number}: its completion has {len(ids[1])} tokens, the reward model reads at "
                f"most {limit}. Shorten it or leave it out."
            )
        sequences.append(fitted[0] + fitted[1])
    order = sorted(range(len(sequences)), key=lambda row: len(sequences[row]))
    scores = [0.0] * len(sequences)
    for start in range(0, len(order), ROWS_AT_ONCE):
        chunk = order[start : start + ROWS_AT_ONCE]
        batch = pad_sequences([sequences[row] for row in chunk], tokenizer.pad_token_id).to(device)
        found = model.score(batch.input_ids, batch.attention_mask, batch.position_ids).tolist()
        for row, score in zip(chunk, found, strict=True):
            scores[row] = score
    return scores
