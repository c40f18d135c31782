from dataclasses import replace
from pathlib import Path

import pytest
from helpers.bundles import preference, word_bundle, write_bundle

from rm_training.data import encode_pairs, encode_splits, grouped
from training.bundle import Bundle
from training.errors import BundleError, RunError
from training.models import load_tokenizer


def test_every_sequence_ends_with_the_end_token(bundle_path: Path, model_path: Path) -> None:
    tokenizer = load_tokenizer(model_path)

    encoded = encode_pairs(Bundle.open(bundle_path).preferences("train"), tokenizer, 128)

    assert len(encoded.pairs) == 24
    for pair in encoded.pairs:
        assert pair.chosen_ids[-1] == pair.rejected_ids[-1] == tokenizer.eos_token_id


def test_both_completions_keep_the_same_part_of_a_long_prompt(
    model_path: Path, tmp_path: Path
) -> None:
    row = preference("word " * 30, "short", "a much longer completion than that")
    path = write_bundle(tmp_path, {"preferences/train.jsonl": [row]})

    (pair,) = encode_pairs(
        Bundle.open(path).preferences("train"), load_tokenizer(model_path), 60
    ).pairs

    assert len(pair.rejected_ids) == 60
    prompt = pair.rejected_ids[: -pair.rejected_length]
    assert pair.chosen_ids[: -pair.chosen_length] == prompt


def test_pairs_that_do_not_fit_are_counted(model_path: Path, tmp_path: Path) -> None:
    rows = [preference("Why?", "a", "b"), preference("Why?", "a", "é" * 40, number=1)]
    path = write_bundle(tmp_path, {"preferences/train.jsonl": rows})

    encoded = encode_pairs(Bundle.open(path).preferences("train"), load_tokenizer(model_path), 30)

    assert (len(encoded.pairs), encoded.dropped) == (1, 1)


def test_held_out_rows_are_validation_and_test(bundle_path: Path, model_path: Path) -> None:
    splits = encode_splits(Bundle.open(bundle_path), load_tokenizer(model_path), 128)

    assert (len(splits.train.pairs), len(splits.held_out)) == (24, 16)


def test_a_bundle_without_held_out_rows_is_refused(model_path: Path, tmp_path: Path) -> None:
    rows = [preference("Why?", "a", "b")]
    files = {"preferences/train.jsonl": rows}
    files |= {"preferences/validation.jsonl": [], "preferences/test.jsonl": []}
    path = write_bundle(tmp_path, files)

    with pytest.raises(RunError, match="no decided preference in validation or test"):
        encode_splits(Bundle.open(path), load_tokenizer(model_path), 128)


def test_a_bundle_without_training_rows_is_refused(model_path: Path, tmp_path: Path) -> None:
    path = write_bundle(tmp_path, {"preferences/train.jsonl": []})

    with pytest.raises(BundleError, match=r"preferences/train\.jsonl has no rows"):
        encode_splits(Bundle.open(path), load_tokenizer(model_path), 128)


def test_a_bundle_of_rows_that_are_too_long_is_refused(model_path: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"max_tokens=3 \(24 were too long\)"):
        encode_splits(Bundle.open(word_bundle(tmp_path)), load_tokenizer(model_path), 3)


def test_rows_of_one_group_are_one_and_those_without_stand_alone(
    bundle_path: Path, model_path: Path
) -> None:
    pair = encode_splits(Bundle.open(bundle_path), load_tokenizer(model_path), 128).train.pairs[0]
    pairs = [
        replace(pair, row=replace(pair.row, group_id=name)) for name in ("a", None, "b", "a", None)
    ]

    found = [[one.row.group_id for one in group] for group in grouped(pairs)]

    assert found == [["a", "a"], [None], ["b"], [None]]
