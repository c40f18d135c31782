from pathlib import Path

import pytest
import torch
from torch import nn

from training import checkpoint
from training.checkpoint import TrainingState
from training.distributed import Distributed
from training.errors import RunError
from training.optim import build_optimizer

CPU = Distributed(rank=0, world_size=1, device=torch.device("cpu"))


def two_models(seed: int) -> TrainingState:
    torch.manual_seed(seed)
    models = {"policy": nn.Linear(3, 3), "value_model": nn.Linear(3, 1)}
    optimizers = {
        name: build_optimizer(model.parameters(), learning_rate=0.1)
        for name, model in models.items()
    }
    return TrainingState(models, optimizers)


def train(state: TrainingState) -> None:
    for name, model in state.models.items():
        model(torch.ones(2, 3)).square().sum().backward()
        state.optimizers[name].step()
        state.optimizers[name].zero_grad()


def test_all_models_and_moments_of_a_run_come_back(tmp_path: Path) -> None:
    state = two_models(0)
    train(state)
    checkpoint.save(tmp_path, 1, state, CPU, {"kl_coef": 0.07})
    train(state)
    restored = two_models(1)

    found = checkpoint.load(tmp_path / "checkpoints" / "step-00000001", restored, CPU)
    train(restored)

    assert found == checkpoint.Checkpoint(1, {"kl_coef": 0.07})
    for name, model in state.models.items():
        for ours, theirs in zip(
            model.parameters(), restored.models[name].parameters(), strict=True
        ):
            assert torch.equal(ours, theirs)


def test_the_two_newest_are_kept(tmp_path: Path) -> None:
    state = two_models(0)
    for step in (1, 2, 10):
        checkpoint.save(tmp_path, step, state, CPU, {})

    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert kept == ["step-00000002", "step-00000010"]
    assert checkpoint.latest(tmp_path) == tmp_path / "checkpoints" / "step-00000010"


def test_a_checkpoint_that_a_kill_cut_short_is_not_seen(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, 1, two_models(0), CPU, {})
    unfinished = tmp_path / "checkpoints" / ".tmp-step-00000002"
    unfinished.mkdir()
    (unfinished / "state.pt").write_bytes(b"half")

    assert checkpoint.latest(tmp_path) == tmp_path / "checkpoints" / "step-00000001"


def test_a_new_run_has_no_checkpoint(tmp_path: Path) -> None:
    assert checkpoint.latest(tmp_path) is None


def test_a_checkpoint_of_other_models_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, 1, two_models(0), CPU, {})
    policy = nn.Linear(3, 3)
    only_policy = TrainingState(
        {"policy": policy}, {"policy": build_optimizer(policy.parameters(), learning_rate=0.1)}
    )

    with pytest.raises(RunError, match=r"holds the models \['policy', 'value_model'\]"):
        checkpoint.load(tmp_path / "checkpoints" / "step-00000001", only_policy, CPU)
