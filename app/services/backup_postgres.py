"""Copies of a PostgreSQL database, made by pg_dump and taken back by pg_restore and psql.

Passwords reach these programs through their environment, never on a command line.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import inspect, text

from app.db import Database
from app.errors import InvalidInput, StorageUnavailable
from app.models.tables import metadata

LOCK_SECONDS = 30
"""A restore gives up when others hold the tables for longer."""


@dataclass(frozen=True)
class PostgresPrograms:
    """Where pg_dump, pg_restore and psql are: in this folder, or else on PATH."""

    folder: Path | None = None

    def find(self, name: str) -> str:
        found = shutil.which(name, path=str(self.folder) if self.folder else None)
        if found is None:
            where = self.folder or "PATH"
            raise InvalidInput(
                f"{name} is not in {where}. Install PostgreSQL's client programs, or name their "
                "folder in PG_BIN."
            )
        return found


def write(database: Database, partial: Path, programs: PostgresPrograms) -> None:
    """Dump one state of the database into `partial`."""
    address, environment = _connection(database)
    command = [programs.find("pg_dump"), "--format=custom", "--no-owner", "--no-privileges"]
    _run([*command, f"--file={partial}", f"--dbname={address}"], environment)
    check(partial, programs)


def check(path: Path, programs: PostgresPrograms) -> str:
    """The revision of a backup; raises InvalidInput where it is damaged or something else."""
    restore = programs.find("pg_restore")
    try:
        # Reads every row, and writes them nowhere.
        _run([restore, f"--file={os.devnull}", str(path)], {})
        rows = _run([restore, "--data-only", "--table=alembic_version", "--file=-", str(path)], {})
    except StorageUnavailable as error:
        raise InvalidInput(f"{path} cannot be read as a backup. {error}") from error
    found = re.search(r"^COPY .*alembic_version .*\n(\S+)\n\\\.$", rows, re.MULTILINE)
    if found is None:
        raise InvalidInput(f"{path} holds no tables of Prefloop.")
    return found[1]


def load(database: Database, path: Path, programs: PostgresPrograms) -> None:
    """Put the backup in the place of our tables, in one transaction."""
    address, environment = _connection(database)
    restore, psql = programs.find("pg_restore"), programs.find("psql")
    options = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={address}"]
    with tempfile.TemporaryFile() as said:
        writer = subprocess.Popen(  # noqa: S603 - PostgreSQL's own program
            [psql, *options],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        reader = subprocess.Popen(  # noqa: S603
            [restore, "--no-owner", "--no-privileges", "--file=-", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
        )
        assert writer.stdin is not None, "a pipe was asked for"
        assert reader.stdout is not None, "a pipe was asked for"
        try:
            _feed(writer.stdin, reader, _removal(database))
        except BrokenPipeError:
            # psql has stopped at an error and says below which.
            reader.kill()
        finally:
            reader.stdout.close()
            reader.wait()
        if writer.wait() != 0 or reader.returncode != 0:
            raise StorageUnavailable(f"Nothing was restored: {_said(said)}.")


def _feed(script: IO[bytes], reader: subprocess.Popen[bytes], removal: str) -> None:
    """Without its COMMIT, psql ends and the database forgets all that came before."""
    assert reader.stdout is not None, "a pipe was asked for"
    with script:
        script.write(f"BEGIN;\nSET LOCAL lock_timeout = '{LOCK_SECONDS}s';\n{removal}".encode())
        shutil.copyfileobj(reader.stdout, script, 1 << 20)
        if reader.wait() == 0:
            # The planner knows nothing of tables that were just filled.
            script.write(b"\nCOMMIT;\nRESET search_path;\nANALYZE;\n")


def _removal(database: Database) -> str:
    """Statements that remove our tables and the functions of their triggers, and nothing else."""
    ours = {*metadata.tables, "alembic_version"}
    with database.connecting() as connection:
        tables = sorted(ours & set(inspect(connection).get_table_names()))
        functions = connection.execute(
            text(
                "SELECT DISTINCT tgfoid::regprocedure::text FROM pg_trigger"
                " JOIN pg_class ON pg_class.oid = tgrelid"
                " WHERE NOT tgisinternal AND relname = ANY(:tables)"
                # A table of the same name in another schema is not ours.
                " AND relnamespace = current_schema()::regnamespace"
            ),
            {"tables": tables},
        ).scalars()
        drops = [f"DROP FUNCTION {name} CASCADE;\n" for name in functions]
    names = [sql.Identifier(name).as_string() for name in tables]
    return "".join([*drops, *(f"DROP TABLE {name} CASCADE;\n" for name in names)])


def _connection(database: Database) -> tuple[str, dict[str, str]]:
    """The database's address without its password, and an environment that holds it."""
    options = {
        **database.url.translate_connect_args(username="user", database="dbname"),
        **database.url.query,
    }
    password = options.pop("password", None)
    environment = dict(os.environ)
    if password is not None:
        environment["PGPASSWORD"] = str(password)
    return make_conninfo(**options), environment


def _run(command: list[str], environment: dict[str, str]) -> str:
    """Standard output of a program that must succeed; its first complaint otherwise."""
    result = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
        command,
        env=environment or None,
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        text=True,
    )
    if result.returncode != 0:
        name = Path(command[0]).name
        lines = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
        raise StorageUnavailable(f"{name} said: {lines[0].rstrip('.')}.")
    return result.stdout


def _said(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[0].rstrip(".") if lines else "psql ended without a word"
