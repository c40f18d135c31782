"""A tiny policy, a reward model whose scores are known in closed form, and a bundle of prompts."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForSequenceClassification

from rl.roles import Roles, load_roles
from training.distributed import Distributed
from training.models import load_tokenizer
from training.tiny import make_tiny_model

WORDS = "rain falls on the quiet sea and every small boat waits for light"


@pytest.fixture(scope="session")
def policy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "policy"
    return make_tiny_model([WORDS], folder, size="test", vocabulary_size=280, seed=0)


@pytest.fixture(scope="session")
def reward_model_folder(policy_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scores the share of tokens with an even id, whatever their order."""
    folder = tmp_path_factory.mktemp("models") / "reward"
    tokenizer = load_tokenizer(policy_folder)
    model = even_share_model(len(tokenizer))
    model.config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def even_share_model(vocabulary: int) -> LlamaForSequenceClassification:
    """One layer whose uniform attention averages dimension 0 of the embeddings, +1 or -1.

    Queries and keys are 0, so attention is uniform; only values and outputs of dimension 0 exist.
    """
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=512,
        num_labels=1,
    )
    model = LlamaForSequenceClassification(config)
    with torch.no_grad():
        layer = model.model.layers[0]
        for parameter in layer.parameters():
            if parameter.ndim == 2:
                parameter.zero_()
        layer.self_attn.v_proj.weight[0, 0] = 1.0
        layer.self_attn.o_proj.weight[1, 0] = 1.0
        embeddings = model.model.embed_tokens.weight
        embeddings.zero_()
        embeddings[:, 0] = 1.0 - 2.0 * (torch.arange(vocabulary) % 2)
        model.score.weight.zero_()
        model.score.weight[0, 1] = 1.0
    return model


@pytest.fixture
def write_bundle(tmp_path: Path) -> Callable[..., Path]:
    """Writes a format 1 bundle with these prompts in each split."""

    def write(train: int = 12, validation: int = 6, test: int = 0) -> Path:
        root = tmp_path / "bundle"
        (root / "prompts").mkdir(parents=True)
        words = WORDS.split()
        files = {}
        for split, count in (("train", train), ("validation", validation), ("test", test)):
            rows = [
                {
                    "prompt": [{"role": "user", "content": " ".join(words[: 1 + k % 9]) + split}],
                    "prompt_id": f"{split}-{k}",
                }
                for k in range(count)
            ]
            content = "".join(json.dumps(row) + "\n" for row in rows).encode()
            name = f"prompts/{split}.jsonl"
            (root / name).write_bytes(content)
            files[name] = {
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        (root / "manifest.json").write_text(json.dumps({"format": 1, "files": files}))
        return root

    return write


@pytest.fixture
def roles(policy_folder: Path, reward_model_folder: Path) -> Roles:
    return load_roles(str(policy_folder), str(reward_model_folder), Distributed.start(), "fp32")
