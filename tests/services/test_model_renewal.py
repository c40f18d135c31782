"""Which fits of a large project are renewed, and by whom."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from helpers.data import NOON, import_plain, make_project, project_of
from sqlalchemy import delete, select

from app.db import Database
from app.models.statistics import ModelFit
from app.services import annotator_models, model_renewal, statistics
from app.services.annotator_models import DAWID_SKENE, FIGURES
from app.services.model_renewal import Renewal
from app.services.source_models import OF_SOURCES, STYLE_EFFECT

LATER = NOON + timedelta(hours=2)


def votes_on(number: int, **extra: object) -> dict[str, object]:
    """Three judgments."""
    return {
        "prompt": f"Question {number}?",
        "completions": [f"first {number}", f"second {number}"],
        "judgments": [{"annotator": who, "verdict": 1 + number % 2} for who in "uvw"],
        **extra,
    }


@pytest.fixture
def large(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """30 judgments that count, and six of known answers."""
    monkeypatch.setattr(annotator_models, "FITTED_UP_TO", 10)
    make_project(database, pairs=1)
    records = [votes_on(i) for i in range(10)] + [votes_on(90 + i, gold=1) for i in range(2)]
    assert not import_plain(database, records).rejected
    return database


def renewal_of(database: Database, *, now: datetime = LATER) -> Renewal:
    with database.reading() as session:
        project = project_of(session)
    sums = statistics.read(database, project.id, now=now)
    with database.reading() as session:
        return model_renewal.of(session, project, sums, now=now)


def test_fits_are_renewed_when_a_tenth_more_judgments_count(large: Database) -> None:
    assert renewal_of(large) == Renewal(since=None, is_due=True)
    assert model_renewal.renew(large, "p", now=LATER)
    # Known answers, which no fit is made of, make none outdated.
    assert renewal_of(large) == Renewal(since=None, is_due=False)
    import_plain(large, [votes_on(10)])
    # 33 are not more than 1.1 times 30.
    assert not renewal_of(large).is_due
    import_plain(large, [votes_on(11)])
    assert renewal_of(large).is_due
    assert model_renewal.renew(large, "p", now=LATER)
    assert not renewal_of(large).is_due
    with large.reading() as session:
        kept = session.scalars(select(ModelFit)).all()
    assert {row.model for row in kept} == {*FIGURES, *OF_SOURCES}
    assert {row.judgments for row in kept if row.model == DAWID_SKENE} == {36}


def test_fits_of_before_a_figure_came_are_due(large: Database) -> None:
    assert model_renewal.renew(large, "p", now=LATER)
    assert not renewal_of(large).is_due
    with large.writing() as session:
        session.execute(delete(ModelFit).where(ModelFit.model == STYLE_EFFECT))
    assert renewal_of(large).is_due


def test_a_small_project_is_never_due(large: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotator_models, "FITTED_UP_TO", 36)
    assert not renewal_of(large).is_due


def test_one_fits_at_a_time_and_another_only_after_an_hour(
    large: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = annotator_models.fit

    def while_another_asks(database: Database, slug: str, *, now: datetime) -> object:
        assert renewal_of(database, now=now) == Renewal(since=now, is_due=False)
        assert not model_renewal.renew(database, slug, now=now + timedelta(minutes=59))
        return fit(database, slug, now=now)

    monkeypatch.setattr(annotator_models, "fit", while_another_asks)
    assert model_renewal.renew(large, "p", now=LATER)


def test_who_fails_keeps_the_others_from_trying_for_an_hour(
    large: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(annotator_models, "fit", fail)
        with pytest.raises(MemoryError):
            model_renewal.renew(large, "p", now=LATER)
    soon, after = LATER + timedelta(minutes=30), LATER + timedelta(minutes=61)
    assert renewal_of(large, now=soon) == Renewal(since=LATER, is_due=False)
    assert not model_renewal.renew(large, "p", now=soon)
    assert renewal_of(large, now=after) == Renewal(since=None, is_due=True)
    assert model_renewal.renew(large, "p", now=after)
    assert renewal_of(large, now=after) == Renewal(since=None, is_due=False)


def test_who_is_stopped_leaves_the_fits_to_others(
    large: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(BaseException):
        """Nothing else is done."""

    def stop(*_: object, **__: object) -> None:
        raise Stopped

    with monkeypatch.context() as patched:
        patched.setattr(annotator_models, "fit", stop)
        with pytest.raises(Stopped):
            model_renewal.renew(large, "p", now=LATER)
    assert renewal_of(large) == Renewal(since=LATER, is_due=False)
    model_renewal.leave(large, "p", now=LATER)
    assert renewal_of(large) == Renewal(since=None, is_due=True)
    assert model_renewal.renew(large, "p", now=LATER)
