"""A tiny model for the trainers' tests, and the processes they start."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from training.bundle import Bundle
from training.tiny import bundle_texts, make_tiny_model

ROOT = Path(__file__).parents[2]
RANKS = Path(__file__).with_name("ranks.py")


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
    arguments: Sequence[str], folder: Path, *, world_size: int, timeout: float = 120
) -> list[subprocess.CompletedProcess[str]]:
    """The same python command on every rank, with the environment torchrun would give it; what
    they print goes through the folder."""
    launcher = subprocess.Popen(
        [sys.executable, str(RANKS), str(world_size), str(folder), *arguments],
        cwd=ROOT,
        env=_environment(world_size, _free_port()),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        told, _ = launcher.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        # A rank waits for ever for one that has ended.
        os.killpg(launcher.pid, signal.SIGKILL)
        raise
    codes = json.loads(told)
    assert len(codes) == world_size
    return [
        subprocess.CompletedProcess(
            arguments,
            code,
            (folder / f"{rank}.out").read_text(),
            (folder / f"{rank}.err").read_text(),
        )
        for rank, code in enumerate(codes)
    ]


def _environment(world_size: int, port: int) -> Mapping[str, str]:
    return {
        **os.environ,
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
