"""Saving a trained reward model: scores centred, reloaded through Hugging Face, fingerprinted."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from rm_training.data import Pair
from rm_training.model import (
    FINGERPRINT_FILE,
    load_reward_model,
    make_fingerprint,
)
from rm_training.normalise import CentredHead, centre_head
from rm_training.task import RewardTask
from training.errors import RunError
from training.runs import RunDirectory, write_json
from training.text import encode_completion, encode_prompt

CANNED = (
    ("Hello.", "Hello! How can I help?"),
    ("Hello.", "No."),
    ("What is two plus two?", "Four."),
    ("What is two plus two?", "Two plus two is four, because adding two to two gives four."),
    ("Name a colour.", "Blue"),
    ("Name a colour.", ""),
    ("Write a line about rain.", "Rain taps on the roof and asks to be let in."),
    ("Écris une phrase.", "Voilà une phrase courte ; 雨も降る。"),
)
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Published:
    head: CentredHead
    scores: Tensor
    """(N, 2) scores of the saved model on the held-out pairs."""
    centred_on: str
    """validation, or training where the bundle has no validation pairs."""


def publish(task: RewardTask, run: RunDirectory, tokenizer: PreTrainedTokenizerBase) -> Published:
    """Centre the scores on the validation rows, write `model/`, and check what was written.

    Test rows would do as well, but then an evaluation on them would have seen their texts.
    """
    centred_on = "validation" if task.data.validation.pairs else "training"
    centring_rows = _sequences(task.data.validation.pairs or task.data.train.pairs)
    _, hidden = task.read(centring_rows)
    weights = task.dist.full_state_dict(task.model)
    weight = task.dist.broadcast_object(weights.get("model.score.weight"))
    assert weight is not None
    head = centre_head(weight[0], hidden)
    _, held_out_hidden = task.read(_sequences(task.data.held_out))
    scores = held_out_hidden @ head.weight
    if task.dist.is_main:
        weights["model.score.weight"] = head.weight[None]
        plain = {name.removeprefix("model."): value for name, value in weights.items()}
        run.save_model(task.model.model, tokenizer, plain)
    task.dist.on_main(lambda: _verify_saved(run, tokenizer, centring_rows, hidden @ head.weight))
    return Published(head, scores.view(-1, 2), centred_on)


def _verify_saved(
    run: RunDirectory, tokenizer: PreTrainedTokenizerBase, rows: list[list[int]], scores: Tensor
) -> None:
    """The plain Hugging Face folder must score as the trained model does; then its fingerprint."""
    saved = load_reward_model(run.path).to(run.dist.device)
    sample = rows[:16]
    found = torch.tensor(make_fingerprint(saved, sample)["scores"])
    worst = float((found - scores[: len(sample)]).abs().max())
    if not worst <= TOLERANCE * max(1.0, float(scores.abs().max())):
        raise RunError(
            f"{run.path / 'model'}: scores of the saved model differ by {worst:.3g} from those "
            "of the trained one. Nothing was lost: resume the run to save it again."
        )
    canned = [
        encode_prompt(tokenizer, [{"role": "user", "content": prompt}])
        + encode_completion(tokenizer, completion)
        for prompt, completion in CANNED
    ]
    write_json(run.path / "model" / FINGERPRINT_FILE, make_fingerprint(saved, canned))


def _sequences(pairs: Sequence[Pair]) -> list[list[int]]:
    return [ids for pair in pairs for ids in (pair.chosen_ids, pair.rejected_ids)]
