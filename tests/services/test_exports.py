"""Bundles: what they hold, that they are deterministic, and that a broken one is never left."""

import hashlib
import json
import os
from pathlib import Path
from uuid import UUID

import pytest
from helpers.data import NOON, add_annotator, import_plain, lease, make_project, pair, submit
from sqlalchemy import select, text

from app.errors import InvalidInput
from app.models.judgments import Judgment
from app.models.projects import Completion
from app.models.runs import Export
from app.rules.queue_policy import QueuePolicy
from app.rules.soft_labels import Reliability
from app.rules.split import SPLITS
from app.services import audit, export_queries, guidelines, projects
from app.services.bundle_writer import BundleWriter
from app.services.export_queries import BEFORE_ALL
from app.services.exports import ExportOptions, export_project, preference_page


def export(database, out: Path, **options):
    return export_project(database, "p", out, ExportOptions(**options), now=NOON)


def rows(out: Path, kind: str) -> list[dict]:
    return [
        json.loads(line)
        for split in SPLITS
        for line in (out / kind / f"{split}.jsonl").read_text("utf-8").splitlines()
    ]


def files(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def votes(*verdicts) -> list[dict]:
    return [
        {"annotator": f"w{i}", "verdict": v, "reason": "clear", "ended_at": f"2026-01-0{i + 1}"}
        for i, v in enumerate(verdicts)
    ]


def test_an_aggregated_row_by_hand(database, tmp_path):
    """Two for the second, one for the first: p = (2 + 1) / (3 + 2), one of three pairs agrees."""
    make_project(database, pairs=0)
    import_plain(database, [pair(1, judgments=votes(2, 1, 2), tags=["b", "a"])])

    export(database, tmp_path / "out")

    (row,) = rows(tmp_path / "out", "preferences")
    assert row["prompt"] == [{"role": "user", "content": "Question x?"}]
    assert row["chosen"] == [{"role": "assistant", "content": "second answer 1"}]
    assert row["rejected"] == [{"role": "assistant", "content": "first answer 1"}]
    assert row["probability"] == pytest.approx(0.6)
    assert row["agreement"] == pytest.approx(1 / 3)
    assert (row["judgments"], row["strength"], row["weight"]) == (3, None, 1.0)
    assert row["tags"] == ["a", "b"]


def test_annotators_count_by_how_reliable_they_are(database, tmp_path):
    """Two who always agree and one who is with them in 18 of 40: an accuracy of 22/45, below a
    coin's, so 0. The mean of 2 s - 1 is then two thirds of that of the others, and each of them
    counts 3/2: where the third contradicts them, (3 + 1) / (3 + 2)."""
    make_project(database, pairs=0)
    import_plain(
        database,
        [pair(i, judgments=votes(1, 1, 1 if i <= 18 else 2)) for i in range(1, 41)]
        + [pair(41, judgments=votes(1))],
    )

    manifest = export(database, tmp_path / "out").manifest
    found = {len(row["prompt"][0]["content"]) - 10: row
             for row in rows(tmp_path / "out", "preferences")}  # fmt: skip

    assert [found[40][name] for name in ("probability", "p_votes")] == pytest.approx([0.8, 0.6])
    assert found[40]["p_truth"] > 0.99
    assert found[41]["probability"] == pytest.approx(2.5 / 3.5)
    assert found[41]["p_votes"] == pytest.approx(2 / 3)
    assert manifest["labels"]["annotators_weighed"] == 3
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "3 annotators are weighed" in card


def test_nobody_is_weighed_where_nobody_shares_enough(database, tmp_path):
    make_project(database, pairs=0)
    import_plain(database, [pair(i, judgments=votes(1, 1, 2)) for i in range(1, 20)])

    manifest = export(database, tmp_path / "out").manifest

    assert {row["probability"] for row in rows(tmp_path / "out", "preferences")} == {0.6}
    assert manifest["labels"] == {"annotators_weighed": 0, "mean_accuracy": None}
    assert "Nobody is weighed" in (tmp_path / "out" / "README.md").read_text("utf-8")
    assert export(database, tmp_path / "single", rows="judgments").manifest["labels"] is None


def test_undecided_pairs_are_dropped_or_kept_as_asked(database, tmp_path):
    make_project(database, pairs=0)
    import_plain(database, [pair(1, judgments=votes(1, 2)), pair(2, judgments=votes("tie"))])

    export(database, tmp_path / "drop")
    export(database, tmp_path / "keep", ties="keep")

    assert rows(tmp_path / "drop", "preferences") == []
    assert [row["probability"] for row in rows(tmp_path / "keep", "preferences")] == [0.5, 0.5]


def test_rows_by_judgment_are_one_for_each_preference(database, tmp_path):
    make_project(database, pairs=0)
    import_plain(database, [pair(1, judgments=votes(1, 2, 1, "tie"))])

    export(database, tmp_path / "out", rows="judgments")

    chosen = [row["chosen"][0]["content"] for row in rows(tmp_path / "out", "preferences")]
    assert sorted(chosen) == ["first answer 1", "first answer 1", "second answer 1"]


def test_the_winner_in_an_export_is_the_text_seen_on_the_winning_side(database, tmp_path):
    make_project(database, pairs=20)
    ada = add_annotator(database, "Ada")
    seen = {}
    for number in range(20):
        view = lease(database, ada)
        verdict = "AB"[number % 2]
        submit(database, ada, view, verdict)
        texts = {side.label: side.text for side in view.sides}
        seen[view.messages[0]["content"]] = (texts.pop(verdict), texts.popitem()[1])

    export(database, tmp_path / "out")

    found = {
        row["prompt"][0]["content"]: (row["chosen"][0]["content"], row["rejected"][0]["content"])
        for row in rows(tmp_path / "out", "preferences")
    }
    assert found == seen


def test_the_same_state_gives_the_same_bytes(database, tmp_path):
    make_project(database, pairs=30, guideline="Be fair.")
    import_plain(database, [pair(i, judgments=votes(1, 2, 1)) for i in range(1, 30)])

    first, second = export(database, tmp_path / "a"), export(database, tmp_path / "b")

    assert first.manifest_sha256 == second.manifest_sha256
    assert files(tmp_path / "a") == files(tmp_path / "b")
    with database.reading() as session:
        assert len(session.scalars(select(Export)).all()) == 2


def test_the_manifest_lists_every_file_with_its_hash(database, tmp_path):
    make_project(database, pairs=3, guideline="Be fair.")
    import_plain(database, [pair(9, demonstration="Like so.", judgments=votes(1))])

    out = tmp_path / "out"
    manifest = export(database, out).manifest

    found = files(out)
    assert set(found) == {*manifest["files"], "manifest.json"}
    for name, entry in manifest["files"].items():
        assert entry["bytes"] == len(found[name])
        assert entry["sha256"] == hashlib.sha256(found[name]).hexdigest()
    assert manifest["format"] == 1
    assert json.loads(found["manifest.json"]) == manifest
    assert found["guidelines/1.md"] == b"Be fair.\n"
    assert manifest["counts"]["judgments"] == 1
    assert sum(manifest["counts"]["demonstrations"].values()) == 1


def test_the_manifest_says_what_was_drawn_and_no_judgment_has_a_probability(database, tmp_path):
    """Who gets more than one judgment is drawn once, with the policy's share, whatever the sources;
    nothing else is drawn that has a probability."""
    make_project(database, pairs=0)
    import_plain(database, [pair(1, judgments=votes(1, 2))])
    with database.writing() as session:
        policy = QueuePolicy(overlap=3, overlap_share=0.2, gold_share=0.1)
        projects.set_policy(session, projects.by_slug(session, "p"), policy)

    export(database, tmp_path / "out")

    project = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))["project"]
    assert (project["overlap"], project["queue"]["overlap_share"]) == (3, 0.2)
    assert (project["queue"]["gold_share"], project["queue"]["adaptive_max"]) == (0.1, None)
    judgments = (tmp_path / "out" / "judgments.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["sampling_probability"] for line in judgments] == [None, None]


def test_annotators_are_pseudonyms_and_people_cannot_be_read_from_the_bundle(database, tmp_path):
    make_project(database, pairs=1)
    ada = add_annotator(database, "ada@example.org")
    submit(database, ada, lease(database, ada), rationale="more concrete")

    export(database, tmp_path / "out")

    everything = b"".join(files(tmp_path / "out").values()).decode()
    assert "ada@example.org" not in everything
    assert str(ada.id) not in everything
    assert "more concrete" in everything


def test_a_revised_judgment_counts_once_and_the_old_one_stays_on_record(database, tmp_path):
    make_project(database, pairs=0)
    import_plain(database, [pair(1, judgments=votes(1))])
    with database.writing() as session:
        old = session.scalars(select(Judgment)).one()
        better = session.scalar(select(Completion.id).where(Completion.id != old.preferred_id))
        copied = {c.key: getattr(old, c.key) for c in Judgment.__table__.columns}
        session.add(
            Judgment(
                **copied
                | {
                    "id": UUID(int=1),
                    "preferred_id": better,
                    "idempotency_key": "revision-1",
                    "supersedes_id": old.id,
                }
            )
        )

    export(database, tmp_path / "out")

    (row,) = rows(tmp_path / "out", "preferences")
    assert (row["chosen"][0]["content"], row["judgments"]) == ("second answer 1", 1)
    lines = (tmp_path / "out" / "judgments.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == 2


def test_a_prompt_sits_in_one_split_and_stays_there_as_data_grows(database, tmp_path):
    make_project(database, pairs=40)

    def splits(out: Path) -> dict[str, str]:
        return {
            json.loads(line)["prompt_id"]: split
            for split in SPLITS
            for line in (out / "prompts" / f"{split}.jsonl").read_text("utf-8").splitlines()
        }

    export(database, tmp_path / "small")
    before = splits(tmp_path / "small")
    import_plain(database, [pair(i) for i in range(41, 200)])
    export(database, tmp_path / "large")
    after = splits(tmp_path / "large")

    assert len(after) == 199
    assert set(after.values()) == set(SPLITS)
    assert before.items() <= after.items()


def test_an_export_that_fails_leaves_nothing_behind(database, tmp_path, monkeypatch):
    make_project(database, pairs=2)

    def broken(*_arguments):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="disk is full"):
        export(database, tmp_path / "out")

    assert list(tmp_path.glob("*out*")) == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_bundle_that_cannot_be_recorded_has_left_an_entry_before_its_first_row(
    database, tmp_path
):
    make_project(database, pairs=1)
    with database.connecting() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER full BEFORE INSERT ON exports BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        )
    with pytest.raises(Exception, match="no"):
        export(database, tmp_path / "out", ties="keep")

    assert (tmp_path / "out" / "manifest.json").exists()
    with database.reading() as session:
        newest = audit.page_of(session).rows[0].entry
    assert (newest.action, newest.subject) == ("export started", "project p")
    assert newest.details == {"rows": "aggregated", "ties": "keep", "slight": "keep"}


def test_a_place_in_use_is_refused_and_untouched(database, tmp_path):
    make_project(database, pairs=1)
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious.txt").write_text("mine")

    with pytest.raises(InvalidInput, match="exists already and is not an empty folder"):
        export(database, out)
    assert files(out) == {"precious.txt": b"mine"}


def test_more_comparisons_than_one_batch_are_all_exported(database, tmp_path, monkeypatch):
    monkeypatch.setattr(export_queries, "BATCH", 7)
    make_project(database, pairs=0)
    import_plain(database, [pair(i, judgments=votes(1, 1)) for i in range(1, 51)])

    export(database, tmp_path / "out")

    assert len(rows(tmp_path / "out", "preferences")) == 50


def test_an_export_loads_with_the_datasets_library(database, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    import datasets

    make_project(database, pairs=0, guideline="Be fair.")
    import_plain(database, [pair(i, judgments=votes(1, 2, 1)) for i in range(1, 41)])
    out = tmp_path / "out"
    export(database, out)

    loaded = datasets.load_dataset(
        "json",
        data_files={split: str(out / "preferences" / f"{split}.jsonl") for split in SPLITS},
        cache_dir=str(tmp_path / "cache"),
    )

    assert sum(loaded[split].num_rows for split in SPLITS) == 40
    assert loaded["train"][0] == json.loads(
        (out / "preferences" / "train.jsonl").read_text("utf-8").splitlines()[0]
    )


def test_guideline_versions_are_kept_and_never_changed(database):
    make_project(database, guideline="First.")
    with database.writing() as session:
        project = projects.by_slug(session, "p")
        second = guidelines.publish(session, project, "Second.", by=None, now=NOON)
        again = guidelines.publish(session, project, "Second.\r\n", by=None, now=NOON)
        found = guidelines.versions(session, project)

    assert second.id == again.id
    assert [(v.version, v.markdown) for v in found] == [(1, "First."), (2, "Second.")]


def test_two_exports_to_one_place_at_once_give_one_whole_bundle(tmp_path):
    out = tmp_path / "bundle"
    with BundleWriter(out) as first, BundleWriter(out) as second:
        for writer, text in ((first, "first"), (second, "second")):
            writer.write_text("a.txt", text)
        first.finish({"files": first.files})
        with pytest.raises(InvalidInput, match="is not an empty folder"):
            second.finish({"files": second.files})

    assert sorted(path.name for path in out.iterdir()) == ["a.txt", "manifest.json"]
    assert (out / "a.txt").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput, match="file/bundle cannot be written"):
        BundleWriter(tmp_path / "file" / "bundle").__enter__()


@pytest.mark.parametrize("pairs", [0, 1, 4, 5])
def test_pages_of_preferences_hold_what_the_bundle_holds(database, tmp_path, monkeypatch, pairs):
    monkeypatch.setattr(export_queries, "BATCH", 2)
    make_project(database, pairs=1)
    import_plain(database, [pair(i, judgments=votes(1)) for i in range(1, pairs + 1)])
    found, after, pages = [], BEFORE_ALL, 0
    while after is not None:
        with database.reading() as session:
            project = projects.by_slug(session, "p")
            page, after = preference_page(
                session, project, ExportOptions(), Reliability(), after=after
            )
        found += [row for _, row in page]
        pages += 1

    export(database, tmp_path / "out")

    expected = sorted(rows(tmp_path / "out", "preferences"), key=lambda row: row["comparison_id"])
    assert found == expected
    assert len(found) == pairs
    assert pages == max(pairs, 1) // 2 + 1
