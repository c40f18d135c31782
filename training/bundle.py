"""Reading an export bundle, format 1: the only way from the server to the trainers.

Every listed file is checked against its length and sha256 before a row is read, so that half a
copy or a hand-edited file is never trained on. Parquet bundles are not read here.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar

from training.errors import BundleError

Message = dict[str, str]
Json = dict[str, object]
SPLITS = ("train", "validation", "test")
ROLES = ("system", "user", "assistant")
Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class PreferenceRow:
    """One preference: `probability` is the aggregated probability that `chosen` is better."""

    prompt: list[Message]
    chosen: str
    rejected: str
    probability: float
    weight: float
    strength: float | None
    prompt_id: str
    comparison_id: str
    group_id: str | None
    """The same in all rows that follow from one ranking; None where the bundle does not say."""
    chosen_source: str | None
    rejected_source: str | None
    tags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PromptRow:
    prompt: list[Message]
    prompt_id: str


@dataclass(frozen=True, kw_only=True)
class DemonstrationRow:
    prompt: list[Message]
    completion: str
    prompt_id: str


@dataclass(frozen=True)
class Bundle:
    """An opened and verified bundle. Use `Bundle.open`."""

    path: Path
    hash: str
    """sha256 of manifest.json, which itself holds the sha256 of every other file."""
    manifest: Json = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> "Bundle":
        manifest_path = path / "manifest.json"
        if not manifest_path.is_file():
            raise BundleError(
                f"{path}: no manifest.json, so this is not a complete export bundle. "
                "Make one with `prefloop export`."
            )
        content = manifest_path.read_bytes()
        manifest = _parse_object(content, str(manifest_path))
        if manifest.get("format") != 1:
            raise BundleError(
                f"{manifest_path}: format is {manifest.get('format')!r}, this version reads "
                "format 1. Export the project again."
            )
        for name, entry in _listed_files(manifest, manifest_path).items():
            _verify(path, name, entry)
        return cls(path, hashlib.sha256(content).hexdigest(), manifest)

    def preferences(self, split: str) -> list[PreferenceRow]:
        return list(self._rows(f"preferences/{split}.jsonl", _preference))

    def prompts(self, split: str) -> list[PromptRow]:
        return list(self._rows(f"prompts/{split}.jsonl", _prompt))

    def demonstrations(self, split: str) -> list[DemonstrationRow]:
        """Empty where the project has none, because then the bundle holds no such file."""
        return list(self._rows(f"demonstrations/{split}.jsonl", _demonstration))

    def require_training_rows(self, kind: str) -> None:
        """Raise if there are no training rows of a kind, such as preferences or prompts."""
        if next(self._rows(f"{kind}/train.jsonl", dict), None) is None:
            raise BundleError(
                f"{self.path}: {kind}/train.jsonl has no rows, so there is nothing to train on. "
                "Judge more comparisons, on more prompts, and export again."
            )

    def _rows(self, name: str, parse: Callable[[Json], Row]) -> Iterator[Row]:
        if PurePosixPath(name).stem not in SPLITS:
            raise BundleError(f"{name}: unknown split. Splits are {', '.join(SPLITS)}.")
        listed = _listed_files(self.manifest, self.path / "manifest.json")
        if name not in listed:
            if name.startswith("demonstrations/"):
                return
            raise BundleError(f"{self.path}: the manifest lists no {name}. Export it again.")
        with (self.path / name).open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                where = f"{self.path / name}:{number}"
                try:
                    yield parse(_parse_object(line, where))
                except (KeyError, TypeError, ValueError) as error:
                    reason = f"no {error}" if isinstance(error, KeyError) else str(error)
                    raise BundleError(f"{where}: {reason}. Export the bundle again.") from error


def _parse_object(content: str | bytes, where: str) -> Json:
    try:
        value = json.loads(content)
    except ValueError as error:
        raise BundleError(f"{where}: not JSON ({error}). Export the bundle again.") from error
    if not isinstance(value, dict):
        raise BundleError(f"{where}: {type(value).__name__} found, a JSON object expected.")
    return value


def _listed_files(manifest: Json, manifest_path: Path) -> dict[str, Json]:
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise BundleError(f"{manifest_path}: no list of files. Export the bundle again.")
    return files


def _verify(root: Path, name: str, entry: Json) -> None:
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        raise BundleError(f"{root}: the manifest names {name!r}, which lies outside the bundle.")
    path = root / name
    if not path.is_file():
        raise BundleError(f"{path}: missing, the manifest lists it. Export the bundle again.")
    size = path.stat().st_size
    if size != entry.get("bytes"):
        raise BundleError(
            f"{path}: {size} bytes, the manifest says {entry.get('bytes')}. Export it again."
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != entry.get("sha256"):
        raise BundleError(
            f"{path}: sha256 is {digest[:12]}…, the manifest says "
            f"{str(entry.get('sha256'))[:12]}…: the file was changed after export. Export it again."
        )


def _messages(value: object, name: str) -> list[Message]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"{name} must be a non-empty list of messages, {value!r:.60} found")
    for message in value:
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            raise ValueError(f"{name} holds a message without text content: {message!r:.60}")
        if message.get("role") not in ROLES:
            raise ValueError(
                f"{name} holds role {message.get('role')!r}, expected one of {', '.join(ROLES)}"
            )
    return [{"role": message["role"], "content": message["content"]} for message in value]


def _completion(value: object, name: str) -> str:
    messages = _messages(value, name)
    if len(messages) != 1 or messages[0]["role"] != "assistant":
        raise ValueError(f"{name} must be one assistant message, {len(messages)} messages found")
    return messages[0]["content"]


def _number(row: Json, name: str, *, low: float, high: float) -> float:
    value = row[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}, a number from {low:g} to {high:g} expected")
    return float(value)


def _text(row: Json, name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, text expected")
    return value


def _optional_text(row: Json, name: str) -> str | None:
    return None if row.get(name) is None else _text(row, name)


def _preference(row: Json) -> PreferenceRow:
    tags = row.get("tags") or []
    if not isinstance(tags, list):
        raise ValueError(f"tags is {tags!r}, a list expected")
    has_strength = row.get("strength") is not None
    return PreferenceRow(
        prompt=_messages(row["prompt"], "prompt"),
        chosen=_completion(row["chosen"], "chosen"),
        rejected=_completion(row["rejected"], "rejected"),
        probability=_number(row, "probability", low=0.0, high=1.0),
        weight=_number(row, "weight", low=0.0, high=1e6),
        strength=_number(row, "strength", low=0.0, high=3.0) if has_strength else None,
        prompt_id=_text(row, "prompt_id"),
        comparison_id=_text(row, "comparison_id"),
        group_id=_optional_text(row, "group_id"),
        chosen_source=_optional_text(row, "chosen_source"),
        rejected_source=_optional_text(row, "rejected_source"),
        tags=tuple(str(tag) for tag in tags),
    )


def _prompt(row: Json) -> PromptRow:
    return PromptRow(prompt=_messages(row["prompt"], "prompt"), prompt_id=_text(row, "prompt_id"))


def _demonstration(row: Json) -> DemonstrationRow:
    return DemonstrationRow(
        prompt=_messages(row["prompt"], "prompt"),
        completion=_completion(row["completion"], "completion"),
        prompt_id=_text(row, "prompt_id"),
    )
