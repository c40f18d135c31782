"""`prefloop token`, in this process: exit codes, what stdout and stderr hold."""

import json

import pytest
from helpers.databases import make_database
from typer.testing import CliRunner

from app.db import Database, utc_now
from app.models.accounts import Role
from app.services import accounts, tokens
from prefloop.cli import app


@pytest.fixture
def database(tmp_path, monkeypatch) -> Database:
    found = make_database(tmp_path / "prefloop.db")
    monkeypatch.setenv("PREFLOOP_DATABASE_URL", f"sqlite:///{tmp_path}/prefloop.db")
    with found.writing() as session:
        accounts.create_person(session, name="ada", password=None, role=Role.ADMIN, now=utc_now())
    return found


def prefloop(*arguments):
    return CliRunner().invoke(app, ["token", *arguments])


def test_a_token_is_made_used_listed_and_revoked(database):
    made = prefloop("create", "--user", "ada", "--scope", "read", "--scope", "import")
    text = made.stdout.strip()
    assert tokens.authenticate(database, text, now=utc_now()).scopes == {"read", "import"}

    listed = json.loads(prefloop("list", "--json").stdout)
    assert [(row["user"], row["scopes"], row["state"]) for row in listed] == [
        ("ada", ["read", "import"], "live")
    ]
    assert text not in prefloop("list").stdout

    revoked = prefloop("revoke", listed[0]["id"], "--json")
    assert json.loads(revoked.stdout)["state"] == "revoked"
    assert json.loads(prefloop("list", "--user", "ada", "--json").stdout)[0]["state"] == "revoked"


def test_a_program_reads_the_new_token_from_json(database):
    made = json.loads(
        prefloop(
            "create", "--user", "ada", "--scope", "export", "--days", "7", "--label", "x", "--json"
        ).stdout
    )

    assert tokens.authenticate(database, made["token"], now=utc_now()).annotator.name == "ada"
    assert (made["label"], made["scopes"]) == ("x", ["export"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("create", "--user", "eve", "--scope", "read"), "no person named 'eve'"),
        (("create", "--user", "ada", "--scope", "all"), "Scope 'all' is unknown"),
        (("create", "--user", "ada", "--scope", "read", "--days", "0"), "choose 1 to 366"),
        (("revoke", "nonsense"), "'nonsense' is no id of a token"),
        (("revoke", "00000000-0000-0000-0000-000000000000"), "There is no token"),
    ],
)
def test_a_mistake_is_one_sentence_on_stderr(database, arguments, sentence):
    result = prefloop(*arguments)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("prefloop: ")
    assert sentence in result.stderr
