import json
import math
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from training.distributed import Distributed
from training.errors import RunError
from training.runs import RunDirectory, read_lines, read_manifest


@dataclass(frozen=True)
class Config:
    seed: int = 0


def create(out: Path, *, config: Config = Config(), bundle: str = "b", resume: bool = False):
    return RunDirectory.create(
        out,
        stage="sft",
        config=config,
        dist=Distributed(rank=0, world_size=1, device=torch.device("cpu")),
        inputs={"bundle": {"path": "somewhere", "sha256": bundle}},
        seed=config.seed,
        resume=resume,
    )


def test_a_new_run_holds_its_settings_and_manifest(tmp_path: Path) -> None:
    create(tmp_path / "run", config=Config(seed=3))

    manifest = read_manifest(tmp_path / "run")

    assert (tmp_path / "run" / "config.yaml").read_text() == "seed: 3\n"
    assert manifest["stage"] == "sft"
    assert manifest["seed"] == 3
    assert manifest["inputs"]["bundle"]["sha256"] == "b"
    assert manifest["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert manifest["ended_at"] is None


def test_a_folder_in_use_is_refused_with_one_sentence(tmp_path: Path) -> None:
    create(tmp_path / "run")

    with pytest.raises(RunError, match=r"not empty.*--resume"):
        create(tmp_path / "run")


def test_a_folder_that_is_no_run_cannot_be_resumed(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")

    with pytest.raises(RunError, match="holds no run"):
        create(tmp_path, resume=True)


def test_resuming_with_other_settings_is_refused(tmp_path: Path) -> None:
    create(tmp_path / "run")

    with pytest.raises(RunError, match=r"other settings.*seed: 5"):
        create(tmp_path / "run", config=Config(seed=5), resume=True)


def test_resuming_with_another_bundle_is_refused(tmp_path: Path) -> None:
    create(tmp_path / "run")

    with pytest.raises(RunError, match=r"started with inputs .*'b'.*'c'"):
        create(tmp_path / "run", bundle="c", resume=True)


def test_lines_past_the_checkpoint_are_cut(tmp_path: Path) -> None:
    run = create(tmp_path / "run")
    for step in range(4):
        run.log({"step": step, "loss": 0.5})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')

    run.cut_after(1)
    run.log({"step": 2, "loss": 0.25})

    assert [row["step"] for row in read_lines(run.path / "metrics.jsonl")] == [0, 1, 2]


def test_an_undefined_number_is_written_as_null(tmp_path: Path) -> None:
    run = create(tmp_path / "run")

    run.log({"step": 1, "loss": math.nan})

    assert json.loads((run.path / "metrics.jsonl").read_text()) == {"step": 1, "loss": None}


def test_finishing_marks_the_end_and_keeps_the_results(tmp_path: Path) -> None:
    run = create(tmp_path / "run")

    run.finish({"accuracy": 0.7})

    manifest = read_manifest(run.path)
    assert manifest["results"] == {"accuracy": 0.7}
    assert manifest["ended_at"] is not None
