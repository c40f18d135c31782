"""Ids that follow from content, so that importing the same thing twice adds nothing."""

import json
from collections.abc import Iterable, Mapping, Sequence
from uuid import NAMESPACE_URL, UUID, uuid5

Messages = Sequence[Mapping[str, str]]


def _id(namespace: UUID, *parts: object) -> UUID:
    return uuid5(namespace, json.dumps(parts, ensure_ascii=False, sort_keys=True))


def prompt_id(project_id: UUID, messages: Messages) -> UUID:
    return _id(project_id, "prompt", [[m["role"], m["content"]] for m in messages])


def completion_id(prompt: UUID, text: str, source: str | None) -> UUID:
    return _id(prompt, "completion", text, source)


def demonstration_id(prompt: UUID, text: str, source: str | None) -> UUID:
    return _id(prompt, "demonstration", text, source)


def comparison_id(prompt: UUID, completions: Iterable[UUID]) -> UUID:
    """The same for every order of the completions."""
    return _id(prompt, "comparison", sorted(c.hex for c in completions))


def annotator_id(name: str) -> UUID:
    """Of an imported annotator; people who sign in have random ids."""
    return uuid5(NAMESPACE_URL, f"annotator:{name}")


def judgment_id(comparison: UUID, annotator: UUID, key: str) -> UUID:
    """Of an imported judgment."""
    return _id(comparison, "judgment", annotator.hex, key)
