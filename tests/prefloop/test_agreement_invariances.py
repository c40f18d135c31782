"""`prefloop agreement --judgments FILE`: what must not change a byte of its answer."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from prefloop.cli import app

OPTIONS = ["--json", "--models", "dawid-skene,one-coin"]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def judged(dice: random.Random) -> list[dict[str, object]]:
    return [
        {"item": f"i{item}", "annotator": f"p{who}", "label": dice.choice(["A", "A", "B", "tie"])}
        for item in range(30)
        for who in dice.sample(range(9), 3)
    ]


def answer(path: Path) -> str:
    found = CliRunner().invoke(app, ["agreement", "--judgments", str(path), *OPTIONS])
    assert found.exit_code == 0, found.output
    return found.stdout


def test_skips_however_often_they_come_change_nothing(tmp_path):
    dice = random.Random(3)
    rows = judged(dice)
    skipped = [{**row, "label": dice.choice(["skip", None])} for row in rows for _ in range(2)]
    # Behind a judgment, so that none is an annotator's first word on an item that counts.
    never = [{"item": f"i{i}", "annotator": "p99", "label": "skip"} for i in range(5)] * 3

    assert answer(write(tmp_path / "a", rows)) == answer(
        write(tmp_path / "b", [*rows, *skipped, *never])
    )


def test_another_process_says_the_same(tmp_path):
    """Texts hash to other numbers in every process, and sets come in another order."""
    path = write(tmp_path / "a", judged(random.Random(4)))
    found = [
        subprocess.run(
            [sys.executable, "-m", "prefloop", "agreement", "--judgments", str(path), *OPTIONS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout.decode()
        for seed in ("1", "2")
    ]

    assert found == [answer(path)] * 2
