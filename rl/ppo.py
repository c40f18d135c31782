"""Proximal policy optimisation (arXiv 1707.06347) against a reward model, with a KL penalty.

B completions of this process, T completion tokens. Four models: policy, frozen reference, frozen
reward model, value model. Left out: adapters on one base, samplers outside this process, mixing in
of supervised data.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from rl.advantages import whitened_advantages
from rl.evaluate import Evaluated, PolicyEvaluation, describe_samples, evaluate_policy
from rl.generate import Stream
from rl.losses import kl_k1
from rl.ppo_config import PPOConfig
from rl.ppo_metrics import require_no_drift, rollout_metrics
from rl.ppo_report import PPOResult, make_result, report_parts
from rl.ppo_updates import OptimisationLog, Optimizers, Rates, make_batches, optimise
from rl.prompts import Prompts, load_prompts
from rl.rewards import (
    KLController,
    ScoreNormaliser,
    assemble_rewards,
    replace_unfinished,
    unfinished_floor,
)
from rl.roles import Roles, load_roles
from rl.rollouts import Rollout, Sampling, collect, draw_streams, gather_rows, roll_out, sample
from rl.samples import Samples, microbatches
from rl.value import save_value_model
from training import checkpoint
from training.bundle import Bundle
from training.checkpoint import TrainingState
from training.distributed import Distributed
from training.models import model_fingerprint
from training.optim import GuardedOptimizer, build_optimizer, learning_rate_at
from training.progress import StageProgress
from training.report import write_report
from training.runs import RunDirectory


def train_ppo(
    config: PPOConfig,
    *,
    bundle: Path,
    model: str,
    reward_model: str,
    out: Path,
    resume: bool = False,
) -> PPOResult:
    """Train a policy from `model` on the bundle's training prompts; all lands in `out`."""
    dist = Distributed.start()
    config.require_world_size(dist.world_size)
    opened = Bundle.open(bundle)
    roles = load_roles(model, reward_model, dist, config.precision)
    train = load_prompts(opened, ("train",), roles, config.max_new_tokens)
    held_out = load_prompts(opened, ("validation", "test"), roles, config.max_new_tokens)
    run = RunDirectory.create(
        out,
        stage="ppo",
        config=config,
        dist=dist,
        inputs={
            "bundle": {"path": str(bundle), "sha256": opened.hash},
            "model": model_fingerprint(model),
            "reward_model": model_fingerprint(reward_model),
        },
        seed=config.seed,
        resume=resume,
    )
    ppo = PPO(config, roles, run, train, held_out)
    ppo.restore() if resume else ppo.start()
    with StageProgress("PPO", config.updates, start=ppo.done, enabled=dist.is_main) as progress:
        while ppo.done < config.updates and not ppo.over_budget:
            metrics = ppo.update()
            progress.advance({name: metrics[name] for name in ("score_mean", "kl_per_completion")})
    return ppo.finish()


class PPO:
    """A run between two updates; everything that changes is in the checkpoint."""

    def __init__(
        self,
        config: PPOConfig,
        roles: Roles,
        run: RunDirectory,
        train: Prompts,
        held_out: Prompts,
    ) -> None:
        self.config, self.roles, self.run = config, roles, run
        self.train, self.held_out = train, held_out
        self.dist: Distributed = run.dist
        self.sampling = Sampling(
            max_new_tokens=config.max_new_tokens,
            temperature=config.temperature,
            microbatch_size=config.microbatch_size,
        )
        self.optimizers = Optimizers(
            policy=_optimizer(roles.policy, config.learning_rate, config),
            value=_optimizer(roles.value_model, config.value_learning_rate, config),
        )
        self.controller = KLController(
            kl_coef=config.kl_coef, target=config.kl_target, horizon=config.kl_horizon
        )
        self.done = 0
        self.over_budget = False
        self.normaliser: ScoreNormaliser
        self.before: Evaluated
        self._seconds: dict[str, float] = {}

    def start(self) -> None:
        """Measure the reference: its scores on training prompts, and itself on held-out ones."""
        streams = draw_streams(self.config.seed, 0, self.config.score_samples, len(self.train))
        policy = self.roles.ref_policy
        rollout = roll_out(
            self.roles, policy, self.train.tokens, self._mine(streams), self.sampling
        )
        self.normaliser = ScoreNormaliser.fit(gather_rows(rollout.scores, self.roles))
        self.before = self._evaluate()
        self._log_panel()

    def update(self) -> dict[str, float]:
        """One round: sample, score, reward, estimate advantages, optimise, log."""
        number, self._seconds = self.done + 1, {}
        with self._timed("sampling"):
            samples = self._sample(number)
        with self._timed("scoring"):
            rows = self.config.minibatch_size // self.dist.world_size
            parts = microbatches(samples.lengths, rows, self.config.microbatch_size)
            rollout = self._score(samples, parts)
            if number <= self.config.value_only_updates + 1:
                require_no_drift(rollout, self.roles)
            rewards = self._rewards(rollout)
            advantages, returns = self._advantages(rollout, rewards)
        metrics = rollout_metrics(rollout, rewards, returns, self.roles)
        kl_per_completion = metrics["kl_per_completion"]
        budget = self.config.kl_budget
        self.over_budget = budget is not None and kl_per_completion > budget
        rates, log = self._rates(number), OptimisationLog()
        if not self.over_budget:
            with self._timed("optimising"):
                batches = make_batches(rollout, advantages, returns, parts)
                log = optimise(self.roles, self.optimizers, batches, self.config, rates)
        self._log(number, metrics, log, rates)
        self.controller = self.controller.after(kl_per_completion, self.config.rollout_batch_size)
        self._close(number)
        return metrics

    def _sample(self, number: int) -> Samples:
        completions = self.config.rollout_batch_size
        streams = draw_streams(self.config.seed, number, completions, len(self.train))
        return sample(
            self.roles, self.roles.policy, self.train.tokens, self._mine(streams), self.sampling
        )

    def _score(self, samples: Samples, parts: list[list[Tensor]]) -> Rollout:
        flat = [rows for minibatch in parts for rows in minibatch]
        temperature = self.config.temperature
        return collect(self.roles, self.roles.policy, samples, flat, temperature=temperature)

    def _rewards(self, rollout: Rollout) -> Tensor:
        """Normalise scores, floor those of cut completions, subtract KL, add at the last token."""
        scores = self.normaliser(rollout.scores)
        floor = unfinished_floor(gather_rows(scores, self.roles))
        return assemble_rewards(
            replace_unfinished(scores, rollout.samples.finished, floor),
            kl_k1(rollout.logprobs, rollout.ref_logprobs),
            rollout.samples.completion_mask,
            kl_coef=self.controller.kl_coef,
        )

    def _advantages(self, rollout: Rollout, rewards: Tensor) -> tuple[Tensor, Tensor]:
        return whitened_advantages(
            rollout.values,
            rewards,
            rollout.samples.completion_mask,
            gamma=self.config.gamma,
            gae_lambda=self.config.gae_lambda,
            reduce_sum=self.dist.all_reduce_sum,
        )

    def _rates(self, number: int) -> Rates:
        config, warmup = self.config, self.config.value_only_updates
        policy = learning_rate_at(
            number - 1 - warmup,
            peak=config.learning_rate,
            warmup_steps=0,
            total_steps=config.updates - warmup,
        )
        value = learning_rate_at(
            number - 1,
            peak=config.value_learning_rate,
            warmup_steps=0,
            total_steps=config.updates,
        )
        return Rates(policy=policy if number > warmup else None, value=value)

    def _log(
        self, number: int, metrics: dict[str, float], log: OptimisationLog, rates: Rates
    ) -> None:
        seconds = sum(self._seconds.values())
        tokens = metrics["completion_tokens_mean"] * self.config.rollout_batch_size
        line = {
            **metrics,
            "kl_coef": self.controller.kl_coef,
            **log.metrics(),
            "stopped_early": int(log.stopped_early),
            "learning_rate": rates.policy,
            "value_learning_rate": rates.value,
            "skipped_steps": self.optimizers.policy.skipped + self.optimizers.value.skipped,
            "tokens_per_second": tokens / seconds,
            **{f"{phase}_seconds": spent for phase, spent in self._seconds.items()},
        }
        self.run.log({"step": number, **line})

    def _close(self, number: int) -> None:
        """Count the update; keep samples and a checkpoint where they are due."""
        self.done = number
        last = number == self.config.updates or self.over_budget
        if last or number % self.config.panel_every == 0:
            self._log_panel()
        if last or number % self.config.checkpoint_every == 0:
            checkpoint.save(self.run.path, number, self._state(), self.dist, self._extra())

    def _log_panel(self) -> None:
        """Completions of the policy for the same few held-out prompts, each time."""
        count = min(self.config.panel_prompts, len(self.held_out))
        streams = draw_streams(self.config.seed, 0, count, count, shuffled=False)
        rollout = roll_out(
            self.roles, self.roles.policy, self.held_out.tokens, streams, self.sampling
        )
        rows = describe_samples(self.roles, self.held_out.messages[:count], rollout)
        self.run.log_samples([{"step": self.done, **row} for row in rows])

    def restore(self) -> None:
        """Go on from the newest checkpoint, or from the beginning where there is none."""
        newest = checkpoint.latest(self.run.path)
        if newest is None:
            self.run.cut_after(-1)
            self.start()
            return
        found = checkpoint.load(newest, self._state(), self.dist)
        extra = found.extra
        self.done, self.over_budget = found.step, extra["over_budget"]
        self.normaliser = ScoreNormaliser(**extra["normaliser"])
        self.controller = KLController(**extra["controller"])
        evaluation = PolicyEvaluation(**extra["before"]["evaluation"])
        self.before = Evaluated(evaluation, extra["before"]["scores"], extra["before"]["tokens"])
        self.optimizers.policy.restore_counters(extra["policy_optimizer"])
        self.optimizers.value.restore_counters(extra["value_optimizer"])
        self.run.cut_after(self.done)

    def finish(self) -> PPOResult:
        """Evaluate, save both models, and write the report."""
        run = self.run
        result = make_result(
            run.path,
            updates=self.done,
            over_budget=self.over_budget,
            before=self.before,
            after=self._evaluate(),
        )
        policy_weights = self.dist.full_state_dict(self.roles.policy)
        value_weights = self.dist.full_state_dict(self.roles.value_model)
        if self.dist.is_main:
            run.save_model(self.roles.policy, self.roles.tokenizer, policy_weights)
            save_value_model(self.roles.value_model, run.path / "value_model", value_weights)
        run.describe_report(report_parts(result))
        run.finish(result.as_dict())
        if self.dist.is_main:
            write_report(run.path)
        self.dist.barrier()
        return result

    def _evaluate(self) -> Evaluated:
        return evaluate_policy(
            self.roles,
            self.roles.policy,
            self.held_out,
            self.sampling,
            completions=self.config.evaluation_completions,
            seed=self.config.seed,
        )

    def _state(self) -> TrainingState:
        return TrainingState(
            models={"policy": self.roles.policy, "value_model": self.roles.value_model},
            optimizers={
                "policy": self.optimizers.policy.optimizer,
                "value_model": self.optimizers.value.optimizer,
            },
        )

    def _extra(self) -> dict[str, Any]:
        return {
            "over_budget": self.over_budget,
            "normaliser": asdict(self.normaliser),
            "controller": asdict(self.controller),
            "before": asdict(self.before),
            "policy_optimizer": self.optimizers.policy.counters(),
            "value_optimizer": self.optimizers.value.counters(),
        }

    def _mine(self, streams: list[Stream]) -> list[Stream]:
        return streams[self.dist.rank :: self.dist.world_size]

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._seconds[phase] = time.perf_counter() - started


def _optimizer(model: PreTrainedModel, learning_rate: float, config: PPOConfig) -> GuardedOptimizer:
    optimizer = build_optimizer(model.parameters(), learning_rate=learning_rate)
    return GuardedOptimizer(optimizer, config.max_grad_norm)
