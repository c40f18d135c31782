"""A database with rows in every table, made by the services wherever one makes them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID

from helpers.data import NOON, add_annotator, import_plain, lease, pair, submit
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.db import Database
from app.models.accounts import Annotator, Role
from app.models.judgments import Judgment
from app.models.projects import Comparison, Project
from app.models.statistics import PendingJudgment
from app.models.tables import metadata
from app.services import (
    accounts,
    adjudications,
    annotator_models,
    audit,
    candidates,
    exports,
    guidelines,
    invitations,
    judgment_readings,
    judgments,
    memberships,
    projects,
    rate_limits,
    runs,
    statistics,
    tokens,
)
from app.services.adjudications import Decision
from app.services.exports import ExportOptions

LATER = NOON + timedelta(days=1)
RECORDS = [
    *(pair(number, tags=["short"]) for number in range(1, 9)),
    pair(9, judgments=[{"annotator": "w1", "verdict": 1}, {"annotator": "w2", "verdict": 2}]),
    {"prompt": "Which of three?", "completions": ["one", "two", "three"]},
    {"prompt": "Show me.", "demonstration": "Like this."},
]


def fill(database: Database, folder: Path) -> None:
    """Fill every table of a migrated database; exports go below the folder."""
    with database.writing() as session:
        admin = accounts.create_person(
            session, name="admin", password="a long enough password", role=Role.ADMIN, now=NOON
        )
        project = projects.create(
            session, slug="p", overlap=2, guideline="Be fair.", project_id=UUID(int=7), now=NOON
        )
        _let_people_in(session, project, admin)
    rate_limits.count_sign_in(database, "admin", "198.51.100.7", now=NOON)
    import_plain(database, RECORDS)
    with database.writing() as session:
        _plant_gold(session)
    _judge(database)
    statistics.read(database, UUID(int=7), now=LATER)
    annotator_models.fit(database, "p", now=LATER)
    with database.writing() as session:
        _revise(session)
        _adjudicate(session, admin)
    out = folder / "align"
    exports.export_project(database, "p", out / "bundle", ExportOptions(), by=admin, now=LATER)
    with database.writing() as session:
        stages = {name: {"rows": 3} for name in ("sft", "rm", "ppo")}
        seconds = {"seconds": dict.fromkeys(stages, 60)}
        runs.record_stages(session, "p", out, {**stages, **seconds}, now=LATER)
    assert empty_tables(database) == [], "a new table needs rows here"


def empty_tables(database: Database) -> list[str]:
    with database.reading() as session:
        return [
            table.name
            for table in metadata.sorted_tables
            if not session.scalar(select(func.count()).select_from(table))
        ]


def _let_people_in(session: Session, project: Project, admin: Annotator) -> None:
    memberships.add(session, project, admin, groups=["experts"], by=admin, now=NOON)
    invitations.create(session, role=Role.ANNOTATOR, project=project, by=admin, now=NOON)
    accounts.create_sign_in_link(session, admin, now=NOON)
    accounts.start_session(session, admin, session_hours=12, now=NOON)
    tokens.create(session, admin, scopes=["annotate"], days=9, label="t", by=admin, now=NOON)
    version = guidelines.current(session, project)
    assert version is not None
    guidelines.confirm_reading(session, version, admin, now=NOON)


def _plant_gold(session: Session) -> None:
    chosen = session.scalars(
        select(Comparison.id)
        .where(Comparison.size == 2, Comparison.judged == 0)
        .order_by(Comparison.id)
        .limit(1)
    ).one()
    known = {"kind": "gold", "gold_verdict": "preferred", "gold_position": 0, "target": 0}
    session.execute(update(Comparison).where(Comparison.id == chosen).values(**known, open_slots=0))


def _judge(database: Database) -> None:
    """Two annotators agree and disagree, pass on one comparison and find fault with another."""
    for name, verdicts in (("ada", "ABABA"), ("lin", "AABB")):
        annotator = add_annotator(database, name)
        for verdict in verdicts:
            view = lease(database, annotator)
            assert view is not None
            submit(database, annotator, view, verdict, strength=2, rationale="so")
        view = lease(database, annotator)
        assert view is not None
        with database.writing() as session:
            judgments.flag(session, annotator, view.id, "both are odd", now=LATER)
            judgments.skip(session, annotator, view.id, "too hard", now=LATER)
        # Left on lease.
        lease(database, annotator)


def _revise(session: Session) -> None:
    """A judgment that takes the place of another, as an import of a later release brings them."""
    first = session.scalars(
        select(Judgment).where(Judgment.verdict == "preferred").order_by(Judgment.id).limit(1)
    ).one()
    values = {
        column.name: getattr(first, column.name)
        for column in Judgment.__table__.columns
        if column.name != "id"
    }
    values |= {"idempotency_key": "a revision", "supersedes_id": first.id}
    revision = Judgment(**values)
    session.add(revision)
    session.flush()
    session.add(
        PendingJudgment(
            judgment_id=revision.id,
            project_id=revision.project_id,
            comparison_id=revision.comparison_id,
        )
    )


def _adjudicate(session: Session, admin: Annotator) -> None:
    """A decision, and one that takes its place when its reviewer has seen the judgments."""
    project = session.get_one(Project, UUID(int=7))
    contested = session.scalars(
        select(Comparison.id).where(Comparison.contested).order_by(Comparison.id)
    ).first()
    assert contested is not None
    first = adjudications.adjudicate(
        session, project, admin, contested, Decision(outcome="A", cause="taste"), now=LATER
    )
    judgment_readings.note(session, admin, [contested], now=LATER)
    audit.record(
        session,
        by=admin,
        action=audit.Action.JUDGMENTS_READ,
        subject="project p",
        details={"comparison": str(contested)},
        now=LATER,
    )
    again = Decision(outcome="split", note="Both are fine.", revises=first.id)
    adjudications.adjudicate(session, project, admin, contested, again, now=LATER)
    candidates.propose(session, project, contested, "Say what is fine.", by=admin, now=LATER)
