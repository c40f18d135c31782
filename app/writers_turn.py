"""Who writes to an SQLite file, which has one writer."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

try:
    import fcntl
except ImportError:  # Windows has none.
    fcntl = None  # type: ignore[assignment]


class WritersTurn:
    """The right to write to one SQLite file: one thread of one process at a time.

    SQLite itself lets processes wait by asking again and again, and whoever asks at the right
    moment wins; a file lock wakes them. Where there can be none, SQLite's own waiting remains.
    """

    def __init__(self, path: str | None) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._depth = 0
        self._path = None if path is None else f"{path}.lock"
        self._file: int | None = None

    def take_now(self) -> bool:
        """Takes the turn for this thread, and its transactions until `give_back`, if it is free."""
        me = threading.get_ident()
        if self._owner != me:
            if not self._lock.acquire(blocking=False):
                return False
            if not self._lock_file(wait=False):
                self._lock.release()
                return False
            self._owner = me
        self._depth += 1
        return True

    def take_for(self, thread: int) -> None:
        """Waits until the turn is free and takes it for that thread, which is to give it back."""
        self._lock.acquire()
        self._lock_file(wait=True)
        self._owner = thread
        self._depth = 1

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._owner == me:
            self._depth += 1
        else:
            self.take_for(me)

    def __exit__(self, *_: object) -> None:
        self.give_back()

    def give_back(self) -> None:
        self._depth -= 1
        if self._depth > 0:
            return
        self._owner = None
        if fcntl is not None and self._file is not None:
            with suppress(OSError):
                fcntl.flock(self._file, fcntl.LOCK_UN)
        self._lock.release()

    def _lock_file(self, *, wait: bool) -> bool:
        """Whether no other process has it now."""
        if fcntl is None or self._path is None:
            return True
        with suppress(OSError):
            if self._file is None:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                return False
        return True
