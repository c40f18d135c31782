import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from rm_training.model import (
    FINGERPRINT_FILE,
    RewardModel,
    last_real_token,
    load_reward_model,
    make_fingerprint,
    start_reward_model,
)
from training.errors import RunError
from training.models import load_tokenizer
from training.text import pad_sequences

ROW = [1, 4, 40, 0, 41, 5, 42, 0, 43, 2]


@pytest.fixture
def reward_model(model_path: Path) -> RewardModel:
    return start_reward_model(model_path, load_tokenizer(model_path), seed=0).eval()


@pytest.fixture
def saved(reward_model: RewardModel, tmp_path: Path) -> Path:
    reward_model.model.save_pretrained(tmp_path)
    fingerprint = make_fingerprint(reward_model, [ROW, ROW[:5]])
    (tmp_path / FINGERPRINT_FILE).write_text(json.dumps(fingerprint))
    return tmp_path


def score(model: RewardModel, rows: list[list[int]], pad_id: int, side: str) -> torch.Tensor:
    batch = pad_sequences(rows, pad_id, side=side)
    with torch.no_grad():
        return model.score(batch.input_ids, batch.attention_mask, batch.position_ids)


def test_the_last_real_token_is_found_on_either_side() -> None:
    mask = torch.tensor([[1, 1, 0], [0, 1, 1], [1, 1, 1]])

    assert last_real_token(mask).tolist() == [1, 2, 2]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("amount", [1, 7])
@pytest.mark.parametrize("pad_id", [0, 43])
def test_scores_do_not_depend_on_padding(
    reward_model: RewardModel, side: str, amount: int, pad_id: int
) -> None:
    longer = [7] * (len(ROW) + amount)

    found = score(reward_model, [ROW, longer], pad_id, side)[:1]

    torch.testing.assert_close(found, score(reward_model, [ROW], 0, "right"), atol=1e-5, rtol=0)


def test_the_head_is_seeded_and_as_small_as_its_width_asks(model_path: Path) -> None:
    tokenizer = load_tokenizer(model_path)
    heads = [start_reward_model(model_path, tokenizer, seed=s).head.weight for s in (1, 1, 2)]
    heads = [head.detach() for head in heads]

    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
    # 32 draws: their standard deviation is within four standard errors of 1 / sqrt(33).
    assert float(heads[0].std()) == pytest.approx(1 / math.sqrt(33), rel=4 / math.sqrt(64))


def test_the_body_is_that_of_the_causal_model(model_path: Path, reward_model: RewardModel) -> None:
    causal = load_file(model_path / "model.safetensors")

    for name, value in reward_model.model.state_dict().items():
        assert name == "score.weight" or torch.equal(value, causal[name])


def test_a_saved_model_scores_as_before(saved: Path, reward_model: RewardModel) -> None:
    found = score(load_reward_model(saved), [ROW], 0, "right")

    assert torch.equal(found, score(reward_model, [ROW], 0, "right"))


def test_two_forwards_in_training_mode_are_the_same(reward_model: RewardModel) -> None:
    reward_model.train()

    first = score(reward_model, [ROW], 0, "right")

    assert torch.equal(first, score(reward_model, [ROW], 0, "right"))


def test_a_causal_model_is_not_taken_for_a_reward_model(model_path: Path) -> None:
    with pytest.raises(RunError, match=r"no trained weights for score\.weight"):
        load_reward_model(model_path)


def test_a_body_without_all_its_weights_is_refused(model_path: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(model_path, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(RunError, match=r"weights missing for model\.layers\.1\.mlp\.up_proj"):
        start_reward_model(broken, load_tokenizer(model_path), seed=0)


def test_weights_changed_after_saving_are_noticed(saved: Path) -> None:
    weights = load_file(saved / "model.safetensors")
    weights["score.weight"] = weights["score.weight"] + 0.1
    save_file(weights, saved / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(RunError, match=r"differ by .* from those stored when it was saved"):
        load_reward_model(saved)
