"""How somebody judges, against plain loops over the judgments of a small project."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import UTC, datetime
from itertools import combinations
from statistics import mean
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from helpers.data import add_annotator, import_plain, lease, make_project, submit
from helpers.office import SLUG, make_office
from sqlalchemy import select

from app.db import Database
from app.models.judgments import Judgment
from app.models.projects import Comparison, ComparisonCompletion, Completion, Prompt
from app.services import annotator_habits, comparison_search, projects, statistics
from app.services.annotator_habits import Habits
from app.services.comparison_filters import ComparisonFilter

LATER = datetime(2026, 6, 1, tzinfo=UTC)


def habits_of(database: Database, who: UUID, slug: str, *, skips: int = 0) -> Habits:
    with database.reading() as session:
        project = projects.by_slug(session, slug)
    sums = statistics.read(database, project.id, now=LATER)
    with database.reading() as session:
        return annotator_habits.of(
            session, project, who, sums.annotators()[who], sums.pairs(), skips=skips
        )


def listed(database: Database, habit: str) -> list[UUID]:
    """The comparisons of a list that asks for a habit of ada's, each of one judgment."""
    with database.reading() as session:
        wanted = ComparisonFilter(annotator="ada", habit=habit)
        found = comparison_search.find(session, projects.by_slug(session, "p"), wanted)
    assert found.number == len(found.ids)
    return found.ids


def kappa_of(pairs: list[tuple[object, object]]) -> float:
    n = len(pairs)
    observed = sum(a == b for a, b in pairs) / n
    labels = {label for pair in pairs for label in pair}
    chance = sum(sum(a == x for a, _ in pairs) * sum(b == x for _, b in pairs) for x in labels) / (
        n * n
    )
    return (observed - chance) / (1 - chance)


def test_habits_are_those_of_the_judgments(database: Database) -> None:
    make_office(database, comparisons=96)
    said: dict[UUID, dict[UUID, object]] = defaultdict(dict)
    sides: dict[UUID, list[str]] = defaultdict(list)
    times: dict[UUID, list[tuple[float, int]]] = defaultdict(list)
    with database.reading() as session:
        texts = {c.id: len(c.text.split()) for c in session.scalars(select(Completion))}
        asked = {
            p.id: sum(len(m["content"].split()) for m in p.messages)
            for p in session.scalars(select(Prompt))
        }
        places = {
            (row.comparison_id, row.completion_id): row.position
            for row in session.scalars(select(ComparisonCompletion))
        }
        for j, c in session.execute(
            select(Judgment, Comparison)
            .join(Comparison, Comparison.id == Judgment.comparison_id)
            .where(Judgment.project_id == projects.by_slug(session, SLUG).id)
            .order_by(Judgment.received_at)
        ):
            shown = sum(texts[UUID(key)] for key in j.shown_order) + asked[c.prompt_id]
            times[j.annotator_id].append((j.active_ms / 1000, shown))
            if c.kind == "normal" and j.kind == "normal":
                said[j.annotator_id][c.id] = places.get((c.id, j.preferred_id), j.verdict)
                on_left = j.preferred_id is not None and j.shown_order[0] == j.preferred_id.hex
                sides[j.annotator_id].append(
                    j.verdict if j.preferred_id is None else "left" if on_left else "right"
                )

    assert len(sides) > 3
    for who, given in sides.items():
        found = habits_of(database, who, SLUG, skips=3)
        n = len(given)
        left, right = given.count("left"), given.count("right")
        assert (found.ties.value, found.ties.n) == (pytest.approx((n - left - right) / n), n)
        assert found.skips.value == pytest.approx(3 / (len(times[who]) + 3))
        assert found.side_difference.value == pytest.approx((left - right) / n)
        shares = [k / n for k in (left, right, n - left - right) if k]
        assert found.entropy.value == pytest.approx(-sum(p * math.log2(p) for p in shares))
        common = [
            [(said[who][c], other[c]) for c in said[who] if c in other]
            for whose, other in said.items()
            if whose != who
        ]
        wanted = [kappa_of(pairs) for pairs in common if len(pairs) >= 20]
        assert found.kappa.n == len(wanted)
        assert found.kappa.value == (pytest.approx(mean(wanted)) if wanted else None)
        assert found.times.share.n == len(times[who])


def test_times_beside_the_text_are_regressed_on_its_length(database: Database) -> None:
    """Ten seconds for each answer, short or long, and one of a tenth of a second."""
    make_project(database, pairs=24)
    annotator = add_annotator(database, "ada")
    for number in range(24):
        view = lease(database, annotator)
        assert view is not None
        submit(database, annotator, view, active_ms=100 if number == 5 else 10_000 + 40 * number)

    found = habits_of(database, annotator.id, "p").times

    assert (found.share.n, found.share.value, found.fast.value) == (24, 1 / 24, 1 / 24)
    (fast,) = listed(database, "unusually_fast")
    with database.reading() as session:
        asked = select(Judgment.active_ms).where(Judgment.comparison_id == fast)
        assert session.scalars(asked).all() == [100]
    assert listed(database, "unusual_time") == [fast]
    assert len(listed(database, "timed")) == 24


def test_circles_among_three_responses_are_found(database: Database) -> None:
    """Of 3 prompts with every two of three responses compared, one goes round."""
    make_project(database, pairs=0)
    records = [
        {"prompt": f"Question {i}?", "completions": [f"{a} {i}", f"{b} {i}"]}
        for i in range(3)
        for a, b in combinations("abc", 2)
    ]
    assert not import_plain(database, records).rejected
    annotator = add_annotator(database, "ada", annotator_id=uuid5(NAMESPACE_URL, "ada"))
    for _ in range(9):
        view = lease(database, annotator)
        assert view is not None
        texts = [side.text for side in view.sides]
        # a over b over c, but for the first prompt, where c is over a.
        goes_round = texts[0].endswith("0") and {text[0] for text in texts} == {"a", "c"}
        best = max(texts) if goes_round else min(texts)
        submit(database, annotator, view, "AB"[texts.index(best)])

    habits = habits_of(database, annotator.id, "p")
    circles = habits.circles

    assert (circles.share.value, circles.share.n) == (pytest.approx(1 / 3), 3)
    assert circles.consistency.value == pytest.approx(2 / 3)
    with database.reading() as session:
        asked = select(Comparison.id, Prompt.messages).join(Prompt)
        first = {key for key, said in session.execute(asked) if said[0]["content"].endswith("0?")}
    assert set(listed(database, "in_circles")) == first
    assert len(listed(database, "in_triples")) == 9
    assert (habits.in_circles, habits.in_triples) == (3, 9)
