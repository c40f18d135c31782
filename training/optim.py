"""AdamW, the learning-rate schedule and guarded optimiser steps.

The loss of a step is a sum divided by the rows or tokens of the whole step over all processes.
FSDP2 averages gradients over processes, hence `backward_scaled` multiplies by the world size.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim import AdamW, Optimizer

from training.errors import RunError


def build_optimizer(
    parameters: Iterable[nn.Parameter],
    *,
    learning_rate: float,
    betas: tuple[float, float] = (0.9, 0.95),
    eps: float = 1e-5,
    weight_decay: float = 0.0,
) -> AdamW:
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    return AdamW(
        trained, lr=learning_rate, betas=betas, eps=eps, weight_decay=weight_decay, fused=True
    )


def learning_rate_at(step: int, *, peak: float, warmup_steps: int, total_steps: int) -> float:
    """The rate of optimiser step `step`, counted from 0: linear up, then linear towards 0."""
    if step < warmup_steps:
        return peak * (step + 1) / (warmup_steps + 1)
    return peak * max(0.0, (total_steps - step) / max(1, total_steps - warmup_steps))


def set_learning_rate(optimizer: Optimizer, learning_rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


def backward_scaled(loss_sum: Tensor, *, normaliser: float, world_size: int) -> None:
    """Add the gradient of loss_sum / normaliser, for a normaliser counted over all processes."""
    (loss_sum * (world_size / normaliser)).backward()  # type: ignore[no-untyped-call]


def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> float:
    """Scale all gradients to a joint L2 norm of at most max_norm; gives the norm before."""
    trained = [parameter for parameter in parameters if parameter.grad is not None]
    norm = torch.nn.utils.clip_grad_norm_(trained, max_norm)
    return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)


@dataclass
class GuardedOptimizer:
    """An optimizer whose step is skipped, and counted, when the gradient is not finite."""

    optimizer: AdamW
    max_grad_norm: float = 1.0
    max_skips_in_a_row: int = 5
    skipped: int = 0
    skipped_in_a_row: int = 0

    def step(self, learning_rate: float) -> float:
        """One step and cleared gradients; gives the gradient norm before clipping."""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        norm = clip_gradients(parameters, self.max_grad_norm)
        if math.isfinite(norm):
            set_learning_rate(self.optimizer, learning_rate)
            self.optimizer.step()
            self.skipped_in_a_row = 0
        else:
            self.skipped += 1
            self.skipped_in_a_row += 1
        self.optimizer.zero_grad(set_to_none=True)
        if self.skipped_in_a_row >= self.max_skips_in_a_row:
            raise RunError(
                f"The gradient was not finite in {self.skipped_in_a_row} steps in a row. "
                "Lower the learning rate and start again from the last checkpoint."
            )
        return norm

    def counters(self) -> dict[str, int]:
        """What a checkpoint must keep beside the optimizer's own state."""
        return {"skipped": self.skipped, "skipped_in_a_row": self.skipped_in_a_row}

    def restore_counters(self, counters: dict[str, int]) -> None:
        self.skipped = counters["skipped"]
        self.skipped_in_a_row = counters["skipped_in_a_row"]
