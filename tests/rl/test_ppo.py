"""Whole PPO runs of a tiny policy against a reward that is known in closed form."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from rl import ppo as ppo_module
from rl.ppo import train_ppo
from rl.ppo_config import PPOConfig
from training.errors import ConfigError, RunError, TrainingError

SMALL = {
    "updates": 6,
    "value_only_updates": 1,
    "rollout_batch_size": 16,
    "minibatch_size": 8,
    "microbatch_size": 3,
    "max_new_tokens": 8,
    "temperature": 0.7,
    "learning_rate": 3e-3,
    "value_learning_rate": 3e-3,
    "score_samples": 32,
    "evaluation_completions": 8,
    "panel_prompts": 2,
    "panel_every": 2,
    "checkpoint_every": 3,
    "approx_kl_limit": None,
    "kl_target": 1.0,
    "kl_horizon": 100,
}
TIMES = ("tokens_per_second", "sampling_seconds", "scoring_seconds", "optimising_seconds")


@pytest.fixture
def train(policy_folder, reward_model_folder, write_bundle, tmp_path):
    """Runs PPO with the small settings and the given changes."""
    bundle = write_bundle()

    def run(name="run", *, resume=False, **settings):
        return train_ppo(
            PPOConfig(**{**SMALL, **settings}),
            bundle=bundle,
            model=str(policy_folder),
            reward_model=str(reward_model_folder),
            out=tmp_path / name,
            resume=resume,
        )

    run.bundle = bundle
    return run


def metrics_of(run: Path) -> list[dict]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: row[name] for name in row if name not in TIMES} for row in rows]


def weights_of(folder: Path) -> dict:
    return AutoModelForCausalLM.from_pretrained(folder).state_dict()


def leaves(value, path=""):
    """Every tensor and number of nested containers with its place; text joins its place."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, f"{path}/{name}")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from leaves(item, f"{path}/{number}")
    elif isinstance(value, str):
        yield f"{path}={value}", 0
    elif value is not None:
        yield path, value


def test_ppo_raises_a_reward_known_in_closed_form(train):
    result = train(
        updates=16,
        rollout_batch_size=128,
        minibatch_size=128,
        microbatch_size=128,
        max_new_tokens=12,
        temperature=1.0,
        learning_rate=3e-2,
        value_learning_rate=1e-2,
        evaluation_completions=64,
        kl_coef=0.01,
        kl_target=None,
    )
    assert result.score_gain_low > 0.3
    assert result.score_gain == pytest.approx(
        result.after.score_mean - result.before.score_mean, abs=1e-5
    )
    assert result.before.kl_per_completion == 0
    assert result.kl_per_completion > 0.5
    assert result.after.eos_rate > result.before.eos_rate  # A missing end is worth less than any.


def test_the_scale_of_the_reward_model_changes_nothing(
    train, policy_folder, reward_model_folder, tmp_path
):
    louder = shutil.copytree(reward_model_folder, tmp_path / "louder")
    weights = load_file(louder / "model.safetensors")
    weights["score.weight"] *= 8
    save_file(weights, louder / "model.safetensors", metadata={"format": "pt"})
    settings = {"updates": 3, "kl_target": None}
    quiet = train("quiet", **settings)

    loud = train_ppo(
        PPOConfig(**{**SMALL, **settings}),
        bundle=train.bundle,
        model=str(policy_folder),
        reward_model=str(louder),
        out=tmp_path / "loud",
    )

    for found, expected in zip(metrics_of(loud.run), metrics_of(quiet.run), strict=True):
        assert found["score_mean"] == pytest.approx(8 * expected["score_mean"], rel=1e-4)
        for name in ("reward_mean", "value_loss", "kl_per_completion"):
            assert found[name] == pytest.approx(expected[name], rel=1e-3, abs=1e-5), name


def test_a_policy_that_differs_from_the_reference_before_any_step_is_refused(train, monkeypatch):
    start = ppo_module.PPO.start

    def start_and_change(self):
        start(self)
        with torch.no_grad():
            self.roles.policy.model.norm.weight.mul_(1.01)

    monkeypatch.setattr(ppo_module.PPO, "start", start_and_change)
    with pytest.raises(TrainingError, match=r"differs by .* from the reference's"):
        train()


def test_a_killed_run_resumes_to_exactly_the_weights_of_an_uninterrupted_one(train, monkeypatch):
    whole = train("whole")
    save = ppo_module.PPO._close

    def killed(self, number):
        save(self, number)
        if number == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ppo_module.PPO, "_close", killed)
        with pytest.raises(KeyboardInterrupt):
            train("parts")
    parts = train("parts", resume=True)
    assert metrics_of(parts.run) == metrics_of(whole.run)
    assert len({row["kl_coef"] for row in metrics_of(whole.run)}) == 6
    samples = [(run.run / "samples.jsonl").read_text() for run in (parts, whole)]
    assert samples[0] == samples[1]
    states = [
        dict(leaves(torch.load(run.run / "checkpoints" / "step-00000006" / "state.pt")))
        for run in (parts, whole)
    ]
    assert states[0].keys() == states[1].keys()
    assert any("exp_avg_sq" in path for path in states[0])
    for path, value in states[0].items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(states[1][path])), path
    found, expected = weights_of(parts.model), weights_of(whole.model)
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert asdict(parts) == {**asdict(whole), "run": parts.run, "model": parts.model}


def test_a_run_holds_models_metrics_samples_and_report(train, policy_folder):
    result = train()
    rows = metrics_of(result.run)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert all(row["optimizer_steps"] == 2 * 2 for row in rows)
    assert "policy_loss" not in rows[0]  # The first update trains the value model alone.
    assert rows[1]["kl_per_completion"] == 0
    assert rows[5]["kl_per_completion"] == pytest.approx(
        rows[5]["kl_per_token"] * rows[5]["completion_tokens_mean"]
    )
    assert rows[5]["kl_per_completion"] != 0
    samples = [json.loads(line) for line in (result.run / "samples.jsonl").open()]
    assert [row["step"] for row in samples] == [0, 0, 2, 2, 4, 4, 6, 6]
    assert len({json.dumps(row["prompt"]) for row in samples}) == 2
    report = (result.run / "report.html").read_text()
    for title in ("Score", "KL from the reference", "Entropy", "Length", "Value fit"):
        assert title in report
    policy = AutoModelForCausalLM.from_pretrained(result.model)
    assert not torch.equal(policy.lm_head.weight, weights_of(policy_folder)["lm_head.weight"])
    assert len(AutoTokenizer.from_pretrained(result.model)) == policy.config.vocab_size
    value_model = AutoModelForTokenClassification.from_pretrained(result.run / "value_model")
    assert value_model.score.weight.abs().max() > 0


def test_a_policy_beyond_its_kl_budget_ends_the_run(train):
    result = train(updates=6, value_only_updates=0, learning_rate=0.05, kl_budget=0.5)
    rows = metrics_of(result.run)
    assert result.stopped == "kl_budget"
    assert result.updates == len(rows) < 6
    assert [row["kl_per_completion"] > 0.5 for row in rows] == [False] * (len(rows) - 1) + [True]
    assert rows[-1]["optimizer_steps"] == 0


def test_two_processes_learn_what_one_does(train, tmp_path):
    one = train("one", minibatch_size=8)
    folders = yaml.safe_load((one.run / "manifest.json").read_text())["inputs"]
    recipe = tmp_path / "ppo.yaml"
    recipe.write_text(yaml.safe_dump(SMALL))
    arguments = {
        "--bundle": train.bundle,
        "--model": folders["model"]["source"],
        "--reward-model": folders["reward_model"]["source"],
        "--recipe": recipe,
        "--out": tmp_path / "two",
    }
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
            *("-m", "prefloop", "train", "ppo"),
            *(str(part) for argument in arguments.items() for part in argument),
        ],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    for found, expected in zip(metrics_of(tmp_path / "two"), metrics_of(one.run), strict=True):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            near = None if value is None else pytest.approx(value, rel=1e-3, abs=1e-4)
            assert found[name] == near, name
        assert found["completion_tokens_mean"] == expected["completion_tokens_mean"]
    expected_weights = weights_of(one.model)
    for name, value in weights_of(tmp_path / "two" / "model").items():
        torch.testing.assert_close(value, expected_weights[name], atol=1e-4, rtol=1e-3)


def test_test_prompts_are_enough_to_evaluate_on(
    policy_folder, reward_model_folder, write_bundle, tmp_path
):
    result = train_ppo(
        PPOConfig(**{**SMALL, "updates": 2}),
        bundle=write_bundle(validation=0, test=3),
        model=str(policy_folder),
        reward_model=str(reward_model_folder),
        out=tmp_path / "run",
    )
    assert (result.after.completions, result.after.prompts) == (8, 3)
    report = (result.run / "report.html").read_text()
    assert "8 completions of 3 held-out prompts" in report


def test_a_bundle_without_held_out_prompts_is_refused(
    policy_folder, reward_model_folder, write_bundle, tmp_path
):
    bundle = write_bundle(validation=0)
    with pytest.raises(RunError, match="validation and test: no prompts"):
        train_ppo(
            PPOConfig(**SMALL),
            bundle=bundle,
            model=str(policy_folder),
            reward_model=str(reward_model_folder),
            out=tmp_path / "run",
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"minibatch_size": 24}, "minibatch_size is 24, expected a divisor of rollout_batch_size"),
        ({"temperature": 0.0}, "temperature is 0.0, a number above 0"),
        ({"value_only_updates": 100}, "value_only_updates is 100, a number from 0 to 99"),
        ({"kl_target": 6.0, "kl_coef": 0.0}, "kl_target is set but kl_coef is 0"),
        ({"kl_target": 6.0, "kl_horizon": 64}, "kl_horizon is 64, expected more than"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        PPOConfig(**settings)


def test_completions_must_divide_among_the_processes():
    with pytest.raises(ConfigError, match="minibatch_size is 64, expected a multiple of the 3"):
        PPOConfig().require_world_size(3)
