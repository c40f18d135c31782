"""The README's commands do what it says: every line of its bash blocks is run, in its order.

All but the server run in this process: to load torch anew for each takes longer than what they do.
"""

import json
import os
import re
import shlex
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml
from helpers.processes import free_port, poll_until, running
from typer.testing import CliRunner

from prefloop.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]
EXAMPLES = [json.loads(line) for line in re.findall(r"^\{.*\}$", README, re.MULTILINE)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the README's reader has: data of the shape shown, a guideline, and the recipes.

    Training is cut short by the recipe's own keys, so that every command runs in seconds.
    """
    records = list(EXAMPLES)
    votes = EXAMPLES[1]["judgments"]
    for i in range(60):
        better, worse = f"A vivid idea number {i} with bread.", f"Number {i}, whatever."
        records.append(
            EXAMPLES[0]
            | {
                "prompt": f"Suggest idea {chr(97 + i % 26) * (i // 26 + 1)}.",
                "completions": [better, worse],
                "judgments": [votes[0], votes[0] | {"annotator": "w3"}],
            }
        )
    (tmp_path / "ideas.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    (tmp_path / "guideline.md").write_text("# Choose the better idea\n")
    recipe = yaml.safe_load((ROOT / "recipes" / "laptop.yaml").read_text("utf-8"))
    recipe["tiny"] |= {"size": "test", "vocabulary_size": 300}
    recipe["sft"] |= {"epochs": 1}
    recipe["rm"] |= {"epochs": 1}
    recipe["ppo"] |= {
        "updates": 2,
        "value_only_updates": 1,
        "rollout_batch_size": 8,
        "minibatch_size": 8,
        "max_new_tokens": 12,
        "score_samples": 8,
        "evaluation_completions": 8,
    }
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "laptop.yaml").write_text(yaml.safe_dump(recipe))
    return tmp_path


def test_the_examples_are_what_the_importer_takes():
    assert len(EXAMPLES) == 3
    assert {"prompt"} < set(EXAMPLES[0]) | set(EXAMPLES[1]) | set(EXAMPLES[2])


def test_every_command_of_the_readme_works_in_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PREFLOOP_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(folder)
    ran = []
    for command in COMMANDS:
        assert command[0] == "prefloop"
        if command[1] == "serve":
            serve_until_healthy([*command, "--port", str(free_port())], folder)
        else:
            found = CliRunner().invoke(app, command[1:], input="a long enough password\n")
            assert found.exit_code == 0, f"{shlex.join(command)}\n{found.output}{found.exception!r}"
        ran.append(command[1])
    assert {"import", "serve", "export", "train", "align", "generate"} <= set(ran)
    assert (folder / "runs" / "first" / "ppo" / "model" / "config.json").is_file()
    assert (folder / "runs" / "ppo" / "report.html").is_file()


def serve_until_healthy(command: list[str], folder: Path) -> None:
    address = f"http://127.0.0.1:{command[-1]}/healthz"

    def is_healthy() -> bool:
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    environment, log = {"PYTHONPATH": str(ROOT)}, folder / "serve.log"
    with running([sys.executable, "-m", *command], cwd=folder, environment=environment, log=log):
        poll_until(is_healthy, "the server to answer")


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_two_make_commands_of_the_readme_exist(target: str):
    assert f"\nmake {target}\n" in README
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_links_and_pictures_of_the_readme_exist():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        if not link.startswith("http"):
            assert (ROOT / link).exists(), link
