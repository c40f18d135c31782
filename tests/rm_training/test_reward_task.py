"""What one step of reward-model training adds up, from the scores of its rows one by one."""

import math
from pathlib import Path

import pytest
import torch
from helpers.bundles import preference, write_bundle

from rm_training.config import RewardModelConfig
from rm_training.data import encode_splits
from rm_training.model import start_reward_model
from rm_training.task import RewardTask
from training.bundle import Bundle
from training.distributed import Distributed
from training.models import load_tokenizer

SINGLE = Distributed(rank=0, world_size=1, device=torch.device("cpu"))


def test_a_step_weighs_soft_labels_and_centres_each_pair(model_path: Path, tmp_path: Path) -> None:
    rows = [
        preference("Why?", "tea", "rain rain rain", probability=0.9, weight=2.0),
        preference("Say it.", "a lamp", "sun", number=1, probability=0.3, weight=0.5),
    ]
    files = {"preferences/train.jsonl": rows, "preferences/validation.jsonl": rows[:1]}
    bundle = Bundle.open(write_bundle(tmp_path, {**files, "preferences/test.jsonl": []}))
    tokenizer = load_tokenizer(model_path)
    model = start_reward_model(model_path, tokenizer, seed=0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)  # A new model scores all texts alike.
    data = encode_splits(bundle, tokenizer, 128)
    task = RewardTask(model, data, tokenizer, RewardModelConfig(centring=0.25), SINGLE)

    loss, metrics = task.loss([0, 1])

    expected = bradley_terry = 0.0
    for pair, row in zip(data.train.pairs, rows, strict=True):
        chosen, rejected = (
            model.model(torch.tensor([ids])).logits[0, 0].item()
            for ids in (pair.chosen_ids, pair.rejected_ids)
        )
        assert abs(chosen - rejected) > 0.1
        right, wrong = (math.log(1 + math.exp(-s * (chosen - rejected))) for s in (1, -1))
        one = row["weight"] * (row["probability"] * right + (1 - row["probability"]) * wrong)
        bradley_terry += one
        expected += one + 0.25 * (chosen + rejected) ** 2
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert metrics["bradley_terry_loss"].item() == pytest.approx(bradley_terry, rel=1e-5)
    assert task.normaliser([0, 1]) == 2
