"""A project whose comparisons want different things, a change of its policy while people judge, and
what every comparison must have in the end, counted in another way than the server does.

Tags with an overlap of their own, comparisons with one, a random share, adaptive overlap, urgent
ones, a group that some are restricted to, gold and repeats. Some texts are the obvious choice, so
that their comparisons can stop early; about the others people disagree.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import sqrt
from statistics import median

from helpers.load_annotators import OBVIOUS
from helpers.load_crashes import first_of
from helpers.load_ledger import Ledger
from helpers.load_site import SLUG, Invited, fill_site
from helpers.load_stored import Row, Stored, query

from app.db import Database
from app.rules.queue_policy import QueuePolicy
from app.services import projects

EXPERTS = "experts"
BEFORE = QueuePolicy(
    overlap=2,
    overlap_share=0.5,
    overlap_by_tag={"hard": 3, "dull": 1},
    adaptive_max=4,
    adaptive_confidence=0.85,
    gold_share=0.15,
    repeat_share=0.15,
    repeat_after_hours=0,
)
AFTER = replace(BEFORE, overlap=3, overlap_by_tag={"hard": 4, "dull": 1}, adaptive_max=5)
PLAN = """
    SELECT id, kind, size, tags, overlap, priority, restricted_to, target FROM comparisons"""
MEMBERS = "SELECT annotator_id, groups FROM memberships"


def make_mixed_site(url: str, *, comparisons: int, people: int) -> list[Invited]:
    """Every fifth person is an expert, on one door as on the other."""
    return fill_site(
        url,
        [_record(number) for number in range(comparisons)],
        BEFORE,
        people=people,
        groups=lambda number: [EXPERTS] if number % 5 == 0 else [],
    )


def _record(number: int) -> dict[str, object]:
    names = ("one", "two", "three") if number % 12 == 11 else ("one", "two")
    texts = [f"answer {number} {name}" for name in names]
    record: dict[str, object] = {"prompt": f"Question {number}?", "completions": texts}
    if number % 8 == 7:
        return {**record, "completions": texts[:2], "gold": "tie"}
    if number % 3 == 0:
        texts[0] += f" {OBVIOUS}"
    if number % 4 == 0:
        record["tags"] = ["dull", "hard"] if number % 8 == 0 else ["dull"]
    elif number % 4 == 1:
        record["overlap"] = 2
    if number % 5 == 0:
        record["priority"] = 5
    if number % 7 == 3:
        record["annotator_group"] = EXPERTS
    return record


@dataclass(frozen=True, kw_only=True)
class PolicyChange:
    """The admin changes how often comparisons are judged, when so many verdicts are there."""

    url: str
    after: int

    async def __call__(self, ledger: Ledger, finished: asyncio.Event) -> None:
        # Not one acknowledgement after another: several arrive in one moment on a busy machine.
        while len(ledger.acknowledged()) < self.after and not finished.is_set():
            await first_of(ledger.next_acknowledgement(), finished.wait())
        if not finished.is_set():
            await asyncio.to_thread(self._change)
            ledger.events["changed the policy"] += 1

    def _change(self) -> None:
        database = Database(self.url)
        with database.writing() as session:
            projects.set_policy(session, projects.by_slug(session, SLUG), AFTER)
        database.dispose()


@dataclass(frozen=True)
class Plan:
    """What a project's comparisons are, read before anybody judges. Plain SQL, as afterwards."""

    comparisons: list[Row]
    experts: set[str]

    @classmethod
    def read(cls, url: str) -> Plan:
        members = query(url, MEMBERS)
        return cls(
            query(url, PLAN), {row["annotator_id"] for row in members if EXPERTS in row["groups"]}
        )

    def drawn(self) -> dict[str, bool]:
        """By comparison that neither its own number nor a tag decides: whether chance gave it the
        overlap. The draw is made once, so what it was before holds afterwards."""
        return {row["id"]: row["target"] > 1 for row in self._left_to_chance()}

    def _left_to_chance(self) -> Iterator[Row]:
        for row in self.comparisons:
            if row["kind"] == "normal" and row["overlap"] is None and not row["tags"]:
                yield row

    def mistakes(self) -> Iterator[str]:
        """What is wrong before anybody judged: targets, and a share that cannot be chance."""
        drawn = self.drawn()
        for row in self.comparisons:
            wanted = 0 if row["kind"] == "gold" else first_wanted(row, BEFORE, drawn)
            if row["target"] != wanted:
                yield f"comparison {row['id']} wants {row['target']} at first, expected {wanted}"
        n, share = len(drawn), BEFORE.overlap_share
        if abs(sum(drawn.values()) - n * share) > 4 * sqrt(n * share * (1 - share)):
            yield f"{sum(drawn.values())} of {n} were drawn for the overlap, expected {share:.0%}"


def first_wanted(row: Row, policy: QueuePolicy, drawn: Mapping[str, bool]) -> int:
    """Its own number; else the largest of its tags; else what the draw gives."""
    if row["overlap"] is not None:
        number: int = row["overlap"]
        return number
    if row["tags"]:
        return max(policy.overlap_by_tag[tag] for tag in row["tags"])
    return policy.overlap if drawn[row["id"]] else 1


def wanted_after(
    first: int, judged: int, votes: Counter[object], policy: QueuePolicy, *, is_pair: bool = True
) -> int:
    """`votes` counts annotators by what they said: completion ids, and the words of those who
    prefer neither. Where three were compared nothing stops early, and a conflict is one too."""
    assert policy.adaptive_max is not None
    sides = sorted(
        (n for said, n in votes.items() if said not in ("tie", "both_bad")), reverse=True
    )
    level = sum(votes.values()) - sum(sides)
    leading, other = [*sides, 0, 0][:2]
    if (
        is_pair
        and judged
        and share_above_half(2 * leading + level, 2 * other + level) >= (policy.adaptive_confidence)
    ):
        return judged
    if judged >= first and len(votes) > 1:
        return max(first, min(judged + 1, policy.adaptive_max))
    return first


@cache
def share_above_half(halves_for: int, halves_against: int, steps: int = 4000) -> float:
    """P(p > 1/2) where the density of p is proportional to p^a (1 - p)^b, a and b in halves: the
    posterior after a uniform prior, by the sum of many thin slices."""
    points = [(i + 0.5) / steps for i in range(steps)]
    density = [p ** (halves_for / 2) * (1 - p) ** (halves_against / 2) for p in points]
    return sum(density[steps // 2 :]) / sum(density)


def wrong_targets(plan: Plan, stored: Stored) -> Iterator[str]:
    """`violations` holds what was judged against `target`; this holds `target` against AFTER."""
    now = {row["id"]: row["target"] for row in stored.comparisons}
    for key, (first, wanted) in _wanted(plan, stored).items():
        if now[key] != wanted:
            yield f"comparison {key} wants {now[key]}, expected {wanted} (at first {first})"


def _wanted(plan: Plan, stored: Stored) -> dict[str, tuple[int, int]]:
    """By normal comparison: the judgments wanted of it at first, and after all it has."""
    drawn, judges, votes = plan.drawn(), defaultdict(set), defaultdict(Counter)
    for row in stored.judgments:
        if row["kind"] == "normal":
            judges[row["comparison_id"]].add(row["annotator_id"])
            votes[row["comparison_id"]][row["preferred_id"] or row["verdict"]] += 1
    found = {}
    for row in plan.comparisons:
        if row["kind"] == "normal":
            key, first = row["id"], first_wanted(row, AFTER, drawn)
            wanted = wanted_after(
                first, len(judges[key]), votes[key], AFTER, is_pair=row["size"] == 2
            )
            found[key] = first, wanted
    return found


def wrong_people(plan: Plan, stored: Stored) -> Iterator[str]:
    """Who was given, or judged, what is for a group that they are not in."""
    restricted = {row["id"] for row in plan.comparisons if row["restricted_to"] is not None}
    for row in (*stored.assignments, *stored.judgments):
        if row["comparison_id"] in restricted and row["annotator_id"] not in plan.experts:
            yield f"{row['annotator_id']} is no expert and was given {row['comparison_id']}"


def wrong_order(plan: Plan, stored: Stored, ledger: Ledger) -> Iterator[str]:
    """Every urgent comparison is begun before half of the others are. What is for experts waits for
    them, and gold for its turn."""
    begun: defaultdict[str, list[float]] = defaultdict(list)
    for row in stored.assignments:
        begun[row["comparison_id"]] += [hold.answered for hold in ledger.holds[row["id"]]]
    times: dict[bool, list[float]] = {True: [], False: []}
    for row in plan.comparisons:
        if row["kind"] == "normal" and row["restricted_to"] is None:
            times[row["priority"] > 0].append(min(begun[row["id"]]))
    if max(times[True]) > median(times[False]):
        yield "an urgent comparison was begun after half of the others"


def did_not_happen(plan: Plan, stored: Stored, ledger: Ledger) -> Iterator[str]:
    """What the run was for and did not have; its other checks would say little then."""
    wanted = _wanted(plan, stored).values()
    kinds = Counter(row["kind"] for row in stored.judgments)
    happened = {
        "the policy was changed": ledger.events["changed the policy"] == 1,
        "a comparison stopped early": any(now < first for first, now in wanted),
        "a comparison asked for more": any(now > first for first, now in wanted),
        "chance decided both ways": set(plan.drawn().values()) == {True, False},
        "gold and repeats were judged": kinds["gold"] > 0 and kinds["repeat"] > 0,
        "something was restricted": any(row["restricted_to"] for row in plan.comparisons),
    }
    return (what for what, is_true in happened.items() if not is_true)
