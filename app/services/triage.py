"""The triage queue: contested comparisons, those first where a decision gains most.

What a decision gains follows from how often each label was given (`rules/triage.py`), so the
patterns of counts are ranked, which `vote_counts` knows, and the comparisons of the best ones are
taken from an index. The first WINDOW of them are put in order by gain per expected second.
"""

from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, column, exists, func, select, text
from sqlalchemy.orm import Session

from app.models.accounts import Annotator
from app.models.adjudications import Adjudication
from app.models.judgments import Judgment
from app.models.projects import Comparison, Project, Prompt
from app.models.tallies import VoteCount
from app.rules.excerpts import excerpt
from app.rules.triage import (
    LabelCounts,
    expected_seconds,
    first_for,
    ranked,
    typical_seconds,
)
from app.services import adjudications, judgment_readings
from app.services.comparison_filters import LABEL_COUNTS, has_tag
from app.services.comparison_search import SPLIT, from_index
from app.services.comparisons import count
from app.services.current import clamp_page

WINDOW = 500
"""Comparisons that are put in order; a reviewer decides a few dozen a day."""
LOOK_AT = 5000
"""Of a tag's queue: comparisons that are looked at for the tag, best patterns first."""
FIRST = 8
"""Comparisons at the top that reviewers get in orders of their own."""


@dataclass(frozen=True, kw_only=True)
class TriageRow:
    id: UUID
    excerpt: str
    tags: list[str]
    votes: list[int]
    """How often each label was given, most first; not which: that would not be blind."""
    gain: float | None
    """Per second, the best of the queue being 1; None for more than two completions, where the
    counts of labels say nothing."""
    seconds: float | None
    """Expected time of one more judgment; None where no time is known."""
    is_seen: bool
    """Whether the reviewer has seen its judgments, and cannot decide it blind."""


@dataclass(frozen=True, kw_only=True)
class TriagePage:
    rows: list[TriageRow]
    page: int
    pages: int
    total: int
    """Comparisons in the queue, at most WINDOW."""
    contested: int
    undecided: int
    """Contested and not adjudicated, by anybody."""
    is_cut: bool
    """Whether there may be more than the queue holds."""


@dataclass(frozen=True)
class _Candidate:
    id: UUID
    counts: LabelCounts
    gain: float | None
    """Per second."""
    seconds: float | None


def page_of(
    session: Session,
    project: Project,
    reviewer: Annotator,
    *,
    tag: str = "",
    page: int = 1,
    per_page: int = 25,
) -> TriagePage:
    """One page of the reviewer's queue: what they judged themselves and what is adjudicated is not
    in it."""
    queue, is_cut = _queue(session, project, reviewer, tag)
    page, pages = clamp_page(page, len(queue), per_page)
    return TriagePage(
        rows=_rows(session, reviewer, queue[(page - 1) * per_page : page * per_page], queue),
        page=page,
        pages=pages,
        total=len(queue),
        contested=count(session, project, "contested"),
        undecided=count_undecided(session, project),
        is_cut=is_cut,
    )


def count_undecided(session: Session, project: Project) -> int:
    """Contested comparisons that nobody has adjudicated."""
    return count(session, project, "contested") - adjudications.count_contested(session, project)


def next_for(
    session: Session, project: Project, reviewer: Annotator, *, tag: str = ""
) -> UUID | None:
    """What this reviewer decides next: one of the first few, each reviewer another one, and first
    what they can decide blind."""
    queue, _ = _queue(session, project, reviewer, tag)
    ids = [found.id for found in queue]
    seen = judgment_readings.seen(session, reviewer, ids)
    blind = [key for key in ids if key not in seen]
    return first_for(reviewer.id, (blind or ids)[:FIRST])


def _queue(
    session: Session, project: Project, reviewer: Annotator, tag: str
) -> tuple[list[_Candidate], bool]:
    found: list[tuple[UUID, LabelCounts, float | None]] = []
    looked_at = 0
    patterns: list[tuple[LabelCounts, float | None]] = [
        (pattern.counts, pattern.gain) for pattern in ranked(_patterns(session, project))
    ]
    # Comparisons of more than two completions, which have no counts, come last.
    for counts, gain in [*patterns, ((0, 0, 0, 0), None)]:
        if len(found) >= WINDOW or looked_at >= LOOK_AT:
            break
        ids, looks = _of_pattern(
            session, project, reviewer, counts, tag, WINDOW - len(found), LOOK_AT - looked_at
        )
        looked_at += looks
        found += [(key, counts, gain) for key in ids]
    return _in_order(session, found), len(found) >= WINDOW or looked_at >= LOOK_AT


def _patterns(session: Session, project: Project) -> dict[LabelCounts, int]:
    rows = session.execute(
        select(
            VoteCount.n_first,
            VoteCount.n_second,
            VoteCount.n_tie,
            VoteCount.n_both_bad,
            func.sum(VoteCount.comparisons),
        )
        .where(VoteCount.project_id == project.id)
        .group_by(VoteCount.n_first, VoteCount.n_second, VoteCount.n_tie, VoteCount.n_both_bad)
    )
    return {(first, second, tie, both): int(n) for first, second, tie, both, n in rows}


def _of_pattern(
    session: Session,
    project: Project,
    reviewer: Annotator,
    counts: LabelCounts,
    tag: str,
    limit: int,
    look_at: int,
) -> tuple[list[UUID], int]:
    """The ids of a pattern's comparisons that are for this reviewer, and how many had to be looked
    at for a tag."""
    key: ColumnElement[UUID] = column("id", Uuid)
    comparison = text("comparisons.id")
    pattern = (column(name) == n for name, n in zip(LABEL_COUNTS, counts, strict=True))
    open_to_reviewer = (
        from_index(session, project, *SPLIT, key)
        .where(
            *pattern,
            ~exists().where(Adjudication.comparison_id == comparison),
            ~exists().where(
                Judgment.comparison_id == comparison, Judgment.annotator_id == reviewer.id
            ),
        )
        .order_by(key)
        .limit(look_at if tag else limit)
    )
    ids = list(session.scalars(open_to_reviewer).all())
    if not tag:
        return ids, 0
    return _tagged(session, ids, tag)[:limit], len(ids)


def _tagged(session: Session, ids: list[UUID], tag: str) -> list[UUID]:
    found: set[UUID] = set()
    for start in range(0, len(ids), 900):
        chunk = ids[start : start + 900]
        found.update(
            session.scalars(
                select(Comparison.id)
                .join(Prompt, Prompt.id == Comparison.prompt_id)
                .where(Comparison.id.in_(chunk), has_tag(session, tag))
            )
        )
    return [key for key in ids if key in found]


def _in_order(
    session: Session, found: list[tuple[UUID, LabelCounts, float | None]]
) -> list[_Candidate]:
    """By gain per expected second; those without a gain last."""
    times: defaultdict[UUID, list[float]] = defaultdict(list)
    for comparison, milliseconds in session.execute(
        select(Judgment.comparison_id, Judgment.active_ms).where(
            Judgment.comparison_id.in_([key for key, _, _ in found])
        )
    ):
        if milliseconds is not None:
            times[comparison].append(milliseconds / 1000)
    is_timed = bool(times)
    typical = typical_seconds(times.values())
    candidates = []
    for key, counts, gain in found:
        seconds = expected_seconds(times[key], typical)
        candidates.append(
            _Candidate(
                key,
                counts,
                None if gain is None else gain / seconds,
                seconds if is_timed else None,
            )
        )
    return sorted(candidates, key=lambda found: (-(found.gain or 0.0), found.id))


def _rows(
    session: Session, reviewer: Annotator, shown: list[_Candidate], queue: list[_Candidate]
) -> list[TriageRow]:
    seen = judgment_readings.seen(session, reviewer, [found.id for found in shown])
    texts = {
        key: (messages, sorted({*tags, *prompt_tags}))
        for key, messages, tags, prompt_tags in session.execute(
            select(Comparison.id, Prompt.messages, Comparison.tags, Prompt.tags)
            .join(Prompt, Prompt.id == Comparison.prompt_id)
            .where(Comparison.id.in_([found.id for found in shown]))
        )
    }
    best = queue[0].gain if queue else None
    return [
        TriageRow(
            id=found.id,
            excerpt=excerpt(texts[found.id][0][-1]["content"]),
            tags=texts[found.id][1],
            votes=sorted((n for n in found.counts if n), reverse=True),
            gain=found.gain / best if found.gain is not None and best else None,
            seconds=found.seconds,
            is_seen=found.id in seen,
        )
        for found in shown
    ]
