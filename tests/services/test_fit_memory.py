"""Fits of a small project are made once for the same judgments, and anew for any others."""

from __future__ import annotations

from datetime import timedelta

import pytest
from helpers.data import NOON, import_plain, make_project, project_id_of, project_of
from sqlalchemy import select, update

from app.db import Database
from app.models.judgments import Judgment
from app.models.statistics import PendingJudgment
from app.rules.project_statistics import ProjectStatistics
from app.rules.project_sums import ProjectSums
from app.services import annotator_models, fit_memory, statistics
from app.services.annotator_models import ONE_COIN
from app.services.fit_memory import Fit, FitMemory
from app.services.kept_fits import Fits

P, Q = project_id_of("p"), project_id_of("q")


class Maker:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Fit:
        self.times += 1
        return {}, {}


def of_state(state: str | None, waiting: int = 0) -> ProjectStatistics:
    return ProjectStatistics(ProjectSums(), waiting, state)


def test_the_same_judgments_are_fitted_once() -> None:
    memory, make = FitMemory(), Maker()
    first = memory.of(P, of_state("1"))(("a",), make)
    assert memory.of(P, of_state("1"))(("a",), make) is first
    assert make.times == 1


def test_other_judgments_figures_and_projects_are_fitted_anew() -> None:
    memory, make = FitMemory(), Maker()
    for project, state, figures in ((P, "1", "a"), (P, "2", "a"), (P, "2", "b"), (Q, "2", "a")):
        memory.of(project, of_state(state))((figures,), make)
    assert make.times == 4
    # What came before is gone, though it came once.
    memory.of(P, of_state("1"))(("a",), make)
    assert make.times == 5


def test_judgments_that_wait_and_sums_that_are_not_kept_are_never_remembered() -> None:
    memory, make = FitMemory(), Maker()
    for found in (of_state("1", waiting=1), of_state(None)) * 2:
        memory.of(P, found)(("a",), make)
    assert make.times == 4


def test_what_was_asked_for_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_memory, "MOST", 2)
    memory, make = FitMemory(), Maker()
    recall = memory.of(P, of_state("1"))
    for figures in ("a", "b", "a", "c", "a"):
        recall((figures,), make)
    assert make.times == 3
    recall(("b",), make)
    assert make.times == 4


def votes_on(number: int, *verdicts: int) -> dict[str, object]:
    return {
        "prompt": f"Question {number}?",
        "completions": [f"first {number}", f"second {number}"],
        "judgments": [{"annotator": f"w{i}", "verdict": v} for i, v in enumerate(verdicts)],
    }


def shown(database: Database, memory: FitMemory) -> Fits:
    """What a page shows, with the times of fitting counted in its place."""
    sums = statistics.read(database, P, now=NOON)
    with database.reading() as session:
        recall = memory.of(P, sums)
        return annotator_models.for_project(session, project_of(session), 10, recall=recall)


def test_pages_show_what_a_new_fit_gives_whatever_happens_between(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import, a revision, and a whole state built anew; nothing is fitted twice."""
    make_project(database, pairs=0)
    import_plain(database, [votes_on(i, 1, 1, 2) for i in range(4)])
    memory, fitted = FitMemory(), []
    fit = annotator_models._fit

    def count(*args: object) -> Fit:
        fitted.append(args)
        return fit(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(annotator_models, "_fit", count)

    def look() -> Fits:
        """Twice, of which the second finds what the first made."""
        before = len(fitted)
        found = shown(database, memory)
        assert shown(database, memory) is found
        assert len(fitted) == before + 1
        assert found == shown(database, FitMemory())
        return found

    first = look()
    import_plain(database, [votes_on(9, 2, 2, 2)])
    second = look()
    assert (first[ONE_COIN].judgments, second[ONE_COIN].judgments) == (12, 15)
    with database.writing() as session:
        old = session.scalars(select(Judgment).where(Judgment.preferred_id.is_not(None))).first()
        assert old is not None
        values = {c.name: getattr(old, c.name) for c in Judgment.__table__.columns}
        changed = {"verdict": "tie", "preferred_id": None, "supersedes_id": values.pop("id")}
        later = {"received_at": NOON + timedelta(hours=1), "idempotency_key": "another"}
        new = Judgment(**values | changed | later)
        session.add(new)
        session.flush()
        session.add(
            PendingJudgment(judgment_id=new.id, project_id=P, comparison_id=values["comparison_id"])
        )
    third = look()
    assert third[ONE_COIN].of != second[ONE_COIN].of
    with database.writing() as session:
        # Nothing tells sums of such a change but being built anew.
        session.execute(update(Judgment).where(Judgment.id == new.id).values(verdict="both_bad"))
        statistics.forget(session, P, now=NOON)
    look()
