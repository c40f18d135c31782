"""The sums that are kept beside the judgments, counted again from the rows in another way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from fractions import Fraction

from helpers.load_stored import Row, Stored

CREDIT = 720720
LABELS = ("n_first", "n_second", "n_tie", "n_both_bad")
IDS_AND_DAY = ("project_id", "annotator_id", "day")


def wrong_sums(stored: Stored) -> list[str]:
    """Every sum that differs from what the rows add up to."""
    return [*_columns(stored), *_days(stored), *_votes(stored)]


def _label(stored: Stored) -> dict[str, str]:
    """By judgment: which of the four labels it gives to a comparison of two."""
    position = {
        (row["comparison_id"], row["completion_id"]): row["position"] for row in stored.members
    }
    return {
        row["id"]: LABELS[position[row["comparison_id"], row["preferred_id"]]]
        if row["preferred_id"] is not None
        else f"n_{row['verdict']}"
        for row in stored.judgments
        if row["preferred_id"] is None or position[row["comparison_id"], row["preferred_id"]] < 2
    }


def _counted(stored: Stored) -> dict[str, list[Row]]:
    """By comparison: the judgments that agreement is made of."""
    normal = {row["id"] for row in stored.comparisons if row["kind"] == "normal"}
    found = defaultdict(list)
    for row in stored.judgments:
        if row["kind"] == "normal" and row["comparison_id"] in normal:
            found[row["comparison_id"]].append(row)
    return found


def _columns(stored: Stored) -> Iterator[str]:
    label, counted = _label(stored), _counted(stored)
    everybody = defaultdict(set)
    for row in stored.judgments:
        if row["kind"] != "repeat":
            everybody[row["comparison_id"]].add(row["annotator_id"])
    for row in stored.comparisons:
        votes = counted.get(row["id"], [])
        labels = Counter(label[vote["id"]] for vote in votes) if row["size"] == 2 else Counter()
        says = {(vote["verdict"], vote["preferred_id"]) for vote in votes}
        expected = {
            "judged": len(everybody[row["id"]]),
            "contested": len(says) > 1,
            **{name: labels[name] for name in LABELS},
        }
        kept = {name: row[name] for name in expected}
        if kept != expected:
            yield f"comparison {row['id']}: kept {kept}, counted {expected}"


def _days(stored: Stored) -> Iterator[str]:
    expected: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in stored.judgments:
        expected[row["annotator_id"], row["received_at"]]["judged"] += 1
    for row in stored.skips:
        expected[row["annotator_id"], row["skipped_at"]]["skipped"] += 1
    pairs = {row["id"] for row in stored.comparisons if row["size"] == 2}
    (project,) = stored.projects
    # Once a policy is adaptive, only the first two judgments are compared with each other.
    most = 2 if "ever_adaptive" in project["settings"] else None
    for comparison, votes in _counted(stored).items():
        compared = sorted(votes, key=lambda vote: (vote["moment"], vote["id"]))[:most]
        for vote in votes:
            sums = expected[vote["annotator_id"], vote["received_at"]]
            sums["counted"] += 1
            sums[vote["verdict"]] += 1
            if vote["preferred_id"] is not None and comparison in pairs:
                sums["sided"] += 1
                sums["first_side"] += vote["preferred_id"] == vote["shown_order"][0]
            others = [other for other in compared if other is not vote]
            if others and vote in compared:
                same = sum(
                    (other["verdict"], other["preferred_id"])
                    == (vote["verdict"], vote["preferred_id"])
                    for other in others
                )
                sums["shared"] += 1
                sums["credit"] += int(Fraction(same, len(others)) * CREDIT)
    for row in stored.days:
        kept = Counter({name: n for name, n in row.items() if name not in IDS_AND_DAY and n})
        counted = expected.pop((row["annotator_id"], row["day"]), Counter())
        if kept != counted:
            yield f"day {row['day']} of {row['annotator_id']}: kept {kept}, counted {counted}"
    for key in expected:
        yield f"day {key} is not kept"


def _votes(stored: Stored) -> Iterator[str]:
    expected: Counter[tuple[int, ...]] = Counter()
    label, counted = _label(stored), _counted(stored)
    for row in stored.comparisons:
        labels = Counter(
            label[vote["id"]] for vote in counted.get(row["id"], []) if row["size"] == 2
        )
        if labels:
            group = int(row["prompt_id"][:2], 16)
            expected[(group, *(labels[name] for name in LABELS))] += 1
    kept = Counter(
        {
            (row["prompt_group"], *(row[name] for name in LABELS)): row["comparisons"]
            for row in stored.votes
        }
    )
    for key in kept.keys() | expected.keys():
        if kept[key] != expected[key]:
            yield f"vote counts {key}: kept {kept[key]}, counted {expected[key]}"
