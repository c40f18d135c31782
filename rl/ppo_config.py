"""Settings of a PPO run. All sizes count completions; all lengths count tokens."""

from dataclasses import dataclass
from typing import Literal

from training.config import require_positive, require_range
from training.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class PPOConfig:
    """The defaults are for full weights of a pretrained model; a tiny one wants higher rates."""

    seed: int = 0
    updates: int = 100
    """Rounds of sampling and optimising, those that train the value model alone included."""
    value_only_updates: int = 10
    """First updates that train only the value model, because a fresh one misleads the policy."""

    rollout_batch_size: int = 64
    """Completions sampled between two phases of optimisation, over all processes."""
    minibatch_size: int = 64
    """Completions per optimiser step over all processes; divides rollout_batch_size."""
    microbatch_size: int = 16
    """Completions per forward pass of one process; changes memory and speed, never the result."""
    epochs: int = 2
    """Passes over each rollout."""

    max_new_tokens: int = 128
    temperature: float = 1.0
    """Of sampling and of every log-probability, the reference's too."""

    learning_rate: float = 1e-6
    """Of the policy; falls linearly to 0."""
    value_learning_rate: float = 5e-6
    """Of the value model; falls linearly to 0."""
    max_grad_norm: float = 1.0
    """For policy and value model each."""

    kl_coef: float = 0.05
    """Weight of the KL penalty (beta in papers): reward units per nat. 0 removes the penalty."""
    kl_target: float | None = None
    """Wanted KL in nats per completion, by which kl_coef is steered; null keeps it fixed."""
    kl_horizon: int = 10_000
    """Completions over which kl_coef can change by a fifth."""
    kl_budget: float | None = None
    """KL in nats per completion at which the run ends early; null sets no limit."""
    approx_kl_limit: float | None = 0.02
    """KL in nats per token from the sampling policy, beyond which a rollout's epochs end."""

    gamma: float = 1.0
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    value_clip_range: float | None = 0.2
    """In units of normalised scores; null trains values without clipping."""
    score_samples: int = 256
    """Completions of the reference policy whose scores define mean 0 and deviation 1."""

    evaluation_completions: int = 64
    """Completions on held-out prompts before and after."""
    panel_prompts: int = 4
    """Held-out prompts whose completions are kept in samples.jsonl."""
    panel_every: int = 10
    """Updates between two entries in samples.jsonl."""
    checkpoint_every: int = 10
    """Updates between two checkpoints; there is always one at the end."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 computes matrix products in bf16; weights stay fp32."""

    def __post_init__(self) -> None:
        require_positive(
            self,
            *("updates", "rollout_batch_size", "minibatch_size", "microbatch_size", "epochs"),
            *("max_new_tokens", "temperature", "learning_rate", "value_learning_rate"),
            *("max_grad_norm", "kl_horizon", "clip_range"),
            *("panel_prompts", "panel_every", "checkpoint_every"),
        )
        for name in ("kl_target", "kl_budget", "approx_kl_limit", "value_clip_range"):
            if getattr(self, name) is not None:
                require_positive(self, name)
        require_range(self, "seed", 0, 2**31 - 1)
        require_range(self, "value_only_updates", 0, self.updates - 1)
        require_range(self, "kl_coef", 0.0, 1e6)
        require_range(self, "gamma", 0.0, 1.0)
        require_range(self, "gae_lambda", 0.0, 1.0)
        require_range(self, "score_samples", 2, 10**6)
        require_range(self, "evaluation_completions", 2, 10**6)
        if self.rollout_batch_size % self.minibatch_size:
            raise ConfigError(
                f"minibatch_size is {self.minibatch_size}, expected a divisor of "
                f"rollout_batch_size, which is {self.rollout_batch_size}."
            )
        if self.kl_target is not None and self.kl_coef == 0:
            raise ConfigError("kl_target is set but kl_coef is 0, which no factor can steer.")
        if self.kl_target is not None and self.kl_horizon <= self.rollout_batch_size:
            raise ConfigError(
                f"kl_horizon is {self.kl_horizon}, expected more than rollout_batch_size, which is "
                f"{self.rollout_batch_size}: else one update could change kl_coef by over a fifth."
            )

    def require_world_size(self, world_size: int) -> None:
        """Raise unless every process gets equally many completions of every kind."""
        for name in ("minibatch_size", "score_samples", "evaluation_completions"):
            if getattr(self, name) % world_size:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}, expected a multiple of the {world_size} "
                    "processes of this run."
                )
