"""Writes a bundle into a hidden folder beside its place and renames it there when it is whole."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from app.errors import InvalidInput


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _in_use(out: Path) -> InvalidInput:
    return InvalidInput(
        f"{out} exists already and is not an empty folder. Choose another place for the bundle, "
        "or remove it first."
    )


class BundleWriter:
    """Use as a context manager: leaving it without `finish` removes everything that was written."""

    def __init__(self, out: Path) -> None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise _in_use(out)
        self._out = out
        self._partial = out.parent / f".{out.name}.partial-{uuid4().hex[:12]}"
        self.files: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        try:
            self._partial.mkdir(parents=True)
        except OSError as error:
            raise InvalidInput(
                f"{self._out} cannot be written ({error.strerror}). Choose another place for the "
                "bundle."
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None
    ) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)

    def write_rows(self, name: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """One JSON object a line; gives the number of rows."""
        return self._write(name, (_dump(row) + "\n" for row in rows), counted=True)

    def write_splits(
        self, folder: str, splits: Iterable[str], rows: Iterable[tuple[str, Mapping[str, Any]]]
    ) -> dict[str, int]:
        """One file for each split, filled in one pass over (split, row); gives rows by split."""
        files = {split: _File(self._path(f"{folder}/{split}.jsonl")) for split in splits}
        try:
            for split, row in rows:
                files[split].write(_dump(row) + "\n")
        finally:
            for file in files.values():
                file.close()
        for split, file in files.items():
            self.files[f"{folder}/{split}.jsonl"] = file.entry(counted=True)
        return {split: file.lines for split, file in files.items()}

    def write_text(self, name: str, text: str) -> None:
        self._write(name, [text], counted=False)

    def finish(self, manifest: Mapping[str, Any]) -> str:
        """Write the manifest, put the bundle in its place, and give the manifest's sha256."""
        content = json.dumps(manifest, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
        file = _File(self._path("manifest.json"))
        file.write(content)
        file.close()
        try:
            self._partial.rename(self._out)
        except OSError as error:
            if self._out.exists():
                raise _in_use(self._out) from error
            raise
        return hashlib.sha256(content.encode()).hexdigest()

    def _path(self, name: str) -> Path:
        path = self._partial / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _write(self, name: str, lines: Iterable[str], *, counted: bool) -> int:
        file = _File(self._path(name))
        try:
            for line in lines:
                file.write(line)
        finally:
            file.close()
        self.files[name] = file.entry(counted=counted)
        return file.lines


class _File:
    """A file that is hashed while it is written and flushed to the disk when it is closed."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("wb")
        self._hash = hashlib.sha256()
        self.bytes = self.lines = 0

    def write(self, text: str) -> None:
        data = text.encode()
        self._stream.write(data)
        self._hash.update(data)
        self.bytes += len(data)
        self.lines += 1

    def close(self) -> None:
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()

    def entry(self, *, counted: bool) -> dict[str, Any]:
        entry: dict[str, Any] = {"sha256": self._hash.hexdigest(), "bytes": self.bytes}
        return entry | {"rows": self.lines} if counted else entry
