"""Guideline candidates: sentences that reviewers mark where annotators disagreed, for an admin to
put into the next version or to drop."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from app.errors import Conflict, InvalidInput, NotFound
from app.models.accounts import Annotator
from app.models.adjudications import CandidateStatus, GuidelineCandidate
from app.models.judgments import Judgment
from app.models.projects import Comparison, GuidelineVersion, Project

LONGEST = 2000
MOST = 200
"""Candidates of one status that a page lists, newest first."""


@dataclass(frozen=True, kw_only=True)
class CandidateView:
    id: UUID
    comparison_id: UUID
    text: str
    proposed_by: str
    created_at: datetime
    status: str
    version: int | None
    """The version that adopted it."""


def propose(
    session: Session,
    project: Project,
    comparison_id: UUID,
    text: str,
    *,
    by: Annotator,
    now: datetime,
) -> GuidelineCandidate:
    """Put a sentence on the list; the same one of the same comparison is there once."""
    _require_comparison(session, project, comparison_id)
    sentence = text.replace("\r\n", "\n").strip()
    if not sentence or len(sentence) > LONGEST:
        raise InvalidInput(
            f"The suggestion has {len(sentence)} characters; write 1 to {LONGEST}, best a sentence."
        )
    known = session.scalar(
        select(GuidelineCandidate).where(
            GuidelineCandidate.comparison_id == comparison_id, GuidelineCandidate.text == sentence
        )
    )
    if known is not None:
        return known
    candidate = GuidelineCandidate(
        project_id=project.id,
        comparison_id=comparison_id,
        text=sentence,
        proposed_by=by.id,
        created_at=now,
    )
    session.add(candidate)
    session.flush()
    return candidate


def propose_rationale(
    session: Session,
    project: Project,
    comparison_id: UUID,
    judgment_id: UUID,
    *,
    by: Annotator,
    now: datetime,
) -> GuidelineCandidate:
    """Put what an annotator gave as a reason on the list, cut to what a candidate may hold."""
    judgment = session.get(Judgment, judgment_id)
    if judgment is None or judgment.comparison_id != comparison_id or not judgment.rationale:
        raise NotFound(f"Comparison {comparison_id} has no judgment {judgment_id} with a reason.")
    return propose(session, project, comparison_id, judgment.rationale[:LONGEST], by=by, now=now)


def list_for(session: Session, project: Project, status: CandidateStatus) -> list[CandidateView]:
    """Newest first, at most MOST."""
    return _read(
        session,
        GuidelineCandidate.project_id == project.id,
        GuidelineCandidate.status == status,
    )


def list_of(session: Session, comparison_id: UUID) -> list[CandidateView]:
    """Those of one comparison, newest first."""
    return _read(session, GuidelineCandidate.comparison_id == comparison_id)


def set_status(
    session: Session, project: Project, candidate_id: UUID, status: CandidateStatus
) -> None:
    """Drop a candidate, or take it back. Raises Conflict for one that a version adopted."""
    candidate = session.get(GuidelineCandidate, candidate_id)
    if candidate is None or candidate.project_id != project.id:
        raise NotFound(f"There is no suggestion {candidate_id} in {project.slug}.")
    if candidate.status == CandidateStatus.ADOPTED:
        raise Conflict("A version of the guideline adopted this suggestion already; it stays so.")
    candidate.status = status
    session.flush()


def adopt(
    session: Session, project: Project, candidates: Sequence[UUID], version: GuidelineVersion
) -> None:
    """Say that this version answers these candidates; others than open ones are left alone."""
    session.execute(
        update(GuidelineCandidate)
        .where(
            GuidelineCandidate.project_id == project.id,
            GuidelineCandidate.status == CandidateStatus.OPEN,
            GuidelineCandidate.id.in_(candidates),
        )
        .values(status=CandidateStatus.ADOPTED, adopted_version_id=version.id)
    )


def insert_into(markdown: str, chosen: Sequence[CandidateView]) -> str:
    """The draft with the chosen sentences at its end, each as an item of a list; those that stand
    in it already are not added again."""
    text = markdown.replace("\r\n", "\n").rstrip()
    items = [" ".join(candidate.text.split()) for candidate in chosen]
    new = [f"- {item}" for item in items if item not in text]
    if not new:
        return text
    gap = "\n" if text.splitlines()[-1:] and text.splitlines()[-1].startswith("- ") else "\n\n"
    return f"{text}{gap if text else ''}" + "\n".join(new)


def _require_comparison(session: Session, project: Project, comparison_id: UUID) -> None:
    comparison = session.get(Comparison, comparison_id)
    if comparison is None or comparison.project_id != project.id:
        raise NotFound(f"There is no comparison {comparison_id} in {project.slug}.")


def _read(session: Session, *which: ColumnElement[bool]) -> list[CandidateView]:
    rows = session.execute(
        select(GuidelineCandidate, Annotator.name, GuidelineVersion.version)
        .join(Annotator, Annotator.id == GuidelineCandidate.proposed_by)
        .outerjoin(GuidelineVersion, GuidelineVersion.id == GuidelineCandidate.adopted_version_id)
        .where(*which)
        .order_by(GuidelineCandidate.created_at.desc(), GuidelineCandidate.id)
        .limit(MOST)
    )
    return [
        CandidateView(
            id=row.id,
            comparison_id=row.comparison_id,
            text=row.text,
            proposed_by=name,
            created_at=row.created_at,
            status=row.status,
            version=version,
        )
        for row, name, version in rows
    ]
