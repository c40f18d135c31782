"""Which rows go into which optimiser step, and which process computes them.

Everything is a pure function of (seed, epoch) and the row lengths. The rows of a step do not depend
on the world size or on microbatch_size, so neither changes what is learned.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

WINDOW = 8
"""Minibatches sorted by length together: less padding, while steps still mix the data."""


def epoch_batches(
    lengths: Sequence[int], minibatch_size: int, *, seed: int, epoch: int
) -> list[list[int]]:
    """Row numbers of each step of an epoch; every row once, rows of like length together."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order = torch.randperm(len(lengths), generator=generator).tolist()
    batches: list[list[int]] = []
    span = WINDOW * minibatch_size
    for start in range(0, len(order), span):
        window = sorted(order[start : start + span], key=lambda row: lengths[row])
        batches += [
            window[first : first + minibatch_size]
            for first in range(0, len(window), minibatch_size)
        ]
    shuffled = torch.randperm(len(batches), generator=generator).tolist()
    return [batches[number] for number in shuffled]


def steps_per_epoch(rows: int, minibatch_size: int) -> int:
    return -(-rows // minibatch_size)


@dataclass(frozen=True)
class Microbatch:
    """Rows of one forward pass. One that does not count only keeps FSDP processes in step."""

    rows: list[int]
    counts: bool


def microbatches(
    batch: Sequence[int], microbatch_size: int, *, rank: int, world_size: int
) -> list[Microbatch]:
    """This process's part of a step: equally many microbatches on every process."""
    per_process = -(-len(batch) // world_size)
    size = min(microbatch_size, per_process)
    chunks = [list(batch[start : start + size]) for start in range(0, len(batch), size)]
    rounds = -(-len(chunks) // world_size)
    mine = [round_ * world_size + rank for round_ in range(rounds)]
    return [
        Microbatch(chunks[number], True)
        if number < len(chunks)
        else Microbatch(list(batch[:1]), False)
        for number in mine
    ]
