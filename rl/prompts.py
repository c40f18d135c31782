"""The prompts of a bundle as token ids."""

import sys
from dataclasses import dataclass

from rl.roles import Roles
from training.bundle import Bundle, Message
from training.errors import RunError
from training.models import max_positions
from training.text import encode_prompt


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """Prompts as messages and as token ids."""

    messages: list[list[Message]]
    tokens: list[list[int]]

    def __len__(self) -> int:
        return len(self.tokens)


def load_prompts(
    bundle: Bundle, splits: tuple[str, ...], roles: Roles, max_new_tokens: int
) -> Prompts:
    """The prompts of these splits that leave room for a completion; stderr tells of any others."""
    messages = [row.prompt for split in splits for row in bundle.prompts(split)]
    limits = [max_positions(part) for part in (roles.policy, roles.reward_model.model)]
    room = min((limit for limit in limits if limit is not None), default=None)
    tokens = [encode_prompt(roles.tokenizer, prompt) for prompt in messages]
    # A completion that was cut is closed with one more token before it is scored.
    kept = [
        row
        for row, prompt in enumerate(tokens)
        if room is None or len(prompt) + max_new_tokens + 1 <= room
    ]
    where = f"{bundle.path}: {' and '.join(splits)}"
    if not messages:
        raise RunError(f"{where}: no prompts. Import more prompts and export again.")
    if not kept:
        raise RunError(
            f"{where}: {len(messages)} prompts, none leaves room for {max_new_tokens} new tokens "
            f"within the model's {room}. Lower max_new_tokens or export shorter prompts."
        )
    if len(kept) < len(messages) and roles.dist.is_main:
        left_out = len(messages) - len(kept)
        sys.stderr.write(
            f"{where}: {left_out} of {len(messages)} prompts are left out, because with "
            f"{max_new_tokens} new tokens they exceed the model's {room}.\n"
        )
    return Prompts(messages=[messages[row] for row in kept], tokens=[tokens[row] for row in kept])
