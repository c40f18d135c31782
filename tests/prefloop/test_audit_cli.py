"""`prefloop audit` as a person runs it: exit codes, sentences, JSON."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path

import pytest
from helpers.data import NOON
from helpers.databases import make_database
from sqlalchemy import text
from typer.testing import CliRunner, Result

from app.db import Database
from app.models.accounts import Role
from app.services import accounts
from prefloop.cli import app


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setenv("PREFLOOP_DATABASE_URL", f"sqlite:///{tmp_path}/prefloop.db")
    found = make_database(tmp_path / "prefloop.db")
    with found.writing() as session:
        for name in ("ada", "[b]eve"):
            accounts.create_person(session, name=name, password=None, role=Role.ADMIN, now=NOON)
    return found


def audit(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", *arguments])


def test_a_whole_log_says_how_long_it_is_and_where_it_ends(database: Database) -> None:
    found = json.loads(audit("verify", "--json").stdout)
    assert found["entries"] == 2
    assert found["problem"] is None

    plain = audit("verify")
    assert plain.exit_code == 0
    assert found["last_hash"] in plain.stdout
    assert "The audit log is whole." in plain.stderr
    assert audit("verify", "--expect", found["last_hash"]).exit_code == 0


def test_a_changed_entry_is_named_and_the_exit_code_is_1(database: Database) -> None:
    head = json.loads(audit("verify", "--json").stdout)["last_hash"]
    with database.connecting() as connection:
        connection.execute(text("DROP TRIGGER audit_entries_refuse_update"))
        connection.execute(text("UPDATE audit_entries SET subject = 'nobody' WHERE id = 2"))

    found = audit("verify", "--json", "--expect", head)

    assert found.exit_code == 1
    assert "Audit entry 2 was changed" in found.stderr
    assert json.loads(found.stdout)["entries"] == 1


def test_what_a_command_does_names_the_operating_systems_user(
    database: Database, tmp_path: Path
) -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    (tmp_path / "rows.jsonl").write_text('{"prompt": "Why?", "completions": ["so", "thus"]}\n')
    out, backup = str(tmp_path / "bundle"), str(tmp_path / "b.db")
    for command in (
        ["project", "create", "p"],
        ["import", "-p", "p", str(tmp_path / "rows.jsonl")],
        ["export", "-p", "p", "--out", out],
        ["user", "disable", "ada"],
        ["db", "backup", backup],
    ):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output

    rows = json.loads(audit("list", "--json").stdout)[::-1]
    assert [row["action"] for row in rows if row["operating_system_user"] == me] == [
        "project created",
        "import started",
        "import finished",
        "export started",
        "exported",
        "person disabled",
        "backup started",
    ]
    assert {row["by"] for row in rows} == {None}
    assert me in audit("list", "--action", "exported").stdout
    assert audit("verify").exit_code == 0


def test_a_hash_that_is_not_in_the_log_is_an_error(database: Database) -> None:
    found = audit("verify", "--expect", "f" * 64)
    assert found.exit_code == 1
    assert "cut off before it or written anew" in found.stderr


def test_the_list_is_newest_first_and_can_be_searched(database: Database) -> None:
    rows = json.loads(audit("list", "--json").stdout)
    assert [row["subject"] for row in rows] == ["person [b]eve", "person ada"]
    assert rows[0]["details"] == {"role": "admin"}
    assert "[b]eve" in audit("list", "--name", "EVE").stdout
    assert "ada" not in audit("list", "--name", "EVE").stdout
    refused = audit("list", "--action", "nonsense")
    assert refused.exit_code == 1
    assert "expected one of signed in, " in refused.stderr
