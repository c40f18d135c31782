"""Stores one batch of import rows with a handful of statements.

Every row of every table gets an id that follows from its content; one query a table finds those
that are stored already, and the rest is inserted, parents before children.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.db import Base
from app.models.accounts import Annotator, AnnotatorKind
from app.models.judgments import Judgment, Preference
from app.models.projects import (
    Comparison,
    ComparisonCompletion,
    Completion,
    Demonstration,
    Project,
    Prompt,
)
from app.models.statistics import PendingJudgment
from app.rules import identity
from app.rules.preferences import ids_of, preference_pairs
from app.rules.split import group_split_key, split_key
from app.services import queue, slots, statistics, tallies
from app.services.import_queueing import (
    Given,
    chunks,
    columns_of_new,
    given_by,
    other_answers,
    update_existing,
)
from app.services.import_rows import ImportedJudgment, ImportRow

Owned = tuple[type[Base], UUID]


@dataclass(frozen=True, kw_only=True)
class Stored:
    added: dict[str, int]
    """New rows by table: prompts, completions, demonstrations, comparisons, judgments."""
    updated: int
    """Comparisons that were there and got another priority, overlap, group or known answer."""
    already_there: int
    """Import rows that added nothing."""


def take_turn(session: Session, project: Project) -> None:
    """Wait for other imports into the project, and keep them waiting until the commit.

    Two that store the same rows would each find them missing, and wait for each other in a ring.
    The policy cannot change meanwhile either. Nobody who judges waits for this lock.
    """
    session.refresh(project, with_for_update={"key_share": True})


class ImportBatch:
    """The table rows that a list of import rows asks for, in a project whose turn was taken."""

    def __init__(self, project: Project, rows: list[ImportRow], *, now: datetime) -> None:
        self._project, self._now = project, now
        self._wanted: dict[type[Base], dict[UUID, dict[str, Any]]] = {
            table: {} for table in (Prompt, Completion, Demonstration, Comparison, Judgment)
        }
        self._members: dict[UUID, list[UUID]] = {}
        self._given: dict[UUID, Given] = {}
        self._annotators: dict[UUID, str] = {}
        self._owned: list[list[Owned]] = [self._collect(row) for row in rows]

    def store(self, session: Session) -> Stored:
        policy = queue.policy_of(self._project)
        stored = {table: _existing(session, table, rows) for table, rows in self._wanted.items()}
        new = {
            table: {key: row for key, row in rows.items() if key not in stored[table]}
            for table, rows in self._wanted.items()
        }
        for key, row in new[Comparison].items():
            given, members = self._given[key], self._members[key]
            row.update(columns_of_new(policy, key, row["tags"], given, members))
        for table in (Prompt, Completion, Demonstration, Comparison):
            _insert(session, table, list(new[table].values()))
        self._insert_members(session, new[Comparison])
        judged = {row["comparison_id"] for row in new[Judgment].values()}
        for chunk in chunks(sorted(self._wanted[Comparison])):
            slots.lock_all(session, Comparison.id.in_(chunk))
        known = {key: self._given[key] for key in stored[Comparison]}
        # Statistics count right answers.
        corrected = other_answers(session, known)
        with statistics.changing(session, self._project.id, corrected, now=self._now):
            updated = update_existing(session, policy, known)
        before = tallies.contributions(session, self._project, judged)
        self._insert_judgments(session, new[Judgment])
        tallies.judgments_imported(session, self._project, before, policy)
        for chunk in chunks(sorted(self._wanted[Comparison])):
            slots.recount(session, Comparison.id.in_(chunk))
        added = {table.__tablename__: len(rows) for table, rows in new.items()}
        tallies.content_added(session, self._project.id, added)
        return Stored(
            added=added,
            updated=len(updated),
            already_there=sum(
                all(key in stored[table] for table, key in owned) for owned in self._owned
            ),
        )

    def _collect(self, row: ImportRow) -> list[Owned]:
        """Ask for the row's table rows; gives those that no earlier row of the batch asked for."""
        owned: list[Owned] = []
        prompt = identity.prompt_id(self._project.id, row.messages)
        group = row.split_group
        self._want(
            owned,
            Prompt,
            prompt,
            project_id=self._project.id,
            messages=row.messages,
            split_key=group_split_key(group) if group else split_key(row.messages),
            tags=row.tags,
            external_id=None,
        )
        if row.demonstration is not None:
            text, source = row.demonstration.text, row.demonstration.source
            key = identity.demonstration_id(prompt, text, source)
            self._want(owned, Demonstration, key, prompt_id=prompt, text=text, source=source)
        if row.completions:
            completions = []
            for c in row.completions:
                completions.append(identity.completion_id(prompt, c.text, c.source))
                self._want(
                    owned,
                    Completion,
                    completions[-1],
                    prompt_id=prompt,
                    text=c.text,
                    source=c.source,
                )
            comparison = self._collect_comparison(owned, row, prompt, completions)
            for judgment in row.judgments:
                self._collect_judgment(owned, judgment, comparison, completions)
        return owned

    def _want(self, owned: list[Owned], table: type[Base], key: UUID, **values: Any) -> None:
        if key not in self._wanted[table]:
            self._wanted[table][key] = {"id": key, "created_at": self._now, **values}
            owned.append((table, key))

    def _collect_comparison(
        self, owned: list[Owned], row: ImportRow, prompt: UUID, completions: list[UUID]
    ) -> UUID:
        key = identity.comparison_id(prompt, completions)
        self._members.setdefault(key, completions)
        # What a later record gives of the same comparison holds.
        self._given.setdefault(key, {}).update(given_by(row, completions))
        self._want(
            owned,
            Comparison,
            key,
            project_id=self._project.id,
            prompt_id=prompt,
            size=len(completions),
            sampling_probability=None,
            external_id=row.external_id,
            tags=row.tags,
        )
        return key

    def _collect_judgment(
        self,
        owned: list[Owned],
        judgment: ImportedJudgment,
        comparison: UUID,
        completions: list[UUID],
    ) -> None:
        preferred = None if judgment.preferred is None else completions[judgment.preferred]
        ranking = None
        if judgment.ranking is not None:
            ranking = [sorted(completions[i].hex for i in group) for group in judgment.ranking]
        name = f"{self._project.slug}/{judgment.annotator}"
        annotator = identity.annotator_id(name)
        self._annotators[annotator] = name
        key = _idempotency_key(comparison, preferred, ranking, judgment)
        started, ended = judgment.started_at, judgment.ended_at
        judgment_id = identity.judgment_id(comparison, annotator, key)
        if judgment_id in self._wanted[Judgment]:
            return
        owned.append((Judgment, judgment_id))
        self._wanted[Judgment][judgment_id] = {
            "id": judgment_id,
            "project_id": self._project.id,
            "comparison_id": comparison,
            "annotator_id": annotator,
            "verdict": judgment.verdict,
            "preferred_id": preferred,
            "ranking": ranking,
            "strength": judgment.strength,
            "rationale": judgment.reason,
            "reason_codes": [],
            "shown_order": [completion.hex for completion in completions],
            "layout": "imported",
            "issued_at": started,
            "received_at": ended or self._now,
            "wall_ms": _milliseconds(started, ended),
            "late": False,
            "idempotency_key": key,
        }

    def _insert_members(self, session: Session, comparisons: dict[UUID, dict[str, Any]]) -> None:
        _insert(
            session,
            ComparisonCompletion,
            [
                {"comparison_id": comparison, "position": position, "completion_id": completion}
                for comparison in comparisons
                for position, completion in enumerate(self._members[comparison])
            ],
        )

    def _insert_judgments(self, session: Session, judgments: dict[UUID, dict[str, Any]]) -> None:
        """A second judgment of one annotator on one comparison is a repeat."""
        known = _existing(session, Annotator, self._annotators)
        _insert(
            session,
            Annotator,
            [
                {"id": key, "name": name, "kind": AnnotatorKind.IMPORTED, "created_at": self._now}
                for key, name in self._annotators.items()
                if key not in known
            ],
        )
        judged = _judged_by(session, {row["comparison_id"] for row in judgments.values()})
        for row in judgments.values():
            pair = (row["comparison_id"], row["annotator_id"])
            row["kind"] = "repeat" if pair in judged else "normal"
            judged.add(pair)
        _insert(session, Judgment, list(judgments.values()))
        _insert(
            session,
            PendingJudgment,
            [
                {
                    "judgment_id": key,
                    "project_id": self._project.id,
                    "comparison_id": row["comparison_id"],
                }
                for key, row in judgments.items()
            ],
        )
        _insert(
            session,
            Preference,
            [
                {
                    "judgment_id": key,
                    "chosen_id": chosen,
                    "rejected_id": rejected,
                    "comparison_id": row["comparison_id"],
                    "strength": row["strength"],
                }
                for key, row in judgments.items()
                for chosen, rejected in preference_pairs(
                    self._members[row["comparison_id"]], row["preferred_id"], ids_of(row["ranking"])
                )
            ],
        )


def _insert(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> None:
    if rows:
        # Without null values among its own, each row with another set of values is a statement.
        session.execute(insert(table), rows, execution_options={"render_nulls": True})


def _existing(session: Session, table: Any, keys: dict[UUID, Any]) -> set[UUID]:
    return {
        key
        for chunk in chunks(list(keys))
        for key in session.scalars(select(table.id).where(table.id.in_(chunk)))
    }


def _judged_by(session: Session, comparisons: set[UUID]) -> set[tuple[UUID, UUID]]:
    return {
        (comparison, annotator)
        for chunk in chunks(sorted(comparisons))
        for comparison, annotator in session.execute(
            select(Judgment.comparison_id, Judgment.annotator_id).where(
                Judgment.comparison_id.in_(chunk)
            )
        )
    }


def _idempotency_key(
    comparison: UUID,
    preferred: UUID | None,
    ranking: list[list[str]] | None,
    judgment: ImportedJudgment,
) -> str:
    content: list[object] = [
        comparison.hex,
        judgment.verdict,
        preferred.hex if preferred else None,
        judgment.strength,
        judgment.reason,
        judgment.started_at.isoformat() if judgment.started_at else None,
        judgment.ended_at.isoformat() if judgment.ended_at else None,
        # Keys of judgments without one stay what they are.
        *([] if ranking is None else [ranking]),
    ]
    return "import-" + hashlib.sha256(json.dumps(content).encode()).hexdigest()[:40]


def _milliseconds(started: datetime | None, ended: datetime | None) -> int | None:
    if started is None or ended is None:
        return None
    return min(round((ended - started).total_seconds() * 1000), 2**31 - 1)
