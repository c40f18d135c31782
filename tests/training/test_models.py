from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from training.bundle import Bundle
from training.errors import ConfigError, RunError
from training.models import (
    PAD_TOKEN,
    autocast,
    load_causal_lm,
    load_tokenizer,
    model_fingerprint,
    require_positions,
    resolve_model,
)
from training.text import encode_prompt
from training.tiny import bundle_texts, make_tiny_model


def test_a_tiny_model_is_the_same_for_the_same_texts_and_seed(
    bundle_path: Path, tmp_path: Path
) -> None:
    texts = list(bundle_texts(Bundle.open(bundle_path)))
    made = [
        make_tiny_model(texts, tmp_path / name, size="test", vocabulary_size=300, seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]

    hashes = [model_fingerprint(path)["sha256"] for path in made]

    assert hashes[0] == hashes[1] != hashes[2]


def test_the_demo_size_has_under_a_million_parameters(bundle_path: Path, tmp_path: Path) -> None:
    texts = bundle_texts(Bundle.open(bundle_path))
    path = make_tiny_model(texts, tmp_path / "m", size="demo", vocabulary_size=300, seed=0)

    parameters = AutoModelForCausalLM.from_pretrained(path).num_parameters()

    assert 500_000 < parameters < 1_000_000


@pytest.mark.parametrize(
    ("size", "vocabulary", "message"),
    [("huge", 300, "size is 'huge', expected one of"), ("test", 100, "at least 262 expected")],
)
def test_an_impossible_tiny_model_is_refused(
    tmp_path: Path, size: str, vocabulary: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_tiny_model(["tea"], tmp_path / "m", size=size, vocabulary_size=vocabulary, seed=0)


def test_a_run_stands_for_the_model_inside_it(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")

    assert resolve_model(tmp_path) == str(tmp_path / "model")


def test_a_hub_id_is_left_as_it_is() -> None:
    assert resolve_model("organisation/name") == "organisation/name"


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no config\.json"):
        resolve_model(tmp_path)


def test_a_path_that_does_not_exist_is_not_taken_for_a_hub_id() -> None:
    with pytest.raises(RunError, match="no such folder"):
        resolve_model("./runs/sft")


def test_a_base_model_gets_what_it_lacks(
    model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As GPT-2 comes: its end token also pads, no chat template, dropout in its config."""
    tokenizer = load_tokenizer(model_path)
    words = len(tokenizer)
    tokenizer.pad_token, tokenizer.chat_template = tokenizer.eos_token, None
    tokenizer.save_pretrained(tmp_path)
    config = GPT2Config(vocab_size=words - 5, n_embd=16, n_layer=1, n_head=2, n_positions=64)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    capsys.readouterr()

    loaded = load_tokenizer(tmp_path)
    model = load_causal_lm(tmp_path, loaded).train()

    assert loaded.pad_token_id != loaded.eos_token_id
    assert model.get_input_embeddings().num_embeddings == len(loaded)
    ids = torch.tensor([encode_prompt(loaded, [{"role": "user", "content": "tea"}])])
    assert torch.equal(model(ids).logits, model(ids).logits)
    said = capsys.readouterr().err
    assert f"{PAD_TOKEN} added" in said
    assert "no chat template" in said


def test_a_folder_with_half_a_model_is_refused(model_path: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((model_path / "config.json").read_text())

    with pytest.raises(RunError, match="no causal model loads"):
        load_causal_lm(tmp_path, load_tokenizer(model_path))


def test_rows_longer_than_the_model_are_refused(model_path: Path) -> None:
    model = load_causal_lm(model_path, load_tokenizer(model_path))

    require_positions(model, [3, 128], 1024)
    with pytest.raises(ConfigError, match=r"longest row has 129 tokens.*made for 128"):
        require_positions(model, [3, 129], 1024)


def test_bf16_computes_in_bf16_on_fp32_weights(model_path: Path) -> None:
    linear = torch.nn.Linear(2, 2)

    with autocast(torch.device("cpu"), "bf16"):
        result = linear(torch.ones(1, 2))

    assert result.dtype == torch.bfloat16
    assert linear.weight.dtype == torch.float32
    with pytest.raises(ConfigError, match="precision is 'fp16'"):
        autocast(torch.device("cpu"), "fp16")
