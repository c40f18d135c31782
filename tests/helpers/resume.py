"""Ending a run in the middle, and comparing what two runs left behind."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from training.runs import RunDirectory, read_lines

TIMINGS = {"step_seconds", "tokens_per_second"}


def end_before_logging(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends as by Ctrl-C after it computed this step and before it wrote it down."""
    write = RunDirectory.log

    def log(run: RunDirectory, metrics: Mapping[str, Any]) -> None:
        if metrics["step"] == step:
            raise KeyboardInterrupt
        write(run, metrics)

    monkeypatch.setattr(RunDirectory, "log", log)


def weights(run: Path) -> bytes:
    return (run / "model" / "model.safetensors").read_bytes()


def metrics(run: Path) -> list[dict[str, Any]]:
    """What the run logged, without how long it took."""
    rows = read_lines(run / "metrics.jsonl")
    return [{k: v for k, v in row.items() if k not in TIMINGS} for row in rows]
