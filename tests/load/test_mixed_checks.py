"""What the load tests expect of a mixed policy is right by hand, and its checks find damage."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from helpers.load_ledger import Hold, Ledger
from helpers.load_mixed import (
    AFTER,
    BEFORE,
    Plan,
    did_not_happen,
    first_wanted,
    make_mixed_site,
    share_above_half,
    wanted_after,
    wrong_order,
    wrong_people,
    wrong_targets,
)
from helpers.load_stored import Row, Stored


@pytest.mark.parametrize(
    ("halves", "expected"),
    [
        # By hand: 1 - 1/2^(n + 1) for n votes of one kind; sums of binomials over 2^(a + b + 1).
        ((2, 0), 1 - 1 / 4),
        ((6, 0), 1 - 1 / 16),
        ((4, 2), 11 / 16),
        ((6, 2), 26 / 32),
        ((3, 3), 1 / 2),
    ],
)
def test_the_posterior_is_what_a_hand_finds(halves: tuple[int, int], expected: float) -> None:
    assert share_above_half(*halves) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("first", "votes", "expected"),
    [
        (3, {}, 3),
        (3, {"x": 1}, 3),  # 0.75 is not clear yet.
        (4, {"x": 2}, 2),  # 0.875 is.
        (2, {"x": 1, "y": 1}, 3),
        (3, {"x": 1, "y": 1}, 3),
        (3, {"x": 2, "y": 1}, 4),
        (3, {"x": 2, "y": 2, "tie": 1}, 5),  # No more than the adaptive maximum,
        (1000, {"x": 3, "y": 2}, 1000),  # but what was wanted at first.
        (2, {"tie": 3}, 2),
        (2, {"x": 3, "y": 1}, 5),  # 0.8125
        (2, {"x": 4, "y": 1}, 5),  # 57/64 is clear at five.
        (2, {"x": 1, "tie": 1}, 3),
    ],
)
def test_what_is_wanted_after_votes(first: int, votes: dict[object, int], expected: int) -> None:
    assert wanted_after(first, sum(votes.values()), Counter(votes), AFTER) == expected


@pytest.mark.parametrize(
    ("overlap", "tags", "is_drawn", "expected"),
    [
        (2, ["hard"], False, 2),
        (None, ["dull", "hard"], False, 3),
        (None, ["dull"], True, 1),
        (None, [], True, 2),
        (None, [], False, 1),
    ],
)
def test_what_is_wanted_at_first(
    overlap: int | None, tags: list[str], is_drawn: bool, expected: int
) -> None:
    row = {"id": "c", "overlap": overlap, "tags": tags}
    assert first_wanted(row, BEFORE, {"c": is_drawn}) == expected


def test_a_new_project_wants_what_its_policy_says(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/mixed.db"
    make_mixed_site(url, comparisons=32, people=2)
    plan = Plan.read(url)
    # Of 32 every eighth is gold. Every fourth is tagged, every fourth has its own overlap; chance
    # decides the others.
    assert Counter(row["kind"] for row in plan.comparisons) == {"gold": 4, "normal": 28}
    assert len(plan.drawn()) == 28 - 8 - 8
    assert len(plan.experts) == 1
    assert list(plan.mistakes()) == []
    for row in plan.comparisons:
        row["target"] += row["overlap"] is not None
    assert len(list(plan.mistakes())) == 8


ALONE = {"size": 2, "tags": [], "overlap": 1, "priority": 0, "restricted_to": None, "target": 1}


def small_run() -> tuple[Plan, Stored, Ledger]:
    """Three comparisons that want one judgment, given in order: urgent, for experts, and neither;
    the expert Eve judged all of them."""
    rows = [
        {"id": "urgent", "kind": "normal", **ALONE, "priority": 5},
        {"id": "closed", "kind": "normal", **ALONE, "restricted_to": "experts"},
        {"id": "plain", "kind": "normal", **ALONE},
    ]
    tables = ("members", "completions", "preferences", "skips", "days", "votes", "projects")
    empty: dict[str, list[Row]] = {table: [] for table in tables}
    ledger, judged, given = Ledger(2), [], []
    for number, row in enumerate(rows):
        assignment = {"id": f"a{number}", "comparison_id": row["id"], "annotator_id": "eve"}
        given.append(assignment)
        judged.append({**assignment, "kind": "normal", "verdict": "tie", "preferred_id": None})
        ledger.holds[f"a{number}"].append(Hold(number, number + 0.5))
    stored = Stored(
        comparisons=[dict(row) for row in rows], assignments=given, judgments=judged, **empty
    )
    return Plan(rows, {"eve"}), stored, ledger


def wrong(plan: Plan, stored: Stored, ledger: Ledger) -> list[str]:
    return [
        *wrong_targets(plan, stored),
        *wrong_people(plan, stored),
        *wrong_order(plan, stored, ledger),
    ]


def test_a_right_run_has_no_violation() -> None:
    assert wrong(*small_run()) == []


def test_another_target_is_found() -> None:
    plan, stored, ledger = small_run()
    stored.comparisons[2]["target"] = 2
    assert wrong(plan, stored, ledger) == ["comparison plain wants 2, expected 1 (at first 1)"]


def test_a_conflict_that_nobody_followed_up_is_found() -> None:
    plan, stored, ledger = small_run()
    stored.judgments.append({**stored.judgments[2], "annotator_id": "bo", "verdict": "both_bad"})
    assert wrong(plan, stored, ledger) == ["comparison plain wants 1, expected 3 (at first 1)"]


def test_a_stranger_among_the_experts_is_found() -> None:
    plan, stored, ledger = small_run()
    stored.assignments[1]["annotator_id"] = "bo"
    assert wrong(plan, stored, ledger) == ["bo is no expert and was given closed"]


def test_an_urgent_comparison_that_waited_is_found() -> None:
    plan, stored, ledger = small_run()
    ledger.holds["a0"] = [Hold(8, 9)]
    assert wrong(plan, stored, ledger) == [
        "an urgent comparison was begun after half of the others"
    ]


def test_a_run_that_shows_little_says_so() -> None:
    assert set(did_not_happen(*small_run())) == {
        "the policy was changed",
        "a comparison stopped early",
        "a comparison asked for more",
        "chance decided both ways",
        "gold and repeats were judged",
    }
