"""The value model: a scalar head on every token, over a trunk that starts as the reward model's.

The head starts at zero, so the first values equal the mean of normalised scores. Saved and loaded
as a plain AutoModelForTokenClassification with one label.
"""

import copy
import shutil
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModelForTokenClassification, PreTrainedModel

from rm_training.model import RewardModel
from training.errors import RunError


def start_value_model(reward_model: RewardModel) -> PreTrainedModel:
    """A value model with a copy of the reward model's trunk, dropout 0 and a head of zeros."""
    config = copy.deepcopy(reward_model.model.config)
    config.num_labels = 1
    config.classifier_dropout = 0.0
    try:
        value_model = AutoModelForTokenClassification.from_config(  # type: ignore[no-untyped-call]
            config, dtype=torch.float32, attn_implementation="sdpa"
        )
    except ValueError as error:
        raise RunError(
            f"{type(reward_model.model).__name__} has no token classification class in "
            "transformers, so no value model can be made of it. Use a model such as Llama or Qwen."
        ) from error
    assert isinstance(value_model, PreTrainedModel)
    value_model.base_model.load_state_dict(reward_model.model.base_model.state_dict())
    head = value_head(value_model)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
    return value_model


def value_head(value_model: PreTrainedModel) -> nn.Linear:
    heads = [module for module in value_model.children() if isinstance(module, nn.Linear)]
    if len(heads) != 1 or heads[0].out_features != 1:
        raise RunError(
            f"{type(value_model).__name__}: {len(heads)} linear heads found, one with a single "
            "output expected. Use a model such as Llama or Qwen."
        )
    return heads[0]


def save_value_model(
    value_model: PreTrainedModel, folder: Path, state_dict: dict[str, Tensor]
) -> None:
    """Write the folder at once; rank 0 only."""
    temporary = folder.with_name(f".tmp-{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    value_model.save_pretrained(temporary, state_dict=state_dict)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
