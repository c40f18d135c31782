"""Reads a plain file of judgments: a JSON object a line with `item`, `annotator` and `label`.

What is left out of agreement is left out here: skips, planted repeats, gold, and whatever an
annotator says about an item after the first label. A label is known by its text, so that 1, 1.0
and "1" are one label; an item or annotator 1 is another than "1".
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from app.errors import InvalidInput
from app.rules.judgment_table import Judgments, first_of_each

Id = str | int
SKIP = "skip"
EXPECTED = '{"item": …, "annotator": …, "label": …}'
MOST_CELLS = 100_000_000
"""Items times labels that are counted; 0.8 GB."""
_IDS = frozenset({str, int})
_LABELS = frozenset({str, int, float, type(None)})
"""By exact type: true and false are no numbers."""
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True)
class JudgmentFile:
    """What counts of a file, and the ids behind its numbers."""

    judgments: Judgments
    items: list[Id]
    """In order of first appearance."""
    annotators: list[Id]
    """In ascending order, numbers before texts, so that the order of lines changes no figure."""
    labels: list[str]
    """The declared ones as declared; else those seen, in ascending order, for the same reason."""
    seen: list[str]
    """Labels in order of first appearance."""
    listed: list[str]
    """Labels in the order in which they are told: as declared, else as they first appeared."""


def read_judgments(path: Path, categories: Sequence[str] | None = None) -> JudgmentFile:
    """Raises InvalidInput for a file or a line that cannot be read, and for a label that is not
    among the declared `categories`; None declares the labels seen."""
    columns = _Columns(None if categories is None else frozenset(categories))
    for number, line in numbered_lines(path):
        try:
            columns.take(json_object(line, EXPECTED))
        except InvalidInput as error:
            raise InvalidInput(f"{path}, line {number}: {error}") from error
    return _numbered(path, columns, categories)


class _Columns:
    """The rows that count, as numbers in order of first appearance."""

    def __init__(self, allowed: frozenset[str] | None) -> None:
        self._allowed = allowed
        self.ids: tuple[dict[Id, int], dict[Id, int]] = ({}, {})
        self.labels: dict[str, int] = {}
        self._labels_as_given: dict[str | int | float, int] = {}
        self.codes: tuple[list[int], list[int], list[int]] = ([], [], [])

    def take(self, row: dict[str, Any]) -> None:
        try:
            item, annotator, label = row["item"], row["annotator"], row["label"]
        except KeyError as error:
            raise InvalidInput(f"has no {error}; every row needs item, annotator, label.") from None
        if type(item) not in _IDS or type(annotator) not in _IDS:
            name, value = ("annotator", annotator) if type(item) in _IDS else ("item", item)
            raise InvalidInput(f"{name} is {_shown(value)}; expected a text or whole number.")
        if type(label) not in _LABELS:
            raise InvalidInput(f"label is {_shown(label)}; expected a text, a number or null.")
        if label is None or label == SKIP or row.get("repeat") or row.get("gold"):
            return
        code = self._labels_as_given.get(label)
        if code is None:
            code = self._labels_as_given[label] = self._label(label)
        known_items, known_annotators = self.ids
        items, annotators, labels = self.codes
        place = known_items.get(item)
        items.append(_number(known_items, item) if place is None else place)
        place = known_annotators.get(annotator)
        annotators.append(_number(known_annotators, annotator) if place is None else place)
        labels.append(code)

    def _label(self, label: str | int | float) -> int:
        is_whole = isinstance(label, float) and label.is_integer()
        text = str(int(label)) if is_whole else str(label)
        if self._allowed is not None and text not in self._allowed:
            raise InvalidInput(
                f"label {_shown(text)} is not among the categories "
                f"{', '.join(sorted(self._allowed))}."
            )
        place = self.labels.get(text)
        return _number(self.labels, text) if place is None else place


def _number(known: dict[Any, int], name: str | int) -> int:
    if isinstance(name, str):
        try:
            name.encode()
        except UnicodeEncodeError:
            raise InvalidInput(f"{name!a} holds half a character; it is no text.") from None
    return known.setdefault(name, len(known))


def _numbered(path: Path, columns: _Columns, categories: Sequence[str] | None) -> JudgmentFile:
    items, annotators, labels = (np.array(codes, dtype=np.int64) for codes in columns.codes)
    kept = first_of_each(items, annotators)
    people, place_of_person = _sorted(list(columns.ids[1]), _by_kind)
    names, place_of_label = _sorted(list(columns.labels), _by_number)
    if categories is not None:
        names = list(categories)
        place_of_label = np.array([names.index(text) for text in columns.labels], dtype=np.int64)
    n_items = len(columns.ids[0])
    if n_items * len(names) > MOST_CELLS:
        raise InvalidInput(
            f"{path}: {n_items} items with {len(names)} different labels are more than can be "
            "counted. Is `label` what annotators chose, from a list?"
        )
    return JudgmentFile(
        judgments=Judgments(
            items=items[kept],
            annotators=place_of_person[annotators[kept]],
            labels=place_of_label[labels[kept]],
            n_items=n_items,
            n_annotators=len(people),
            n_labels=len(names),
        ),
        items=list(columns.ids[0]),
        annotators=people,
        labels=names,
        seen=list(columns.labels),
        listed=list(columns.labels if categories is None else categories),
    )


def _sorted(
    names: list[Any], key: Callable[[Any], tuple[object, ...]]
) -> tuple[list[Any], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Names in order, and the new place of each old one."""
    order = sorted(range(len(names)), key=lambda i: key(names[i]))
    places = np.empty(len(names), dtype=np.int64)
    places[order] = np.arange(len(names))
    return [names[i] for i in order], places


def _by_kind(name: Id) -> tuple[object, ...]:
    return isinstance(name, str), name


def _by_number(text: str) -> tuple[object, ...]:
    value = number_of(text)
    return value is None, value or 0.0, text


def number_of(text: str) -> float | None:
    """The number that a label is, None for a word."""
    if not text.isascii() or not text[-1:].isdigit() or "_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that are not blank, of a plain or gzip file."""
    try:
        with path.open("rb") as plain:
            is_gzip = plain.read(2) == _GZIP
            plain.seek(0)
            with gzip.open(plain) if is_gzip else plain as file:
                for number, line in enumerate(file, start=1):
                    stripped = line.strip(b" \t\r\n")
                    if number == 1:
                        stripped = stripped.removeprefix(_BOM)
                    if stripped:
                        yield number, stripped
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidInput(f"{path}: cannot be read ({reason}).") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


_decode = json.JSONDecoder(parse_constant=_refuse).raw_decode


def json_object(line: bytes, expected: str) -> dict[str, Any]:
    """The object that a line holds; `expected` shows one, for whom it is not there."""
    try:
        text = line.decode()
        row, end = _decode(text)
    except UnicodeDecodeError:
        raise InvalidInput("is not UTF-8 text.") from None
    except json.JSONDecodeError as error:
        raise InvalidInput(f"is not JSON ({error.msg}, column {error.colno}).") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"is not JSON ({error}).") from None
    if end != len(text):
        raise InvalidInput(f"holds more than one JSON value (column {end + 1}).")
    if type(row) is not dict:
        raise InvalidInput(f"is not an object; expected {expected}.")
    return row


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
