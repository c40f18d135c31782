"""Reads the records of a JSON, JSONL or CSV file (gzip too), one at a time, with line numbers."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from app.errors import InvalidInput
from app.rules.nesting import DEEPEST, is_too_deep
from app.services.import_mapping import find_records

LONGEST_FIELD = 10_000_000
TOO_DEEP = f"nested deeper than {DEEPEST} levels; make it flatter"


@dataclass(frozen=True)
class Record:
    line: int
    """Line of a JSONL or CSV file; position (from 1) in the list of a JSON file."""
    value: Any
    problem: str | None = None
    """Why the line could not be read; `value` is then its text."""
    size: int = 0
    """Bytes of the line in a JSONL file."""


def file_kind(path: Path) -> str:
    """`jsonl`, `json` or `csv`, from the name without `.gz`."""
    name = path.name.removesuffix(".gz")
    for ending, kind in (
        (".jsonl", "jsonl"),
        (".ndjson", "jsonl"),
        (".json", "json"),
        (".csv", "csv"),
    ):
        if name.endswith(ending):
            return kind
    raise InvalidInput(
        f"{path}: the name does not end in .jsonl, .json or .csv (with or without .gz); rename it."
    )


def read_records(path: Path, records_path: str | None = None) -> Iterator[Record]:
    """Every record of the file. An unreadable line is a Record with a problem."""
    kind = file_kind(path)
    try:
        stream = _open(path)
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be opened ({error.strerror or error}).") from error
    with stream:
        try:
            if kind == "jsonl":
                yield from json_lines(stream)
            elif kind == "json":
                yield from _json(stream, path, records_path)
            else:
                yield from _csv(stream)
        except (OSError, EOFError, zlib.error) as error:
            raise InvalidInput(f"{path}: reading broke off ({error}); is it cut short?") from error


def _open(path: Path) -> IO[bytes]:
    if path.name.endswith(".gz"):
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")


def json_lines(stream: IO[bytes], *, longest: int | None = None) -> Iterator[Record]:
    """One record for each line that is not blank. A line of more bytes than `longest` is a Record
    with a problem and without its text, and is never held in memory."""
    for number, raw in enumerate(_lines(stream, longest), start=1):
        if not raw.strip():
            continue
        size = len(raw)
        if longest is not None and size > longest and not raw.endswith(b"\n"):
            yield Record(number, "", f"the line has more than {longest} bytes; split it", size)
            continue
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            text = raw.decode("utf-8", errors="replace")
            yield Record(number, text, f"not UTF-8 at byte {error.start}", size)
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            yield Record(number, text, f"not JSON: {error}", size)
            continue
        if is_too_deep(value):
            yield Record(number, text, TOO_DEEP, size)
        else:
            yield Record(number, value, size=size)


def _lines(stream: IO[bytes], longest: int | None) -> Iterator[bytes]:
    """Every line; of one that is longer than `longest`, its first `longest + 1` bytes."""
    limit = -1 if longest is None else longest + 1
    while line := stream.readline(limit):
        rest = line
        while len(rest) == limit and not rest.endswith(b"\n"):
            rest = stream.readline(limit)
        yield line


def _json(stream: IO[bytes], path: Path, records_path: str | None) -> Iterator[Record]:
    try:
        document = json.loads(stream.read().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: not a JSON document ({error}).") from error
    for number, value in enumerate(find_records(document, records_path), start=1):
        if is_too_deep(value):
            yield Record(number, None, TOO_DEEP)
        else:
            yield Record(number, value)


def _csv(stream: IO[bytes]) -> Iterator[Record]:
    csv.field_size_limit(LONGEST_FIELD)
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
    reader = csv.DictReader(text)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(reader.line_num, "", f"not CSV: {error}")
            continue
        if None in row or None in row.values():
            problem = f"{len(reader.fieldnames or [])} columns expected, another number found"
            yield Record(reader.line_num, {str(k): v for k, v in row.items()}, problem)
        elif any("\ufffd" in value for value in row.values()):
            yield Record(reader.line_num, row, "not UTF-8")
        else:
            yield Record(reader.line_num, row)
