"""Sampling completions: one `Generator` interface, and the decoder that is built in.

B completions, T completion tokens, P prompt columns, V vocabulary. Tokens come from exactly
softmax(logits / temperature): a model's generation_config is never read, and there is no top-k,
top-p or repetition penalty. Every completion has its own stream of random numbers, so its tokens
do not depend on which others are sampled beside it. Engines that run elsewhere are left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from rl.decoding import Decoding
from rl.samples import Samples
from training.bundle import Message
from training.distributed import Distributed
from training.errors import TrainingError
from training.models import autocast, load_causal_lm, load_tokenizer, max_positions
from training.runs import read_manifest
from training.text import encode_prompt, eos_id, pad_sequences

ROWS_AT_ONCE = 64


class Stream(NamedTuple):
    """Names the random numbers of one completion."""

    seed: int
    step: int
    prompt_index: int
    sample_index: int


class Generator(Protocol):
    """Samples one completion for each prompt; temperature 0 takes the most probable token."""

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        streams: Sequence[Stream],
        *,
        max_new_tokens: int,
        temperature: float,
    ) -> Samples: ...


@dataclass(frozen=True, kw_only=True)
class CachedGenerator:
    """Decodes all given prompts together with a key-value cache.

    Under FSDP2 every rank takes part in every decode step until the last rank is done.
    """

    policy: PreTrainedModel
    dist: Distributed
    eos_id: int
    pad_id: int
    precision: str = "fp32"

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        streams: Sequence[Stream],
        *,
        max_new_tokens: int,
        temperature: float,
    ) -> Samples:
        batch = pad_sequences(prompts, self.pad_id, side="left").to(self.dist.device)
        noise = uniforms(streams, max_new_tokens).to(self.dist.device)
        # FSDP2 hooks need ordinary tensors; alone, inference tensors save some work per operation.
        mode = torch.inference_mode() if self.dist.world_size == 1 else torch.no_grad()
        with mode, autocast(self.dist.device, self.precision):
            decoding = Decoding.start(self.policy, batch.attention_mask, noise, self.pad_id)
            logits = decoding.forward(batch.input_ids, batch.position_ids)
            for step in range(max_new_tokens):
                decoding.append(step, choose_tokens(logits, decoding.noise[:, step], temperature))
                decoding.end(step, self.eos_id)
                if step + 1 == max_new_tokens or self._all_done(decoding):
                    break
                decoding.drop_finished_rows()
                logits = decoding.decode(step)
        return _as_samples(batch.input_ids, batch.attention_mask, decoding, self.eos_id)

    def _all_done(self, decoding: "Decoding") -> bool:
        return int(self.dist.all_reduce_sum(decoding.active.sum())) == 0


def uniforms(streams: Sequence[Stream], length: int) -> Tensor:
    """Uniform numbers in [0, 1), (B, length) float64; a row depends on its stream alone."""
    return torch.from_numpy(np.stack([np.random.default_rng(s).random(length) for s in streams]))


def choose_tokens(logits: Tensor, uniform: Tensor, temperature: float) -> Tensor:
    """One token (B,) a row of logits (B, V), by inverting the distribution at `uniform` (B,)."""
    if temperature == 0:
        return logits.argmax(-1)
    cumulative = (logits.float() / temperature).softmax(-1).double().cumsum(-1)
    # The total differs from 1 by rounding; scaling by it keeps the last tokens exact.
    target = uniform[:, None] * cumulative[:, -1:]
    tokens = torch.searchsorted(cumulative, target, right=True).squeeze(-1)
    if int(tokens.max()) >= logits.shape[-1]:
        raise TrainingError(
            "The policy gives logits that are not finite, so nothing can be sampled from it. "
            "Start again from an earlier checkpoint with a lower learning rate."
        )
    return tokens


def _as_samples(prompt_ids: Tensor, prompt_mask: Tensor, decoding: Decoding, eos: int) -> Samples:
    """The result as ordinary tensors, which a later forward may save for its backward pass."""
    length = int(decoding.mask.sum(1).max())
    completion_ids, mask = decoding.ids[:, :length].clone(), decoding.mask[:, :length].clone()
    return Samples(
        input_ids=torch.cat([prompt_ids, completion_ids], dim=1),
        attention_mask=torch.cat([prompt_mask, mask.long()], dim=1),
        completion_mask=mask,
        finished=((completion_ids == eos) & mask).any(1),
    )


def require_room(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], max_new_tokens: int
) -> None:
    """Raise if a prompt and its completion may be longer than the model was made for."""
    limit = max_positions(model)
    for number, prompt in enumerate(prompts, start=1):
        if limit is not None and len(prompt) + max_new_tokens > limit:
            raise TrainingError(
                f"Prompt {number} has {len(prompt)} tokens, with max_new_tokens {max_new_tokens} "
                f"that is more than the model's {limit}. Shorten it or lower max_new_tokens."
            )


def source_name(policy: Path | str) -> str:
    """What people read of where a completion comes from: a run by its folder, parent and start.

    A hub id stays as it is. No path of this machine, which would say nothing on another.
    """
    folder = Path(policy)
    if not folder.exists():
        return str(policy)
    folder = folder.resolve()
    folder = folder.parent if folder.name == "model" else folder
    name = f"{folder.parent.name}/{folder.name}".removeprefix("/")
    if not (folder / "manifest.json").is_file():
        return name
    return f"{name}, {str(read_manifest(folder)['started_at'])[:16].replace('T', ' ')} UTC"


def generate_completions(
    policy: Path | str,
    prompts: list[list[Message]],
    *,
    samples_per_prompt: int,
    max_new_tokens: int,
    temperature: float,
    seed: int,
) -> Iterator[dict[str, Any]]:
    """For each prompt in order: {"prompt": messages, "completions": [{"text", "source", ...}]}.

    `source` is `source_name(policy)`; `finish_reason` is "stop" or "length". The same seed gives
    the same completions.
    """
    tokenizer = load_tokenizer(policy)
    model = load_causal_lm(policy, tokenizer)
    dist = Distributed.start()
    dist.shard(model).eval()
    encoded = [encode_prompt(tokenizer, prompt) for prompt in prompts]
    require_room(model, encoded, max_new_tokens)
    generator = CachedGenerator(
        policy=model, dist=dist, eos_id=eos_id(tokenizer), pad_id=tokenizer.pad_token_id
    )
    source = source_name(policy)
    prompts_at_once = max(1, ROWS_AT_ONCE // samples_per_prompt)
    for start in range(0, len(prompts), prompts_at_once):
        indices = range(start, min(start + prompts_at_once, len(prompts)))
        streams = [Stream(seed, 0, i, k) for i in indices for k in range(samples_per_prompt)]
        samples = generator.sample(
            [encoded[stream.prompt_index] for stream in streams],
            streams,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
        )
        texts = tokenizer.batch_decode(samples.completion_tokens(), skip_special_tokens=True)
        rows = [
            {"text": text, "source": source, "finish_reason": reason, "tokens": tokens}
            for text, reason, tokens in zip(
                texts, samples.finish_reasons, samples.completion_lengths.tolist(), strict=True
            )
        ]
        for position, index in enumerate(indices):
            first = position * samples_per_prompt
            yield {
                "prompt": prompts[index],
                "completions": rows[first : first + samples_per_prompt],
            }
