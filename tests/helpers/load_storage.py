"""Storage that stops working under running servers, and works again: full, read-only, gone."""

from __future__ import annotations

import itertools
import os
import pwd
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol

import psycopg
import pytest
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
        fill(self._filler)

    def recover(self, servers: Servers) -> None:
        self._filler.unlink()


def fill(filler: Path) -> None:
    """Write a file until its disk is full, to the last byte: blocks first, then what is left."""
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        for size in (64 * 1024, 4096, 1):
            with suppress(OSError):
                while file.write(b"x" * size) == size:
                    pass


@contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Iterator[Path]:
    """A disk in memory. PermissionError where this process may not mount one: only root may, and
    not in every container."""
    folder.mkdir(exist_ok=True)
    if os.geteuid() != 0:
        raise PermissionError("only root may mount a small disk")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, check=False, capture_output=True, text=True)
    if mounted.returncode != 0:
        raise PermissionError(f"no small disk may be mounted here: {mounted.stderr.strip()}")
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


class PostgresOnSmallDisk(PostgresServer):
    """A database server whose data, log of writes and all, lies on a small disk."""

    def __init__(self, disk: Path) -> None:
        super().__init__()
        self._disk = disk

    def _make_folder(self) -> Path:
        folder = super()._make_folder()
        (folder / "data").symlink_to(self._disk)
        return folder


@contextmanager
def full_disk(folder: Path) -> Iterator[Storage]:
    """PermissionError where no small disk may be mounted."""
    with small_disk(folder / "disk", megabytes=4) as disk:
        yield FullDisk(disk)


@contextmanager
def full_postgres(_: Path) -> Iterator[Storage]:
    """PermissionError where no small disk may be mounted."""
    with ExitStack() as stack:
        # pytest's own folders are closed to the user who runs the database server.
        parent = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="prefloop-disk-", dir="/tmp")
        )
        Path(parent).chmod(0o755)
        disk = stack.enter_context(small_disk(Path(parent) / "disk", megabytes=128))
        nobody = pwd.getpwnam("nobody")
        os.chown(disk, nobody.pw_uid, nobody.pw_gid)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.delenv("TEST_DATABASE_URL", raising=False)
        yield FullPostgres(stack.enter_context(PostgresOnSmallDisk(disk)), disk)


# The smallest rows there may be: what the server adds is longer, and finds no room where these find
# none.
FILLING = (
    """INSERT INTO judgments (id, project_id, comparison_id, annotator_id, verdict, reason_codes,
           shown_order, layout, kind, received_at, late, idempotency_key)
       SELECT gen_random_uuid(), project_id, comparison_id, annotator_id, 'tie', '[]', '[]',
           '', 'normal', received_at, false, %s FROM judgments LIMIT 1""",
    """INSERT INTO assignments (id, project_id, comparison_id, annotator_id, repeat, kind, state,
           shown_order, issued_at, lease_expires_at)
       SELECT gen_random_uuid(), project_id, comparison_id, annotator_id, 1000 + %s::text::integer,
           'normal', 'expired', '[]', issued_at, lease_expires_at FROM assignments LIMIT 1""",
)


class FullPostgres:
    """A database server whose disk something else fills, as does a transaction that never ends
    with the room that was left in its files. The log of writes still has some, so that the server
    refuses what needs a new page and goes on; without any it would stop, which is tested as dead.
    """

    def __init__(self, postgres: PostgresServer, disk: Path) -> None:
        self.url = postgres.create_database("full")
        self._filler = disk / "filler"
        self._transaction: psycopg.Connection | None = None

    def fail(self, servers: Servers) -> None:
        address = make_url(self.url).set(drivername="postgresql")
        self._transaction = psycopg.connect(address.render_as_string(hide_password=False))
        # A new segment of the log, all of it free.
        self._transaction.execute("SELECT pg_switch_wal()")
        self._transaction.execute("CREATE TABLE begins_the_segment ()")
        self._transaction.commit()
        fill(self._filler)
        # Begins the transaction; within it each row is a savepoint.
        self._transaction.execute("SELECT 1")
        for statement in FILLING:
            for number in itertools.count():
                try:
                    with self._transaction.transaction():
                        self._transaction.execute(statement, [str(number)])
                except psycopg.errors.DiskFull:
                    break

    def recover(self, servers: Servers) -> None:
        assert self._transaction is not None
        self._transaction.close()
        self._filler.unlink()
