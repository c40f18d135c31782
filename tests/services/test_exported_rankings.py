"""Comparisons of more than two responses in an export: pairs by hand, and what they weigh."""

import json
from collections import Counter
from uuid import UUID

import pytest
from helpers.data import NOON, import_plain, make_project, project_of

from app.rules.export_rows import Decision, JudgedComparison, Member, Vote, judgment_rows
from app.services.exports import ExportOptions, export_project, preference_rows

JUDGMENTS = [
    {"annotator": "u", "ranking": [2, 1, 3]},
    {"annotator": "v", "ranking": [2, [1, 3]]},
    {"annotator": "w", "verdict": 1, "strength": 3},
    {"annotator": "x", "verdict": "tie"},
]


@pytest.fixture
def judged(database):
    """Of a, b and c: b a c; b and then both others; a is the best; a tie."""
    make_project(database, pairs=0)
    import_plain(database, [{"prompt": "?", "completions": list("abc"), "judgments": JUDGMENTS}])
    return database


def rows_of(database, **options):
    with database.reading() as session:
        found = preference_rows(session, project_of(session), ExportOptions(**options))
        return [row for _, row in found]


def text(row):
    return row["chosen"][0]["content"] + row["rejected"][0]["content"]


def test_every_pair_is_aggregated_from_what_judgments_say_of_it(judged):
    """a and b: one, two and a tie, so b has (2 + 1/2 + 1) / (4 + 2). a and c: two and two ties. b
    and c: two and a tie; who only says that a is the best says nothing of them."""
    rows = {text(row): row for row in rows_of(judged)}

    assert {pair: row["p_votes"] for pair, row in rows.items()} == pytest.approx(
        {"ba": 3.5 / 6, "ac": 4 / 6, "bc": 3.5 / 5}
    )
    assert {pair: row["probability"] for pair, row in rows.items()} == pytest.approx(
        {pair: row["p_votes"] for pair, row in rows.items()}
    )
    assert {pair: row["judgments"] for pair, row in rows.items()} == {"ba": 4, "ac": 4, "bc": 3}
    assert {pair: row["agreement"] for pair, row in rows.items()} == pytest.approx(
        {"ba": 1 / 6, "ac": 1 / 3, "bc": 1 / 3}
    )
    assert {pair: row["strength"] for pair, row in rows.items()} == {
        "ba": None,
        "ac": 3,
        "bc": None,
    }
    assert [row["weight"] for row in rows.values()] == [1 / 3] * 3
    assert {row["group_id"] for row in rows.values()} == {rows["ba"]["comparison_id"]}


@pytest.mark.parametrize(
    ("ties", "pairs"),
    [
        ("drop", ["ab ac", "ba ac bc", "ba bc"]),
        ("keep", ["ab ac", "ab=0.5 ac=0.5 bc=0.5", "ba ac bc", "ba ac=0.5 bc"]),
    ],
)
def test_rows_by_judgment_are_its_pairs_under_one_group(judged, ties, pairs):
    rows = rows_of(judged, rows="judgments", ties=ties)

    groups = {}
    for row in rows:
        said = text(row) + ("=0.5" if row["probability"] == 0.5 else "")
        groups.setdefault(row["group_id"], []).append(said)
        assert row["probability"] in (0.5, 1.0)
        assert row["weight"] == 1 / 3
        assert row["judgments"] == 1
    assert sorted(" ".join(group) for group in groups.values()) == pairs


def test_groups_and_rankings_lead_to_the_judgments_of_the_bundle(judged, tmp_path):
    export_project(judged, "p", tmp_path / "out", ExportOptions(rows="judgments"), now=NOON)

    judgments = {
        row["judgment_id"]: row
        for row in map(json.loads, (tmp_path / "out" / "judgments.jsonl").open())
    }
    rows = rows_of(judged, rows="judgments")
    assert Counter(judgments[row["group_id"]]["verdict"] for row in rows) == {
        "ranking": 5, "preferred": 2,
    }  # fmt: skip
    for row in rows:
        ranking = judgments[row["group_id"]]["ranking"]
        if ranking is not None:
            places = {key: place for place, group in enumerate(ranking) for key in group}
            assert places[row["chosen_id"]] < places[row["rejected_id"]]


def test_a_reviewer_who_preferred_a_third_one_says_nothing_of_a_pair():
    a, b, c = (Member(id=UUID(int=i), text=name, source=None) for i, name in enumerate("abc"))
    vote = Vote(
        id=UUID(int=9), annotator_id=UUID(int=8), verdict="ranking", preferred_id=None,
        strength=None, ranking=[[a.id], [b.id], [c.id]],
    )  # fmt: skip
    comparison = JudgedComparison(
        id=UUID(int=7), prompt_id=UUID(int=6), messages=[], tags=[], members=[a, b, c],
        votes=[vote],
        decision=Decision(outcome="preferred", preferred_id=b.id, cause=None, blind=True),
    )  # fmt: skip

    found = {text(row): row["adjudicated"] for row in judgment_rows(comparison, keep_ties=False)}

    assert found == {"ab": "rejected", "ac": None, "bc": "chosen"}
