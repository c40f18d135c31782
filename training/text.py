"""Chat messages to token ids, once for every stage.

A prompt is rendered by the tokenizer's chat template with the generation prompt; a completion is
tokenised by itself and ends with EOS. Their ids are concatenated, never tokenised jointly, so that
SFT, reward model and PPO see the same ids for the same text. `B` rows, `S` tokens a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from training.bundle import Message
from training.errors import TrainingError


def encode_prompt(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    """Ids of the prompt up to the place where the assistant begins to write."""
    rendered = tokenizer.apply_chat_template(
        [dict(message) for message in messages], tokenize=False, add_generation_prompt=True
    )
    ids = list(tokenizer(rendered, add_special_tokens=False)["input_ids"])
    if not ids:
        raise TrainingError(
            "The chat template renders a prompt to no tokens at all. Repair chat_template.jinja."
        )
    # Some templates write BOS and some tokenizers add their own: a model never saw two in a row.
    while len(ids) > 1 and ids[0] == ids[1] == tokenizer.bos_token_id:
        ids = ids[1:]
    return ids


def encode_completion(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Ids of the completion, always with EOS last. Text that spells a special token stays text."""
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [*ids, eos_id(tokenizer)]


def fit_length(
    prompt_ids: list[int], completion_ids: list[int], max_tokens: int
) -> tuple[list[int], list[int]] | None:
    """The pair in at most max_tokens: the prompt loses its oldest tokens, the completion none.

    A first token that is BOS-like (the same in every prompt) is kept. None where the completion
    leaves no room for a single prompt token: such a row is dropped, and the caller counts it.
    """
    room = max_tokens - len(completion_ids)
    if room < 1:
        return None
    if len(prompt_ids) <= room:
        return prompt_ids, completion_ids
    # One token of room is the last of the prompt, which the first prediction is made from.
    kept = (
        prompt_ids[:1] + prompt_ids[len(prompt_ids) - room + 1 :] if room > 1 else prompt_ids[-1:]
    )
    return kept, completion_ids


def eos_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The end token, checked to differ from padding."""
    eos, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    if not isinstance(eos, int):
        raise TrainingError("The tokenizer has no EOS token, so no completion could ever end.")
    if not isinstance(pad, int) or pad == eos:
        raise TrainingError(
            f"The tokenizer pads with id {pad} and ends with id {eos}; padding needs its own id. "
            "Load it with training.models.load_tokenizer, which adds one."
        )
    return eos


@dataclass(frozen=True)
class PaddedBatch:
    """(B, S) ids with the mask they were padded under; the mask is never derived from ids."""

    input_ids: Tensor
    attention_mask: Tensor
    position_ids: Tensor

    def to(self, device: torch.device) -> "PaddedBatch":
        return PaddedBatch(
            self.input_ids.to(device), self.attention_mask.to(device), self.position_ids.to(device)
        )


def position_ids_of(attention_mask: Tensor) -> Tensor:
    """Positions that count real tokens only, whatever the side and amount of padding."""
    return (attention_mask.long().cumsum(dim=-1) - 1).clamp_min(0)


def pad_sequences(
    sequences: Sequence[Sequence[int]], pad_id: int, *, side: str = "right"
) -> PaddedBatch:
    """Rows padded to the longest of them; attention_mask is 1 on real tokens (int64)."""
    if side not in ("left", "right"):
        raise ValueError(f"side is {side!r}, expected left or right")
    width = max(len(sequence) for sequence in sequences)
    rows, masks = [], []
    for sequence in sequences:
        fill = width - len(sequence)
        pads, ones = [pad_id] * fill, [1] * len(sequence)
        rows.append([*pads, *sequence] if side == "left" else [*sequence, *pads])
        masks.append([0] * fill + ones if side == "left" else ones + [0] * fill)
    attention_mask = torch.tensor(masks)
    return PaddedBatch(torch.tensor(rows), attention_mask, position_ids_of(attention_mask))
