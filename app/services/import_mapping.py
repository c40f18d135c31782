"""Mapping files: how records of any JSON, JSONL or CSV file become plain import records.

A mapping names paths inside a record: keys joined with dots, list positions as numbers. A text with
{path} placeholders is built with `template`. See `recipes/import/` for worked examples:

    prompt: question.text                     # or {template: "{debate.title}\\nSide: {stance}"}
    split_group: question.topic               # prompts of one topic stay in one split
    completions:
      - {text: answers.0.text, source: answers.0.model}
      - {text: answers.1.text, source: answers.1.model}
    judgments:
      each: votes                             # a list in the record; left out: the record itself
      annotator: worker
      verdict: choice
      verdicts: {a: 1, b: 2, same: tie, unsure: null}      # null: not a verdict, left out
      reason: comment
      started_at: begin
      ended_at: end
      # ranking: order      instead of verdict: completions by number, [2, [1, 3]], best first
    gold: {verdict: answer, verdicts: {a: 1, b: 2}}      # or gold: answer; nothing there: no gold
    priority: urgency                         # and overlap, annotator_group; nothing there: stays
    records: data.items                       # JSON only: where the list of records is
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from app.errors import InvalidInput
from app.rules.excerpts import shown

PLACEHOLDER = re.compile(r"{([^{}]+)}")
TOP_KEYS = {
    "prompt", "split_group", "completions", "judgments", "demonstration", "records", "id", "tags",
    "priority", "overlap", "annotator_group", "gold",
}  # fmt: skip
JUDGMENT_KEYS = {
    "each", "annotator", "verdict", "verdicts", "ranking", "strength", "reason", "started_at",
    "ended_at",
}  # fmt: skip


@dataclass(frozen=True)
class Mapper:
    """A checked mapping file."""

    spec: dict[str, Any]

    @classmethod
    def load(cls, path: Path) -> "Mapper":
        try:
            spec = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise InvalidInput(f"{path}: cannot be read as YAML ({_first_line(error)}).") from error
        return cls.parse(spec, str(path))

    @classmethod
    def parse(cls, spec: object, name: str = "mapping") -> "Mapper":
        if not isinstance(spec, dict) or "prompt" not in spec:
            raise InvalidInput(f"{name}: no `prompt` found; name the path of the prompt's text.")
        if "completions" not in spec and "demonstration" not in spec:
            raise InvalidInput(
                f"{name}: neither `completions` nor `demonstration` found; name one."
            )
        judgments = spec.get("judgments") or {}
        gold = spec["gold"] if isinstance(spec.get("gold"), dict) else {"verdict": None}
        for found, known, where in (
            (set(spec), TOP_KEYS, name),
            (set(judgments), JUDGMENT_KEYS, f"{name}: judgments"),
            (set(gold), {"verdict", "verdicts"}, f"{name}: gold"),
        ):
            if found - known:
                raise InvalidInput(
                    f"{where}: unknown key {sorted(map(str, found - known))[0]!r}; "
                    f"the keys are {', '.join(sorted(known))}."
                )
        if judgments and (
            "annotator" not in judgments or ("verdict" in judgments) == ("ranking" in judgments)
        ):
            raise InvalidInput(
                f"{name}: judgments needs `annotator`, and `verdict` or `ranking`, one of the two."
            )
        if "verdict" not in gold:
            raise InvalidInput(f"{name}: gold needs `verdict`, the path of the known answer.")
        return cls(spec)

    @property
    def records_path(self) -> str | None:
        return self.spec.get("records")

    def apply(self, record: object) -> dict[str, Any]:
        """The plain record. Raises InvalidInput where a named path is missing."""
        spec = self.spec
        plain: dict[str, Any] = {"prompt": _value(record, spec["prompt"], "prompt")}
        if "completions" in spec:
            plain["completions"] = [
                _text(record, entry, f"completion {i}")
                for i, entry in enumerate(spec["completions"], start=1)
            ]
        if "demonstration" in spec:
            plain["demonstration"] = _text(record, spec["demonstration"], "demonstration")
        for key in ("split_group", "id", "tags"):
            if key in spec:
                plain[key] = _value(record, spec[key], key)
        for key in ("priority", "overlap", "annotator_group"):
            if key in spec and (found := _find(record, spec[key])) not in (None, ""):
                plain[key] = found
        if "gold" in spec:
            gold = spec["gold"] if isinstance(spec["gold"], Mapping) else {"verdict": spec["gold"]}
            answer = _find(record, gold["verdict"])
            plain["gold"] = None if answer in (None, "") else _verdict(answer, gold, "gold")
        if spec.get("judgments"):
            plain["judgments"] = self._judgments(record, spec["judgments"])
        return plain

    def _judgments(self, record: object, spec: Mapping[str, Any]) -> list[dict[str, Any]]:
        votes = _value(record, spec["each"], "judgments") if "each" in spec else [record]
        if not isinstance(votes, list):
            raise InvalidInput(f"judgments: {spec['each']!r} is not a list")
        judgments = []
        for vote in votes:
            judgment = {"annotator": _value(vote, spec["annotator"], "annotator")}
            if "ranking" in spec:
                judgment["ranking"] = _value(vote, spec["ranking"], "ranking")
            else:
                verdict = _verdict(_value(vote, spec["verdict"], "verdict"), spec, "verdict")
                if verdict is None:
                    continue
                judgment["verdict"] = verdict
            for key in ("strength", "reason", "started_at", "ended_at"):
                if key in spec:
                    judgment[key] = _find(vote, spec[key])
            judgments.append(judgment)
        return judgments


def _verdict(found: Any, spec: Mapping[str, Any], what: str) -> Any:
    """The verdict in our words, where the mapping translates it."""
    if "verdicts" not in spec:
        return found
    ours = [verdict for theirs, verdict in spec["verdicts"].items() if theirs == found]
    if not ours:
        raise InvalidInput(
            f"{what} is {shown(found)}; the mapping knows {', '.join(map(repr, spec['verdicts']))}"
        )
    return ours[0]


def _text(record: object, entry: object, what: str) -> dict[str, Any]:
    if isinstance(entry, Mapping) and "text" in entry:
        source = _find(record, entry["source"]) if "source" in entry else None
        return {"text": _value(record, entry["text"], what), "source": source}
    return {"text": _value(record, entry, what)}


def _value(record: object, where: object, what: str) -> Any:
    """The value at a path, or a filled template; InvalidInput where it is missing."""
    if isinstance(where, Mapping) and set(where) == {"template"}:
        return PLACEHOLDER.sub(
            lambda match: str(_value(record, match[1], what)), str(where["template"])
        )
    found = _find(record, where)
    if found is None:
        raise InvalidInput(f"{what}: nothing at {where!r}")
    return found


def _find(record: object, path: object) -> Any:
    value: Any = record
    for key in str(path).split("."):
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def find_records(document: object, path: str | None) -> list[Any]:
    """The list of records of a JSON document."""
    found = document if path is None else _find(document, path)
    if not isinstance(found, list):
        raise InvalidInput(
            f"there is no list of records {'at ' + repr(path) if path else 'at the top'}; "
            "name its path as `records` in the mapping"
        )
    return found


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
