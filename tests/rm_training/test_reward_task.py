"""What one step of reward-model training adds up, from the scores of its rows one by one."""

import itertools
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
from training.errors import RunError
from training.loop import step_gradients
from training.models import load_tokenizer

SINGLE = Distributed(rank=0, world_size=1, device=torch.device("cpu"))


def task_of(bundle: Bundle, model_path: Path, *, centring: float, scale: int = 4) -> RewardTask:
    tokenizer = load_tokenizer(model_path)
    model = start_reward_model(model_path, tokenizer, seed=0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)  # A new model scores all texts alike.
    data = encode_splits(bundle, tokenizer, 128)
    return RewardTask(model, data, tokenizer, RewardModelConfig(centring=centring), SINGLE)


def test_a_step_weighs_soft_labels_and_centres_each_pair(model_path: Path, tmp_path: Path) -> None:
    rows = [
        preference("Why?", "tea", "rain rain rain", probability=0.9, weight=2.0),
        preference("Say it.", "a lamp", "sun", number=1, probability=0.3, weight=0.5),
    ]
    files = {"preferences/train.jsonl": rows, "preferences/validation.jsonl": rows[:1]}
    bundle = Bundle.open(write_bundle(tmp_path, {**files, "preferences/test.jsonl": []}))
    task = task_of(bundle, model_path, centring=0.25)

    loss, metrics = task.loss([0, 1])

    expected = bradley_terry = 0.0
    for pair, row in zip(task.pairs, rows, strict=True):
        chosen, rejected = (
            task.model.model(torch.tensor([ids])).logits[0, 0].item()
            for ids in (pair.chosen_ids, pair.rejected_ids)
        )
        assert abs(chosen - rejected) > 0.1
        right, wrong = (math.log(1 + math.exp(-s * (chosen - rejected))) for s in (1, -1))
        # The weights 2 and 1/2 have the mean 5/4.
        one = row["weight"] / 1.25 * (row["probability"] * right + (1 - row["probability"]) * wrong)
        bradley_terry += one
        expected += one + 0.25 * (chosen + rejected) ** 2
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert metrics["bradley_terry_loss"].item() == pytest.approx(bradley_terry, rel=1e-5)
    assert task.normaliser([0, 1]) == 2


def test_a_ranking_weighs_as_one_however_many_pairs_it_implies(
    model_path: Path, tmp_path: Path
) -> None:
    """The loss of a ranking of three and a pair is the mean of the two losses, the ranking's the
    mean over its three pairs (InstructGPT, eq. 1). Each of five responses is read once."""
    texts = ("tea", "rain rain rain", "a lamp")
    rows = [
        preference("Why?", better, worse, weight=1 / 3, group_id="ranking")
        for better, worse in itertools.combinations(texts, 2)
    ]
    rows.append(preference("Say it.", "a boat", "sun", number=1))
    files = {"preferences/train.jsonl": rows, "preferences/validation.jsonl": rows[:1]}
    bundle = Bundle.open(write_bundle(tmp_path, {**files, "preferences/test.jsonl": []}))
    task = task_of(bundle, model_path, centring=0.0, scale=2)

    read: list[int] = []
    task.model.model.get_input_embeddings().register_forward_hook(
        lambda _module, inputs, _output: read.append(len(inputs[0]))
    )

    found = step_gradients(task, [0, 1], task.config, SINGLE)
    apart = [task.loss([row])[0].item() for row in (0, 1)]

    first, second, third, alone = (
        math.log(1 + math.exp(rejected - chosen))
        for chosen, rejected in task.scores(task.pairs).tolist()
    )
    assert len({round(one, 3) for one in (first, second, third, alone)}) == 4
    ranking = (first + second + third) / 3
    assert found["loss"] == pytest.approx((ranking + alone) / 2, rel=1e-5)
    assert apart == pytest.approx([ranking, alone], rel=1e-5)
    right = (sum(loss < math.log(2) for loss in (first, second, third)) / 3, alone < math.log(2))
    assert found["accuracy"] == pytest.approx(sum(right) / 2)
    assert read[:3] == [5, 3, 2]


def test_rows_without_any_weight_are_refused(model_path: Path, tmp_path: Path) -> None:
    rows = [preference("Why?", "tea", "rain", weight=0.0)]
    files = {"preferences/train.jsonl": rows, "preferences/validation.jsonl": rows}
    bundle = Bundle.open(write_bundle(tmp_path, {**files, "preferences/test.jsonl": []}))

    with pytest.raises(RunError, match="Every training row has weight 0"):
        task_of(bundle, model_path, centring=0.0)
