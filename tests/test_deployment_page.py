"""docs/deployment.md names settings, numbers and commands as they are."""

from __future__ import annotations

import re
from pathlib import Path

import typer
from click import Command, Group
from pydantic import SecretStr

from app import metrics
from app.settings import Settings
from prefloop.cli import app

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "deployment.md").read_text()
ROW = re.compile(r"^\| `PREFLOOP_(\w+)` \| ([^|]+) \|", re.MULTILINE)


def default_of(name: str) -> str:
    value = Settings.model_fields[name].default
    return "–" if value is None else str(value)


def test_the_table_of_settings_names_every_one_with_its_default():
    told = {name.lower(): default for name, default in ROW.findall(PAGE)}

    assert set(told) == set(Settings.model_fields)
    for name, default in told.items():
        assert default.strip("` ").split(" ")[0] == default_of(name), name


def test_settings_that_are_secret_have_no_default():
    secret = [
        name
        for name, field in Settings.model_fields.items()
        if SecretStr in getattr(field.annotation, "__args__", ())
    ]

    assert secret == ["secret_key", "metrics_token"]
    assert all(default_of(name) == "–" for name in secret)


def test_the_table_of_numbers_names_every_one():
    # The library adds the ending of a counter when it is asked.
    known = {
        f"{metric.name}_total" if metric.type == "counter" else metric.name
        for metric in metrics.REGISTRY.collect()
    }
    at_a_scrape = (ROOT / "app" / "web" / "metrics.py").read_text()
    known |= set(re.findall(r'"(prefloop_\w+)"', at_a_scrape))
    rows = [line for line in PAGE.splitlines() if line.startswith("| `prefloop_")]

    assert set(re.findall(r"`(prefloop_\w+)`", "\n".join(rows))) == known


def test_every_command_of_the_page_exists():
    commands = re.findall(r"\bprefloop ((?:[a-z-]+ ?)+)", "\n".join(blocks()))

    assert len(commands) > 8
    for words in commands:
        assert find(words.split()), f"prefloop {words}"


def blocks() -> list[str]:
    return re.findall(r"```(?:bash|cron|ini)\n(.*?)```", PAGE, re.DOTALL)


def find(words: list[str]) -> bool:
    """Whether a command has these names; what follows its last name are arguments."""
    command: Command = typer.main.get_command(app)
    while isinstance(command, Group):
        if not words or words[0] not in command.commands:
            return False
        command, words = command.commands[words[0]], words[1:]
    return True
