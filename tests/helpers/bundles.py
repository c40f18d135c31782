"""Small export bundles on disk, format 1, for the trainers' tests."""

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

WORDS = ("sun", "rain", "tea", "bread", "river", "cat", "garden", "song", "lamp", "boat")
Row = dict[str, Any]


def preference(
    prompt: str,
    chosen: str,
    rejected: str,
    *,
    number: int = 0,
    prompt_id: str | None = None,
    probability: float = 1.0,
    weight: float = 1.0,
    group_id: str | None = None,
) -> Row:
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
        "probability": probability,
        "strength": None,
        "judgments": 1,
        "agreement": None,
        "weight": weight,
        "comparison_id": f"comparison-{number}",
        "group_id": group_id or f"group-{number}",
        "prompt_id": prompt_id or f"prompt-{number}",
        "chosen_id": f"chosen-{number}",
        "rejected_id": f"rejected-{number}",
        "chosen_source": None,
        "rejected_source": None,
        "tags": [],
    }


def write_bundle(path: Path, files: Mapping[str, Sequence[Row]]) -> Path:
    """Write `{"preferences/train.jsonl": [...]}` and a manifest that lists what was written."""
    entries = {}
    for name, rows in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        target.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        entries[name] = {"sha256": digest, "bytes": len(content), "rows": len(rows)}
    manifest = {"format": 1, "project": "tests", "files": entries}
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return path


def sentence(generator: random.Random, low: int = 2, high: int = 12) -> str:
    return " ".join(generator.choices(WORDS, k=generator.randint(low, high)))


def word_bundle(
    path: Path,
    *,
    rows: int = 40,
    seed: int = 0,
    utility: Callable[[str], float] = lambda text: text.split().count("tea"),
) -> Path:
    """Random word sequences; chosen is the one of higher utility (how often it says "tea")."""
    generator = random.Random(seed)
    splits: dict[str, list[Row]] = {"train": [], "validation": [], "test": []}
    for number in range(rows):
        prompt = "Say " + sentence(generator, 1, 4)
        pair = sorted((sentence(generator), sentence(generator)), key=utility)
        split = ("train",) * 6 + ("validation",) * 2 + ("test",) * 2
        splits[split[number % 10]].append(preference(prompt, pair[1], pair[0], number=number))
    files: dict[str, list[Row]] = {}
    for name, preferences in splits.items():
        files[f"preferences/{name}.jsonl"] = preferences
        files[f"prompts/{name}.jsonl"] = [
            {"prompt": row["prompt"], "prompt_id": row["prompt_id"]} for row in preferences
        ]
    return write_bundle(path, files)
