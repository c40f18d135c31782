"""JSONL files that people write for `score` and `generate`: prompts, maybe with completions."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.bundle import ROLES, Message
from training.errors import TrainingError


def read_prompts(path: Path) -> list[list[Message]]:
    """The `prompt` of every line: text, or a list of messages."""
    return [_messages(row, "prompt", "user", where) for where, row in _rows(path)]


def read_completions(path: Path) -> list[tuple[list[Message], str]]:
    """`prompt` and `completion` of every line; a completion is text or one assistant message."""
    result = []
    for where, row in _rows(path):
        completion = _messages(row, "completion", "assistant", where)
        if len(completion) != 1 or completion[0]["role"] != "assistant":
            raise TrainingError(f"{where}: completion must be text or one assistant message.")
        result.append((_messages(row, "prompt", "user", where), completion[0]["content"]))
    return result


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: cannot be read as UTF-8 text ({error}).") from error
    found = [(f"{path}:{number}", line) for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise TrainingError(f"{path}: empty, one JSON object a line expected.")
    for where, line in found:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise TrainingError(f"{where}: not JSON ({error}).") from error
        if not isinstance(row, dict):
            raise TrainingError(f"{where}: {type(row).__name__} found, a JSON object expected.")
        yield where, row


def _messages(row: dict[str, Any], name: str, role: str, where: str) -> list[Message]:
    value = row.get(name)
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    if not isinstance(value, list) or not value:
        raise TrainingError(f"{where}: {name} is {value!r:.40}, text or messages expected.")
    for message in value:
        if (
            not isinstance(message, dict)
            or message.get("role") not in ROLES
            or not isinstance(message.get("content"), str)
        ):
            raise TrainingError(
                f"{where}: {name} holds {message!r:.60}; a message has a role "
                f"({', '.join(ROLES)}) and text content."
            )
    return [{"role": message["role"], "content": message["content"]} for message in value]
