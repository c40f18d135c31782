import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from helpers.bundles import word_bundle
from helpers.databases import make_database
from helpers.models import ROOT
from sqlalchemy import func, select
from typer.testing import CliRunner

from app.db import Database, utc_now
from app.models.projects import Comparison, Completion
from app.services import projects
from app.services.imports import import_file
from prefloop import train_cli

SETTINGS = ["minibatch_size=8", "max_tokens=128", "learning_rate=1e-3"]


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    """As the main command registers them."""
    app = typer.Typer()
    app.add_typer(train_cli.app, name="train")
    for name in ("report", "score", "generate", "tiny_model"):
        app.command(name.replace("_", "-"))(getattr(train_cli, name))
    return app


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, app: typer.Typer) -> Path:
    """A bundle, a tiny model, and the runs of SFT and the reward model, all by command."""
    folder = tmp_path_factory.mktemp("cli")
    word_bundle(folder / "bundle")
    made = call(
        app,
        *("tiny-model", "--bundle", folder / "bundle", "--out", folder / "tiny"),
        *("--size", "test", "--vocabulary", 300, "--max-positions", 128),
    )
    assert made.stdout.strip() == str(folder / "tiny")
    for stage, start in (("sft", "tiny"), ("rm", "sft")):
        done = call(app, *train(folder, stage, start), "--json")
        assert done.exit_code == 0, done.stderr
        (folder / f"{stage}.json").write_text(done.stdout)
    return folder


def call(app: typer.Typer, *arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def train(folder: Path, stage: str, start: str) -> list[object]:
    command: list[object] = ["train", stage, "--bundle", folder / "bundle"]
    command += ["--model", folder / start, "--out", folder / stage]
    return command + [part for setting in SETTINGS for part in ("--set", setting)]


def test_a_stage_prints_one_json_object(folder: Path) -> None:
    result = json.loads((folder / "rm.json").read_text())

    assert result["train_rows"] == 24
    assert result["held_out"]["n"] == 16
    assert set(result["held_out"]["wilson"]) == {"low", "high"}
    assert json.loads((folder / "sft.json").read_text())["source"] == "chosen completions"


def test_a_finished_stage_may_be_resumed_without_change(app: typer.Typer, folder: Path) -> None:
    before = (folder / "sft" / "model" / "model.safetensors").read_bytes()

    done = call(app, *train(folder, "sft", "tiny"), "--resume")

    assert done.exit_code == 0
    assert "source: chosen completions" in done.stdout
    assert (folder / "sft" / "model" / "model.safetensors").read_bytes() == before


def test_score_prints_every_row_with_its_score(app: typer.Typer, folder: Path) -> None:
    rows = [
        {"prompt": "Say tea", "completion": "tea tea"},
        {
            "prompt": [{"role": "user", "content": "Say tea"}],
            "completion": [{"role": "assistant", "content": "tea tea"}],
        },
        {"prompt": "Say tea", "completion": "rain"},
    ]
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    done = call(app, "score", "--reward-model", folder / "rm", file)

    scores = [json.loads(line)["score"] for line in done.stdout.splitlines()]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)
    assert scores[0] != pytest.approx(scores[2], abs=1e-6)


def test_generate_prints_completions_of_every_prompt(app: typer.Typer, folder: Path) -> None:
    file = folder / "prompts.jsonl"
    file.write_text('{"prompt": "Say tea"}\n\n{"prompt": "Say rain"}\n')
    command = ["generate", "--policy", folder / "sft", "--prompts", file, "--samples", 2]

    done = call(app, *command, "--max-new-tokens", 5, "--seed", 3)

    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["prompt"][0]["content"] for row in rows] == ["Say tea", "Say rain"]
    assert [len(row["completions"]) for row in rows] == [2, 2]
    assert call(app, *command, "--max-new-tokens", 5, "--seed", 3).stdout == done.stdout


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The project `tea` in a database that the command line finds."""
    monkeypatch.setenv("PREFLOOP_DATABASE_URL", f"sqlite:///{tmp_path}/prefloop.db")
    database = make_database(tmp_path / "prefloop.db")
    with database.writing() as session:
        projects.create(session, slug="tea", now=utc_now())
    return database


def test_generated_completions_come_back_as_comparisons_to_judge(
    app: typer.Typer, folder: Path, project: Database
) -> None:
    file = folder / "prompts.jsonl"
    file.write_text('{"prompt": "Say tea"}\n{"prompt": "Say rain"}\n')
    command = ["generate", "--policy", folder / "sft", "--prompts", file, "--samples", 3]

    done = call(app, *command, "--max-new-tokens", 5, "--project", "tea")
    again = call(app, *command, "--max-new-tokens", 5, "--project", "tea")

    assert done.exit_code == 0, done.stderr
    assert "tea: 2 new comparisons to judge." in done.stderr
    assert "2 comparisons were there already" in again.stderr
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    with project.reading() as session:
        stored = session.scalars(select(Completion)).all()
        assert session.scalar(select(func.count()).select_from(Comparison)) == 2
    expected = {c["text"] for row in printed for c in row["completions"]}
    assert {completion.text for completion in stored} == expected
    (source,) = {completion.source for completion in stored}
    assert re.fullmatch(r"cli\d+/sft, \d{4}-\d\d-\d\d \d\d:\d\d UTC", source)


def test_the_same_completions_are_no_comparison(
    app: typer.Typer, folder: Path, project: Database
) -> None:
    file = folder / "prompts.jsonl"
    file.write_text('{"prompt": "Say tea"}\n')
    command = ["generate", "--policy", folder / "sft", "--prompts", file, "--samples", 3]

    done = call(app, *command, "--temperature", 0, "--project", "tea")

    assert done.exit_code == 0, done.stderr
    assert "tea: 0 new comparisons to judge." in done.stderr
    assert "completions left out: empty, or the same as another of the prompt" in done.stderr
    assert "1 prompts left out: fewer than two different completions." in done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--samples", 1, "--project", "tea"], "--samples is 1, a comparison needs 2 or more."),
        (["--samples", 2, "--project", "coffee"], "coffee"),
    ],
)
def test_comparisons_that_could_not_be_stored_are_not_generated(
    app: typer.Typer, folder: Path, project: Database, change: list[object], message: str
) -> None:
    file = folder / "prompts.jsonl"
    file.write_text('{"prompt": "Say tea"}\n')

    done = call(app, "generate", "--policy", folder / "sft", "--prompts", file, *change)

    assert done.exit_code == 1
    assert done.stdout == ""
    assert message in done.stderr


def test_what_generate_prints_is_what_import_reads(
    app: typer.Typer, folder: Path, project: Database
) -> None:
    file = folder / "prompts.jsonl"
    file.write_text('{"prompt": "Say tea"}\n{"prompt": "Say rain"}\n')
    command = ["generate", "--policy", folder / "sft", "--prompts", file, "--samples", 2]
    printed = folder / "printed.jsonl"
    printed.write_text(call(app, *command, "--max-new-tokens", 5).stdout)

    summary = import_file(project, "tea", printed, now=utc_now())

    assert (summary.added["comparisons"], summary.rejected) == (2, [])


def test_report_prints_where_it_wrote(app: typer.Typer, folder: Path) -> None:
    (folder / "rm" / "report.html").unlink()

    done = call(app, "report", folder / "rm")

    assert done.stdout.strip() == str(folder / "rm" / "report.html")
    assert (folder / "rm" / "report.html").is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--set", "epoch=2"], "Unknown setting 'epoch'. The nearest valid one is 'epochs'."),
        (["--bundle", "nowhere"], "nowhere: no manifest.json"),
        (["--model", "./nowhere"], "nowhere: no such folder"),
        (["--recipe", "none.yaml"], "none.yaml: the recipe cannot be read"),
        ([], "not empty"),
    ],
)
def test_bad_input_ends_with_one_sentence(
    app: typer.Typer, folder: Path, change: list[str], message: str
) -> None:
    done = call(app, *train(folder, "sft", "tiny"), *change)

    assert done.exit_code == 1
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty, one JSON object a line expected"),
        ('{"prompt": "a", "completion": "b"}\nx\n', "rows.jsonl:2: not JSON"),
        ('{"prompt": "a"}\n', "rows.jsonl:1: completion is None"),
        ('{"prompt": [{"role": "robot"}], "completion": "b"}\n', "rows.jsonl:1: prompt holds"),
        ('{"prompt": "a", "completion": "' + "é" * 100 + '"}\n', "Row 1: its completion has 201"),
    ],
)
def test_a_bad_row_to_score_is_named(
    app: typer.Typer, folder: Path, tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(content)

    done = call(app, "score", "--reward-model", folder / "rm", file)

    assert done.exit_code == 1
    assert message in done.stderr


def test_help_does_not_load_torch() -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from prefloop.train_cli import app; "
        "assert CliRunner().invoke(app, ['rm', '--help']).exit_code == 0; "
        "sys.exit('torch' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
