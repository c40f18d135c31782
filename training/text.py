"""Chat messages to token ids, once for every stage.

A prompt is rendered by the tokenizer's chat template with the generation prompt; a completion is
tokenised by itself and ends with EOS. Their ids are concatenated, never tokenised jointly, so that
SFT, reward model and PPO see the same ids for the same text. Only the template writes special
tokens: what a message or a completion spells stays text. `B` rows, `S` tokens a row.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from training.bundle import Message
from training.errors import TrainingError

PRIVATE_USE = range(0xE000, 0xF900)


def encode_prompt(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    """Ids of the prompt up to the place where the assistant begins to write.

    For messages that spell no special token these are the ids of `apply_chat_template`.
    """
    disguised, spelled = _disguise(tokenizer, messages)
    rendered = tokenizer.apply_chat_template(disguised, tokenize=False, add_generation_prompt=True)
    ids = _encode_disguised(tokenizer, str(rendered), spelled)
    if not ids:
        raise TrainingError(
            "The chat template renders a prompt to no tokens at all. Repair chat_template.jinja."
        )
    # Some templates write BOS and some tokenizers add their own: a model never saw two in a row.
    while len(ids) > 1 and ids[0] == ids[1] == tokenizer.bos_token_id:
        ids = ids[1:]
    return ids


def encode_completion(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Ids of the completion, always with EOS last."""
    return [*_as_text(tokenizer, text), eos_id(tokenizer)]


def _disguise(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]
) -> tuple[list[Message], dict[str, str]]:
    """Messages with a stand-in for every special token they spell, and what each stands for.

    A stand-in is made of a private-use character that no message holds, so the template passes it
    on untouched and it can be found again in what the template renders.
    """
    contents = [message["content"] for message in messages]
    spelling = _special_spelling(tokenizer, len(tokenizer))
    found = sorted({token for text in contents for token in spelling.findall(text)})
    if not found:
        return [dict(message) for message in messages], {}
    mark = next(chr(code) for code in PRIVATE_USE if not any(chr(code) in c for c in contents))
    stand_ins = {token: f"{mark}{number}{mark}" for number, token in enumerate(found)}
    disguised = [
        {**message, "content": spelling.sub(lambda hit: stand_ins[hit[0]], message["content"])}
        for message in messages
    ]
    return disguised, {stand_in: token for token, stand_in in stand_ins.items()}


@lru_cache(maxsize=4)
def _special_spelling(tokenizer: PreTrainedTokenizerBase, size: int) -> re.Pattern[str]:
    """Matches every special token; `size` tells a tokenizer from itself with tokens added."""
    special = {str(t) for t in tokenizer.added_tokens_decoder.values() if t.special}
    special |= set(tokenizer.all_special_tokens)
    return re.compile("|".join(map(re.escape, sorted(special, key=len, reverse=True))))


def _encode_disguised(
    tokenizer: PreTrainedTokenizerBase, rendered: str, spelled: dict[str, str]
) -> list[int]:
    """Ids of a rendered template, each stand-in as the text it stands for."""
    if not spelled:
        return list(tokenizer(rendered, add_special_tokens=False)["input_ids"])
    ids: list[int] = []
    for part in re.split("(" + "|".join(map(re.escape, spelled)) + ")", rendered):
        if part in spelled:
            ids += _as_text(tokenizer, spelled[part])
        elif part:
            ids += tokenizer(part, add_special_tokens=False)["input_ids"]
    return ids


def _as_text(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return list(ids)


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
