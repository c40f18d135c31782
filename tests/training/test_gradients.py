"""What a step learns must not depend on how it is cut into microbatches and processes."""

from pathlib import Path

import pytest
import torch
from helpers.gradients import gradients
from helpers.models import run_processes
from torch import Tensor

GRADIENTS = Path(__file__).parents[1] / "helpers" / "gradients.py"


@pytest.mark.parametrize("stage", ["sft", "rm"])
@pytest.mark.parametrize("microbatch_size", [1, 3])
def test_microbatches_of_unequal_lengths_leave_the_gradient_equal(
    bundle_path: Path, model_path: Path, stage: str, microbatch_size: int
) -> None:
    whole, whole_loss = gradients(stage, bundle_path, model_path, 7)
    split, split_loss = gradients(stage, bundle_path, model_path, microbatch_size)

    assert split_loss == pytest.approx(whole_loss, rel=1e-6)
    assert relative_error(split, whole) < 1e-6


def test_two_sharded_processes_give_the_gradient_of_one(
    bundle_path: Path, model_path: Path, tmp_path: Path
) -> None:
    arguments = [str(GRADIENTS), str(bundle_path), str(model_path), "2", str(tmp_path / "out.pt")]

    finished = run_processes(arguments, tmp_path, world_size=2)

    assert [process.returncode for process in finished] == [0, 0], finished[0].stderr
    saved = torch.load(tmp_path / "out.pt")
    assert saved["world_size"] == 2
    for stage in ("sft", "rm"):
        expected, expected_loss = gradients(stage, bundle_path, model_path, 7)
        found, loss = saved["results"][stage]
        assert loss == pytest.approx(expected_loss, rel=1e-6)
        assert relative_error(found, expected) < 1e-6


def relative_error(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """Largest L2 error of a parameter's gradient, relative to that of the largest gradient."""
    assert found.keys() == expected.keys()
    scale = max(float(value.norm()) for value in expected.values())
    assert scale > 0
    return max(float((found[name] - expected[name]).norm()) for name in expected) / scale
