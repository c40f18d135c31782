"""Keeps the state that statistics are read from equal to the judgments, at no cost to those who
judge.

A judgment only leaves a row in `pending_judgments`. Whoever reads folds these rows: the judgments
of their comparisons are read in one state of the database, what they add less what those folded
before added goes to the project's state, and a short transaction writes it and removes exactly the
rows that were read, if nobody else wrote meanwhile. A project without a state has it built from
all rows. What a comparison adds depends on its judgments and on facts that do not change; where
one does after all (`changing`), its old part is taken away in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from app.db import Database
from app.models.statistics import KeptSums, PendingJudgment
from app.raw_ids import is_among
from app.rules.contributions import sums_of
from app.rules.judged_batch import Flags
from app.rules.project_statistics import ProjectStatistics
from app.rules.project_sums import Names, ProjectSums, differences
from app.services import comparison_parts, statistics_rows
from app.services.statistics_rows import JudgedRows, Which
from app.upserts import upsert

FOLDED_AT_ONCE = 2000
"""Pending judgments that are folded in one transaction, and before a page is shown."""
LARGE, FEW = 100_000, 100
"""With so many judgments in its sums, a project has only so few more folded before a page is shown,
and of more all after it: that takes most of a second."""
BUILT_AT_ONCE = 10_000
"""Comparisons in memory while a state is built."""
IN_LIST = 900

_PART = comparison_parts.part(size=BUILT_AT_ONCE)


@dataclass(frozen=True)
class _Kept:
    version: int
    sums: ProjectSums | None
    """None where the state is to be built."""
    updated_at: datetime | None = None

    @property
    def name(self) -> str | None:
        """The moment besides the version: a restored backup begins with an old version."""
        return None if self.sums is None else f"{self.version}, {self.updated_at}"


def read(database: Database, project_id: UUID, *, now: datetime) -> ProjectStatistics:
    """The project's statistics, with up to FOLDED_AT_ONCE pending judgments folded in, in a large
    one with a FEW; the answer says how many still wait, for `catch_up` after the page is shown.

    A project without a state has it built first, which takes minutes where there are millions of
    judgments: imports and upgrades do it before anybody asks.
    """
    pending = select(func.count()).where(PendingJudgment.project_id == project_id)
    with database.reading() as session:
        folded = session.scalar(select(KeptSums.folded).where(KeptSums.project_id == project_id))
        waiting = session.scalar(pending) or 0
    if waiting and ((folded or 0) < LARGE or waiting <= FEW):
        fold(database, project_id, now=now)
    kept, waiting = _now(database, project_id)
    if kept.sums is None:
        fold(database, project_id, now=now)
        kept, waiting = _now(database, project_id)
    # Somebody may have asked this moment for the state to be built anew.
    return ProjectStatistics(kept.sums or ProjectSums(), waiting, kept.name)


def _now(database: Database, project_id: UUID) -> tuple[_Kept, int]:
    """The state, and how many judgments wait to be folded in."""
    pending = select(func.count()).where(PendingJudgment.project_id == project_id)
    with database.reading() as session:
        return _kept(session, project_id), session.scalar(pending) or 0


def as_of(session: Session, project_id: UUID) -> ProjectStatistics:
    """The project's statistics with everything that this transaction sees, and nothing written:
    what is pending is added, and where there is no state all rows are read."""
    kept = _kept(session, project_id).sums
    sums = kept or ProjectSums()
    if kept is None:
        for which in _parts(session, project_id):
            rows = statistics_rows.read(session, which, sums.names)
            sums = _replaced(sums, rows, ~rows.everything)
    else:
        pending = select(PendingJudgment.comparison_id).where(
            PendingJudgment.project_id == project_id
        )
        for rows in _read_some(session, session.scalars(pending.distinct()).all(), sums.names):
            sums = _replaced(sums, rows, ~rows.pending)
    return ProjectStatistics(sums, waiting=0)


def catch_up(database: Database, project_id: UUID, *, now: datetime) -> None:
    """Fold all that is pending."""
    while fold(database, project_id, now=now):
        pass


def fold(database: Database, project_id: UUID, *, now: datetime) -> bool:
    """Fold up to FOLDED_AT_ONCE pending judgments, or build the state; whether there may be more.

    Where somebody else wrote the state meanwhile, nothing is written and the answer is True.
    """
    with database.reading() as session:
        kept = _kept(session, project_id)
        if kept.sums is None:
            rows = None
        else:
            rows = _read_pending(session, project_id, kept.sums)
            if rows is None:
                return False
    if rows is None or kept.sums is None:
        return _build(database, project_id, now=now)
    sums = _replaced(kept.sums, rows, ~rows.pending)
    taken = rows.pending_ids
    written = _write(database, project_id, kept.version, sums, taken, now=now)
    return not written or len(taken) >= FOLDED_AT_ONCE


def is_outdated(session: Session, project_id: UUID) -> bool:
    """Whether the state is of another format, and would be built anew by who reads it first."""
    state = session.scalar(select(KeptSums.state).where(KeptSums.project_id == project_id))
    return state is not None and ProjectSums.from_bytes(state) is None


def forget(session: Session, project_id: UUID, *, now: datetime) -> None:
    """Let the state be built anew, and one that is being built not be written."""
    row = {"project_id": project_id, "version": 1, "updated_at": now, "folded": 0, "state": None}
    upsert(session, KeptSums, [row], add=("version",), replace=("updated_at", "folded", "state"))


@contextmanager
def changing(
    session: Session, project_id: UUID, comparisons: Collection[UUID], *, now: datetime
) -> Iterator[None]:
    """Around a change of what statistics know of locked comparisons beside their judgments: the
    known answer, the kind, tags. Nobody else folds until the transaction ends."""
    if not comparisons:
        yield
        return
    kept = _kept(session, project_id, lock=True)
    if kept.sums is None:
        # What is being built may have read the comparisons already.
        forget(session, project_id, now=now)
        yield
        return
    sums = kept.sums
    for rows in _read_some(session, comparisons, sums.names):
        sums = sums.plus(sums_of(rows.batch, ~rows.pending), times=-1)
    yield
    session.flush()
    for rows in _read_some(session, comparisons, sums.names):
        sums = sums.plus(sums_of(rows.batch, ~rows.pending))
    _put(session, project_id, kept.version, sums.to_bytes(), sums.folded, now=now)


def check(session: Session, project_id: UUID) -> list[str]:
    """What is kept, with what is pending added, but differs from what all rows say; empty when all
    is right, and where no state is kept."""
    kept = _kept(session, project_id).sums
    if kept is None:
        return []
    computed = ProjectSums(kept.names)
    for which in _parts(session, project_id):
        rows = statistics_rows.read(session, which, kept.names)
        kept = _replaced(kept, rows, ~rows.pending)
        computed = _replaced(computed, rows, ~rows.everything)
    return differences(kept, computed)


def _build(database: Database, project_id: UUID, *, now: datetime) -> bool:
    """Compute the state from all rows; True, because more may have come meanwhile."""
    _make_way(database, project_id, now=now)
    sums, taken = ProjectSums(), []
    with database.reading() as session:
        kept = _kept(session, project_id)
        if kept.sums is not None:
            return True
        for which in _parts(session, project_id):
            rows = statistics_rows.read(session, which, sums.names)
            sums = _replaced(sums, rows, ~rows.everything)
            taken += rows.pending_ids
    _write(database, project_id, kept.version, sums, taken, now=now)
    return True


def _make_way(database: Database, project_id: UUID, *, now: datetime) -> None:
    """Make the row of a project without a state, and drop what is pending down to a few: the state
    is going to be built from all judgments. Each time is a new version, so that nobody writes a
    state that lacks what was dropped."""
    of_project = PendingJudgment.project_id == project_id
    chunk = select(PendingJudgment.judgment_id).where(of_project).limit(FOLDED_AT_ONCE)
    with database.writing() as session:
        row = {"project_id": project_id, "updated_at": now, "folded": 0, "state": None}
        # To add 0 to a version that is there changes nothing.
        upsert(session, KeptSums, [{**row, "version": 0}], add=("version",))
    while True:
        with database.writing() as session:
            pending = session.scalars(chunk).all()
            if len(pending) < FOLDED_AT_ONCE:
                return
            columns = {"updated_at": now}
            if not _change(session, project_id, KeptSums.state.is_(None), **columns):
                return
            _forget_pending(session, pending)


def _kept(session: Session, project_id: UUID, *, lock: bool = False) -> _Kept:
    query = select(KeptSums.version, KeptSums.state, KeptSums.updated_at).where(
        KeptSums.project_id == project_id
    )
    row = session.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        return _Kept(0, None)
    sums = None if row.state is None else ProjectSums.from_bytes(row.state)
    return _Kept(row.version, sums, row.updated_at)


def _read_pending(session: Session, project_id: UUID, sums: ProjectSums) -> JudgedRows | None:
    """The judgments of the first comparisons with pending ones; None where nothing is pending."""
    of_project = PendingJudgment.project_id == project_id
    first = session.scalars(
        select(PendingJudgment.comparison_id)
        .where(of_project)
        .order_by(PendingJudgment.comparison_id)
        .limit(FOLDED_AT_ONCE)
    ).all()
    if not first:
        return None
    chosen = select(PendingJudgment.comparison_id).where(
        of_project, PendingJudgment.comparison_id <= first[-1]
    )
    return statistics_rows.read(session, lambda key: key.in_(chosen), sums.names)


def _read_some(
    session: Session, comparisons: Collection[UUID], names: Names
) -> Iterator[JudgedRows]:
    keys = sorted(comparisons)
    for start in range(0, len(keys), IN_LIST):
        yield statistics_rows.read(session, _among(session, keys[start : start + IN_LIST]), names)


def _among(session: Session, keys: Sequence[UUID]) -> Which:
    return lambda key: is_among(session, key, keys)


def _parts(session: Session, project_id: UUID) -> Iterator[Which]:
    """Conditions that choose all comparisons of a project, BUILT_AT_ONCE with each."""
    for rows in comparison_parts.walk(session, _PART, project_id):
        yield _among(session, [row.id for row in rows])


def _replaced(sums: ProjectSums, rows: JudgedRows, before: Flags) -> ProjectSums:
    """The sums with what all of the judgments add in place of what those `before` added."""
    return sums.replaced(
        sums_of(rows.batch, before),
        sums_of(rows.batch, rows.everything),
        folded=len(rows.ids) - int(before.sum()),
    )


def _write(
    database: Database,
    project_id: UUID,
    version: int,
    sums: ProjectSums,
    taken: Sequence[UUID],
    *,
    now: datetime,
) -> bool:
    """Put the sums in the place of the version that was read, and remove the pending judgments
    that they hold; False where that version is gone."""
    state = sums.to_bytes()
    with database.writing() as session:
        written = _put(session, project_id, version, state, sums.folded, now=now)
        if written:
            _forget_pending(session, taken)
    return written


def _put(
    session: Session, project_id: UUID, version: int, state: bytes, folded: int, *, now: datetime
) -> bool:
    columns = {"updated_at": now, "folded": folded, "state": state}
    return _change(session, project_id, KeptSums.version == version, **columns)


def _change(
    session: Session, project_id: UUID, condition: ColumnElement[bool], **columns: Any
) -> bool:
    """Change the kept row, as a new version, where the condition holds; whether it did."""
    result = session.connection().execute(
        update(KeptSums)
        .where(KeptSums.project_id == project_id, condition)
        .values(version=KeptSums.version + 1, **columns)
    )
    return result.rowcount == 1


def _forget_pending(session: Session, judgments: Sequence[UUID]) -> None:
    for start in range(0, len(judgments), IN_LIST):
        chunk = judgments[start : start + IN_LIST]
        session.execute(delete(PendingJudgment).where(PendingJudgment.judgment_id.in_(chunk)))
