"""Checkpoints of a whole training run: every trained model, every optimizer, and plain state.

A checkpoint is a folder that appears at once (temporary folder, then rename), so a run killed at
any moment finds a complete one. No random state is kept: data order and sampling are pure functions
of (seed, epoch or step). Sharded state is gathered, so the world size may change on resume.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.optim import Optimizer

from training.distributed import Distributed
from training.errors import RunError

KEEP = 2
WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


@dataclass(frozen=True)
class TrainingState:
    """All that a stage trains. Each optimizer holds the parameters of the model of its name."""

    models: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]


@dataclass(frozen=True)
class Checkpoint:
    """What `load` gives beside the restored state: steps done and the caller's own plain values."""

    step: int
    extra: dict[str, Any] = field(default_factory=dict)


def save(
    run: Path, step: int, state: TrainingState, dist: Distributed, extra: Mapping[str, Any]
) -> None:
    """Write checkpoints/step-N and drop all but the newest two. `extra`: numbers, text, tensors."""
    content = _gather(state)
    dist.on_main(lambda: _write(run / "checkpoints", step, {**content, "extra": dict(extra)}))


def latest(run: Path) -> Path | None:
    """The newest complete checkpoint of a run."""
    complete = _complete(run / "checkpoints")
    return complete[-1] if complete else None


def load(path: Path, state: TrainingState, dist: Distributed) -> Checkpoint:
    """Restore models and optimizers in place. Every rank reads the file."""
    try:
        content = torch.load(path / "state.pt", map_location="cpu", weights_only=True)
    except (OSError, RuntimeError) as error:
        raise RunError(f"{path}: cannot be read ({error}). Remove it and resume.") from error
    for kind, parts in (("models", state.models), ("optimizers", state.optimizers)):
        if set(content[kind]) != set(parts):
            raise RunError(
                f"{path}: holds the {kind} {sorted(content[kind])}, this run trains "
                f"{sorted(parts)}. Start a new run."
            )
    for name, model in state.models.items():
        set_model_state_dict(model, content["models"][name], options=WHOLE)
    for name, optimizer in state.optimizers.items():
        saved = content["optimizers"][name]
        set_optimizer_state_dict(state.models[name], optimizer, saved, options=WHOLE)
    # Rank 0 may soon drop this folder; nobody goes on before everybody has read it.
    dist.barrier()
    return Checkpoint(step=content["step"], extra=content["extra"])


def _gather(state: TrainingState) -> dict[str, Any]:
    """Whole tensors by parameter name, the same for one process and for many."""
    return {
        "models": {
            name: get_model_state_dict(model, options=WHOLE) for name, model in state.models.items()
        },
        "optimizers": {
            name: get_optimizer_state_dict(state.models[name], item, options=WHOLE)
            for name, item in state.optimizers.items()
        },
    }


def _write(folder: Path, step: int, content: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"step-{step:08d}"
    temporary = folder / f".tmp-{final.name}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    with (temporary / "state.pt").open("wb") as file:
        torch.save({**content, "step": step}, file)
        file.flush()
        os.fsync(file.fileno())
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    for old in _complete(folder)[:-KEEP]:
        shutil.rmtree(old)


def _complete(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if (path / "state.pt").is_file())
