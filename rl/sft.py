"""Supervised fine-tuning: cross-entropy of the completion's tokens, its end token included.

The bundle's demonstrations are used where it has any; else the chosen completions of its training
preferences, each once. `B` rows, `T` the longest completion of the batch, `V` vocabulary.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from training.batching import microbatches
from training.bundle import Bundle, Message
from training.charts import Chart, Note, ReportPart
from training.distributed import Distributed
from training.errors import RunError
from training.loop import LoopConfig, optimise
from training.models import (
    load_causal_lm,
    load_tokenizer,
    model_fingerprint,
    require_positions,
)
from training.report import write_report
from training.runs import RunDirectory
from training.text import encode_completion, encode_prompt, fit_length, pad_sequences

SAMPLES = 6
SAMPLE_TOKENS = 64


@dataclass(frozen=True, kw_only=True)
class SFTConfig(LoopConfig):
    """Rows are completions."""


@dataclass(frozen=True, kw_only=True)
class SFTResult:
    run: Path
    model: Path
    source: str
    """demonstrations, or chosen completions."""
    train_rows: int
    validation_rows: int
    dropped_rows: int
    validation_loss: float | None
    """Nats per completion token; None where the bundle has no validation rows."""

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "run": str(self.run), "model": str(self.model)}


@dataclass(frozen=True)
class Example:
    prompt_ids: list[int]
    completion_ids: list[int]
    prompt: list[Message]
    completion: str

    @property
    def length(self) -> int:
        return len(self.prompt_ids) + len(self.completion_ids)


@dataclass(frozen=True)
class Examples:
    source: str
    train: list[Example]
    validation: list[Example]
    dropped: int


def train_sft(
    config: SFTConfig, *, bundle: Path, model: str, out: Path, resume: bool = False
) -> SFTResult:
    """Fine-tune a causal model on a bundle's completions into the run directory `out`."""
    dist = Distributed.start()
    opened = Bundle.open(bundle)
    tokenizer = load_tokenizer(model)
    examples = read_examples(opened, tokenizer, config.max_tokens)
    run = RunDirectory.create(
        out,
        stage="sft",
        config=config,
        dist=dist,
        inputs={
            "bundle": {"path": str(bundle), "sha256": opened.hash},
            "model": model_fingerprint(model),
        },
        seed=config.seed,
        resume=resume,
    )
    policy = load_causal_lm(model, tokenizer)
    every = examples.train + examples.validation
    require_positions(policy, (example.length for example in every), config.max_tokens)
    dist.shard(policy)
    task = SFTTask(policy, examples, tokenizer, config, dist)
    title = f"SFT on {examples.source}"
    steps = optimise(task, policy, config, run, title=title, resume=resume)
    return _finish(task, run, tokenizer, steps)


def read_examples(bundle: Bundle, tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> Examples:
    """Demonstrations if the bundle has any for training, else chosen completions."""
    has_demonstrations = bool(bundle.demonstrations("train"))
    if not has_demonstrations:
        bundle.require_training_rows("preferences")
    splits: dict[str, list[Example]] = {}
    dropped = 0
    for split in ("train", "validation"):
        splits[split], too_long = _encode(
            _texts(bundle, split, has_demonstrations), tokenizer, max_tokens
        )
        dropped += too_long
    if not splits["train"]:
        raise RunError(
            f"{bundle.path}: no completion to train on fits in max_tokens={max_tokens} "
            f"({dropped} were too long). Raise max_tokens or export more judgments."
        )
    source = "demonstrations" if has_demonstrations else "chosen completions"
    return Examples(source, splits["train"], splits["validation"], dropped)


class SFTTask:
    """What the loop optimises: see `training.loop.Task`."""

    def __init__(
        self,
        policy: PreTrainedModel,
        examples: Examples,
        tokenizer: PreTrainedTokenizerBase,
        config: SFTConfig,
        dist: Distributed,
    ) -> None:
        self.policy, self.examples, self.config, self.dist = policy, examples, config, dist
        self.pad_id: int = tokenizer.pad_token_id
        self.lengths = [example.length for example in examples.train]

    def normaliser(self, rows: Sequence[int]) -> float:
        return float(sum(len(self.examples.train[row].completion_ids) for row in rows))

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, dict[str, Tensor]]:
        examples = [self.examples.train[row] for row in rows]
        return completion_loss(self.policy, examples, self.pad_id, self.dist.device), {}

    def validate(self) -> dict[str, float]:
        examples = self.examples.validation
        if not examples:
            return {}
        order = sorted(range(len(examples)), key=lambda row: examples[row].length)
        total = torch.zeros((), dtype=torch.float64)
        for part in microbatches(
            order,
            self.config.microbatch_size,
            rank=self.dist.rank,
            world_size=self.dist.world_size,
        ):
            rows = [examples[row] for row in part.rows]
            loss_sum = completion_loss(self.policy, rows, self.pad_id, self.dist.device)
            total += loss_sum.double().cpu() if part.counts else 0.0
        tokens = sum(len(example.completion_ids) for example in examples)
        return {"loss": float(self.dist.all_reduce_sum(total)) / tokens}


def completion_loss(
    policy: PreTrainedModel, examples: Sequence[Example], pad_id: int, device: torch.device
) -> Tensor:
    """Summed cross-entropy (nats) of all completion tokens; prompt tokens have no loss."""
    batch = pad_sequences(
        [example.prompt_ids + example.completion_ids for example in examples], pad_id, side="left"
    ).to(device)
    lengths = torch.tensor([len(example.completion_ids) for example in examples], device=device)
    width = int(lengths.max())
    # Left padding puts every completion at the right edge, so logits of the last T + 1 columns are
    # enough. The logit at a column predicts the next one, so the very last predicts nothing.
    logits = policy(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        position_ids=batch.position_ids,
        logits_to_keep=width + 1,
        use_cache=False,
    ).logits[:, :-1]
    targets = batch.input_ids[:, -width:]
    columns = torch.arange(width, device=device)
    completion_mask = columns >= width - lengths[:, None]  # (B, T)
    return cross_entropy(logits[completion_mask].float(), targets[completion_mask], reduction="sum")


def _texts(bundle: Bundle, split: str, has_demonstrations: bool) -> list[tuple[list[Message], str]]:
    if has_demonstrations:
        return [(row.prompt, row.completion) for row in bundle.demonstrations(split)]
    unique = {(row.prompt_id, row.chosen): row for row in bundle.preferences(split)}
    return [(row.prompt, row.chosen) for row in unique.values()]


def _encode(
    texts: Sequence[tuple[list[Message], str]],
    tokenizer: PreTrainedTokenizerBase,
    max_tokens: int,
) -> tuple[list[Example], int]:
    examples = []
    for prompt, completion in texts:
        fitted = fit_length(
            encode_prompt(tokenizer, prompt), encode_completion(tokenizer, completion), max_tokens
        )
        if fitted is not None:
            examples.append(Example(*fitted, prompt, completion))
    return examples, len(texts) - len(examples)


def _finish(
    task: SFTTask, run: RunDirectory, tokenizer: PreTrainedTokenizerBase, steps: int
) -> SFTResult:
    weights = run.dist.full_state_dict(task.policy)
    if run.dist.is_main:
        run.save_model(task.policy, tokenizer, weights)
        run.write_samples(_samples(task, run.path / "model", tokenizer, steps))
    run.dist.barrier()
    task.policy.train(False)
    with torch.no_grad():
        validation = task.validate()
    result = SFTResult(
        run=run.path,
        model=run.path / "model",
        source=task.examples.source,
        train_rows=len(task.examples.train),
        validation_rows=len(task.examples.validation),
        dropped_rows=task.examples.dropped,
        validation_loss=validation.get("loss"),
    )
    run.describe_report(_report_parts(result))
    run.finish(result.as_dict())
    if run.dist.is_main:
        write_report(run.path)
    run.dist.barrier()
    return result


@torch.no_grad()
def _samples(
    task: SFTTask, saved: Path, tokenizer: PreTrainedTokenizerBase, step: int
) -> list[dict[str, object]]:
    """Greedy completions of the saved model beside what it was shown, for the report."""
    model: Any = load_causal_lm(saved, tokenizer)
    model.to(task.dist.device).train(False)
    shown = (task.examples.validation or task.examples.train)[:SAMPLES]
    batch = pad_sequences([e.prompt_ids for e in shown], task.pad_id, side="left")
    ids = model.generate(
        batch.input_ids.to(task.dist.device),
        attention_mask=batch.attention_mask.to(task.dist.device),
        # Built from nothing: a model's own generation settings are not what was trained.
        generation_config=GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=SAMPLE_TOKENS,
            do_sample=False,
            pad_token_id=task.pad_id,
            eos_token_id=tokenizer.eos_token_id,
        ),
    )[:, batch.input_ids.shape[1] :]
    texts = tokenizer.batch_decode(ids, skip_special_tokens=True)
    return [
        {"step": step, "prompt": e.prompt, "completion": text, "reference": e.completion}
        for e, text in zip(shown, texts, strict=True)
    ]


def _report_parts(result: SFTResult) -> list[ReportPart]:
    held_out = f"{result.validation_rows} validation rows"
    if not result.validation_rows:
        held_out = "the bundle has no validation rows, so there is no validation loss"
    return [
        Note(
            title="Data",
            text=(
                f"Trained on {result.train_rows} {result.source}; {held_out}; "
                f"{result.dropped_rows} rows longer than max_tokens left out."
            ),
        ),
        Chart(
            title="Loss",
            unit="nats per completion token",
            series={"loss": "training step", "validation_loss": "validation"},
        ),
        Chart(title="Learning rate", unit="per step", series={"learning_rate": "learning rate"}),
        Chart(title="Gradient norm", unit="before clipping", series={"grad_norm": "all weights"}),
    ]
