"""Gradients of one optimiser step of a stage, for any microbatch size and number of processes.

Run as a script on every rank: `python gradients.py BUNDLE MODEL MICROBATCH_SIZE OUT`.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from rl.sft import SFTConfig, SFTTask, read_examples
from rm_training.config import RewardModelConfig
from rm_training.data import encode_splits
from rm_training.model import start_reward_model
from rm_training.task import RewardTask
from training.bundle import Bundle
from training.distributed import Distributed
from training.loop import LoopConfig, Task, step_gradients
from training.models import load_causal_lm, load_tokenizer

ROWS = list(range(7))


def gradients(
    stage: str, bundle: Path, model: Path, microbatch_size: int
) -> tuple[dict[str, Tensor], float]:
    """Every parameter's whole gradient, and the loss, of a step on seven rows."""
    dist = Distributed.start()
    task, trained, config = _task(stage, bundle, model, dist)
    config = replace(config, microbatch_size=microbatch_size)
    metrics = step_gradients(task, ROWS, config, dist)
    found = {
        name: parameter.grad.full_tensor()
        if isinstance(parameter.grad, DTensor)
        else parameter.grad
        for name, parameter in trained.named_parameters()
    }
    return {name: value for name, value in found.items() if value is not None}, metrics["loss"]


def _task(
    stage: str, bundle: Path, model: Path, dist: Distributed
) -> tuple[Task, nn.Module, LoopConfig]:
    tokenizer = load_tokenizer(model)
    opened = Bundle.open(bundle)
    if stage == "sft":
        policy = load_causal_lm(model, tokenizer)
        dist.shard(policy)
        examples = read_examples(opened, tokenizer, 128)
        return SFTTask(policy, examples, tokenizer, SFTConfig(), dist), policy, SFTConfig()
    reward_model = start_reward_model(model, tokenizer, seed=0)
    dist.shard(reward_model)
    config = RewardModelConfig()
    task = RewardTask(reward_model, encode_splits(opened, tokenizer, 128), tokenizer, config, dist)
    return task, reward_model, config


if __name__ == "__main__":
    bundle, model, microbatch_size, out = sys.argv[1:]
    results = {
        stage: gradients(stage, Path(bundle), Path(model), int(microbatch_size))
        for stage in ("sft", "rm")
    }
    process = Distributed.start()
    if process.is_main:
        torch.save({"results": results, "world_size": process.world_size}, out)
    process.close()
