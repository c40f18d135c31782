"""Seeded databases, kept in a folder between runs.

Each is named by a hash of what it follows from: the migrations, the seeding code and the number of
comparisons. Small ones are copied for every run; a large one is driven as it is, so it grows by
the judgments driven until now (the report says how many it holds).
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from helpers.postgres import PostgresServer, find_binaries
from helpers.processes import is_running
from psycopg import sql
from sqlalchemy.engine import URL, make_url

import migrations
from benchmarks import bulk
from benchmarks.seed import seed

SMALL = 10_000
"""Up to so many comparisons a fresh copy for every run costs nothing."""
POSTGRES_SETTINGS = "-c fsync=on -c synchronous_commit=on -c max_wal_size=4GB -c shared_buffers=1GB"
"""Durable, as PostgreSQL comes, with more memory than its default of 128 MB."""


def version(comparisons: int) -> str:
    here = Path(__file__).parent
    sources = [*(Path(migrations.__file__).parent / "versions").glob("*.py")]
    sources += [here / name for name in ("rows.py", "sums.py", "bulk.py", "seed.py")]
    digest = hashlib.sha256()
    for path in sorted(sources):
        digest.update(path.read_bytes())
    return f"{comparisons}_{digest.hexdigest()[:12]}"


class SqliteDatabases:
    """Files in the folder."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> SqliteDatabases:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get(self, comparisons: int) -> str:
        """The address of a database with so many comparisons, seeded when there is none yet."""
        kept = self._folder / f"seed_{version(comparisons)}.db"
        if not kept.exists():
            part = kept.with_suffix(".part")
            part.unlink(missing_ok=True)
            seed(make_url(f"sqlite:///{part}"), comparisons=comparisons)
            _close_log(part)
            part.rename(kept)
            for leftover in self._folder.glob(f"{part.name}*"):
                leftover.unlink()
        if comparisons > SMALL:
            _read([kept])
            return f"sqlite:///{kept}"
        run = self._folder / "run.db"
        for leftover in self._folder.glob("run.db*"):
            leftover.unlink()
        shutil.copy(kept, run)
        return f"sqlite:///{run}"


def _read(paths: Iterable[Path]) -> None:
    """Put files into memory, where a server that has run for some days has them; what is measured
    would wait for the disk otherwise. Before every drive, because systems take unused memory back
    within minutes."""
    for path in paths:
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass


def _close_log(path: Path) -> None:
    """Move everything into the one file."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


class PostgresDatabases(PostgresServer):
    """A durable server whose data folder is kept."""

    name = "postgresql"
    settings = POSTGRES_SETTINGS

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._kept = folder / "postgres"
        # Names of databases must be the same in every run.
        self._tag = "bench"

    def __enter__(self) -> PostgresDatabases:
        self.start()
        return self

    def get(self, comparisons: int) -> str:
        """The address of a database with so many comparisons, seeded when there is none yet."""
        kept = f"seed_{version(comparisons)}"
        if not self._has(kept):
            part = f"{kept}_part"
            if self._has(part):
                self._drop_database(self._full_name(part))
            seed(make_url(self.create_database(part)), comparisons=comparisons)
            self._execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                    sql.Identifier(self._full_name(part)), sql.Identifier(self._full_name(kept))
                )
            )
        if comparisons > SMALL:
            _read(self._files(kept))
            return self._address(kept)
        if self._has("run"):
            self._drop_database(self._full_name("run"))
        address = self.create_database("run", template=kept)
        bulk.analyze(make_url(address))
        return address

    def stop(self) -> None:
        """Stop the server in order and keep its data."""
        if self._remote is None and (self._data_folder() / "postmaster.pid").exists():
            self._run("pg_ctl", "-m", "fast", "stop")

    def process_id(self) -> int:
        return int((self._data_folder() / "postmaster.pid").read_text().splitlines()[0])

    def _address(self, name: str) -> str:
        url: URL = self._url_object().set(database=self._full_name(name))
        return url.render_as_string(hide_password=False)

    def _files(self, name: str) -> list[Path]:
        query = sql.SQL("SELECT oid FROM pg_database WHERE datname = {}")
        ((folder,),) = self._execute(query.format(sql.Literal(self._full_name(name))))
        return list((self._data_folder() / "base" / str(folder)).iterdir())

    def _has(self, name: str) -> bool:
        query = sql.SQL("SELECT 1 FROM pg_database WHERE datname = {}")
        return bool(self._execute(query.format(sql.Literal(self._full_name(name)))))

    def _create_cluster(self) -> None:
        if not (self._kept / "data" / "PG_VERSION").exists():
            super()._create_cluster()
            return
        self._folder = self._kept
        copied = self._kept / "install" / "bin"
        self._binaries = copied if copied.exists() else find_binaries()
        # A benchmark that was killed leaves its server running.
        if (self._data_folder() / "postmaster.pid").exists() and is_running(self.process_id()):
            self._run("pg_ctl", "-m", "fast", "stop")

    def _make_folder(self) -> Path:
        # A cluster that was not made to its end is made anew.
        shutil.rmtree(self._kept, ignore_errors=True)
        self._kept.mkdir(mode=0o700, parents=True)
        return self._kept
