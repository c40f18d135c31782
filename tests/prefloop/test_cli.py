"""The command line as a person uses it: exit codes, one sentence for each mistake.

Most of it runs in this process, because each start of another costs more than the command. What a
process adds, its exit code and its two outputs, has tests of its own.
"""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.data import pair
from typer.testing import CliRunner, Result

from prefloop.cli import app

ROOT = Path(__file__).parents[2]


@pytest.fixture
def prefloop(tmp_path, monkeypatch):
    """Runs `prefloop` in an empty folder with its own SQLite database."""
    for name in [name for name in os.environ if name.startswith("PREFLOOP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFLOOP_DATABASE_URL", f"sqlite:///{tmp_path}/prefloop.db")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: str = "", **extra: str) -> Result:
        found = CliRunner().invoke(app, arguments, input=stdin, env=extra)
        # Anything else that a command raises would be a traceback in a process.
        assert isinstance(found.exception, SystemExit | None), found.exception
        return found

    return run


@pytest.fixture
def process(prefloop, tmp_path):
    """Runs `prefloop` as a process, there too."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "prefloop", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


@pytest.fixture
def data(tmp_path) -> Path:
    path = tmp_path / "data.jsonl"
    votes = [{"annotator": f"w{i}", "verdict": v} for i, v in enumerate((1, 1, 2))]
    records = [pair(i, judgments=votes) for i in range(1, 31)]
    path.write_text("".join(json.dumps(r) + "\n" for r in records) + "oops\n")
    return path


def test_from_nothing_to_a_bundle(prefloop, data, tmp_path):
    assert prefloop("db", "upgrade").exit_code == 0
    assert prefloop("project", "create", "tea", "--overlap", "3").exit_code == 0

    imported = prefloop("import", "--project", "tea", str(data), "--json")
    again = prefloop("import", "--project", "tea", str(data))
    agreement = prefloop("agreement", "--project", "tea", "--json")
    exported = prefloop("export", "--project", "tea", "--out", "bundle", "--json")

    summary = json.loads(imported.stdout)
    assert (summary["added"]["comparisons"], summary["rejected"]) == (30, 1)
    assert (tmp_path / summary["rejects_file"]).read_text().count("\n") == 1
    assert "added nothing" in again.stderr
    assert "30 records were there already" in again.stderr
    assert "the first at line 31: not JSON" in again.stderr
    statistic = json.loads(agreement.stdout)["percent_agreement"]
    assert statistic["value"] == pytest.approx(1 / 3)
    assert statistic["n"] == 30
    assert sum(json.loads(exported.stdout)["counts"]["preferences"].values()) == 30
    assert (tmp_path / "bundle" / "manifest.json").is_file()


def test_tables_for_people_are_aligned_and_say_n(prefloop, data):
    prefloop("db", "upgrade")
    prefloop("project", "create", "tea", "--overlap", "3")
    prefloop("import", "--project", "tea", str(data))

    shown = prefloop("agreement", "--project", "tea").stdout.splitlines()
    listed = prefloop("project", "list").stdout

    assert shown[0].split() == ["statistic", "value", "95", "%", "interval", "n"]
    assert shown[1].startswith("percent agreement")
    assert shown[1].split()[-1] == "30"
    assert "tea" in listed
    assert json.loads(prefloop("project", "show", "tea", "--json").stdout)["judgments"] == 90


def test_agreement_is_told_for_each_slice(prefloop, tmp_path):
    votes = [{"annotator": f"w{i}", "verdict": v} for i, v in enumerate((1, 1, 2))]
    records = [
        *(pair(i, tags=["tea"], judgments=votes) for i in range(40)),
        pair(99, tags=["rare"], judgments=votes[:1]),
    ]
    path = tmp_path / "tagged.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    prefloop("db", "upgrade")
    prefloop("project", "create", "tea", "--overlap", "3")
    prefloop("import", "--project", "tea", str(path))

    found = json.loads(prefloop("agreement", "-p", "tea", "--by", "tag", "--json").stdout)
    shown = prefloop("agreement", "-p", "tea", "--by", "tag").stdout.splitlines()
    wrong = prefloop("agreement", "-p", "tea", "--by", "colour")
    of_file = prefloop("agreement", "--judgments", str(path), "--by", "tag")

    tea, rare = found["slices"]
    counts = ("comparisons", "overlap", "contested")
    assert [[one[name] for name in counts] for one in (tea, rare)] == [[40, 40, 40], [1, 0, 0]]
    assert (found["n_items"], tea["value"], rare["value"]) == (41, "tea", "rare")
    # 1, 1 and 2 of every comparison: shares 2/3 and 1/3, one pair of three agrees.
    assert tea["statistics"]["fleiss_kappa"]["value"] == pytest.approx((1 / 3 - 5 / 9) / (4 / 9))
    assert rare["statistics"]["gwet_ac1"]["reason"] == "no_overlap"
    start = shown.index("tea: 40 comparisons, 40 judged twice or more, 40 contested")
    fleiss = next(line for line in shown[start:] if line.startswith("fleiss kappa no ties "))
    assert fleiss.split()[4] == "-0.500"
    # No vote has a strength, so nothing has a grade.
    assert found["krippendorff_alpha_graded"]["reason"] == "no_overlap"
    assert any(line.startswith("krippendorff alpha graded ") for line in shown[:start])
    assert "no item has two such labels" in shown[-1]
    assert (wrong.exit_code, of_file.exit_code) == (2, 2)
    assert "--by knows guideline, tag, sources" in " ".join(wrong.stderr.split())
    assert "--by goes with --project" in of_file.stderr


def test_a_process_ends_with_0_1_or_2_and_keeps_data_apart_from_what_it_says(process):
    made, listed = process("db", "upgrade"), process("project", "list", "--json")
    mistake, usage = process("project", "show", "tea"), process("import")

    assert [found.returncode for found in (made, listed, mistake, usage)] == [0, 0, 1, 2]
    assert (made.stdout, json.loads(listed.stdout), mistake.stdout, usage.stdout) == (
        "",
        [],
        "",
        "",
    )
    assert " -> " in made.stderr
    assert listed.stderr == ""
    assert mistake.stderr.startswith("prefloop: ")
    assert len(mistake.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("agreement", "--project", "x"), "is not there (No such file or directory)"),
        (("serve",), "make a new one with `prefloop db upgrade`"),
        (("train", "rm", "--bundle", "b", "--model", "m", "--out", "o"), "no manifest.json"),
        (("train", "rm", "--bundle", "b", "--model", "m", "--out", "o", "--set", "epoch=1"),
         "epochs"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_on_stderr_and_exit_1(prefloop, arguments, sentence):
    found = prefloop(*arguments)

    assert found.exit_code == 1
    assert sentence in found.stderr
    assert found.stdout == ""
    assert len(found.stderr.strip().splitlines()) == 1


def test_mistakes_in_an_upgraded_database_are_explained_too(prefloop, data, tmp_path):
    prefloop("db", "upgrade")
    prefloop("project", "create", "tea")
    (tmp_path / "bad.yaml").write_text("promt: x")

    for arguments, sentence in (
        (("project", "create", "Tea!"), "use lower-case letters"),
        (("project", "create", "tea"), "exists already"),
        (("import", "--project", "coffee", str(data)), "(there are: tea)"),
        (("import", "--project", "tea", "none.jsonl"), "cannot be opened"),
        (("import", "--project", "tea", str(data), "--mapping", "bad.yaml"), "no `prompt`"),
        (("export", "--project", "tea", "--out", "b", "--ties", "maybe"), "keep or drop"),
        (("user", "add", "ada", "--role", "king"), "annotator, reviewer, admin"),
    ):
        found = prefloop(*arguments)
        assert found.exit_code == 1, arguments
        assert sentence in found.stderr


def test_wrong_usage_exits_with_2(prefloop):
    assert prefloop("import").exit_code == 2
    assert prefloop("nonsense").exit_code == 2


def test_a_person_is_added_with_a_password_from_standard_input(prefloop):
    prefloop("db", "upgrade")

    added = prefloop("user", "add", "ada", "--role", "reviewer", stdin="correct horse battery\n")
    short = prefloop("user", "add", "bo", stdin="short\n")
    disabled = prefloop("user", "disable", "ada")

    assert added.exit_code == disabled.exit_code == 0
    assert short.exit_code == 1
    assert json.loads(prefloop("user", "list", "--json").stdout) == [
        {"name": "ada", "role": "reviewer", "disabled": True}
    ]


def test_the_last_admin_cannot_be_disabled_and_a_disabled_person_can_come_back(prefloop):
    prefloop("db", "upgrade")
    for name in ("ada", "eve"):
        prefloop("user", "add", name, "--role", "admin", stdin="correct horse battery\n")

    assert prefloop("user", "disable", "ada").exit_code == 0
    refused = prefloop("user", "disable", "eve")
    assert refused.exit_code == 1
    assert "eve is the last admin who can sign in" in refused.stderr
    assert prefloop("user", "enable", "ada").exit_code == 0
    assert prefloop("user", "disable", "eve").exit_code == 0


def test_a_name_is_printed_as_it_is_even_with_square_brackets(prefloop):
    prefloop("db", "upgrade")
    prefloop("user", "add", "[/b] eve", stdin="correct horse battery\n")
    assert "[/b] eve" in prefloop("user", "list").stdout


def test_a_weak_secret_is_refused_without_being_shown(prefloop):
    prefloop("db", "upgrade")

    found = prefloop("db", "check", PREFLOOP_SECRET_KEY="hunter2hunter2")

    assert found.exit_code == 1
    assert "PREFLOOP_SECRET_KEY" in found.stderr
    assert "hunter2" not in found.stderr


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("nonsense", "cannot be read; expected sqlite:///file.db or postgresql"),
        ("mysql://me:sesame@host/name", "names mysql; expected sqlite or postgresql"),
        ("postgresql+psycopg://me:sesame@127.0.0.1:1/name", "could not be used"),
        ("sqlite:////no/such/folder/x.db", "is not there|unable to open database file"),
        ("sqlite:///data.jsonl", "file is not a database"),
    ],
)
@pytest.mark.parametrize("command", [("project", "list"), ("db", "upgrade")])
def test_a_database_that_cannot_be_used_is_one_sentence(prefloop, data, address, sentence, command):
    found = prefloop(*command, PREFLOOP_DATABASE_URL=address)

    assert found.exit_code == 1
    assert re.search(sentence, found.stderr)
    assert len(found.stderr.strip().splitlines()) == 1
    assert "sesame" not in found.stderr


@pytest.mark.parametrize("command", [("serve",), ("demo", "--out", "demo")])
def test_a_port_in_use_is_said_before_any_work(prefloop, command):
    prefloop("db", "upgrade")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        found = prefloop(*command, "--port", port)

    assert found.exit_code == 1
    assert f"127.0.0.1:{port} cannot be listened on (Address already in use)" in found.stderr


@pytest.mark.parametrize("name", ["demo.db", "thesis.txt"])
def test_the_demo_never_removes_what_it_did_not_make(prefloop, tmp_path, name):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / name).write_text("precious")
    if name == "thesis.txt":
        (folder / ".prefloop-demo").touch()

    found = prefloop("demo", "--out", "mine", "--no-serve")

    assert found.exit_code == 1
    assert f"mine holds {name}, which no demo put there" in found.stderr
    assert (folder / name).read_text() == "precious"


def test_every_command_has_help(prefloop):
    top = prefloop("--help")

    assert top.exit_code == 0
    for command in ("demo", "serve", "import", "agreement", "export", "train", "align", "report"):
        assert command in top.stdout
        assert prefloop(command, "--help").exit_code == 0
