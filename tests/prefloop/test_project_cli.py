"""`prefloop project set | show`, in this process: what processes do is in test_cli.py."""

import json

import pytest
from helpers.data import import_plain, make_project, pair
from helpers.databases import make_database
from sqlalchemy import select
from typer.testing import CliRunner

from app.models.accounts import AuditEntry
from app.models.projects import Comparison
from prefloop.cli import app


@pytest.fixture
def database(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFLOOP_DATABASE_URL", f"sqlite:///{tmp_path}/prefloop.db")
    monkeypatch.chdir(tmp_path)
    found = make_database(tmp_path / "prefloop.db")
    make_project(found, pairs=2)
    import_plain(found, [pair(3, tags=["hard"])])
    yield found
    found.dispose()


def prefloop(*arguments: str):
    return CliRunner().invoke(app, arguments)


def targets(database) -> list[int]:
    with database.reading() as session:
        return sorted(session.scalars(select(Comparison.target)))


def test_a_policy_is_set_and_shown_and_what_is_not_named_stays(database):
    first = prefloop("project", "set", "p", "--overlap", "2", "--tag-overlap", "hard=5")
    assert first.exit_code == 0, first.output
    assert targets(database) == [2, 2, 5]

    second = prefloop(
        "project", "set", "p", "--adaptive-max", "6", "--gold-share", "0.05", "--tag-overlap", "x=3"
    )
    assert second.exit_code == 0, second.output

    policy = json.loads(prefloop("project", "show", "p", "--json").output)["policy"]
    assert (policy["overlap"], policy["adaptive_max"], policy["gold_share"]) == (2, 6, 0.05)
    assert policy["overlap_by_tag"] == {"hard": 5, "x": 3}
    shown = prefloop("project", "show", "p").output
    assert "Every comparison is judged by 2 annotators." in shown
    assert "5 % of an annotator’s work are comparisons with a known answer." in shown
    with database.reading() as session:
        entries = session.scalars(
            select(AuditEntry.details).where(AuditEntry.action == "policy changed")
        ).all()
    assert [entry["adaptive_max"] for entry in entries] == [None, 6]


def test_zero_ends_adaptive_overlap_and_the_overlap_of_a_tag(database):
    prefloop("project", "set", "p", "--adaptive-max", "6", "--tag-overlap", "hard=5")

    ended = prefloop("project", "set", "p", "--adaptive-max", "0", "--tag-overlap", "hard=0")

    assert ended.exit_code == 0, ended.output
    policy = json.loads(prefloop("project", "show", "p", "--json").output)["policy"]
    assert (policy["adaptive_max"], policy["overlap_by_tag"]) == (None, {})
    assert targets(database) == [1, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ((), 2, "Nothing to change was named."),
        (("--tag-overlap", "hard"), 2, "'hard' is no tag with a number"),
        (("--overlap", "0"), 1, "Overlap is 0; a comparison needs 1 to 1000 judgments."),
        (("--gold-share", "0.4", "--repeat-share", "0.2"), 1, "Gold and repeats are 60% of"),
        (("--overlap", "4", "--adaptive-max", "3"), 1, "The adaptive maximum is 3; give at least"),
        (("--adaptive-max", "9", "--adaptive-confidence", "0.75"), 1, "which one judgment reaches"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(database, arguments, code, sentence):
    found = prefloop("project", "set", "p", *arguments)

    assert found.exit_code == code
    assert sentence in " ".join(found.output.replace("│", " ").split())
    assert targets(database) == [1, 1, 1]
