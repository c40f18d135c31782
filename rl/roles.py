"""The four models of PPO and the tokenizer they share.

With full weights they are four separate models; adapters on one base are left out here.
"""

from dataclasses import dataclass
from pathlib import Path

from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rl.generate import CachedGenerator
from rl.value import start_value_model
from rm_training.model import RewardModel, load_reward_model
from training.distributed import Distributed
from training.errors import RunError
from training.models import load_causal_lm, load_tokenizer
from training.text import eos_id


@dataclass(frozen=True, kw_only=True)
class Roles:
    """All models are in eval mode for good: dropout would make two forward passes differ."""

    policy: PreTrainedModel
    ref_policy: PreTrainedModel
    reward_model: RewardModel
    value_model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    dist: Distributed
    precision: str

    @property
    def eos_id(self) -> int:
        return eos_id(self.tokenizer)

    @property
    def pad_id(self) -> int:
        return int(self.tokenizer.pad_token_id)

    def generator(self, policy: PreTrainedModel) -> CachedGenerator:
        return CachedGenerator(
            policy=policy,
            dist=self.dist,
            eos_id=self.eos_id,
            pad_id=self.pad_id,
            precision=self.precision,
        )


def load_roles(
    model: str | Path, reward_model: str | Path, dist: Distributed, precision: str
) -> Roles:
    """Policy and reference from `model`, reward and value model from `reward_model`, in place."""
    tokenizer = load_tokenizer(model)
    require_same_tokenizer(tokenizer, load_tokenizer(reward_model), reward_model)
    loaded_reward_model = load_reward_model(reward_model)
    roles = Roles(
        policy=load_causal_lm(model, tokenizer),
        ref_policy=load_causal_lm(model, tokenizer),
        reward_model=loaded_reward_model,
        value_model=start_value_model(loaded_reward_model),
        tokenizer=tokenizer,
        dist=dist,
        precision=precision,
    )
    trained: list[nn.Module] = [roles.policy, roles.value_model]
    frozen: list[nn.Module] = [roles.ref_policy, roles.reward_model]
    for part in frozen:
        part.requires_grad_(False)
    for part in trained + frozen:
        dist.shard(part).eval()
    return roles


def require_same_tokenizer(
    policy: PreTrainedTokenizerBase, reward: PreTrainedTokenizerBase, reward_model: str | Path
) -> None:
    """Raise unless both give the same ids to the same conversation: ids are scored as sampled."""
    for name, ours, theirs in (
        ("vocabulary", policy.get_vocab(), reward.get_vocab()),
        ("chat template", policy.chat_template, reward.chat_template),
        ("end token", policy.eos_token_id, reward.eos_token_id),
    ):
        if ours != theirs:
            raise RunError(
                f"{reward_model}: its {name} differs from the policy's, so it cannot score the "
                "policy's tokens. Train the reward model from the same SFT run as the policy."
            )
