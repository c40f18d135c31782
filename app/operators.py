"""Who runs the command line: what the audit log says of entries that nobody signed in for.

A module of its own, because every command sets it, also those that never look at a database.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_operator: ContextVar[str | None] = ContextVar("operator", default=None)


def current() -> str | None:
    """The operating system's user behind this command; None in a server."""
    return _operator.get()


@contextmanager
def operated_by(name: str | None) -> Iterator[None]:
    """Until the block ends, this user is behind what is written without anybody signed in."""
    before = _operator.set(name)
    try:
        yield
    finally:
        _operator.reset(before)


def operating_system_user() -> str:
    """By the process's own user id, which variables of its environment do not change."""
    try:
        import pwd
    except ImportError:  # Windows
        return getpass.getuser()
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user id {os.getuid()}"
