"""The README.md of a bundle: what the data is, for people."""

from typing import Any

SPLITS = ("train", "validation", "test")


def data_card(manifest: dict[str, Any]) -> str:
    project, counts = manifest["project"], manifest["counts"]
    lines = [
        f"# {project['name']}",
        "",
        f"Preference data of the project `{project['slug']}`, as of {manifest['created_at']}. "
        f"Annotators were asked: {project['question']}",
        "",
        "| rows | " + " | ".join(SPLITS) + " |",
        "|---|" + "---:|" * len(SPLITS),
    ]
    lines += [
        f"| {kind} | " + " | ".join(str(counts[kind][split]) for split in SPLITS) + " |"
        for kind in ("preferences", "prompts", "demonstrations")
        if kind in counts
    ]
    lines += [
        "",
        f"{counts['judgments']} judgments are in `judgments.jsonl`, annotators under pseudonyms.",
        "Preference rows are in the conversational format with an explicit prompt; `probability`",
        "is the estimated probability that a random annotator prefers `chosen`. Where a reviewer",
        "decided, `adjudicated` says what (`chosen`, `rejected`, `tie`, `both_bad` or `split`) and",
        "`cause` why annotators differed; neither changes the probability.",
        "",
        "## Agreement",
        "",
        "| statistic | value | 95 % interval | n |",
        "|---|---:|---|---:|",
    ]
    lines += [
        f"| {name.replace('_', ' ')} | {_number(found['value'], found['reason'])} | "
        f"{_interval(found)} | {found['n']} |"
        for name, found in manifest["agreement"].items()
        if isinstance(found, dict) and "value" in found
    ]
    lines += [
        "",
        "## Splits",
        "",
        f"By prompt: {manifest['split']['rule']}.",
        "",
        "Load it with",
        "",
        "```python",
        'datasets.load_dataset("json", data_dir="preferences")',
        "```",
        "",
    ]
    return "\n".join(lines)


def _number(value: float | None, reason: str | None) -> str:
    return f"undefined ({reason})" if value is None else f"{value:.3f}"


def _interval(statistic: dict[str, Any]) -> str:
    if statistic["low"] is None:
        return "none"
    return f"{statistic['low']:.3f} to {statistic['high']:.3f}"
