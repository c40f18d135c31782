"""What an import reads: plain JSONL records and the check that turns one into an `ImportRow`.

A plain record is
    {"prompt": "text" or [{"role": …, "content": …}], "completions": ["text" or {"text", "source"}],
     "judgments": [{"annotator", "verdict": 1, 2, …, "tie" or "both_bad", "strength", "reason",
                    "started_at", "ended_at"}],   or of three completions and more, instead of
                    a verdict and its strength, "ranking": [2, [1, 3]], best first, ties in a list
     "demonstration": "text" or {"text", "source"}, "split_group", "id", "tags",
     "priority": 0, "overlap": 3, "annotator_group": "medics", "gold": 1, 2, …, "tie" or "both_bad"}
of which only the prompt and one of completions or demonstration are needed. Other layouts reach the
same shape through a mapping file (`app/services/import_mapping.py`).

The last line says how the comparison is judged. Of one that is stored already, the keys that a
record gives are changed (null takes back what was given) and those left out stay. `gold` is the
known answer: such a comparison is shown where the project's policy plants it and counts nowhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.errors import InvalidInput
from app.rules.excerpts import shown
from app.rules.sides import MOST_SIDES

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
WHOLE = re.compile(r"-?[0-9]{1,7}")
ROLES = ("system", "user", "assistant")
KNOWN = {
    "prompt", "completions", "judgments", "demonstration", "split_group", "id", "tags",
    "priority", "overlap", "annotator_group", "gold",
}  # fmt: skip
ABOUT_JUDGING = ("priority", "overlap", "annotator_group", "gold")
MOST_URGENT = 1_000_000
MOST_OVERLAP = 1000
LONGEST_GROUP = 80


@dataclass(frozen=True, kw_only=True)
class ImportedText:
    text: str
    source: str | None = None


@dataclass(frozen=True, kw_only=True)
class ImportedJudgment:
    annotator: str
    verdict: str
    """`preferred`, `tie`, `both_bad` or `ranking`."""
    preferred: int | None
    """Index of the preferred completion."""
    ranking: list[list[int]] | None = None
    """Indices of completions, best group first; a group of several is a tie."""
    strength: int | None = None
    reason: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the right verdict on a gold comparison is."""

    verdict: str
    preferred: int | None
    """Index of the right completion."""


@dataclass(frozen=True, kw_only=True)
class ImportRow:
    messages: list[dict[str, str]]
    completions: list[ImportedText] = field(default_factory=list)
    judgments: list[ImportedJudgment] = field(default_factory=list)
    demonstration: ImportedText | None = None
    split_group: str | None = None
    external_id: str | None = None
    tags: list[str] = field(default_factory=list)
    queued: dict[str, int | str | None] = field(default_factory=dict)
    """Columns of the comparison that the record gives: `priority`, `overlap`, `restricted_to`."""
    gold: Answer | None = None


def parse_record(record: object) -> ImportRow:
    """The checked row. Raises InvalidInput with one sentence that says what is wrong."""
    if not isinstance(record, Mapping):
        raise InvalidInput(f"the record is {_kind(record)}; expected an object with a prompt")
    unknown = sorted(set(record) - KNOWN)
    if unknown:
        raise InvalidInput(
            f"unknown key {shown(unknown[0])}; the keys are {', '.join(sorted(KNOWN))} "
            "(use --mapping for another layout)"
        )
    completions = [
        _text(value, f"completion {i}")
        for i, value in enumerate(_list(record, "completions"), start=1)
    ]
    demonstration = record.get("demonstration")
    if len(completions) < 2 and demonstration is None:
        raise InvalidInput(
            f"{len(completions)} completions; expected two or more, or a demonstration"
        )
    if len(completions) == 1:
        raise InvalidInput("1 completion; a comparison needs two or more")
    if len(completions) > MOST_SIDES:
        raise InvalidInput(
            f"{len(completions)} completions; at most {MOST_SIDES} are compared at once, a letter "
            "for each; split them"
        )
    if len({(c.text, c.source) for c in completions}) < len(completions):
        raise InvalidInput("two completions have the same text and source; nothing to compare")
    judgments = [
        _judgment(value, i, len(completions))
        for i, value in enumerate(_list(record, "judgments"), start=1)
    ]
    gold = _gold(record, len(completions))
    return ImportRow(
        messages=_messages(record.get("prompt")),
        completions=completions,
        judgments=judgments,
        demonstration=_text(demonstration, "demonstration") if demonstration is not None else None,
        split_group=_optional_string(record, "split_group"),
        external_id=_optional_string(record, "id", longest=200),
        tags=[_string(tag, "tag", longest=100) for tag in _list(record, "tags")],
        queued=_queued(record),
        gold=gold,
    )


def parse_time(value: object, what: str) -> datetime | None:
    """ISO 8601, or the same with a space and a trailing zone name UTC. A naive time counts as UTC.

    Seconds since 1970 are taken too.
    """
    if value is None or value == "":
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, tz=UTC)
        parsed = datetime.fromisoformat(_iso(str(value).strip()))
        # A time just inside the first or last year can be outside of them in UTC.
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidInput(
            f"{what} is {shown(value)}; expected a time such as 2024-05-01T12:00:00Z"
        ) from error


def _iso(text: str) -> str:
    if text.endswith((" UTC", " GMT")):
        text = text[:-4] + "+00:00"
    head, dot, rest = text.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    # Python 3.11 takes three or six decimals only in some layouts; six always works.
    return f"{head}.{rest[:digits][:6]:0<6}{rest[digits:]}" if dot else text


def _judgment(value: object, number: int, completions: int) -> ImportedJudgment:
    where = f"judgment {number}"
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{where} is {_kind(value)}; expected an object")
    ranking = _ranking(value, where, completions)
    verdict, preferred = (
        ("ranking", None) if ranking else _verdict(value.get("verdict"), where, completions)
    )
    strength = value.get("strength")
    if strength not in (None, 1, 2, 3) or isinstance(strength, bool):
        raise InvalidInput(f"{where}: strength is {shown(strength)}; expected 1, 2, 3 or none")
    started = parse_time(value.get("started_at"), f"{where}: started_at")
    ended = parse_time(value.get("ended_at"), f"{where}: ended_at")
    if started and ended and ended < started:
        raise InvalidInput(f"{where} ended at {ended.isoformat()}, before it started")
    annotator = value.get("annotator")
    return ImportedJudgment(
        annotator=_string(
            str(annotator) if isinstance(annotator, int) else annotator,
            f"{where}: annotator",
            longest=200,
        ),
        verdict=verdict,
        preferred=preferred,
        ranking=ranking,
        strength=None if strength is None else int(strength),
        reason=_optional_string(value, "reason"),
        started_at=started,
        ended_at=ended,
    )


def _verdict(value: object, where: str, completions: int) -> tuple[str, int | None]:
    if value in ("tie", "both_bad"):
        return str(value), None
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= completions:
        return "preferred", value - 1
    raise InvalidInput(
        f"{where}: verdict is {shown(value)}; expected 1 to {completions} (which completion is "
        "better), 'tie' or 'both_bad'"
    )


def _ranking(judgment: Mapping[str, Any], where: str, completions: int) -> list[list[int]] | None:
    value = judgment.get("ranking")
    if value is None:
        return None
    for key in ("verdict", "strength"):
        if judgment.get(key) is not None:
            raise InvalidInput(f"{where}: ranking is given and {key} too; leave one of them out")
    if completions < 3:
        raise InvalidInput(f"{where}: ranking is given of two completions; give a verdict instead")
    groups = [g if isinstance(g, list) else [g] for g in value] if isinstance(value, list) else []
    named = [number for group in groups for number in group]
    if not all(groups) or any(type(number) is not int for number in named):
        named = []
    if sorted(named) != list(range(1, completions + 1)):
        raise InvalidInput(
            f"{where}: ranking is {shown(value)}; expected 1 to {completions}, each once, the best "
            "first, ties in a list, such as [2, [1, 3]]"
        )
    return [[number - 1 for number in group] for group in groups]


def _gold(record: Mapping[str, Any], completions: int) -> Answer | None:
    given = [key for key in ABOUT_JUDGING if record.get(key) is not None]
    if given and not completions:
        raise InvalidInput(f"{given[0]} is given, but there are no completions to compare")
    if record.get("gold") is None:
        return None
    for key in ("priority", "overlap"):
        if key in given:
            raise InvalidInput(
                f"gold is given and {key} too; a gold comparison comes where it is planted, "
                f"so leave out the {key}"
            )
    verdict, preferred = _verdict(record["gold"], "gold", completions)
    return Answer(verdict=verdict, preferred=preferred)


def _queued(record: Mapping[str, Any]) -> dict[str, int | str | None]:
    given: dict[str, int | str | None] = {}
    if "priority" in record:
        given["priority"] = _whole(record, "priority", -MOST_URGENT, MOST_URGENT) or 0
    if "overlap" in record:
        given["overlap"] = _whole(record, "overlap", 1, MOST_OVERLAP)
    if "annotator_group" in record:
        group = _optional_string(record, "annotator_group", longest=LONGEST_GROUP)
        given["restricted_to"] = group.strip() if group else None
    return given


def _whole(record: Mapping[str, Any], key: str, least: int, most: int) -> int | None:
    """A whole number, as a text too, which is all that a CSV file has."""
    value = record.get(key)
    if isinstance(value, str) and WHOLE.fullmatch(value.strip()):
        value = int(value)
    if value is None or (
        isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    ):
        return value
    raise InvalidInput(f"{key} is {shown(value)}; expected a whole number from {least} to {most}")


def _messages(value: object) -> list[dict[str, str]]:
    if isinstance(value, str):
        return [{"role": "user", "content": _string(value, "prompt")}]
    if not isinstance(value, list) or not value:
        raise InvalidInput(f"prompt is {_kind(value)}; expected a text or a list of messages")
    messages = []
    for i, message in enumerate(value, start=1):
        if not isinstance(message, Mapping) or message.get("role") not in ROLES:
            raise InvalidInput(
                f"message {i} of the prompt has no role; expected one of {', '.join(ROLES)}"
            )
        content = _string(message.get("content"), f"message {i} of the prompt")
        messages.append({"role": str(message["role"]), "content": content})
    if messages[-1]["role"] != "user":
        raise InvalidInput(
            f"the prompt ends with a message of the {messages[-1]['role']}; expected the user's"
        )
    return messages


def _text(value: object, what: str) -> ImportedText:
    if isinstance(value, str):
        return ImportedText(text=_string(value, what))
    if isinstance(value, Mapping):
        return ImportedText(
            text=_string(value.get("text"), what),
            source=_optional_string(value, "source", longest=200),
        )
    raise InvalidInput(f"{what} is {_kind(value)}; expected a text or an object with a text")


def _list(record: Mapping[str, Any], key: str) -> list[Any]:
    value = record.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidInput(f"{key} is {_kind(value)}; expected a list")
    return value


def _optional_string(record: Mapping[str, Any], key: str, longest: int | None = None) -> str | None:
    value = record.get(key)
    if value is None or value == "":
        return None
    return _string(str(value) if isinstance(value, int) else value, key, longest=longest)


def _string(value: object, what: str, longest: int | None = None) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{what} is {_kind(value)}; expected a text")
    if not value.strip():
        raise InvalidInput(f"{what} is empty; expected a text")
    if "\x00" in value:
        raise InvalidInput(f"{what} holds a NUL character; remove it")
    if LONE_SURROGATE.search(value):
        raise InvalidInput(f"{what} holds half a character (a lone surrogate); remove it")
    if longest is not None and len(value) > longest:
        raise InvalidInput(f"{what} has {len(value)} characters; at most {longest} are kept")
    return value


def _kind(value: object) -> str:
    if value is None:
        return "missing"
    names = {dict: "an object", list: "a list", str: "a text", bool: "a yes/no", int: "a number"}
    return names.get(type(value), f"a {type(value).__name__}")
