import json
import math
import random
import re
from pathlib import Path

import pytest
import torch
from helpers import resume
from helpers.bundles import preference, sentence, write_bundle
from helpers.models import run_processes, tiny_model
from safetensors.torch import load_file
from scipy.stats import spearmanr
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from rm_training.config import RewardModelConfig
from rm_training.model import load_reward_model
from rm_training.score import score_completions
from rm_training.train import RewardModelResult, train_reward_model
from training.bundle import Bundle
from training.errors import ConfigError
from training.runs import read_lines, read_manifest

CONFIG = RewardModelConfig(
    epochs=3, learning_rate=5e-3, minibatch_size=32, max_tokens=128, checkpoint_every=20
)
SHORT = RewardModelConfig(
    epochs=2, learning_rate=1e-3, minibatch_size=8, max_tokens=128, checkpoint_every=3
)
SIDES = ("chosen", "rejected")


def utility(text: str) -> float:
    return 1.5 * text.split().count("tea") - 1.5 * text.split().count("rain")


@pytest.fixture(scope="module")
def noisy_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels drawn from Bradley-Terry with a known utility, so a third of them are mistaken."""
    generator = random.Random(0)
    rows = []
    for number in range(500):
        prompt = "Say " + sentence(generator, 1, 3)
        first, second = sentence(generator, 3, 8), sentence(generator, 3, 8)
        if generator.random() > 1 / (1 + math.exp(utility(second) - utility(first))):
            first, second = second, first
        rows.append(preference(prompt, first, second, number=number))
    files = {
        "preferences/train.jsonl": rows[:380],
        "preferences/validation.jsonl": rows[380:440],
        "preferences/test.jsonl": rows[440:],
        "prompts/train.jsonl": [],
    }
    return write_bundle(tmp_path_factory.mktemp("noisy") / "bundle", files)


@pytest.fixture(scope="module")
def trained(noisy_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> RewardModelResult:
    folder = tmp_path_factory.mktemp("trained")
    model = tiny_model(noisy_bundle, folder / "model")
    return train_reward_model(CONFIG, bundle=noisy_bundle, model=str(model), out=folder / "run")


def test_noisy_labels_teach_the_planted_ranking(trained: RewardModelResult) -> None:
    generator = random.Random(1)
    texts = [sentence(generator, 3, 8) for _ in range(150)]
    rows = [([{"role": "user", "content": "Say tea"}], text) for text in texts]

    found = score_completions(trained.run, rows)

    assert spearmanr(found, [utility(text) for text in texts]).statistic > 0.8


def test_held_out_accuracy_is_above_chance_and_says_so(trained: RewardModelResult) -> None:
    held_out = trained.held_out

    assert held_out.n == 120
    assert held_out.wilson.low > 0.5
    assert "is above chance by more than its interval" in held_out.verdict


def test_plain_hugging_face_gives_the_same_scores_with_mean_zero(
    trained: RewardModelResult, noisy_bundle: Path
) -> None:
    rows = Bundle.open(noisy_bundle).preferences("validation")
    pairs = [(row.prompt, text) for row in rows for text in (row.chosen, row.rejected)]
    ours = torch.tensor(score_completions(trained.run, pairs))

    theirs = hugging_face_scores(trained.model, pairs)

    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=0)
    assert float(ours.double().mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(ours.double().std(correction=0)) == pytest.approx(trained.score_std, rel=0.05)


def test_centring_hardly_changes_the_accuracy(trained: RewardModelResult) -> None:
    before = read_lines(trained.run / "metrics.jsonl")[-1]["validation_accuracy"]

    assert trained.held_out.accuracy == pytest.approx(before, abs=0.02)
    assert abs(trained.mean_before) > 1e-3
    assert trained.offset_std < 0.1 * trained.score_std


def test_the_run_directory_is_complete(trained: RewardModelResult) -> None:
    manifest = read_manifest(trained.run)
    page = (trained.run / "report.html").read_text(encoding="utf-8")

    assert manifest["results"]["held_out"]["accuracy"] == trained.held_out.accuracy
    assert manifest["ended_at"] is not None
    assert len(json.loads((trained.model / "fingerprint.json").read_text())["scores"]) == 8
    assert len(read_lines(trained.run / "samples.jsonl")) == 12
    for title in ("Loss", "Held-out accuracy", "Margin", "Calibration", "Verdict"):
        assert re.search(f"<h[23]>{title} ?<", page)


def test_the_saved_model_loads_with_its_fingerprint(trained: RewardModelResult) -> None:
    assert load_reward_model(trained.run).head.bias is None


def test_without_validation_pairs_scores_are_centred_on_training_and_the_report_says_so(
    model_path: Path, tmp_path: Path
) -> None:
    rows = [preference(f"Say {i}", "tea tea", "rain", number=i) for i in range(12)]
    files = {
        "preferences/train.jsonl": rows[:8],
        "preferences/validation.jsonl": [],
        "preferences/test.jsonl": rows[8:],
    }
    bundle = write_bundle(tmp_path / "b", files)

    result = train_reward_model(SHORT, bundle=bundle, model=str(model_path), out=tmp_path / "run")

    pairs = [(row["prompt"], row[side][0]["content"]) for row in rows[:8] for side in SIDES]
    assert sum(score_completions(result.run, pairs)) == pytest.approx(0.0, abs=1e-4)
    report = (result.run / "report.html").read_text(encoding="utf-8")
    assert "8 training pairs, no validation pairs, 4 test pairs" in report
    assert "The mean over training completions was" in report


def test_stop_and_resume_equals_one_run(
    bundle_path: Path, model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train_reward_model(SHORT, bundle=bundle_path, model=str(model_path), out=whole)
    with monkeypatch.context() as patch:
        resume.end_before_logging(5, patch)
        with pytest.raises(KeyboardInterrupt):
            train_reward_model(SHORT, bundle=bundle_path, model=str(model_path), out=stopped)
    assert [row["step"] for row in resume.metrics(stopped)] == [0, 1, 2, 3, 4]

    train_reward_model(SHORT, bundle=bundle_path, model=str(model_path), out=stopped, resume=True)

    assert resume.weights(stopped) == resume.weights(whole)
    assert resume.metrics(stopped) == resume.metrics(whole)


def test_two_processes_train_resume_and_save_what_one_does(
    bundle_path: Path, model_path: Path, tmp_path: Path
) -> None:
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    train_reward_model(SHORT, bundle=bundle_path, model=str(model_path), out=whole)
    # One process trains first; its run is cut back to the middle and two processes end it.
    train_reward_model(SHORT, bundle=bundle_path, model=str(model_path), out=shared)
    (shared / "checkpoints" / "step-00000006" / "state.pt").unlink()

    finished = run_processes(
        [
            *("-c", "from prefloop.train_cli import app; app()", "rm", "--resume", "--json"),
            *("--bundle", str(bundle_path), "--model", str(model_path), "--out", str(shared)),
            *("--set", "epochs=2", "--set", "learning_rate=1e-3", "--set", "minibatch_size=8"),
            *("--set", "max_tokens=128", "--set", "checkpoint_every=3"),
        ],
        tmp_path,
        world_size=2,
    )

    assert [process.returncode for process in finished] == [0, 0], finished[0].stderr[-2000:]
    assert json.loads(finished[0].stdout)["train_rows"] == 24
    assert finished[1].stdout == ""
    assert [row["step"] for row in resume.metrics(shared)] == [0, 1, 2, 3, 4, 5, 6]
    expected = load_file(whole / "model" / "model.safetensors")
    found = load_file(shared / "model" / "model.safetensors")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-5, rtol=0)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="centring is -1"):
        RewardModelConfig(centring=-1.0)
    with pytest.raises(ConfigError, match="epochs is 0"):
        RewardModelConfig(epochs=0)


@torch.no_grad()
def hugging_face_scores(folder: Path, rows: list[tuple[list[dict[str, str]], str]]) -> torch.Tensor:
    """As someone would who never saw our code."""
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    scores = []
    for prompt, completion in rows:
        conversation = [*prompt, {"role": "assistant", "content": completion}]
        text = tokenizer.apply_chat_template(conversation, tokenize=False)
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")
        scores.append(float(model(ids["input_ids"]).logits[0, 0]))
    return torch.tensor(scores)
