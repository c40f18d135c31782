"""What is told of each annotator, against plain loops over the judgments of a small project."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest
from helpers.office import SLUG, make_office
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database
from app.models.judgments import Judgment
from app.models.projects import Comparison, ComparisonCompletion, Project, Prompt
from app.rules.annotator_sums import TIME_LIMITS
from app.rules.proportions import wilson
from app.services import (
    annotator_figures,
    annotator_matrix,
    annotator_page,
    comparison_search,
    guidelines,
    projects,
    statistics,
)
from app.services.annotator_matrix import AnnotatorMatrix
from app.services.comparison_filters import ComparisonFilter
from app.services.kept_fits import NO_FITS

LATER = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def office(database: Database) -> Database:
    make_office(database, comparisons=48)
    return database


def judged(session: Session, project: Project) -> list[tuple[Judgment, Comparison, Any]]:
    """Every judgment, its comparison, and what it says: a position or the verdict's name."""
    positions = {
        (row.comparison_id, row.completion_id): row.position
        for row in session.scalars(select(ComparisonCompletion))
    }
    rows = session.execute(
        select(Judgment, Comparison)
        .join(Comparison, Comparison.id == Judgment.comparison_id)
        .where(Judgment.project_id == project.id)
    ).all()
    return [(j, c, positions.get((j.comparison_id, j.preferred_id), j.verdict)) for j, c in rows]


def by_comparison(rows: list[tuple[Judgment, Comparison, Any]]) -> dict[UUID, dict[UUID, Any]]:
    """What each annotator said of each comparison that is not gold."""
    found: dict[UUID, dict[UUID, Any]] = defaultdict(dict)
    for judgment, comparison, said in rows:
        if comparison.kind == "normal":
            found[comparison.id][judgment.annotator_id] = said
    return found


def monday_of(judgment: Judgment) -> date:
    day = judgment.received_at.date()
    return day - timedelta(days=day.weekday())


def everybody(rows: list[tuple[Judgment, Comparison, Any]]) -> Iterator[UUID]:
    yield from sorted({judgment.annotator_id for judgment, _, _ in rows})


def test_sides_known_answers_and_agreement_by_week_are_those_of_the_judgments(office):
    with office.reading() as session:
        project = projects.by_slug(session, SLUG)
        rows = judged(session, project)
    people = statistics.read(office, project.id, now=LATER).annotators()
    with office.reading() as session:
        found = annotator_figures.for_project(session, project, people)
        weeks = annotator_figures.agreement_by_week(session, project)

    said = by_comparison(rows)
    for who in everybody(rows):
        mine = [(j, c, what) for j, c, what in rows if j.annotator_id == who]
        figures = found.of[who]
        normal = [j for j, c, _ in mine if c.kind == "normal" and j.preferred_id is not None]
        left = sum(j.shown_order[0] == j.preferred_id.hex for j in normal)
        assert figures.side.statistic.n == len(normal)
        assert figures.side.statistic.value == pytest.approx(left / len(normal))
        gold = [(c, what) for _, c, what in mine if c.kind == "gold"]
        assert figures.gold.accuracy.n == len(gold)
        if gold:
            right = sum(what == c.gold_position for c, what in gold)
            assert figures.gold.accuracy.value == pytest.approx(right / len(gold))
        expected: dict[date, list[float]] = defaultdict(list)
        for judgment, comparison, what in mine:
            others = [x for other, x in said[comparison.id].items() if other != who]
            if comparison.kind == "normal" and others:
                expected[monday_of(judgment)].append(others.count(what) / len(others))
        assert {monday: n for monday, (_, n) in weeks[who].items()} == {
            monday: len(credits) for monday, credits in expected.items()
        }
        for monday, credits in expected.items():
            assert weeks[who][monday][0] == pytest.approx(sum(credits))


def check_cells(
    matrix: AnnotatorMatrix, rows: list[tuple[Judgment, Comparison, Any]], labels: set[Any]
) -> int:
    """Against a loop over the comparisons on which two annotators gave such labels; how many pairs
    share some."""
    said, checked = by_comparison(rows), 0
    for a, b in combinations(everybody(rows), 2):
        shared = [(votes[a], votes[b]) for votes in said.values() if a in votes and b in votes]
        both = [(x, y) for x, y in shared if x in labels and y in labels]
        cell = matrix.cells.get((a, b))
        assert (cell is None) == (not shared)
        if cell is None:
            continue
        checked += bool(both)
        agreed = sum(x == y for x, y in both)
        assert (cell.n, matrix.cells[b, a]) == (len(both), cell)
        assert cell.agreement == wilson(agreed, len(both), undefined="no_overlap")
        assert cell.is_faint == (len(both) < 20)
        assert cell.differ == len(both) - agreed
        firsts, seconds = Counter(x for x, _ in both), Counter(y for _, y in both)
        chance = sum(firsts[label] * seconds[label] for label in firsts) / max(1, len(both)) ** 2
        if not both:
            assert (cell.kappa.value, cell.kappa.reason) == (None, "no_overlap")
        elif chance == 1:
            assert (cell.kappa.value, cell.kappa.reason) == (None, "one_category")
        else:
            kappa = (agreed / len(both) - chance) / (1 - chance)
            assert cell.kappa.value == pytest.approx(kappa, abs=1e-9)
            assert (cell.kappa.low is None) == (len(both) < 20)
    return checked


def test_two_annotators_agree_as_often_as_their_judgments_do(office):
    with office.reading() as session:
        project = projects.by_slug(session, SLUG)
        rows = judged(session, project)
    sums = statistics.read(office, project.id, now=LATER)
    with office.reading() as session:
        matrix = annotator_matrix.for_project(session, sums)
        without_ties = annotator_matrix.for_project(session, sums, ties="without")
        only = annotator_matrix.for_project(session, sums, name="GUES")

    assert check_cells(matrix, rows, {0, 1, "tie", "both_bad"}) > 10
    assert check_cells(without_ties, rows, {0, 1}) > 10
    assert [person.name for person in only.people] == ["guess"]


def test_graded_verdicts_of_two_annotators_have_a_weighted_kappa(office):
    with office.reading() as session:
        project = projects.by_slug(session, SLUG)
        rows = judged(session, project)
        everything = ComparisonFilter(show="judged")
        matrices = {
            ties: annotator_matrix.for_slice(session, project, everything, ties=ties, graded=True)
            for ties in ("with", "without")
        }
    grades = {
        j.id: 0 if said == "tie" else (2 * said - 1) * j.strength
        for j, _, said in rows
        if said == "tie" or j.strength
    }
    said = by_comparison([(j, c, grades.get(j.id)) for j, c, _ in rows])
    checked = 0
    for a, b in combinations(everybody(rows), 2):
        shared = [(votes[a], votes[b]) for votes in said.values() if a in votes and b in votes]
        for ties, matrix in matrices.items():
            given = [
                (x, y)
                for x, y in shared
                if x is not None and y is not None and (ties == "with" or x * y != 0)
            ]
            cell = matrix.cells.get((a, b))
            assert (0 if cell is None else cell.n) == len(given)
            by_chance = sum((x - y) ** 2 for x, _ in given for _, y in given)
            if cell is None or not by_chance:
                continue
            checked += 1
            apart = sum((x - y) ** 2 for x, y in given)
            # Chance pairs every grade of the one with every grade of the other.
            assert cell.kappa.value == pytest.approx(1 - len(given) * apart / by_chance)
            signs = [(max(-1, min(1, x)), max(-1, min(1, y))) for x, y in given]
            assert cell.differ == sum(x != y for x, y in signs)
    assert checked > 10


def test_two_annotators_agree_in_a_slice_as_often_as_its_judgments_do(office, monkeypatch):
    with office.reading() as session:
        project = projects.by_slug(session, SLUG)
        rows = judged(session, project)
        versions = {version.id: version for version in guidelines.versions(session, project)}
        tags = {c.id: {*c.tags, *session.get_one(Prompt, c.prompt_id).tags} for _, c, _ in rows}
    tag = Counter(tag for _, c, _ in rows for tag in tags[c.id]).most_common(1)[0][0]
    monday = min(monday_of(j) for j, _, _ in rows)
    with_tie = {c.id for j, c, _ in rows if j.verdict == "tie"}
    version = next(iter(versions.values()))
    for wanted, has in (
        (ComparisonFilter(show="judged", tag=tag), lambda j, c: tag in tags[c.id]),
        (ComparisonFilter(show="judged", week=monday), lambda j, _: monday_of(j) == monday),
        (
            ComparisonFilter(show="judged", week=monday, tag=tag),
            lambda j, c: monday_of(j) == monday and tag in tags[c.id],
        ),
        (
            # What more is asked of a judgment chooses comparisons, all of whose judgments count.
            ComparisonFilter(show="judged", verdict=("tie",)),
            lambda _, c: c.id in with_tie,
        ),
        (
            ComparisonFilter(show="judged", version=version.version),
            lambda j, _: j.guideline_version_id == version.id,
        ),
    ):
        some = [row for row in rows if has(row[0], row[1])]
        assert 0 < len(some) < len(rows)
        with office.reading() as session:
            for ties, labels in (("with", {0, 1, "tie", "both_bad"}), ("without", {0, 1})):
                matrix = annotator_matrix.for_slice(session, project, wanted, ties=ties)
                # Few comparisons have a tie.
                assert check_cells(matrix, some, labels) > (2 if wanted.verdict else 3)
                assert not matrix.is_cut
    monkeypatch.setattr(comparison_search, "LOOK_AT", 2)
    for asked in ({"tag": tag}, {"week": monday}):
        wanted = ComparisonFilter(show="judged", **asked)
        with office.reading() as session:
            matrix = annotator_matrix.for_slice(session, project, wanted)
        assert matrix.is_cut
        # Of two comparisons at most, two annotators share no more.
        assert {cell.n for cell in matrix.cells.values()} <= {1, 2}


def test_weeks_and_times_of_one_annotator_add_up_to_their_judgments(office):
    with office.reading() as session:
        project = projects.by_slug(session, SLUG)
        rows = judged(session, project)
    people = statistics.read(office, project.id, now=LATER).annotators()
    for who in everybody(rows):
        mine = [j for j, c, _ in rows if j.annotator_id == who]
        with office.reading() as session:
            detail = annotator_page.detail(session, project, who, people, [], NO_FITS, skips=0)
        assert {week.monday: week.judged for week in detail.weeks} == Counter(map(monday_of, mine))
        # A time counts as the middle of its bin, a tenth of a natural logarithm wide.
        middles = [math.exp(round(10 * math.log(j.active_ms / 1000)) / 10) for j in mine]
        times = Counter(sum(limit <= middle for limit in TIME_LIMITS) for middle in middles)
        assert {i: n for i, (_, n) in enumerate(detail.times) if n} == times


def test_only_what_stands_out_among_all_tests_is_flagged(office):
    with office.reading() as session:
        project = projects.by_slug(session, SLUG)
    people = statistics.read(office, project.id, now=LATER).annotators()
    with office.reading() as session:
        found = annotator_figures.for_project(session, project, people).of

    tests = sorted(
        (p, who, name)
        for who, figures in found.items()
        for name in annotator_figures.TESTED
        if (p := getattr(figures, name).p) is not None
    )
    tests += [(f.gold.p, who, "gold") for who, f in found.items() if f.gold.p is not None]
    tests.sort()
    passing = [i for i, (p, _, _) in enumerate(tests, start=1) if p <= 0.1 * i / len(tests)]
    stand_out = tests[: passing[-1] if passing else 0]
    flagged = {
        (who, name)
        for _, who, name in stand_out
        if name != "gold" and getattr(found[who], name).statistic.n >= 20
    }
    sides = {
        who for who, figures in found.items() if any("favours left" in f for f in figures.flags)
    }
    right = {who for who, figures in found.items() if "favours right" in figures.flags}
    assert sides | right == {who for who, name in flagged if name == "side"}
    drifting = {who for who, figures in found.items() if any("agrees" in f for f in figures.flags)}
    assert drifting == {who for who, name in flagged if name == "drift"}
    # Two seconds for some forty words: the one who guesses, and nobody else.
    (fast,) = (who for who, figures in found.items() if "too fast" in figures.flags)
    assert found[fast].seconds.value == pytest.approx(2.0, rel=0.1)
