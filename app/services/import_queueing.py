"""What an import says of how comparisons are judged: priority, overlap, group, known answers."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models.projects import Comparison, ComparisonCompletion, Project
from app.rules import identity
from app.rules.queue_policy import QueuePolicy, first_target
from app.services import tallies
from app.services.import_rows import ImportRow

CHUNK = 900
"""Most values in one IN list; SQLite once stopped at 999."""
Given = dict[str, Any]
"""Columns of a comparison, and for gold `gold_verdict` with `gold_preferred`, a completion's id."""


def given_by(row: ImportRow, completions: Sequence[UUID]) -> Given:
    if row.gold is None:
        return dict(row.queued)
    preferred = None if row.gold.preferred is None else completions[row.gold.preferred]
    return {**row.queued, "gold_verdict": row.gold.verdict, "gold_preferred": preferred}


def columns_of_new(
    policy: QueuePolicy, key: UUID, tags: Sequence[str], given: Given, members: Sequence[UUID]
) -> dict[str, Any]:
    """Of a comparison that is stored for the first time; gold waits for nobody."""
    overlap, preferred = given.get("overlap"), given.get("gold_preferred")
    is_gold = "gold_verdict" in given
    target = 0 if is_gold else first_target(policy, key, tags, overlap)
    return {
        "kind": "gold" if is_gold else "normal",
        "priority": given.get("priority", 0),
        "overlap": overlap,
        "restricted_to": given.get("restricted_to"),
        "gold_verdict": given.get("gold_verdict"),
        "gold_position": None if preferred is None else members.index(preferred),
        "target": target,
        "open_slots": target,
    }


def contradictions(session: Session, project: Project, rows: Sequence[ImportRow]) -> dict[int, str]:
    """Why some of the rows cannot be taken: their comparison is gold, and they say that it is not,
    or the other way round. What was said first holds."""
    keys = [_comparison_id(project, row) if row.completions else None for row in rows]
    kinds: dict[UUID, str] = {}
    for chunk in chunks(sorted({key for key in keys if key is not None})):
        known = select(Comparison.id, Comparison.kind).where(Comparison.id.in_(chunk))
        kinds.update(dict(session.execute(known).all()))
    found = {}
    for i, (row, key) in enumerate(zip(rows, keys, strict=True)):
        if key is None:
            continue
        kind = kinds.setdefault(key, "gold" if row.gold else "normal")
        if row.gold and kind == "normal":
            found[i] = (
                "the same comparison is there already without a known answer, for annotators to "
                "decide; leave out gold, or change a response"
            )
        if not row.gold and kind == "gold":
            found[i] = "the same comparison is there already as gold; give its known answer too"
    return found


def update_existing(
    session: Session, policy: QueuePolicy, given: Mapping[UUID, Given]
) -> set[UUID]:
    """Change locked comparisons to what was given of them; those that do change."""
    changed = set()
    positions = _positions(session, given)
    for chunk in chunks(sorted(key for key in given if given[key])):
        for comparison in session.scalars(select(Comparison).where(Comparison.id.in_(chunk))):
            columns = dict(given[comparison.id])
            if "gold_verdict" in columns:
                preferred = columns.pop("gold_preferred")
                columns["gold_position"] = positions.get((comparison.id, preferred))
            if all(getattr(comparison, name) == value for name, value in columns.items()):
                continue
            for name, value in columns.items():
                setattr(comparison, name, value)
            votes = tallies.label_counts(comparison)
            comparison.target = tallies.target_of(
                comparison, policy, comparison.judged, votes, contested=comparison.contested
            )
            changed.add(comparison.id)
    session.flush()
    return changed


def other_answers(session: Session, given: Mapping[UUID, Given]) -> set[UUID]:
    """Those of the comparisons for which another known answer is given than the one stored."""
    answered = {key: columns for key, columns in given.items() if "gold_verdict" in columns}
    positions = _positions(session, answered)
    found = set()
    for chunk in chunks(sorted(answered)):
        rows = select(Comparison.id, Comparison.gold_verdict, Comparison.gold_position)
        for key, verdict, position in session.execute(rows.where(Comparison.id.in_(chunk))):
            new = answered[key]
            if (new["gold_verdict"], positions.get((key, new["gold_preferred"]))) != (
                verdict,
                position,
            ):
                found.add(key)
    return found


def _positions(session: Session, given: Mapping[UUID, Given]) -> dict[tuple[UUID, UUID], int]:
    """Where the right completion of each gold comparison is stored."""
    wanted = sorted(key for key, columns in given.items() if columns.get("gold_preferred"))
    return {
        (comparison, completion): position
        for chunk in chunks(wanted)
        for comparison, completion, position in session.execute(
            select(
                ComparisonCompletion.comparison_id,
                ComparisonCompletion.completion_id,
                ComparisonCompletion.position,
            ).where(ComparisonCompletion.comparison_id.in_(chunk))
        )
    }


def _comparison_id(project: Project, row: ImportRow) -> UUID:
    prompt = identity.prompt_id(project.id, row.messages)
    completions = [identity.completion_id(prompt, c.text, c.source) for c in row.completions]
    return identity.comparison_id(prompt, completions)


def chunks(keys: list[UUID]) -> list[list[UUID]]:
    return [keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK)]
