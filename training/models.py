"""Loading causal models and tokenizers, from a folder, a run directory or the Hugging Face hub."""

import contextlib
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from training.errors import ConfigError, RunError

PAD_TOKEN = "<pad>"  # noqa: S105
PLAIN_CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
PRECISIONS = ("fp32", "bf16")


def quiet_transformers() -> None:
    """Keep the library's own bars and load reports off stderr; we check loading ourselves."""
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]


def resolve_model(model: str | Path) -> str:
    """A folder with config.json, the `model/` of a run directory, or a hub id left as it is."""
    path = Path(model)
    for candidate in (path / "model", path):
        if (candidate / "config.json").is_file():
            return str(candidate)
    if path.exists():
        raise RunError(
            f"{path}: holds no config.json and no model/config.json. Give a finished run, a "
            "save_pretrained folder or a Hugging Face id."
        )
    if str(model).count("/") > 1 or str(model).startswith((".", "/", "~")):
        raise RunError(f"{path}: no such folder. Give a run, a model folder or a hub id.")
    return str(model)


def load_tokenizer(model: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer with a pad id that differs from EOS and with a chat template.

    A base model that lacks either gets `<pad>` or a plain template; stderr says so, and both are
    saved with whatever is trained from here.
    """
    quiet_transformers()
    source = resolve_model(model)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise RunError(f"{source}: no tokenizer could be loaded ({_first_line(error)}).") from error
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        tokenizer.add_special_tokens({"pad_token": PAD_TOKEN})
        sys.stderr.write(f"{source}: no padding token of its own, {PAD_TOKEN} added.\n")
    if not tokenizer.chat_template:
        tokenizer.chat_template = PLAIN_CHAT_TEMPLATE
        sys.stderr.write(f"{source}: no chat template, a plain `role: content` one is used.\n")
    return tokenizer


def load_causal_lm(model: str | Path, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The causal model in fp32 with dropout 0 and rows for every token of the tokenizer."""
    quiet_transformers()
    source = resolve_model(model)
    try:
        loaded, info = load_reporting(AutoModelForCausalLM, source, deterministic_config(source))
    except (OSError, ValueError) as error:
        raise RunError(f"{source}: no causal model loads ({_first_line(error)}).") from error
    if info["missing_keys"]:
        raise RunError(
            f"{source}: weights missing for {sorted(info['missing_keys'])[0]} and "
            f"{len(info['missing_keys']) - 1} more. Give a complete causal model."
        )
    return fit_vocabulary(loaded, tokenizer)


def load_reporting(
    auto_class: Any, source: str, config: PretrainedConfig
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """An fp32 model of a transformers Auto class, and which of its weights were missing."""
    model, info = auto_class.from_pretrained(
        source,
        config=config,
        dtype=torch.float32,
        attn_implementation="sdpa",
        output_loading_info=True,
    )
    return model, info


def deterministic_config(source: str) -> PretrainedConfig:
    """The model's config with every dropout rate 0, so that two forwards are the same."""
    config: PretrainedConfig = AutoConfig.from_pretrained(source)
    for name, value in list(vars(config).items()):
        if isinstance(value, float) and "drop" in name:
            setattr(config, name, 0.0)
    return config


def fit_vocabulary(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """Embedding rows for tokens that load_tokenizer added, and the tokenizer's special ids."""
    embeddings = model.get_input_embeddings().weight
    if isinstance(embeddings, Tensor) and len(tokenizer) > embeddings.shape[0]:
        model.resize_token_embeddings(len(tokenizer))
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.eos_token_id = tokenizer.eos_token_id
    return model


def max_positions(model: PreTrainedModel) -> int | None:
    """The longest sequence the model was made for, where its config says so."""
    return getattr(model.config, "max_position_embeddings", None)


def require_positions(model: PreTrainedModel, lengths: Iterable[int], limit: int) -> None:
    """Raise if a row, cut to `limit` tokens, is longer than the model was made for."""
    longest, most = max(lengths, default=0), max_positions(model)
    if most is not None and longest > most:
        raise ConfigError(
            f"max_tokens is {limit} and the longest row has {longest} tokens, but the model was "
            f"made for {most}. Use --set max_tokens={most}."
        )


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """bf16 matrix products on fp32 master weights, or nothing for fp32."""
    if precision not in PRECISIONS:
        raise ConfigError(f"precision is {precision!r}, expected one of {', '.join(PRECISIONS)}.")
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def model_fingerprint(model: str | Path) -> dict[str, str]:
    """What a manifest says of a base model: its source, and a hash of config and weight files."""
    source = resolve_model(model)
    if not Path(source).is_dir():
        return {"source": source}
    digest = hashlib.sha256()
    for path in sorted(Path(source).iterdir()):
        if path.name == "config.json" or path.suffix in (".safetensors", ".bin"):
            digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return {"source": source, "sha256": digest.hexdigest()}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
