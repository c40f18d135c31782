"""Preference rows to pairs of token sequences that share one prompt, split by split."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from training.bundle import Bundle, PreferenceRow
from training.errors import RunError
from training.text import encode_completion, encode_prompt, fit_length


@dataclass(frozen=True)
class Pair:
    """Prompt and completion ids joined, both ending with EOS; lengths count completion tokens."""

    chosen_ids: list[int]
    rejected_ids: list[int]
    chosen_length: int
    rejected_length: int
    row: PreferenceRow

    @property
    def length(self) -> int:
        return max(len(self.chosen_ids), len(self.rejected_ids))


@dataclass(frozen=True)
class EncodedPairs:
    pairs: list[Pair]
    dropped: int
    """Rows whose longer completion alone leaves no room in max_tokens."""


def encode_pairs(
    rows: Sequence[PreferenceRow], tokenizer: PreTrainedTokenizerBase, max_tokens: int
) -> EncodedPairs:
    """Both completions of a row keep the same part of the prompt, so only they differ."""
    pairs = []
    for row in rows:
        chosen = encode_completion(tokenizer, row.chosen)
        rejected = encode_completion(tokenizer, row.rejected)
        longer = max(chosen, rejected, key=len)
        fitted = fit_length(encode_prompt(tokenizer, row.prompt), longer, max_tokens)
        if fitted is not None:
            prompt = fitted[0]
            pairs.append(Pair(prompt + chosen, prompt + rejected, len(chosen), len(rejected), row))
    return EncodedPairs(pairs, len(rows) - len(pairs))


def grouped(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Pairs that follow from one ranking together; one whose row names no group is alone."""
    groups: dict[str | int, list[Pair]] = {}
    for number, pair in enumerate(pairs):
        groups.setdefault(pair.row.group_id or number, []).append(pair)
    return list(groups.values())


@dataclass(frozen=True)
class Splits:
    train: EncodedPairs
    validation: EncodedPairs
    test: EncodedPairs

    @property
    def held_out(self) -> list[Pair]:
        """Validation and test rows: no weight and no choice depends on the labels of either."""
        return self.validation.pairs + self.test.pairs

    @property
    def dropped(self) -> int:
        return self.train.dropped + self.validation.dropped + self.test.dropped


def encode_splits(bundle: Bundle, tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> Splits:
    """All preferences of a bundle; raises where there is nothing to train or to evaluate on."""
    bundle.require_training_rows("preferences")
    encoded = {
        split: encode_pairs(bundle.preferences(split), tokenizer, max_tokens)
        for split in ("train", "validation", "test")
    }
    splits = Splits(**encoded)
    if not splits.train.pairs:
        raise RunError(
            f"{bundle.path}: no training pair fits in max_tokens={max_tokens} "
            f"({splits.train.dropped} were too long). Raise max_tokens or export more judgments."
        )
    if all(pair.row.probability == 0.5 for pair in splits.held_out):
        raise RunError(
            f"{bundle.path}: no decided preference in validation or test, so nothing could say how "
            "good the reward model is. A split holds whole prompts: judge comparisons on more of "
            "them and export again."
        )
    return splits
