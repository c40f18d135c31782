"""What an export reads, streamed in an order that depends on stored ids alone."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models.accounts import Annotator
from app.models.judgments import Judgment
from app.models.projects import (
    Comparison,
    ComparisonCompletion,
    Completion,
    Demonstration,
    Project,
    Prompt,
)
from app.rules.export_rows import Decision, JudgedComparison, Member, Row, Vote, iso, pseudonym
from app.rules.preferences import ids_of
from app.rules.split import split_of
from app.services import adjudications
from app.services.adjudications import Decided
from app.services.current import counts_for

BATCH = 500
BEFORE_ALL = UUID(int=0)
"""A page after this one is the first."""


def judged_comparisons(
    session: Session, project: Project
) -> Iterator[tuple[str, JudgedComparison]]:
    """(split, comparison) for every comparison with a judgment that counts, by id."""
    after: UUID | None = BEFORE_ALL
    while after is not None:
        found, after = judged_page(session, project, after)
        yield from found
        session.expunge_all()


def judged_page(
    session: Session, project: Project, after: UUID
) -> tuple[list[tuple[str, JudgedComparison]], UUID | None]:
    """Those of the next BATCH comparisons, and the id to go on after; None where it was the last
    page."""
    found = session.execute(
        select(Comparison.id, Comparison.prompt_id, Comparison.tags)
        .where(Comparison.project_id == project.id, Comparison.id > after)
        .order_by(Comparison.id)
        .limit(BATCH)
    ).all()
    ids = [row[0] for row in found]
    votes, members = _votes(session, project, ids), _members(session, ids)
    decided = adjudications.decided(session, ids)
    prompts = {
        prompt.id: prompt
        for prompt in session.scalars(
            select(Prompt).where(Prompt.id.in_({row[1] for row in found}))
        )
    }
    page = [
        (
            split_of(prompts[prompt_id].split_key),
            JudgedComparison(
                id=comparison_id,
                prompt_id=prompt_id,
                messages=prompts[prompt_id].messages,
                tags=sorted({*prompts[prompt_id].tags, *tags}),
                members=members[comparison_id],
                votes=votes[comparison_id],
                decision=_decision(decided.get(comparison_id)),
            ),
        )
        for comparison_id, prompt_id, tags in found
        if votes[comparison_id]
    ]
    return page, ids[-1] if len(ids) == BATCH else None


def prompt_rows(session: Session, project: Project) -> Iterator[tuple[str, Row]]:
    query = select(Prompt.id, Prompt.messages, Prompt.split_key)
    for prompt_id, messages, key in _stream(
        session, query.where(Prompt.project_id == project.id).order_by(Prompt.id)
    ):
        yield split_of(key), {"prompt": messages, "prompt_id": str(prompt_id)}


def demonstration_rows(session: Session, project: Project) -> Iterator[tuple[str, Row]]:
    query = (
        select(
            Demonstration.text, Demonstration.source, Prompt.id, Prompt.messages, Prompt.split_key
        )
        .join(Prompt, Prompt.id == Demonstration.prompt_id)
        .where(Prompt.project_id == project.id)
        .order_by(Demonstration.id)
    )
    for text, source, prompt_id, messages, key in _stream(session, query):
        yield (
            split_of(key),
            {
                "prompt": messages,
                "completion": [{"role": "assistant", "content": text}],
                "source": source,
                "prompt_id": str(prompt_id),
            },
        )


def judgment_rows(session: Session, project: Project) -> Iterator[Row]:
    """Every judgment, superseded ones, gold and repeats too, annotators pseudonymised."""
    query = (
        select(Judgment, Annotator.kind)
        .join(Annotator, Annotator.id == Judgment.annotator_id)
        .where(Judgment.project_id == project.id)
        .order_by(Judgment.id)
    )
    for judgment, annotator_kind in _stream(session, query):
        yield _judgment_row(project, judgment, annotator_kind)


def _stream(session: Session, query: Any) -> Iterator[Any]:
    return iter(session.execute(query.execution_options(yield_per=BATCH)))


def _judgment_row(project: Project, judgment: Judgment, annotator_kind: str) -> Row:
    def uuid(value: UUID | None) -> str | None:
        return str(value) if value else None

    return {
        "judgment_id": str(judgment.id),
        "comparison_id": str(judgment.comparison_id),
        "annotator": pseudonym(project.id, judgment.annotator_id),
        "annotator_kind": annotator_kind,
        "verdict": judgment.verdict,
        "preferred_id": uuid(judgment.preferred_id),
        "ranking": _texts(judgment.ranking),
        "strength": judgment.strength,
        "rationale": judgment.rationale,
        "reason_codes": judgment.reason_codes,
        "shown_order": [str(UUID(hex=completion)) for completion in judgment.shown_order],
        "layout": judgment.layout,
        "guideline_version_id": uuid(judgment.guideline_version_id),
        "kind": judgment.kind,
        "sampling_probability": judgment.sampling_probability,
        "issued_at": iso(judgment.issued_at),
        "received_at": iso(judgment.received_at),
        "active_ms": judgment.active_ms,
        "wall_ms": judgment.wall_ms,
        "late": judgment.late,
        "supersedes_id": uuid(judgment.supersedes_id),
    }


def _texts(ranking: list[list[str]] | None) -> list[list[str]] | None:
    groups = ids_of(ranking)
    return None if groups is None else [[str(key) for key in group] for group in groups]


def _decision(found: Decided | None) -> Decision | None:
    if found is None:
        return None
    return Decision(
        outcome=found.outcome,
        preferred_id=found.preferred_id,
        cause=found.cause,
        blind=found.blind,
    )


def _votes(session: Session, project: Project, ids: list[UUID]) -> dict[UUID, list[Vote]]:
    rows = session.execute(
        select(
            Judgment.comparison_id,
            Judgment.id,
            Judgment.annotator_id,
            Judgment.verdict,
            Judgment.preferred_id,
            Judgment.strength,
            Judgment.ranking,
        )
        .join(Comparison, Comparison.id == Judgment.comparison_id)
        .where(*counts_for(project), Judgment.comparison_id.in_(ids))
        .order_by(Judgment.received_at, Judgment.id)
    )
    votes: dict[UUID, list[Vote]] = defaultdict(list)
    for comparison_id, key, annotator_id, verdict, preferred_id, strength, ranking in rows:
        votes[comparison_id].append(
            Vote(
                id=key,
                annotator_id=annotator_id,
                verdict=verdict,
                preferred_id=preferred_id,
                strength=strength,
                ranking=ids_of(ranking),
            )
        )
    return votes


def _members(session: Session, ids: list[UUID]) -> dict[UUID, list[Member]]:
    rows = session.execute(
        select(
            ComparisonCompletion.comparison_id, Completion.id, Completion.text, Completion.source
        )
        .join(Completion, Completion.id == ComparisonCompletion.completion_id)
        .where(ComparisonCompletion.comparison_id.in_(ids))
        .order_by(ComparisonCompletion.comparison_id, ComparisonCompletion.position)
    )
    members: dict[UUID, list[Member]] = defaultdict(list)
    for comparison_id, key, text, source in rows:
        members[comparison_id].append(Member(id=key, text=text, source=source))
    return members
