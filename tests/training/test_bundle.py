import json
from pathlib import Path

import pytest
from helpers.bundles import preference, word_bundle, write_bundle

from training.bundle import Bundle
from training.errors import BundleError


def test_rows_come_back_with_their_text_and_soft_label(tmp_path: Path) -> None:
    row = preference("Why?", "Because.", "No.", probability=0.75, weight=2.0)
    bundle = Bundle.open(write_bundle(tmp_path, {"preferences/train.jsonl": [row]}))

    (found,) = bundle.preferences("train")

    assert found.prompt == [{"role": "user", "content": "Why?"}]
    assert (found.chosen, found.rejected) == ("Because.", "No.")
    assert (found.probability, found.weight) == (0.75, 2.0)


def test_line_separators_inside_a_text_do_not_split_its_row(tmp_path: Path) -> None:
    row = preference("Why?", "one\u2028two\x85three\x0cfour", "No.")
    bundle = Bundle.open(write_bundle(tmp_path, {"preferences/train.jsonl": [row]}))

    assert bundle.preferences("train")[0].chosen == "one\u2028two\x85three\x0cfour"


def test_a_bundle_without_demonstrations_gives_none(tmp_path: Path) -> None:
    assert Bundle.open(word_bundle(tmp_path)).demonstrations("train") == []


def test_demonstrations_are_read(tmp_path: Path) -> None:
    row = {
        "prompt": [{"role": "user", "content": "Why?"}],
        "completion": [{"role": "assistant", "content": "Because."}],
        "prompt_id": "p",
    }
    bundle = Bundle.open(write_bundle(tmp_path, {"demonstrations/train.jsonl": [row]}))

    assert bundle.demonstrations("train")[0].completion == "Because."


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no manifest\.json.*prefloop export"):
        Bundle.open(tmp_path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"format": 2, "files": {}}')

    with pytest.raises(BundleError, match="format is 2, this version reads format 1"):
        Bundle.open(tmp_path)


def test_a_file_changed_after_export_is_refused(tmp_path: Path) -> None:
    path = word_bundle(tmp_path) / "preferences" / "train.jsonl"
    path.write_text(path.read_text().replace("tea", "pea", 1))

    with pytest.raises(BundleError, match=r"train\.jsonl: sha256 is .* was changed after export"):
        Bundle.open(tmp_path)


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    path = word_bundle(tmp_path) / "prompts" / "test.jsonl"
    path.write_bytes(path.read_bytes()[:-10])

    with pytest.raises(BundleError, match=r"test\.jsonl: \d+ bytes, the manifest says \d+"):
        Bundle.open(tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    (word_bundle(tmp_path) / "prompts" / "test.jsonl").unlink()

    with pytest.raises(BundleError, match="missing, the manifest lists it"):
        Bundle.open(tmp_path)


def test_a_manifest_cannot_name_a_file_outside_its_bundle(tmp_path: Path) -> None:
    manifest = {"format": 1, "files": {"../secret.jsonl": {"bytes": 0, "sha256": ""}}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(BundleError, match="outside the bundle"):
        Bundle.open(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probability": 1.5}, "probability is 1.5, a number from 0 to 1 expected"),
        ({"probability": True}, "probability is True"),
        ({"prompt": []}, "prompt must be a non-empty list"),
        ({"prompt": [{"role": "tool", "content": "x"}]}, "role 'tool'"),
        ({"chosen": [{"role": "user", "content": "x"}]}, "one assistant message"),
        ({"prompt_id": 7}, "prompt_id is 7, text expected"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    rows = [preference("Why?", "a", "b"), {**preference("Why?", "a", "b"), **change}]
    bundle = Bundle.open(write_bundle(tmp_path, {"preferences/train.jsonl": rows}))

    with pytest.raises(BundleError, match=rf"preferences/train\.jsonl:2: .*{message}"):
        bundle.preferences("train")


def test_a_row_without_a_field_says_which(tmp_path: Path) -> None:
    row = preference("Why?", "a", "b")
    del row["rejected"]
    bundle = Bundle.open(write_bundle(tmp_path, {"preferences/train.jsonl": [row]}))

    with pytest.raises(BundleError, match=r"train\.jsonl:1: no 'rejected'"):
        bundle.preferences("train")
