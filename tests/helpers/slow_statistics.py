"""A project's sums counted judgment by judgment, by the definitions, with nothing of `app.rules`.

The result has the shape of `ProjectSums.rows`: table, key by names, values.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from datetime import date
from fractions import Fraction
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models.judgments import Judgment
from app.models.projects import Comparison, ComparisonCompletion, Completion, Prompt

LABELS = ("first", "second", "tie", "both_bad")
Key = tuple[Any, ...]


def slow_sums(session: Session, project_id: Any) -> dict[str, dict[Key, tuple[int, ...]]]:
    count = _Count()
    for comparison in session.scalars(select(Comparison).filter_by(project_id=project_id)):
        _Compared(session, comparison).add_to(count)
    return {
        name: {key: tuple(values) for key, values in table.items() if any(values)}
        for name, table in count.tables.items()
    }


class _Count:
    def __init__(self) -> None:
        self.tables: defaultdict[str, dict[Key, list[int]]] = defaultdict(dict)

    def add(self, table: str, key: Key, *values: Any) -> None:
        sums = self.tables[table].setdefault(key, [0] * len(values))
        for i, value in enumerate(values):
            sums[i] += int(value)


class _Compared:
    """One comparison and the judgments of it that are current."""

    def __init__(self, session: Session, comparison: Comparison) -> None:
        self.comparison = comparison
        self.prompt = session.get_one(Prompt, comparison.prompt_id)
        members = session.scalars(
            select(ComparisonCompletion)
            .filter_by(comparison_id=comparison.id)
            .order_by(ComparisonCompletion.position)
        ).all()
        self.completions = [session.get_one(Completion, m.completion_id) for m in members]
        self.places = {c.id.hex: i for i, c in enumerate(self.completions)}
        every = session.scalars(select(Judgment).filter_by(comparison_id=comparison.id)).all()
        superseded = {j.supersedes_id for j in every}
        current = [j for j in every if j.id not in superseded]
        self.given = sorted(current, key=lambda j: (j.received_at, j.id))
        self.every = {j.id: j for j in every}
        self.is_gold = comparison.kind == "gold"
        self.part = comparison.prompt_id.bytes[0]

    def add_to(self, count: _Count) -> None:
        counted = [j for j in self.given if j.kind == "normal"] if not self.is_gold else []
        self._annotators(count, counted)
        self._planted(count)
        if len(self.completions) == 2:
            self._agreement(count, counted)
            self._sides(count, counted)

    def says(self, judgment: Judgment) -> Any:
        if judgment.ranking is not None:
            return [set(group) for group in judgment.ranking]
        if judgment.preferred_id is None:
            return judgment.verdict
        return self.places[judgment.preferred_id.hex]

    def label(self, judgment: Judgment) -> int:
        said = self.says(judgment)
        return said if isinstance(said, int) else LABELS.index(said)

    def pattern(self, judgments: list[Judgment]) -> Key:
        grades = Counter(map(self._grade, judgments))
        order = (-3, -2, -1, 0, 1, 2, 3, "first", "second", "both_bad")
        return tuple(grades[g] for g in order)

    def _presented(self, judgment: Judgment) -> Any:
        """When what this revises was given first."""
        while judgment.supersedes_id is not None:
            judgment = self.every[judgment.supersedes_id]
        return judgment.received_at, judgment.id

    def _agreement(self, count: _Count, counted: list[Judgment]) -> None:
        if not counted:
            return
        strengths = [j.strength for j in counted if j.preferred_id is not None and j.strength]
        mean = Fraction(sum(strengths), len(strengths)) if strengths else None
        if len(counted) <= 2:
            self._patterns(count, 0, counted, mean)
        else:
            self._patterns(count, 1, counted, mean)
            self._patterns(count, 2, sorted(counted, key=self._presented)[:2], mean)
        one, other = (c.source for c in self.completions)
        if one != other:
            self._wins(count, counted)
        for a, b in itertools.combinations(counted, 2):
            one, other = sorted((a, b), key=lambda j: j.annotator_id)
            count.add(
                "pairs",
                (
                    one.annotator_id.hex,
                    other.annotator_id.hex,
                    self.label(one),
                    self.label(other),
                ),
                1,
            )

    def _patterns(
        self, count: _Count, which: int, some: list[Judgment], mean: Fraction | None
    ) -> None:
        pattern = (which, self.part, *self.pattern(some))
        count.add("all", pattern, 1)
        for tag in {*self.comparison.tags, *self.prompt.tags}:
            count.add("tag", (tag, *pattern), 1)
        (one, other), turned = self._by_source(some)
        count.add("sources", (one, other, which, self.part, *turned), 1)
        for name, value in (("guideline", _guideline), ("week", _week)):
            for key in {value(j) for j in some}:
                of_value = self.pattern([j for j in some if value(j) == key])
                count.add(name, (key, which, self.part, *of_value), 1)
        if mean is not None:
            count.add("strength", (math.floor(mean + Fraction(1, 2)), *pattern), 1)

    def _by_source(self, some: list[Judgment]) -> tuple[list[str | None], Key]:
        """The sources by name, and the pattern as if the first of these stood first."""
        sources = [c.source for c in self.completions]
        *graded, first, second, both_bad = self.pattern(some)
        if (sources[1] or "") < (sources[0] or ""):
            sources.reverse()
            graded.reverse()
            first, second = second, first
        return sources, (*graded, first, second, both_bad)

    def _wins(self, count: _Count, counted: list[Judgment]) -> None:
        sources, (*graded, first, second, both_bad) = self._by_source(counted)
        for_one, for_other = sum(graded[:3]) + first, sum(graded[4:]) + second
        count.add("wins", (*sources, self.part), for_one, for_other, graded[3], both_bad)

    def _grade(self, judgment: Judgment) -> Any:
        label = LABELS[self.label(judgment)]
        if label in ("first", "second") and judgment.strength:
            return judgment.strength * (1 if label == "second" else -1)
        return 0 if label == "tie" else label

    def _sides(self, count: _Count, counted: list[Judgment]) -> None:
        texts = [c.text for c in self.completions]
        for j in counted:
            who, chosen = j.annotator_id.hex, self.says(j)
            decisive = isinstance(chosen, int)
            if j.assignment_id is not None:
                side_a = self.places[j.shown_order[0]]
                count.add("sides", (who, j.layout), 1, decisive, chosen == side_a)
                if decisive:
                    log = math.log(len(texts[side_a]) / len(texts[1 - side_a]))
                    place = max(-25, min(25, round(10 * log)))
                    count.add("lengths", (who, place), 1, chosen == side_a)
            if decisive:
                marked = ["**" in text for text in texts]
                one = marked[0] != marked[1]
                longer = abs(len(texts[0]) - len(texts[1])) > 30
                more = len(texts[chosen]) > len(texts[1 - chosen])
                count.add("style", (who,), one, one and marked[chosen], longer, longer and more)

    def _annotators(self, count: _Count, counted: list[Judgment]) -> None:
        words = sum(len(m["content"].split()) for m in self.prompt.messages)
        words += sum(len(c.text.split()) for c in self.completions)
        for j in self.given:
            who, timed = j.annotator_id.hex, j.active_ms is not None
            says = [
                j in counted and j.verdict == v for v in ("preferred", "tie", "both_bad", "ranking")
            ]
            count.add("annotators", (who,), 1, j in counted, *says, j.late, timed, j.active_ms or 0)
            for reason in set(j.reason_codes):
                count.add("reasons", (who, reason), 1)
            if j in counted and j.verdict == "preferred":
                count.add("strengths", (who, j.strength or 0), 1)
            pace = 0
            if timed:
                seconds = max(j.active_ms, 1) / 1000
                pace = max(-60, min(80, round(10 * math.log(words / seconds))))
                count.add("seconds", (who, round(10 * math.log(seconds))), 1)
                count.add("pace", (who, pace), 1)
            gold = self._is_answer(j)
            count.add("weeks", (who, _week(j)), 1, gold, gold and self._is_right(j), timed, pace)

    def _is_answer(self, judgment: Judgment) -> bool:
        return self.is_gold and judgment.kind != "repeat"

    def _is_right(self, judgment: Judgment) -> bool:
        comparison = self.comparison
        if judgment.ranking is not None:
            best = judgment.ranking[0]
            if comparison.gold_verdict == "tie":
                return len(best) == len(self.places)
            place = self.places[best[0]]
            return len(best) == 1 and (place, "preferred") == (
                comparison.gold_position,
                comparison.gold_verdict,
            )
        if comparison.gold_verdict == "preferred":
            return self.says(judgment) == comparison.gold_position
        return self.says(judgment) == comparison.gold_verdict

    def _planted(self, count: _Count) -> None:
        for j in self.given:
            who = j.annotator_id.hex
            if self._is_answer(j):
                count.add("gold", (who,), 1, self._is_right(j))
            if j.kind == "repeat":
                (before,) = [
                    other
                    for other in self.given
                    if other.annotator_id == j.annotator_id and other.kind != "repeat"
                ]
                shown = j.assignment_id and before.assignment_id and len(self.completions) == 2
                swapped = int(j.shown_order != before.shown_order) if shown else 2
                count.add("repeats", (who, swapped), 1, self.says(j) == self.says(before))


def _guideline(judgment: Judgment) -> Any:
    version = judgment.guideline_version_id
    return None if version is None else version.hex


def _week(judgment: Judgment) -> int:
    return (judgment.received_at.date() - date(1969, 12, 29)).days // 7
