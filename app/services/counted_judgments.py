"""A project's judgments of comparisons of two as arrays, for models that need them one by one.

Ids are taken as the driver gives them: to make an object of each takes longer than all the rest.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Select,
    case,
    func,
    select,
)
from sqlalchemy.orm import Session, aliased

from app.models.judgments import Judgment, Verdict
from app.models.projects import Comparison, ComparisonCompletion, Completion, Project
from app.raw_ids import hex_of, is_among, raw
from app.rules.bootstrap import Integers
from app.rules.contributions import LABELS
from app.rules.judged_batch import UNKNOWN
from app.services.current import counts

_BATCH = 10_000


@dataclass(frozen=True, kw_only=True)
class Contests:
    """What (M,) judgments are about, and how it was shown."""

    side_a: Integers
    """Position of the completion on side A; UNKNOWN where that is not known."""
    sources: Integers
    """(M, 2): numbers of the sources of both completions. No source is one, too."""
    names: list[str | None]
    """Of the sources, by their numbers."""
    lengths: Integers
    """(M, 2): characters of both completions."""
    prompts: Integers
    """Numbers of the prompts."""


@dataclass(frozen=True, kw_only=True)
class CountedJudgments:
    """(M,) each, by comparison; numbers count from 0."""

    items: Integers
    """Comparisons."""
    annotators: Integers
    """Places in `people`."""
    labels: Integers
    """Places in LABELS; a completion that is preferred by its position."""
    strengths: Integers
    """How much better the preferred one is; 0 where nothing says so."""
    people: list[UUID]
    contests: Contests | None
    """None where it was not asked for."""


def read(
    session: Session,
    project: Project,
    *which: ColumnElement[bool],
    comparisons: Sequence[Any] | None = None,
    with_contests: bool = False,
) -> CountedJudgments:
    """The judgments of comparisons of two that agreement counts, the first of each annotator.

    `which` are further conditions on them and their comparisons; `comparisons` are the ids of those
    of the project to look at, some ten thousand at most, all of them without it.
    """
    people: dict[Any, int] = {}
    numbers: dict[str | None, int] = {}
    asked: dict[Any, int] = {}
    items, annotators, labels, strengths = (array("q") for _ in range(4))
    side_a, sources, prompts, lengths = (array("q") for _ in range(4))
    item, before = -1, None
    seen: set[Any] = set()
    query = _query(with_contests).where(*which)
    if comparisons is None:
        # A cursor of the server's, or all rows would be in memory at once.
        query = query.where(Judgment.project_id == project.id).execution_options(yield_per=_BATCH)
    else:
        # Asked for the project as well, SQLite would look through all of its judgments.
        query = query.where(is_among(session, Judgment.comparison_id, comparisons))
    found: Any = session.connection().execute(query)
    # One by one, rows take twice as long as all at once.
    for comparison, who, label, strength, *contest in found if comparisons is None else found.all():
        if comparison != before:
            item, before, seen = item + 1, comparison, set()
        if who in seen:
            continue
        seen.add(who)
        items.append(item)
        annotators.append(people.setdefault(who, len(people)))
        labels.append(label)
        strengths.append(strength)
        if contest:
            prompt, first, on_side_a, characters, others, *written_by = contest
            prompts.append(asked.setdefault(prompt, len(asked)))
            side_a.append(UNKNOWN if on_side_a is None else int(on_side_a != hex_of(first)))
            lengths.extend((characters, others))
            sources.extend(numbers.setdefault(source, len(numbers)) for source in written_by)
    return CountedJudgments(
        items=_numbers(items),
        annotators=_numbers(annotators),
        labels=_numbers(labels),
        strengths=_numbers(strengths),
        people=[UUID(hex_of(who)) for who in people],
        contests=Contests(
            side_a=_numbers(side_a),
            sources=_numbers(sources).reshape(-1, 2),
            names=list(numbers),
            prompts=_numbers(prompts),
            lengths=_numbers(lengths).reshape(-1, 2),
        )
        if with_contests
        else None,
    )


def _query(with_contests: bool) -> Select[Any]:
    one, two = aliased(ComparisonCompletion), aliased(ComparisonCompletion)
    label = case(
        (Judgment.preferred_id == one.completion_id, LABELS.index("first")),
        (Judgment.preferred_id.is_not(None), LABELS.index("second")),
        (Judgment.verdict == Verdict.TIE, LABELS.index("tie")),
        else_=LABELS.index("both_bad"),
    )
    query = (
        select(
            raw(Judgment.comparison_id),
            raw(Judgment.annotator_id),
            label,
            func.coalesce(Judgment.strength, 0),
        )
        .join(Comparison, Comparison.id == Judgment.comparison_id)
        .join(one, (one.comparison_id == Comparison.id) & (one.position == 0))
        .where(*counts(), Comparison.size == 2, Judgment.verdict != Verdict.RANKING)
        .order_by(Judgment.comparison_id, Judgment.received_at, Judgment.id)
    )
    if not with_contests:
        return query
    text_one, text_two = aliased(Completion), aliased(Completion)
    return (
        query.join(two, (two.comparison_id == Comparison.id) & (two.position == 1))
        .join(text_one, text_one.id == one.completion_id)
        .join(text_two, text_two.id == two.completion_id)
        .add_columns(
            raw(Comparison.prompt_id),
            raw(one.completion_id),
            # An imported judgment has an order, which nobody was shown.
            case((Judgment.assignment_id.is_not(None), Judgment.shown_order[0].as_string())),
            func.length(text_one.text),
            func.length(text_two.text),
            text_one.source,
            text_two.source,
        )
    )


def _numbers(values: array[int]) -> Integers:
    return np.frombuffer(values, np.int64)
