"""Rows of samples.jsonl as a report shows them: texts side by side, numbers below each."""

import json
from typing import Any

Json = dict[str, Any]
TEXTS = ("completion", "reference", "chosen", "rejected")
MOST_SAMPLES = 12


def sample_views(rows: list[Json], step_name: str) -> list[Json]:
    """One view a prompt: {"prompt", "facts", "texts": [{"title", "text", "facts"}]}.

    Prompts that were looked at in several steps show the first and the last look side by side.
    """
    first, last = ([row for row in rows if row["step"] == _step(rows, end)] for end in (min, max))
    if rows and first != last:
        earlier = {json.dumps(row.get("prompt")): row for row in first}
        pairs = [(earlier.get(json.dumps(row.get("prompt"))), row) for row in last]
        views = [_looks([look for look in pair if look is not None], step_name) for pair in pairs]
    else:
        views = [_texts(row) for row in rows]
    return views[:MOST_SAMPLES]


def cell(value: object) -> str:
    """A number or text for people; what has no value is undefined."""
    if value is None:
        return "undefined"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _step(rows: list[Json], end: Any) -> Any:
    return end((row["step"] for row in rows), default=None)


def _looks(looks: list[Json], step_name: str) -> Json:
    texts = [
        {
            "title": f"{step_name} {look['step']}",
            "text": look.get("completion", ""),
            "facts": _facts(look, {"step", "prompt", "completion"}),
        }
        for look in looks
    ]
    return {"prompt": _prompt(looks[-1]), "facts": [], "texts": texts}


def _texts(row: Json) -> Json:
    """Numbers named after a text, such as chosen_score, stand below it."""
    names = [name for name in TEXTS if name in row]
    own = {name: [key for key in row if key.startswith(f"{name}_")] for name in names}
    taken = {"step", "prompt", *names, *(key for keys in own.values() for key in keys)}
    texts = [
        {
            "title": name,
            "text": row[name],
            "facts": [(key.removeprefix(f"{name}_"), cell(row[key])) for key in own[name]],
        }
        for name in names
    ]
    return {"prompt": _prompt(row), "facts": _facts(row, taken), "texts": texts}


def _facts(row: Json, without: set[str]) -> list[tuple[str, str]]:
    return [(k.replace("_", " "), cell(value)) for k, value in row.items() if k not in without]


def _prompt(row: Json) -> str:
    prompt = row.get("prompt")
    if not isinstance(prompt, list):
        return cell(prompt)
    if len(prompt) == 1:
        return str(prompt[0]["content"])
    return "\n".join(f"{message['role']}: {message['content']}" for message in prompt)
