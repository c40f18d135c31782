import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers import resume
from helpers.bundles import preference, word_bundle, write_bundle
from helpers.models import ROOT, tiny_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from rl.sft import Example, SFTConfig, completion_loss, read_examples, train_sft
from training.bundle import Bundle
from training.errors import BundleError, ConfigError, RunError
from training.models import load_causal_lm, load_tokenizer
from training.runs import read_lines, read_manifest
from training.text import encode_completion, encode_prompt

CONFIG = SFTConfig(
    epochs=2, learning_rate=3e-3, minibatch_size=8, max_tokens=128, checkpoint_every=3
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def sft_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return word_bundle(tmp_path_factory.mktemp("sft") / "bundle")


@pytest.fixture(scope="module")
def start_model(sft_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(sft_bundle, tmp_path_factory.mktemp("sft") / "model")


@pytest.fixture(scope="module")
def finished_run(
    sft_bundle: Path, start_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("sft") / "run"
    train_sft(CONFIG, bundle=sft_bundle, model=str(start_model), out=out)
    return out


def test_the_loss_is_that_of_completion_tokens_and_their_end_alone(start_model: Path) -> None:
    tokenizer = load_tokenizer(start_model)
    policy = load_causal_lm(start_model, tokenizer)
    rows = [
        Example([1, 4, 50, 51, 5], [60, 61, 2], [], ""),
        Example([1, 4, 52, 5], [62, 63, 64, 65, 66, 2], [], ""),
    ]

    with torch.no_grad():
        found = completion_loss(policy, rows, tokenizer.pad_token_id, CPU)
        # Row by row without padding: token i of the sequence is predicted by logit i - 1.
        expected = 0.0
        for row in rows:
            ids = row.prompt_ids + row.completion_ids
            logprobs = policy(torch.tensor([ids])).logits[0].log_softmax(-1)
            expected -= sum(
                float(logprobs[i - 1, ids[i]]) for i in range(len(row.prompt_ids), len(ids))
            )

    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_a_policy_without_knowledge_loses_the_log_of_its_vocabulary(start_model: Path) -> None:
    tokenizer = load_tokenizer(start_model)
    policy = load_causal_lm(start_model, tokenizer)
    with torch.no_grad():
        policy.get_input_embeddings().weight.zero_()
        loss = completion_loss(policy, [Example([1, 5], [60, 2], [], "")], 0, CPU)

    assert float(loss) == pytest.approx(2 * math.log(len(tokenizer)), rel=1e-6)


def test_training_lowers_the_validation_loss_and_reports_it(finished_run: Path) -> None:
    rows = read_lines(finished_run / "metrics.jsonl")
    losses = [row["validation_loss"] for row in rows if "validation_loss" in row]

    assert [row["step"] for row in rows] == list(range(7))
    assert len(losses) == 3
    assert losses[-1] < losses[0] - 0.3
    manifest = read_manifest(finished_run)
    assert manifest["results"]["validation_loss"] == pytest.approx(losses[-1])
    assert manifest["results"]["source"] == "chosen completions"
    assert "<polyline" in (finished_run / "report.html").read_text(encoding="utf-8")


def test_the_saved_policy_is_a_plain_hugging_face_model(finished_run: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(finished_run / "model")
    tokenizer = AutoTokenizer.from_pretrained(finished_run / "model")

    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert tokenizer.chat_template
    assert next(model.parameters()).dtype == torch.float32


def test_demonstrations_are_used_where_there_are_any(start_model: Path, tmp_path: Path) -> None:
    demonstration = {
        "prompt": [{"role": "user", "content": "Why?"}],
        "completion": [{"role": "assistant", "content": "Because."}],
        "prompt_id": "p",
    }
    path = write_bundle(
        tmp_path,
        {
            "demonstrations/train.jsonl": [demonstration],
            "preferences/train.jsonl": [preference("Why?", "a", "b")],
        },
    )

    examples = read_examples(Bundle.open(path), load_tokenizer(start_model), 128)

    assert examples.source == "demonstrations"
    assert [example.completion for example in examples.train] == ["Because."]


def test_a_completion_chosen_twice_is_learned_once(start_model: Path, tmp_path: Path) -> None:
    rows = [preference("Why?", "a", other, prompt_id="p") for other in ("b", "c")]
    path = write_bundle(
        tmp_path, {"preferences/train.jsonl": rows, "preferences/validation.jsonl": []}
    )
    tokenizer = load_tokenizer(start_model)

    (example,) = read_examples(Bundle.open(path), tokenizer, 128).train

    assert example.prompt_ids == encode_prompt(tokenizer, rows[0]["prompt"])
    assert example.completion_ids == encode_completion(tokenizer, "a")


def test_rows_that_do_not_fit_are_counted(start_model: Path, tmp_path: Path) -> None:
    rows = [preference("Why?", "a", "b"), preference("Why?", "word " * 40, "b", number=1)]
    path = write_bundle(
        tmp_path, {"preferences/train.jsonl": rows, "preferences/validation.jsonl": []}
    )

    examples = read_examples(Bundle.open(path), load_tokenizer(start_model), 20)

    assert (len(examples.train), examples.dropped) == (1, 1)


def test_a_bundle_without_training_rows_ends_with_a_sentence(
    start_model: Path, tmp_path: Path
) -> None:
    path = write_bundle(tmp_path, {"preferences/train.jsonl": []})

    with pytest.raises(BundleError, match=r"preferences/train\.jsonl has no rows"):
        read_examples(Bundle.open(path), load_tokenizer(start_model), 128)


def test_without_validation_rows_the_report_says_so(start_model: Path, tmp_path: Path) -> None:
    rows = [preference("Why?", f"tea {i}", "rain", number=i) for i in range(4)]
    path = write_bundle(
        tmp_path / "b", {"preferences/train.jsonl": rows, "preferences/validation.jsonl": []}
    )

    result = train_sft(CONFIG, bundle=path, model=str(start_model), out=tmp_path / "run")

    assert (result.validation_rows, result.validation_loss) == (0, None)
    report = (result.run / "report.html").read_text(encoding="utf-8")
    assert "the bundle has no validation rows, so there is no validation loss" in report


def test_no_row_that_fits_ends_with_a_sentence(start_model: Path, sft_bundle: Path) -> None:
    with pytest.raises(RunError, match=r"fits in max_tokens=2 \(\d+ were too long\)"):
        read_examples(Bundle.open(sft_bundle), load_tokenizer(start_model), 2)


def test_rows_longer_than_the_model_end_with_a_sentence(start_model: Path, tmp_path: Path) -> None:
    rows = [preference("Why?", "é" * 100, "b")]
    path = write_bundle(
        tmp_path / "b", {"preferences/train.jsonl": rows, "preferences/validation.jsonl": []}
    )

    with pytest.raises(ConfigError, match=r"made for 128\. Use --set max_tokens=128"):
        train_sft(SFTConfig(), bundle=path, model=str(start_model), out=tmp_path / "run")


def test_stop_and_resume_equals_one_run(
    finished_run: Path,
    sft_bundle: Path,
    start_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        resume.end_before_logging(5, patch)
        with pytest.raises(KeyboardInterrupt):
            train_sft(CONFIG, bundle=sft_bundle, model=str(start_model), out=out)

    train_sft(CONFIG, bundle=sft_bundle, model=str(start_model), out=out, resume=True)

    assert resume.weights(out) == resume.weights(finished_run)
    assert resume.metrics(out) == resume.metrics(finished_run)


def test_a_run_killed_at_once_and_resumed_equals_one_run(
    sft_bundle: Path, start_model: Path, tmp_path: Path
) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    started = subprocess.Popen(
        _command(sft_bundle, start_model, killed),
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
    )
    assert started.stderr is not None
    for line in started.stderr:
        if "4/6" in line:
            started.send_signal(signal.SIGKILL)
            break
    started.wait()
    assert not (killed / "model").exists()

    config = SFTConfig(epochs=2, minibatch_size=8, max_tokens=128, checkpoint_every=3)
    # Sums depend on the number of threads, and the killed process had one.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train_sft(config, bundle=sft_bundle, model=str(start_model), out=killed, resume=True)
    train_sft(config, bundle=sft_bundle, model=str(start_model), out=whole)
    torch.set_num_threads(threads)

    assert resume.weights(killed) == resume.weights(whole)
    assert resume.metrics(killed) == resume.metrics(whole)


def _command(bundle: Path, model: Path, out: Path) -> list[str]:
    settings = ["epochs=2", "minibatch_size=8", "max_tokens=128", "checkpoint_every=3"]
    command = [sys.executable, "-c", "from prefloop.train_cli import app; app()", "sft"]
    command += ["--bundle", str(bundle), "--model", str(model), "--out", str(out)]
    return command + [part for setting in settings for part in ("--set", setting)]


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
