"""Sampled completions as padded tensors, and the forward passes over them.

B completions, P prompt columns (padded on the left), T completion columns (padded on the right),
V vocabulary. Column P is the first completion token of every row. Masks travel with the ids and are
never derived from them, so a prompt may hold the padding or the end token.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.text import position_ids_of


@dataclass(frozen=True)
class Samples:
    """Prompts with one completion each; a row's completion ends with its end token, if sampled."""

    input_ids: Tensor
    """(B, P + T), the sampled ids themselves: nothing is decoded and tokenised again."""
    attention_mask: Tensor
    """(B, P + T) int64, 1 on real tokens."""
    completion_mask: Tensor
    """(B, T) bool, True on generated tokens, end token included."""
    finished: Tensor
    """(B,) bool, True where an end token was sampled, False where the token limit cut it."""

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def prompt_width(self) -> int:
        return self.input_ids.shape[1] - self.completion_mask.shape[1]

    @property
    def completion_ids(self) -> Tensor:
        return self.input_ids[:, self.prompt_width :]

    @property
    def lengths(self) -> Tensor:
        """(B,) real tokens of prompt and completion together."""
        return self.attention_mask.sum(1)

    @property
    def completion_lengths(self) -> Tensor:
        return self.completion_mask.sum(1)

    @property
    def finish_reasons(self) -> list[str]:
        return ["stop" if finished else "length" for finished in self.finished.tolist()]

    def select(self, rows: Tensor) -> "Samples":
        """These rows, without the columns that are padding in all of them."""
        prompt_width = self.prompt_width
        attention_mask = self.attention_mask[rows]
        first = prompt_width - int(attention_mask[:, :prompt_width].sum(1).max())
        length = int(self.completion_mask[rows].sum(1).max())
        columns = slice(first, prompt_width + length)
        return Samples(
            self.input_ids[rows, columns],
            attention_mask[:, columns],
            self.completion_mask[rows, :length],
            self.finished[rows],
        )

    def prompt_tokens(self) -> list[list[int]]:
        width = self.prompt_width
        return _unpadded(self.input_ids[:, :width], self.attention_mask[:, :width].bool())

    def completion_tokens(self) -> list[list[int]]:
        return _unpadded(self.completion_ids, self.completion_mask)

    def repetition(self) -> Tensor:
        """(B,) float64 `repeated_share` of every completion."""
        shares = [repeated_share(tokens) for tokens in self.completion_tokens()]
        return torch.tensor(shares, dtype=torch.float64)


def repeated_share(tokens: Sequence[int]) -> float:
    """Share of a completion's runs of three tokens that it has written before; 0 below four."""
    runs = [tuple(tokens[start : start + 3]) for start in range(len(tokens) - 2)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def _unpadded(ids: Tensor, mask: Tensor) -> list[list[int]]:
    return [row[real].tolist() for row, real in zip(ids.cpu(), mask.cpu(), strict=True)]


def microbatches(lengths: Tensor, minibatch_rows: int, microbatch_rows: int) -> list[list[Tensor]]:
    """Row indices as minibatches of micro-batches: `lengths` (B,) are real tokens a row.

    Minibatches are consecutive rows, whose order is random already. Inside one, rows of like length
    share a micro-batch. The same micro-batches serve scoring and every epoch, so that the first
    ratio is exactly 1.
    """
    minibatches = []
    for rows in torch.split(torch.arange(len(lengths)), minibatch_rows):
        by_length = rows[lengths.cpu()[rows].argsort(stable=True)]
        minibatches.append(list(torch.split(by_length, microbatch_rows)))
    return minibatches


def completion_logits(policy: nn.Module, samples: Samples) -> Tensor:
    """Logits (B, T, V) whose row t, which is row P - 1 + t of the model, predicts token t."""
    # The last column predicts nothing that was sampled, so the model never reads it.
    attention_mask = samples.attention_mask[:, :-1]
    logits: Tensor = policy(
        input_ids=samples.input_ids[:, :-1],
        attention_mask=attention_mask,
        position_ids=position_ids_of(attention_mask),
        use_cache=False,
        logits_to_keep=samples.completion_mask.shape[1],
    ).logits
    return logits


def completion_values(value_model: nn.Module, samples: Samples) -> Tensor:
    """Values (B, T) in float32 of the state before token t, read from hidden row P - 1 + t."""
    attention_mask = samples.attention_mask[:, :-1]
    values: Tensor = value_model(
        input_ids=samples.input_ids[:, :-1],
        attention_mask=attention_mask,
        position_ids=position_ids_of(attention_mask),
        use_cache=False,
    ).logits
    return values[:, -samples.completion_mask.shape[1] :, 0].float()


def scatter_rows(parts: Sequence[Tensor], rows: Sequence[Tensor], shape: tuple[int, int]) -> Tensor:
    """Trimmed (b, t) results of micro-batches, put back into one (B, T) frame of zeros."""
    frame = parts[0].new_zeros(shape)
    for part, indices in zip(parts, rows, strict=True):
        frame[indices.to(frame.device), : part.shape[1]] = part
    return frame
