"""Pairs of completions for the comparison with the peer: both servers get the same texts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.rows import sentences, texts


@dataclass(frozen=True)
class Pair:
    prompt: str
    first: str
    second: str


def make_pairs(count: int) -> list[Pair]:
    """Texts as long as those of `rows.py`: a question, and two responses of 100 to 700 letters."""
    rng = np.random.default_rng(2)
    words = sentences(rng)
    prompts = texts(rng, words, count, 1, 4)
    completions = texts(rng, words, 2 * count, 3, 9)
    return [
        Pair(f"{prompt} (question {i})", completions[2 * i], completions[2 * i + 1])
        for i, prompt in enumerate(prompts)
    ]


def write_import_file(path: Path, pairs: list[Pair]) -> None:
    """The pairs as `prefloop import` reads them."""
    with path.open("w") as file:
        for pair in pairs:
            record = {"prompt": pair.prompt, "completions": [pair.first, pair.second]}
            file.write(json.dumps(record) + "\n")
