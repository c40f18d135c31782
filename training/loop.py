"""The optimisation loop of stages that learn from fixed rows (SFT, reward model).

A stage brings a `Task`; the loop owns data order, accumulation over microbatches and processes,
the schedule, validation once an epoch, metrics and checkpoints.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from training import checkpoint
from training.batching import epoch_batches, microbatches, steps_per_epoch
from training.checkpoint import TrainingState
from training.config import require_positive, require_range
from training.distributed import Distributed
from training.errors import RunError
from training.models import autocast
from training.optim import GuardedOptimizer, backward_scaled, build_optimizer, learning_rate_at
from training.progress import StageProgress
from training.runs import RunDirectory


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    seed: int = 0
    epochs: int = 1
    learning_rate: float = 1e-5
    """Peak of the schedule: linear warm-up, then linear to 0."""
    warmup_ratio: float = 0.03
    """Part of all steps spent warming up."""
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    minibatch_size: int = 32
    """Rows per optimiser step over all processes (a preference counts as one row)."""
    microbatch_size: int = 32
    """Rows per forward pass of one process; changes memory and speed, never the result."""
    max_tokens: int = 1024
    """Prompt and completion together; longer prompts lose their beginning."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 computes matrix products in bf16; weights stay fp32."""
    checkpoint_every: int = 200
    """Steps between two checkpoints; there is always one at the end."""

    def __post_init__(self) -> None:
        require_positive(
            self,
            "epochs",
            "learning_rate",
            "max_grad_norm",
            "minibatch_size",
            "microbatch_size",
            "max_tokens",
            "checkpoint_every",
        )
        require_range(self, "warmup_ratio", 0.0, 1.0)
        require_range(self, "weight_decay", 0.0, 1.0)
        require_range(self, "seed", 0, 2**31 - 1)


class Task(Protocol):
    """What a stage learns. Sums are over rows; the loop divides by the step's normaliser."""

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens of every training row."""

    def normaliser(self, rows: Sequence[int]) -> float:
        """What the loss sum of a whole step is divided by: its rows, or its trained tokens."""

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, dict[str, Tensor]]:
        """The differentiable loss sum, and sums of other metrics, of some rows."""

    def validate(self) -> dict[str, float]:
        """Metrics on held-out rows, the same on every process."""


def optimise(
    task: Task, model: nn.Module, config: LoopConfig, run: RunDirectory, *, title: str, resume: bool
) -> int:
    """Train to the end, from the newest checkpoint with resume; gives the number of steps."""
    if not task.lengths:
        raise RunError(f"{title}: no rows to train on. Export a bundle with more judgments.")
    loop = _Loop(task, model, config, run)
    step = loop.restore() if resume else 0
    with StageProgress(title, loop.total, start=step, enabled=run.dist.is_main) as progress:
        if step == 0:
            run.log({"step": 0, "epoch": 0.0, **loop.validate()})
        while step < loop.total:
            metrics = loop.step(step)
            step += 1
            if step % loop.per_epoch == 0:
                metrics |= loop.validate()
            run.log({"step": step, "epoch": step / loop.per_epoch, **metrics})
            if step % config.checkpoint_every == 0 or step == loop.total:
                loop.save(step)
            progress.advance({"loss": metrics["loss"]})
    return step


class _Loop:
    def __init__(self, task: Task, model: nn.Module, config: LoopConfig, run: RunDirectory) -> None:
        self.task, self.model, self.config, self.run = task, model, config, run
        self.dist: Distributed = run.dist
        self.per_epoch = steps_per_epoch(len(task.lengths), config.minibatch_size)
        self.total = self.per_epoch * config.epochs
        self.optimizer = GuardedOptimizer(
            build_optimizer(
                model.parameters(),
                learning_rate=config.learning_rate,
                weight_decay=config.weight_decay,
            ),
            config.max_grad_norm,
        )
        self._batches: tuple[int, list[list[int]]] = (-1, [])

    def step(self, step: int) -> dict[str, float]:
        started = time.perf_counter()
        rows = self._rows(step)
        self.model.train()
        metrics = step_gradients(self.task, rows, self.config, self.dist)
        rate = learning_rate_at(
            step,
            peak=self.config.learning_rate,
            warmup_steps=round(self.config.warmup_ratio * self.total),
            total_steps=self.total,
        )
        grad_norm = self.optimizer.step(rate)
        seconds = time.perf_counter() - started
        return {
            **metrics,
            "learning_rate": rate,
            "grad_norm": grad_norm,
            "skipped_steps": self.optimizer.skipped,
            "tokens_per_second": sum(self.task.lengths[row] for row in rows) / seconds,
            "step_seconds": seconds,
        }

    def validate(self) -> dict[str, float]:
        self.model.eval()
        with torch.no_grad():
            return {f"validation_{name}": v for name, v in self.task.validate().items()}

    def save(self, step: int) -> None:
        checkpoint.save(
            self.run.path, step, self._state(), self.dist, {"optimizer": self.optimizer.counters()}
        )

    def restore(self) -> int:
        newest = checkpoint.latest(self.run.path)
        if newest is None:
            self.run.cut_after(-1)
            return 0
        found = checkpoint.load(newest, self._state(), self.dist)
        self.optimizer.restore_counters(found.extra["optimizer"])
        self.run.cut_after(found.step)
        return found.step

    def _state(self) -> TrainingState:
        return TrainingState({"model": self.model}, {"model": self.optimizer.optimizer})

    def _rows(self, step: int) -> list[int]:
        epoch, number = divmod(step, self.per_epoch)
        if self._batches[0] != epoch:
            batches = epoch_batches(
                self.task.lengths,
                self.config.minibatch_size,
                seed=self.config.seed,
                epoch=epoch,
            )
            self._batches = (epoch, batches)
        return self._batches[1][number]


def step_gradients(
    task: Task, rows: Sequence[int], config: LoopConfig, dist: Distributed
) -> dict[str, float]:
    """Add the gradient of one whole step; gives its loss and metrics over all processes.

    Neither microbatch_size nor the world size changes the result, beyond rounding.
    """
    normaliser = task.normaliser(rows)
    sums: dict[str, Tensor] = {}
    parts = microbatches(rows, config.microbatch_size, rank=dist.rank, world_size=dist.world_size)
    for part in parts:
        with autocast(dist.device, config.precision):
            loss_sum, metrics = task.loss(part.rows)
        counted = 1.0 if part.counts else 0.0
        backward_scaled(loss_sum * counted, normaliser=normaliser, world_size=dist.world_size)
        for name, value in {"loss": loss_sum, **metrics}.items():
            sums[name] = sums.get(name, torch.zeros(())) + value.detach().cpu() * counted
    totals = dist.all_reduce_sum(torch.stack(list(sums.values())).double()) / normaliser
    return dict(zip(sums, totals.tolist(), strict=True))
