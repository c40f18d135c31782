"""Storage that stops working under running servers, and works again: full, read-only, gone."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import psycopg
from helpers.load_servers import Servers
from helpers.postgres import PostgresServer
from psycopg import sql
from sqlalchemy.engine import make_url

UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


class Storage(Protocol):
    """One kind of trouble with a database at `url`."""

    url: str

    def fail(self, servers: Servers) -> None: ...

    def recover(self, servers: Servers) -> None: ...


class FullDisk:
    """SQLite on a small disk of its own, which something else fills."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/prefloop.db"
        self._filler = folder / "filler"

    def fail(self, servers: Servers) -> None:
        with suppress(OSError), self._filler.open("wb", buffering=0) as filler:
            # To the last byte: blocks first, then what is left.
            for size in (64 * 1024, 4096, 1):
                with suppress(OSError):
                    while filler.write(b"x" * size) == size:
                        pass

    def recover(self, servers: Servers) -> None:
        self._filler.unlink()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 4 MB in memory. Only root may mount one; PermissionError for others."""
    folder.mkdir()
    if os.geteuid() != 0:
        raise PermissionError("only root may mount a small disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        # Lazy: a server that is only just ending may still hold its files.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class FileSizeLimit:
    """SQLite whose files may not grow: every write of the servers fails, as on a broken disk."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/prefloop.db"

    def fail(self, servers: Servers) -> None:
        self._limit(servers, (1, resource.RLIM_INFINITY))

    def recover(self, servers: Servers) -> None:
        self._limit(servers, UNLIMITED)

    def _limit(self, servers: Servers, limits: tuple[int, int]) -> None:
        for pid in servers.pids():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


class ReadOnlyFile:
    """SQLite opened so that it may not write; servers are started again for it, as by an admin."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/prefloop.db"
        self._read_only = f"sqlite:///file:{folder}/prefloop.db?mode=ro&uri=true"

    def fail(self, servers: Servers) -> None:
        servers.kill()
        servers.start(PREFLOOP_DATABASE_URL=self._read_only)

    def recover(self, servers: Servers) -> None:
        servers.kill()
        servers.start()


class VanishedFolder:
    """SQLite whose folder is moved away, as an unmounted disk is, and comes back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "data"
        self._folder.mkdir()
        self.url = f"sqlite:///{self._folder}/prefloop.db"
        self._elsewhere = folder / "elsewhere"

    def fail(self, servers: Servers) -> None:
        self._folder.rename(self._elsewhere)

    def recover(self, servers: Servers) -> None:
        self._elsewhere.rename(self._folder)


class VanishedFile:
    """SQLite whose files are moved out of a folder that stays."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "data"
        self._folder.mkdir()
        self.url = f"sqlite:///{self._folder}/prefloop.db"
        self._elsewhere = folder / "elsewhere"

    def fail(self, servers: Servers) -> None:
        self._elsewhere.mkdir()
        for file in self._folder.iterdir():
            file.rename(self._elsewhere / file.name)

    def recover(self, servers: Servers) -> None:
        left = [file.name for file in self._folder.iterdir()]
        assert not left, f"the servers made {left} where the database had been"
        for file in self._elsewhere.iterdir():
            file.rename(self._folder / file.name)


class DeadPostgres:
    """A database server that is killed, and started again."""

    def __init__(self, postgres: PostgresServer) -> None:
        self.url = postgres.create_database("dead")
        self._postgres = postgres

    def fail(self, servers: Servers) -> None:
        self._postgres.kill()

    def recover(self, servers: Servers) -> None:
        self._postgres.start()


class ReadOnlyPostgres:
    """A database that takes no writes, as a standby does."""

    def __init__(self, postgres: PostgresServer) -> None:
        self.url = postgres.create_database("read_only")
        self._admin = make_url(postgres.url).set(drivername="postgresql")

    def fail(self, servers: Servers) -> None:
        self._set("on")

    def recover(self, servers: Servers) -> None:
        self._set("off")

    def _set(self, value: str) -> None:
        """Sessions keep the value that they started with, so those of the servers are ended."""
        name = make_url(self.url).database
        assert name is not None
        address = self._admin.render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(
                    sql.Identifier(name), sql.SQL(value)
                )
            )
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
