"""What people wrote about comparisons that annotators differ on, by cause: where sentences for the
guideline come from.

Nobody's name and nobody's verdict is in it. What is read is bounded: the latest decisions, or the
latest judgments of what is not decided yet.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.models.adjudications import Adjudication, GuidelineCandidate
from app.models.judgments import Judgment
from app.models.projects import Comparison, Project
from app.services import adjudications
from app.services.candidates import LONGEST
from app.services.current import counts

DECISIONS = 500
"""The latest decisions whose comparisons are read."""
LOOK_AT = 10_000
"""The latest judgments that are looked at for comparisons that nobody decided."""
MOST = 10
"""Reasons of a group that are shown, most frequent first."""


def key_of(text: str) -> str:
    """What texts have in common that are one reason: all but spaces and capitals, as far as they
    are shown."""
    return " ".join(text.strip()[:LONGEST].split()).casefold()


@dataclass(kw_only=True)
class Reason:
    """A text that was written once or, but for spaces and capitals, several times."""

    text: str
    """As it was written last, cut to what a suggestion may hold."""
    latest: datetime
    times: int = 0
    comparisons: list[UUID] = field(default_factory=list)
    """The latest first, each once."""
    is_suggested: bool = False


@dataclass(kw_only=True)
class Group:
    """What was said of comparisons that differ for one cause."""

    cause: str | None
    """None where the reviewer could not tell, or nobody has decided."""
    reasons: list[Reason]
    """The most frequent first, then the latest; at most MOST."""
    left_out: int
    """Reasons beyond those."""
    read: int
    """How many comparisons were looked at."""
    codes: list[Reason]
    """Reason codes in the same way, all of them; `text` is the code."""

    @property
    def comparisons(self) -> set[UUID]:
        """Those of which something is shown."""
        return {key for reason in (*self.reasons, *self.codes) for key in reason.comparisons}


@dataclass(frozen=True, kw_only=True)
class _Said:
    comparison: UUID
    text: str
    at: datetime


def of_decided(session: Session, project: Project) -> list[Group]:
    """A group for each cause that the latest decisions name, the one with most comparisons first.
    Notes of the reviewers are among the reasons."""
    decisions = session.scalars(
        select(Adjudication)
        .where(Adjudication.project_id == project.id, adjudications.is_current())
        .order_by(Adjudication.adjudicated_at.desc(), Adjudication.id)
        .limit(DECISIONS)
    ).all()
    by_cause: dict[str | None, list[Adjudication]] = {}
    for decision in decisions:
        by_cause.setdefault(decision.cause, []).append(decision)
    reasons, codes = _said_by_annotators(session, [found.comparison_id for found in decisions])
    groups = []
    for cause, members in sorted(
        by_cause.items(), key=lambda item: (-len(item[1]), item[0] or "~")
    ):
        ids = {member.comparison_id for member in members}
        notes = [
            _Said(comparison=member.comparison_id, text=member.note, at=member.adjudicated_at)
            for member in members
            if member.note
        ]
        own = [said for said in reasons if said.comparison in ids]
        of_cause = [said for said in codes if said.comparison in ids]
        groups.append(_group(session, cause, notes + own, of_cause, read=len(ids)))
    return groups


def of_undecided(session: Session, project: Project) -> list[Group]:
    """One group, of disagreements that nobody has decided; none where nothing was written."""
    latest = (
        select(Judgment.comparison_id, Judgment.received_at)
        .where(Judgment.project_id == project.id)
        .order_by(Judgment.received_at.desc(), Judgment.id.desc())
        .limit(LOOK_AT)
        .subquery()
    )
    undecided = session.scalars(
        select(Comparison.id)
        .join(latest, latest.c.comparison_id == Comparison.id)
        .where(Comparison.contested, ~exists().where(Adjudication.comparison_id == Comparison.id))
        .order_by(latest.c.received_at.desc(), Comparison.id)
    )
    ids = list(dict.fromkeys(undecided))[:DECISIONS]
    reasons, codes = _said_by_annotators(session, ids)
    if not reasons and not codes:
        return []
    return [_group(session, None, reasons, codes, read=len(ids))]


def _said_by_annotators(
    session: Session, comparisons: list[UUID]
) -> tuple[list[_Said], list[_Said]]:
    """Reasons in words and reason codes, of the judgments that count."""
    rows = session.execute(
        select(
            Judgment.comparison_id, Judgment.rationale, Judgment.reason_codes, Judgment.received_at
        )
        .join(Comparison, Comparison.id == Judgment.comparison_id)
        .where(Judgment.comparison_id.in_(comparisons), *counts())
    ).all()
    reasons = [
        _Said(comparison=comparison, text=rationale, at=at)
        for comparison, rationale, _, at in rows
        if rationale
    ]
    codes = [
        _Said(comparison=comparison, text=code, at=at)
        for comparison, _, given, at in rows
        for code in given
    ]
    return reasons, codes


def _group(
    session: Session, cause: str | None, reasons: list[_Said], codes: list[_Said], *, read: int
) -> Group:
    merged = _merged(reasons, key_of)
    shown = merged[:MOST]
    _mark_suggested(session, shown)
    return Group(
        cause=cause,
        reasons=shown,
        left_out=len(merged) - len(shown),
        # A code is one of a project's, as it is written there.
        codes=_merged(codes, str),
        read=read,
    )


def _merged(said: Iterable[_Said], key: Callable[[str], str]) -> list[Reason]:
    found: dict[str, Reason] = {}
    for one in sorted(said, key=lambda one: (one.at, one.comparison), reverse=True):
        text = one.text.strip()[:LONGEST]
        reason = found.setdefault(key(one.text), Reason(text=text, latest=one.at))
        reason.times += 1
        if one.comparison not in reason.comparisons:
            reason.comparisons.append(one.comparison)
    # Sorting keeps the order of equals, which is the latest first.
    return sorted(found.values(), key=lambda reason: -reason.times)


def _mark_suggested(session: Session, reasons: list[Reason]) -> None:
    places = {comparison for reason in reasons for comparison in reason.comparisons}
    suggested = set(
        session.scalars(
            select(GuidelineCandidate.text).where(GuidelineCandidate.comparison_id.in_(places))
        )
    )
    for reason in reasons:
        reason.is_suggested = reason.text.strip() in suggested
