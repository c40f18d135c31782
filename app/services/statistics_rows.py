"""Reads judgments and what they are about from the database, as a batch of arrays.

It reads all of a project's rows when a state is built. Ids and JSON are therefore taken as the
driver gives them: hex and text from SQLite, UUIDs and lists from PostgreSQL. To make each an object
takes longer than all the rest.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from app.models.judgments import Judgment, Verdict
from app.models.projects import Comparison, ComparisonCompletion, Completion, Prompt
from app.models.statistics import PendingJudgment
from app.raw_ids import hex_of, raw
from app.rules.judged_batch import (
    BOTH_BAD,
    FIRST_MONDAY,
    GOLD,
    NORMAL,
    RANKING,
    REPEAT,
    TIE,
    UNKNOWN,
    Batch,
    Compared,
    Flags,
    Judged,
)
from app.rules.project_sums import Names
from app.rules.text_features import TextFeatures, features, words

Which = Callable[[Any], ColumnElement[bool]]
"""Given a column of comparisons' ids, the condition that chooses comparisons of one project. It
leaves the project out: where it names both, SQLite looks through all of that one's judgments."""
KINDS = {"normal": NORMAL, "gold": GOLD, "repeat": REPEAT}
UNDECIDED = {Verdict.TIE: TIE, Verdict.BOTH_BAD: BOTH_BAD}


def _list(value: Any) -> list[Any]:
    found: list[Any] = value
    if isinstance(value, str):
        found = [] if value == "[]" else json.loads(value)
    return found


@dataclass(frozen=True, kw_only=True)
class JudgedRows:
    """All judgments of some comparisons."""

    batch: Batch
    ids: list[Any]
    """Of the judgments, raw."""
    pending: Flags
    """Which of them the project's state does not hold."""

    @property
    def everything(self) -> Flags:
        return np.ones(len(self.ids), bool)

    @property
    def pending_ids(self) -> list[UUID]:
        return [
            UUID(hex_of(key))
            for key, pending in zip(self.ids, self.pending, strict=True)
            if pending
        ]


def read(session: Session, which: Which, names: Names) -> JudgedRows:
    """The judgments of the chosen comparisons; `names` learns the new ones."""
    compared = _Compared(session, which, names)
    judged = _Judged(session, which, compared, names)
    return JudgedRows(
        batch=Batch(
            compared=compared.arrays(),
            judged=judged.arrays(),
            tags=_pairs(compared.tags),
            reasons=_pairs(judged.reasons),
            annotator_order=names.order("annotator"),
            source_order=names.order("source"),
        ),
        ids=list(judged.numbers),
        pending=np.array(judged.pending, bool),
    )


class _Compared:
    """The chosen comparisons that were judged, in the order of their ids."""

    def __init__(self, session: Session, which: Which, names: Names) -> None:
        chosen = (
            which(Comparison.id),
            exists().where(Judgment.comparison_id == Comparison.id),
        )
        self.rows = (
            session.connection()
            .execute(
                select(
                    raw(Comparison.id),
                    raw(Comparison.prompt_id),
                    Comparison.size,
                    Comparison.kind,
                    Comparison.gold_verdict,
                    Comparison.gold_position,
                    raw(Comparison.tags),
                    raw(Prompt.tags),
                    raw(Prompt.messages),
                )
                .join(Prompt, Prompt.id == Comparison.prompt_id)
                .where(*chosen)
                .order_by(Comparison.id)
            )
            .all()
        )
        self.numbers = {row[0]: i for i, row in enumerate(self.rows)}
        self.tags = [
            (i, names.number("tag", tag))
            for i, row in enumerate(self.rows)
            for tag in sorted({*_list(row[6]), *_list(row[7])})
        ]
        self.positions: list[dict[str, int]] = [{} for _ in self.rows]
        self._texts: list[list[TextFeatures]] = [[] for _ in self.rows]
        self._sources = np.zeros((len(self.rows), 2), np.int64)
        self._read_completions(session, chosen, names)

    def _read_completions(
        self, session: Session, chosen: tuple[ColumnElement[bool], ...], names: Names
    ) -> None:
        members = session.connection().execute(
            select(
                raw(ComparisonCompletion.comparison_id),
                ComparisonCompletion.position,
                raw(Completion.id),
                Completion.text,
                Completion.source,
            )
            .join(Comparison, Comparison.id == ComparisonCompletion.comparison_id)
            .join(Completion, Completion.id == ComparisonCompletion.completion_id)
            .where(*chosen)
            .order_by(ComparisonCompletion.comparison_id, ComparisonCompletion.position)
        )
        for comparison, position, completion, text, source in members:
            i = self.numbers[comparison]
            self.positions[i][hex_of(completion)] = position
            self._texts[i].append(features(text))
            if position < 2:
                self._sources[i, position] = names.number("source", source)

    def arrays(self) -> Compared:
        prompts = [_list(row[8]) for row in self.rows]
        asked = [sum(words(message["content"]) for message in prompt) for prompt in prompts]
        answered = [sum(text.words for text in texts) for texts in self._texts]
        return Compared(
            part=_whole(int(hex_of(row[1])[:2], 16) for row in self.rows),
            size=_whole(row[2] for row in self.rows),
            gold=np.array([row[3] == "gold" for row in self.rows], bool),
            gold_says=_whole(_known_answer(row[4], row[5]) for row in self.rows),
            sources=self._sources,
            characters=_whole([t.characters for t in texts[:2]] for texts in self._texts).reshape(
                -1, 2
            ),
            markdown=np.array(
                [[t.markdown for t in texts[:2]] for texts in self._texts], bool
            ).reshape(-1, 2),
            words=_whole(asked) + _whole(answered),
        )


def _known_answer(verdict: str | None, position: int | None) -> int:
    if verdict == Verdict.PREFERRED and position is not None:
        return position
    return UNKNOWN if verdict is None else UNDECIDED.get(Verdict(verdict), UNKNOWN)


class _Judged:
    """The judgments of comparisons, in the order that a batch wants."""

    def __init__(
        self,
        session: Session,
        which: Which,
        compared: _Compared,
        names: Names,
    ) -> None:
        self._rows = (
            session.connection()
            .execute(
                select(
                    raw(Judgment.comparison_id),
                    raw(Judgment.annotator_id),
                    Judgment.kind,
                    Judgment.verdict,
                    raw(Judgment.preferred_id),
                    Judgment.ranking,
                    Judgment.strength,
                    Judgment.shown_order[0].as_string(),
                    raw(Judgment.assignment_id),
                    Judgment.layout,
                    raw(Judgment.guideline_version_id),
                    Judgment.received_at,
                    Judgment.active_ms,
                    Judgment.late,
                    raw(Judgment.supersedes_id),
                    raw(Judgment.reason_codes),
                    raw(Judgment.id),
                    raw(PendingJudgment.judgment_id),
                )
                .outerjoin(PendingJudgment, PendingJudgment.judgment_id == Judgment.id)
                .where(which(Judgment.comparison_id))
                .order_by(Judgment.comparison_id, Judgment.received_at, Judgment.id)
            )
            .all()
        )
        self._compared, self._names = compared, names
        self._comparison = [compared.numbers[row[0]] for row in self._rows]
        self._rankings: dict[Any, int] = defaultdict(lambda: RANKING + len(self._rankings))
        self.numbers = {row[16]: i for i, row in enumerate(self._rows)}
        self.pending = [row[17] is not None for row in self._rows]
        self.reasons = [
            (i, names.number("reason", reason))
            for i, row in enumerate(self._rows)
            for reason in sorted(set(_list(row[15])))
        ]

    def arrays(self) -> Judged:
        rows, names = self._rows, self._names
        return Judged(
            comparison=_whole(self._comparison),
            annotator=_whole(names.number("annotator", hex_of(row[1])) for row in rows),
            kind=_whole(KINDS[row[2]] for row in rows),
            says=_whole(map(self._says, rows, self._comparison)),
            best=_whole(map(self._best, rows, self._comparison)),
            strength=_whole(row[6] or 0 for row in rows),
            first_shown=_whole(map(self._first_shown, rows, self._comparison)),
            layout=_whole(names.number("layout", row[9]) for row in rows),
            guideline=_whole(
                names.number("guideline", None if row[10] is None else hex_of(row[10]))
                for row in rows
            ),
            week=_whole((row[11].toordinal() - FIRST_MONDAY) // 7 for row in rows),
            active_ms=_whole(-1 if row[12] is None else row[12] for row in rows),
            late=np.array([row[13] for row in rows], bool),
            supersedes=_whole(-1 if row[14] is None else self.numbers[row[14]] for row in rows),
        )

    def _says(self, row: Any, comparison: int) -> int:
        if row[4] is not None:
            return self._compared.positions[comparison][hex_of(row[4])]
        if row[5] is not None:
            return self._rankings[tuple(frozenset(group) for group in row[5])]
        return UNDECIDED[row[3]]

    def _best(self, row: Any, comparison: int) -> int:
        if row[5] is None:
            return self._says(row, comparison)
        best = row[5][0]
        if len(best) == 1:
            return self._compared.positions[comparison][best[0]]
        return TIE if len(row[5]) == 1 else UNKNOWN

    def _first_shown(self, row: Any, comparison: int) -> int:
        positions = self._compared.positions[comparison]
        if row[8] is None or len(positions) != 2:
            return UNKNOWN
        return positions[row[7]]


def _whole(values: Iterable[Any]) -> Any:
    return np.array(list(values), dtype=np.int64)


def _pairs(values: Sequence[tuple[int, int]]) -> Any:
    return _whole(values).reshape(-1, 2)
