"""The state of one batch that is being decoded, and its key-value cache.

B completions, T completion tokens, P prompt columns. Finished rows leave the batch once they are
many, so that the last long completions do not pay for the short ones.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache, DynamicLayer

KEPT_SHARE = 0.75


class RoomyLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """A cache layer that writes into room reserved once, instead of copying itself every step."""

    def __init__(self, room: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._room = room
        self._length = 0
        self._buffers: list[Tensor] = []

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        if not self._buffers:
            batch, heads = key_states.shape[:2]
            self._buffers = [
                states.new_empty(batch, heads, self._room, states.shape[-1])
                for states in (key_states, value_states)
            ]
            self.is_initialized = True
        end = self._length + key_states.shape[-2]
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, self._length : end] = states
        self._length = end
        self.keys, self.values = (buffer[:, :, :end] for buffer in self._buffers)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        self._buffers = [buffer[indices] for buffer in self._buffers]
        self.keys, self.values = (buffer[:, :, : self._length] for buffer in self._buffers)


@dataclass
class Decoding:
    """The state of one call: the rows still in the batch, and what all rows have written."""

    policy: PreTrainedModel
    cache: DynamicCache
    attention_mask: Tensor
    """(rows, P + T) with 1 for every column to come: later tokens are always visible."""
    next_position: Tensor
    noise: Tensor
    rows: Tensor
    """The row of the result that each row of the batch writes to."""
    active: Tensor
    """True where a row of the batch has not ended."""
    prompt_width: int
    ids: Tensor
    mask: Tensor

    @classmethod
    def start(
        cls, policy: PreTrainedModel, prompt_mask: Tensor, noise: Tensor, pad_id: int
    ) -> "Decoding":
        (batch, prompt_width), length = prompt_mask.shape, noise.shape[1]
        device = prompt_mask.device
        cache = DynamicCache(config=policy.config)
        cache.layers = [
            RoomyLayer(prompt_width + length) if type(layer) is DynamicLayer else layer
            for layer in cache.layers
        ]
        return cls(
            policy=policy,
            cache=cache,
            attention_mask=torch.cat([prompt_mask, prompt_mask.new_ones(batch, length)], dim=1),
            next_position=prompt_mask.sum(1, keepdim=True),
            noise=noise,
            rows=torch.arange(batch, device=device),
            active=torch.ones(batch, dtype=torch.bool, device=device),
            prompt_width=prompt_width,
            ids=torch.full((batch, length), pad_id, device=device),
            mask=torch.zeros(batch, length, dtype=torch.bool, device=device),
        )

    def forward(self, input_ids: Tensor, position_ids: Tensor) -> Tensor:
        width = self.cache.get_seq_length() + input_ids.shape[1]
        logits: Tensor = self.policy(
            input_ids=input_ids,
            attention_mask=self.attention_mask[:, :width],
            position_ids=position_ids,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        return logits[:, -1]

    def append(self, step: int, tokens: Tensor) -> None:
        rows = self.rows[self.active]
        self.ids[rows, step] = tokens[self.active]
        self.mask[rows, step] = True

    def end(self, step: int, eos: int) -> None:
        self.active = self.active & (self.ids[self.rows, step] != eos)

    def decode(self, step: int) -> Tensor:
        logits = self.forward(self.ids[self.rows, step, None], self.next_position)
        self.next_position = self.next_position + 1
        return logits

    def drop_finished_rows(self) -> None:
        """Leave finished rows out once they are many; one row stays for the ranks that go on."""
        active = int(self.active.sum())
        if active == 0 or active > KEPT_SHARE * len(self.active):
            return
        kept = self.active.nonzero().squeeze(1)
        self.cache.batch_select_indices(kept)
        self.attention_mask = self.attention_mask[kept]
        self.next_position, self.noise = self.next_position[kept], self.noise[kept]
        self.rows, self.active = self.rows[kept], self.active[kept]
