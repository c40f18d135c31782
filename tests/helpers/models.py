"""A tiny model for the trainers' tests, and the processes they start."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from training.bundle import Bundle
from training.tiny import bundle_texts, make_tiny_model

ROOT = Path(__file__).parents[2]


def tiny_model(bundle: Path, out: Path, *, size: str = "test", seed: int = 0) -> Path:
    return make_tiny_model(
        bundle_texts(Bundle.open(bundle)),
        out,
        size=size,
        vocabulary_size=300,
        seed=seed,
        max_positions=128,
    )


def run_processes(
    arguments: Sequence[str], *, world_size: int, timeout: float = 120
) -> list[subprocess.CompletedProcess[str]]:
    """The same python command on every rank, with the environment torchrun would give it."""
    port = _free_port()
    started = [
        subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=_environment(rank, world_size, port),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world_size)
    ]
    finished = []
    for process in started:
        out, err = process.communicate(timeout=timeout)
        finished.append(subprocess.CompletedProcess(arguments, process.returncode, out, err))
    return finished


def _environment(rank: int, world_size: int, port: int) -> Mapping[str, str]:
    return {
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world_size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
