"""Imports: nothing twice, nothing lost, every reject with its reason."""

import csv
import gzip
import json
import re
from datetime import UTC, datetime

import pytest
from helpers.data import NOON, import_plain, make_project, pair
from sqlalchemy import event, select

from app.errors import InvalidInput
from app.models.accounts import Annotator
from app.models.judgments import Judgment, Preference
from app.models.projects import Comparison, ComparisonCompletion, Completion, Prompt
from app.services import imports
from app.services.import_mapping import Mapper

DEBATE = Mapper.parse(
    {
        "prompt": {"template": "{title}\nArgue for: {a.stance}"},
        "split_group": "title",
        "completions": [{"text": "a.text", "source": "a.id"}, {"text": "b.text"}],
        "judgments": {
            "each": "votes",
            "annotator": "who",
            "verdict": "says",
            "verdicts": {"a": 1, "b": 2, "same": "tie", "unsure": None},
            "reason": "why",
            "started_at": "begin",
            "ended_at": "end",
        },
    }
)
DEBATE_RECORD = {
    "title": "Tea or coffee?",
    "a": {"stance": "Tea", "text": "It is calmer.", "id": "arg1"},
    "b": {"text": "It has less caffeine."},
    "votes": [
        {
            "who": 17,
            "says": "b",
            "why": "clear",
            "begin": "2016-02-01 20:00:46.0 UTC",
            "end": "2016-02-01 20:06:14.0 UTC",
        },
        {"who": 18, "says": "same"},
        {"who": 19, "says": "unsure"},
    ],
}


def test_importing_the_same_records_twice_adds_nothing(database):
    make_project(database, pairs=0)
    records = [pair(1, judgments=[{"annotator": "x", "verdict": 2}]), pair(2), pair(1)]

    first, second = import_plain(database, records), import_plain(database, records)

    assert first.added == {
        "prompts": 2, "completions": 4, "demonstrations": 0, "comparisons": 2, "judgments": 1,
    }  # fmt: skip
    assert first.already_there == 1
    assert set(second.added.values()) == {0}
    assert second.already_there == 3


def test_a_batch_takes_as_many_statements_however_many_judgments_it_brings(database):
    make_project(database, pairs=0)
    # The annotators are new once.
    import_plain(database, [pair(0, judgments=votes_of(0))])
    told = []

    def note(_connection, _cursor, statement, *_):
        told.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    counts = []
    for numbers in (range(1, 13), range(13, 113)):
        import_plain(database, [pair(n, judgments=votes_of(n)) for n in numbers])
        counts.append(len(told))
        told.clear()

    assert counts[0] == counts[1]


def votes_of(number: int) -> list[dict]:
    """Two judgments, of which some lack a choice, a strength, a reason or a time."""
    first = {"annotator": "x", "verdict": ["tie", 1][number % 2]}
    more = ({"strength": 2}, {"reason": "so"}, {"ended_at": "2026-05-01T12:00:00Z"})[number % 3]
    return [first, {"annotator": "y", "verdict": 2, **more}]


def test_a_bad_record_never_stops_the_rest(database, tmp_path):
    make_project(database, pairs=0)
    records = [pair(1), {"prompt": "alone"}, pair(2), "not an object", {**pair(3), "typo": 1}]

    summary = import_plain(database, records)
    imports.write_rejects(summary, tmp_path / "rejects.jsonl")

    assert summary.added["comparisons"] == 2
    rejects = [json.loads(line) for line in (tmp_path / "rejects.jsonl").open()]
    assert [reject["line"] for reject in rejects] == [2, 4, 5]
    assert [reject["record"] for reject in rejects] == [records[1], records[3], records[4]]
    assert "0 completions; expected two or more" in rejects[0]["reason"]
    assert "a text; expected an object" in rejects[1]["reason"]
    assert "unknown key 'typo'" in rejects[2]["reason"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"prompt": None}, "prompt is missing"),
        ({"prompt": [{"role": "robot", "content": "x"}]}, "message 1 of the prompt has no role"),
        ({"prompt": [{"role": "assistant", "content": "x"}]}, "ends with a message of the assis"),
        ({"completions": ["one", "one"]}, "same text and source"),
        ({"completions": ["one", 2]}, "completion 2 is a number"),
        ({"completions": "one"}, "completions is a text; expected a list"),
        ({"completions": [f"c{i}" for i in range(27)]}, "27 completions; at most 26 are compared"),
        ({"completions": ["one", "nul\x00"]}, "holds a NUL character"),
        ({"judgments": [{"annotator": "a", "verdict": 3}]}, "verdict is 3; expected 1 to 2"),
        ({"judgments": [{"annotator": "a", "verdict": True}]}, "verdict is True"),
        ({"judgments": [{"verdict": 1}]}, "annotator is missing"),
        ({"judgments": [{"annotator": "a", "verdict": 1, "strength": 9}]}, "strength is 9"),
        ({"judgments": [{"annotator": "a", "verdict": 1, "strength": True}]}, "strength is True"),
        (
            {"judgments": [{"annotator": "a", "verdict": 1, "ended_at": "yesterday"}]},
            "ended_at is 'yesterday'",
        ),
    ],
)
def test_each_mistake_is_explained_in_one_sentence(database, change, complaint):
    make_project(database, pairs=0)

    summary = import_plain(database, [pair(1) | change])

    assert len(summary.rejected) == 1
    assert complaint in summary.rejected[0].reason


def test_a_mapping_reads_another_layout_with_its_judgments(database):
    make_project(database, pairs=0)

    summary = import_plain(database, [DEBATE_RECORD], mapper=DEBATE)

    assert summary.rejected == []
    with database.reading() as session:
        prompt = session.scalars(select(Prompt)).one()
        texts = session.execute(
            select(Completion.text, Completion.source)
            .join(ComparisonCompletion)
            .order_by(ComparisonCompletion.position)
        ).all()
        rows = session.execute(
            select(Annotator.name, Judgment).join(Judgment).order_by(Annotator.name)
        ).all()
    assert prompt.messages == [{"role": "user", "content": "Tea or coffee?\nArgue for: Tea"}]
    assert [tuple(t) for t in texts] == [
        ("It is calmer.", "arg1"), ("It has less caffeine.", None),
    ]  # fmt: skip
    assert [(name, judgment.verdict) for name, judgment in rows] == [
        ("p/17", "preferred"), ("p/18", "tie"),
    ]  # fmt: skip
    clear = rows[0][1]
    assert clear.rationale == "clear"
    assert clear.issued_at == datetime(2016, 2, 1, 20, 0, 46, tzinfo=UTC)
    assert clear.received_at == datetime(2016, 2, 1, 20, 6, 14, tzinfo=UTC)
    assert clear.wall_ms == 328_000
    assert rows[1][1].received_at == NOON


def test_prompts_of_one_group_share_their_split(database):
    make_project(database, pairs=0)
    other_side = json.loads(json.dumps(DEBATE_RECORD))
    other_side["a"]["stance"] = "Coffee"

    import_plain(database, [DEBATE_RECORD, other_side], mapper=DEBATE)

    with database.reading() as session:
        assert len(set(session.scalars(select(Prompt.id)))) == 2
        assert len(set(session.scalars(select(Prompt.split_key)))) == 1


def test_an_unknown_verdict_or_a_missing_path_is_a_reject(database):
    make_project(database, pairs=0)
    unknown = DEBATE_RECORD | {"votes": [{"who": 1, "says": "c"}]}
    missing = {"title": "Tea or coffee?", "a": {"text": "x"}, "b": {"text": "y"}, "votes": []}

    summary = import_plain(database, [unknown, missing], mapper=DEBATE)

    assert [r.reason for r in summary.rejected] == [
        "verdict is 'c'; the mapping knows 'a', 'b', 'same', 'unsure'",
        "prompt: nothing at 'a.stance'",
    ]


def test_a_second_vote_of_one_annotator_is_a_repeat(database):
    make_project(database, pairs=0)
    votes = [
        {"annotator": "x", "verdict": 1, "ended_at": "2026-01-01T10:00:00Z"},
        {"annotator": "x", "verdict": 2, "ended_at": "2026-01-02T10:00:00Z"},
    ]

    import_plain(database, [pair(1, judgments=votes)])

    with database.reading() as session:
        kinds = session.scalars(select(Judgment.kind).order_by(Judgment.received_at)).all()
        assert kinds == ["normal", "repeat"]
        assert len(session.scalars(select(Preference)).all()) == 2


def test_the_same_pair_in_the_other_order_is_the_same_comparison(database):
    make_project(database, pairs=0)
    swapped = pair(1)
    swapped["completions"] = swapped["completions"][::-1]
    votes = [{"annotator": "x", "verdict": 1}]

    import_plain(database, [pair(1), {**swapped, "judgments": votes}])

    with database.reading() as session:
        assert len(session.scalars(select(Comparison)).all()) == 1
        judgment = session.scalars(select(Judgment)).one()
        assert session.get(Completion, judgment.preferred_id).text == "second answer 1"


def test_a_pair_and_a_demonstration_may_come_in_one_record(database):
    make_project(database, pairs=0)

    summary = import_plain(database, [pair(1, demonstration="Like this."), pair(1)])

    assert summary.added["demonstrations"] == 1


def write(path, text: str):
    if path.name.endswith(".gz"):
        with gzip.open(path, "wt", encoding="utf-8") as stream:
            stream.write(text)
    else:
        path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_unreadable_lines_are_rejects_with_their_line_numbers(database, tmp_path, name):
    make_project(database, pairs=0)
    path = write(tmp_path / name, f"{json.dumps(pair(1))}\n\n{{broken\n{json.dumps(pair(2))}\n")

    summary = imports.import_file(database, "p", path, now=NOON)

    assert summary.added["comparisons"] == 2
    assert [(r.line, r.record) for r in summary.rejected] == [(3, "{broken\n")]
    assert summary.rejected[0].reason.startswith("not JSON")


def test_a_json_document_and_a_csv_file_are_read_through_a_mapping(database, tmp_path):
    make_project(database, pairs=0)
    flat = {"q": "Why?", "left": "Because.", "right": "So.", "who": "w1", "better": "left"}
    spec = {
        "prompt": "q",
        "completions": ["left", "right"],
        "judgments": {
            "annotator": "who", "verdict": "better", "verdicts": {"left": 1, "right": 2},
        },
    }  # fmt: skip
    document = write(tmp_path / "a.json", json.dumps({"data": {"items": [flat]}}))
    with (tmp_path / "b.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(flat))
        writer.writeheader()
        writer.writerows([flat, flat | {"who": "w2", "better": "right"}])
        stream.write("too,few\n")

    as_json = imports.import_file(
        database, "p", document, mapper=Mapper.parse(spec | {"records": "data.items"}), now=NOON
    )
    as_csv = imports.import_file(
        database, "p", tmp_path / "b.csv", mapper=Mapper.parse(spec), now=NOON
    )

    assert as_json.added["judgments"] == 1
    assert (as_csv.added["comparisons"], as_csv.added["judgments"]) == (0, 1)
    assert [r.line for r in as_csv.rejected] == [4]


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.txt", "", "does not end in .jsonl, .json or .csv"),
        ("a.json", "{", "not a JSON document"),
        ("a.json", "{}", "no list of records at the top"),
    ],
)
def test_an_unusable_file_is_explained(database, tmp_path, name, text, complaint):
    make_project(database, pairs=0)
    path = write(tmp_path / name, text)

    with pytest.raises(InvalidInput, match=complaint):
        imports.import_file(database, "p", path, now=NOON)


def test_a_missing_file_and_a_cut_gzip_are_explained(database, tmp_path):
    make_project(database, pairs=0)
    whole = write(tmp_path / "a.jsonl.gz", json.dumps(pair(1)) + "\n").read_bytes()
    (tmp_path / "a.jsonl.gz").write_bytes(whole[:-10])

    with pytest.raises(InvalidInput, match="cannot be opened"):
        imports.import_file(database, "p", tmp_path / "none.jsonl", now=NOON)
    with pytest.raises(InvalidInput, match="reading broke off"):
        imports.import_file(database, "p", tmp_path / "a.jsonl.gz", now=NOON)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({}, "no `prompt` found"),
        ({"prompt": "q"}, "neither `completions` nor `demonstration`"),
        ({"prompt": "q", "completions": [], "promt": "x"}, "unknown key 'promt'"),
        ({"prompt": "q", "completions": [], "judgments": {"annotator": "a"}}, "one of the two"),
        (
            {
                "prompt": "q",
                "completions": [],
                "judgments": {"annotator": "a", "verdict": "v", "ranking": "r"},
            },
            "one of the two",
        ),
    ],
)
def test_a_bad_mapping_is_explained(spec, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        Mapper.parse(spec)


@pytest.mark.parametrize(
    ("judgment", "complaint"),
    [
        ({"started_at": 1e20}, "started_at is 1e\\+20"),
        ({"ended_at": float("nan")}, "ended_at is nan"),
        ({"ended_at": "0001-01-01T00:00:00+05:00"}, "ended_at is '0001-01-01"),
        ({"reason": "half a \ud83d smile"}, "half a character"),
    ],
)
def test_what_no_database_can_hold_is_a_reject_and_the_rest_is_stored(
    database, tmp_path, judgment, complaint
):
    make_project(database, pairs=0)
    bad = pair(1, judgments=[{"annotator": "a", "verdict": 1, **judgment}])

    summary = import_plain(database, [bad, pair(2)])

    assert (summary.added["comparisons"], len(summary.rejected)) == (1, 1)
    assert re.search(complaint, summary.rejected[0].reason)
    imports.write_rejects(summary, tmp_path / "rejects.jsonl")
    (line,) = (tmp_path / "rejects.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["line"] == 1


def test_a_number_that_is_too_long_is_a_reject_and_a_damaged_gzip_is_explained(database, tmp_path):
    make_project(database, pairs=0)
    long = tmp_path / "long.jsonl"
    long.write_text("1" * 5000 + "\n" + json.dumps(pair(1)) + "\n")
    summary = imports.import_file(database, "p", long, now=NOON)
    assert (summary.added["comparisons"], len(summary.rejected)) == (1, 1)

    damaged = tmp_path / "damaged.jsonl.gz"
    packed = bytearray(gzip.compress(json.dumps(pair(2)).encode()))
    packed[12:20] = b"\xff" * 8
    damaged.write_bytes(packed)
    with pytest.raises(InvalidInput, match="reading broke off"):
        imports.import_file(database, "p", damaged, now=NOON)
