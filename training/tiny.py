"""A tiny causal model of one's own making, for demos, tests and CPU runs.

A byte-level BPE tokenizer is trained on the given texts and a Llama-shaped model is initialised at
random. The result is a plain save_pretrained folder.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from training.bundle import Bundle
from training.errors import ConfigError, RunError
from training.models import quiet_transformers

SPECIAL_TOKENS = ["<pad>", "<bos>", "<eos>", "<system>", "<user>", "<assistant>"]
CHAT_TEMPLATE = (
    "<bos>{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}<eos>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@dataclass(frozen=True, kw_only=True)
class TinyShape:
    hidden_size: int
    layers: int
    heads: int


SIZES = {
    "test": TinyShape(hidden_size=32, layers=2, heads=2),
    "demo": TinyShape(hidden_size=128, layers=3, heads=4),
    "small": TinyShape(hidden_size=256, layers=4, heads=4),
}


def make_tiny_model(
    texts: Iterable[str],
    out: Path,
    *,
    size: str,
    vocabulary_size: int,
    seed: int,
    max_positions: int = 512,
) -> Path:
    """Write a model with its tokenizer to a new folder. The same texts and seed, the same bytes."""
    if size not in SIZES:
        raise ConfigError(f"size is {size!r}, expected one of {', '.join(SIZES)}.")
    smallest = 256 + len(SPECIAL_TOKENS)
    if vocabulary_size < smallest:
        raise ConfigError(
            f"vocabulary_size is {vocabulary_size}, at least {smallest} expected: "
            "256 bytes and the special tokens."
        )
    if out.exists() and any(out.iterdir()):
        raise RunError(f"{out}: not empty. Give another --out.")
    quiet_transformers()
    tokenizer = _train_tokenizer(texts, vocabulary_size, max_positions)
    model = _random_model(SIZES[size], tokenizer, seed, max_positions)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return out


def _train_tokenizer(
    texts: Iterable[str], vocabulary_size: int, max_positions: int
) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token=SPECIAL_TOKENS[0],
        bos_token=SPECIAL_TOKENS[1],
        eos_token=SPECIAL_TOKENS[2],
        additional_special_tokens=SPECIAL_TOKENS[3:],
        chat_template=CHAT_TEMPLATE,
        model_max_length=max_positions,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )


def _random_model(
    shape: TinyShape, tokenizer: PreTrainedTokenizerFast, seed: int, max_positions: int
) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        intermediate_size=shape.hidden_size * 3,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=max_positions,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.02,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def bundle_texts(bundle: Bundle) -> Iterator[str]:
    """All text of the training split, for the tokenizer."""
    for row in bundle.preferences("train"):
        yield from (row.chosen, row.rejected)
    for demonstration in bundle.demonstrations("train"):
        yield demonstration.completion
    for prompt in bundle.prompts("train"):
        yield from (message["content"] for message in prompt.prompt)
