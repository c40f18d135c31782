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
        "`sampling_probability` is null: no comparison is drawn with a probability of its own. The",
        "manifest's `queue` says which share of all is drawn for more than one judgment.",
        "Preference rows are in the conversational format with an explicit prompt; `probability`",
        "is the estimated probability that a random annotator prefers `chosen`. Where a reviewer",
        "decided, `adjudicated` says what (`chosen`, `rejected`, `tie`, `both_bad` or `split`) and",
        "`cause` why annotators differed; neither changes the probability. `adjudicated_blind` is",
        "false where the reviewer had seen the judgments before, and null where nobody knows.",
        "A comparison of K completions gives up to K (K - 1) / 2 rows under one `group_id`; the",
        "`weight` of each is one over that number, so that together they weigh as one.",
        *_labels(manifest["labels"]),
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


def _labels(labels: dict[str, Any] | None) -> list[str]:
    """How the probabilities were made, where they were aggregated."""
    if labels is None:
        return []
    weighed, mean = labels["annotators_weighed"], labels["mean_accuracy"]
    who = (
        f"{weighed} annotators are weighed, with a mean accuracy of {mean:.3f};"
        if weighed
        else "Nobody is weighed here:"
    )
    return [
        "",
        "`p_votes` counts every annotator as one: (votes for `chosen` + ties / 2 + 1) over",
        "(votes + 2). `probability` is the same with annotators weighed by 2 s - 1 over its mean,",
        "where s is how often they are right under the one-coin model.",
        who,
        "whoever shared fewer than 20 decisions with others counts as one. `p_truth` is that",
        "model's probability that `chosen` is the better one, if one is; it nears 0 or 1 with",
        "many judgments even where people differ, so filter by it and train on `probability`.",
    ]


def _number(value: float | None, reason: str | None) -> str:
    return f"undefined ({reason})" if value is None else f"{value:.3f}"


def _interval(statistic: dict[str, Any]) -> str:
    if statistic["low"] is None:
        return "none"
    return f"{statistic['low']:.3f} to {statistic['high']:.3f}"
