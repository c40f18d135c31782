"""Training a reward model: Bradley-Terry on preferences, from an SFT model's weights.

One epoch by default, because more over-fits quickly. The last weights are kept: choosing an epoch
by held-out accuracy would spend the rows that the accuracy is measured on.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from rm_training.config import RewardModelConfig
from rm_training.data import encode_splits
from rm_training.evaluate import Evaluation
from rm_training.model import start_reward_model
from rm_training.publish import publish
from rm_training.report import report_parts, sample_rows
from rm_training.task import RewardTask
from training.bundle import Bundle
from training.distributed import Distributed
from training.loop import optimise
from training.models import load_tokenizer, model_fingerprint, require_positions
from training.report import write_report
from training.runs import RunDirectory


@dataclass(frozen=True, kw_only=True)
class RewardModelResult:
    run: Path
    model: Path
    held_out: Evaluation
    train_rows: int
    dropped_rows: int
    mean_before: float
    score_std: float
    """Over the scores that were centred; what a KL coefficient is to be compared with."""
    offset_std: float

    def as_dict(self) -> dict[str, Any]:
        values = asdict(self)
        return {**values, "run": str(self.run), "model": str(self.model)}


def train_reward_model(
    config: RewardModelConfig, *, bundle: Path, model: str, out: Path, resume: bool = False
) -> RewardModelResult:
    """Train, centre, save, reload and evaluate; everything lands in the run directory `out`."""
    dist = Distributed.start()
    opened = Bundle.open(bundle)
    tokenizer = load_tokenizer(model)
    data = encode_splits(opened, tokenizer, config.max_tokens)
    run = RunDirectory.create(
        out,
        stage="rm",
        config=config,
        dist=dist,
        inputs={
            "bundle": {"path": str(bundle), "sha256": opened.hash},
            "model": model_fingerprint(model),
        },
        seed=config.seed,
        resume=resume,
    )
    reward_model = start_reward_model(model, tokenizer, seed=config.seed)
    every = data.train.pairs + data.held_out
    require_positions(reward_model.model, (pair.length for pair in every), config.max_tokens)
    dist.shard(reward_model)
    task = RewardTask(reward_model, data, tokenizer, config, dist)
    steps = optimise(task, reward_model, config, run, title="Reward model", resume=resume)
    return _finish(task, run, tokenizer, steps)


def _finish(
    task: RewardTask,
    run: RunDirectory,
    tokenizer: PreTrainedTokenizerBase,
    steps: int,
) -> RewardModelResult:
    centred = publish(task, run, tokenizer)
    held_out = task.data.held_out
    result = RewardModelResult(
        run=run.path,
        model=run.path / "model",
        held_out=task.evaluate(centred.scores, held_out),
        train_rows=len(task.pairs),
        dropped_rows=task.data.dropped,
        mean_before=centred.head.mean_before,
        score_std=centred.head.score_std,
        offset_std=centred.head.offset_std,
    )
    run.write_samples(sample_rows(centred.scores, held_out, step=steps))
    run.describe_report(report_parts(result.held_out, task.data, centred))
    run.finish(result.as_dict())
    if run.dist.is_main:
        write_report(run.path)
    run.dist.barrier()
    return result
