"""Computes from all rows of a project what `tallies.py` keeps with each judgment.

`rebuild` stores it, for a database that was filled before it was kept; `check` says where the two
differ. Comparisons are read in parts, so memory holds the sums and one part, however many there
are.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, case, delete, func, insert, literal_column, select, update
from sqlalchemy.orm import Session

from app.models.judgments import Assignment, Judgment, Skip
from app.models.projects import (
    Comparison,
    ComparisonCompletion,
    Completion,
    Demonstration,
    Project,
    Prompt,
)
from app.models.tallies import AnnotatorDay, ProjectContent, VoteCount
from app.prepared import Rows, run_all
from app.raw_ids import hex_of, raw
from app.rules.queue_policy import QueuePolicy
from app.rules.tallies import FIRST, Contribution, DayKey, Vote, change
from app.services import comparison_parts, tallies
from app.services.current import is_current
from app.services.tallies import CONTENT, DAY_SUMS, FIRST_ONLY, LABEL_COUNTS, VoteSums

KEPT_COLUMNS = ("judged", "contested", "target", "open_slots", *LABEL_COUNTS)
"""Of a comparison, what follows from its judgments and leases."""

_PART = comparison_parts.part(
    Comparison.prompt_id,
    Comparison.kind,
    Comparison.size,
    Comparison.tags,
    Comparison.overlap,
    *(getattr(Comparison, name) for name in KEPT_COLUMNS),
    size=900,
)
"""As many as one IN list takes; SQLite once stopped at 999."""
_PART_LOCKED = (
    comparison_parts.part(size=5000)
    .where(Comparison.kind == "normal")
    .with_for_update(key_share=True)
)
_PART_WITH_MORE = _PART.where(Comparison.kind == "normal", Comparison.judged > FIRST)
_LEASED = (
    select(Assignment.comparison_id, func.count())
    .where(
        Assignment.project_id == bindparam("project_id"),
        # As the index says it.
        literal_column("assignments.state = 'leased'"),
        Assignment.kind == "normal",
    )
    .group_by(Assignment.comparison_id)
)


_VOTES = (
    select(
        raw(Judgment.comparison_id),
        raw(Judgment.annotator_id),
        Judgment.received_at,
        Judgment.kind,
        Judgment.verdict,
        raw(Judgment.preferred_id),
        Judgment.ranking,
        case((Judgment.assignment_id.is_not(None), Judgment.shown_order[0].as_string())),
        ComparisonCompletion.position,
    )
    .outerjoin(
        ComparisonCompletion,
        (ComparisonCompletion.comparison_id == Judgment.comparison_id)
        & (ComparisonCompletion.completion_id == Judgment.preferred_id),
    )
    .where(is_current())
    .order_by(Judgment.received_at, Judgment.id)
)


class People(dict[Any, UUID]):
    """Ids of annotators by what the driver gives."""

    def __missing__(self, key: Any) -> UUID:
        self[key] = UUID(hex_of(key))
        return self[key]


@dataclass
class Wrong:
    """One column of comparisons that differs in some of them from what the rows say."""

    comparisons: int = 0
    first: str = ""

    def add(self, comparison: UUID, kept: object, computed: object) -> None:
        self.comparisons += 1
        self.first = self.first or f"{comparison}: kept {kept}, computed {computed}"


@dataclass
class Tallies:
    """All sums of one project."""

    days: dict[DayKey, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    votes: VoteSums = field(default_factory=Counter)
    content: dict[str, int] = field(default_factory=dict)
    wrong: dict[str, Wrong] = field(default_factory=lambda: defaultdict(Wrong))
    """By KEPT_COLUMNS, where any differs."""


def rebuild(session: Session, project: Project, policy: QueuePolicy) -> None:
    """Compute every sum, and every comparison's columns, from all rows."""
    sums = _from_rows(session, project, policy, write=True)
    for table in (AnnotatorDay, VoteCount, ProjectContent):
        session.execute(delete(table).where(table.project_id == project.id))
    run_all(session, *tallies.adding(session, project.id, sums.days, sums.votes))
    session.execute(insert(ProjectContent), {"project_id": project.id, **sums.content})


def check(session: Session, project: Project, policy: QueuePolicy) -> list[str]:
    """What is kept but differs from what the rows say; empty when all is right. Of columns of
    comparisons a line each, with how many differ and the first that does."""
    kept, computed = _kept(session, project), _from_rows(session, project, policy, write=False)
    problems = [
        f"comparisons.{name}: {wrong.comparisons} wrong, the first is {wrong.first}"
        for name, wrong in computed.wrong.items()
    ]
    for name in ("days", "votes", "content"):
        is_kept, is_right = getattr(kept, name), getattr(computed, name)
        problems += [
            f"{name} {key}: kept {is_kept.get(key)}, computed {is_right.get(key)}"
            for key in is_kept.keys() | is_right.keys()
            if (is_kept.get(key) or None) != (is_right.get(key) or None)
        ]
    return problems


def compare_first_only(session: Session, project: Project) -> None:
    """Let `credit` and `shared` be of each comparison's first judgments, from now on and for ever.

    All comparisons are locked: whoever has begun to judge one counts the old way before, and who
    waits for it the new way after.
    """
    project.settings = {**project.settings, FIRST_ONLY: True}
    session.flush()
    for _ in comparison_parts.walk(session, _PART_LOCKED, project.id):
        pass
    days: dict[DayKey, Counter[str]] = defaultdict(Counter)
    people = People()
    for comparisons in comparison_parts.walk(session, _PART_WITH_MORE, project.id):
        for comparison, votes in _voted(session, comparisons, people):
            all_of_them, first = (
                tallies.contribution_of(comparison, votes, only) for only in (False, True)
            )
            for key, counts in change(all_of_them, first).items():
                days[key].update(counts)
    run_all(session, *tallies.adding(session, project.id, days, Counter()))


def _kept(session: Session, project: Project) -> Tallies:
    days = {
        (row.annotator_id, row.day): Counter(
            {name: n for name in DAY_SUMS if (n := getattr(row, name))}
        )
        for row in session.scalars(
            select(AnnotatorDay).where(AnnotatorDay.project_id == project.id)
        )
    }
    votes: VoteSums = Counter()
    for row in session.scalars(select(VoteCount).where(VoteCount.project_id == project.id)):
        key = (row.n_first, row.n_second, row.n_tie, row.n_both_bad)
        votes[row.prompt_group, key] = row.comparisons
    found = session.get(ProjectContent, project.id)
    content = {name: getattr(found, name) if found else 0 for name in CONTENT}
    return Tallies(days, votes, content)


def _from_rows(session: Session, project: Project, policy: QueuePolicy, *, write: bool) -> Tallies:
    found, people, project_id = Tallies(), People(), project.id
    first_only = tallies.is_first_only(project)
    leased: dict[UUID, int] = dict(session.execute(_LEASED, {"project_id": project_id}).all())
    for comparisons in comparison_parts.walk(session, _PART, project_id):
        wrong = []
        for comparison, votes in _voted(session, comparisons, people):
            added = tallies.contribution_of(comparison, votes, first_only)
            _add(found, comparison, added)
            columns = tallies.columns_after(comparison, added, policy)
            wanted = columns["target"] - columns["judged"] - leased.get(comparison.id, 0)
            columns["open_slots"] = max(0, wanted)
            differ = [name for name in KEPT_COLUMNS if getattr(comparison, name) != columns[name]]
            for name in differ:
                found.wrong[name].add(comparison.id, getattr(comparison, name), columns[name])
            if differ:
                wrong.append({"id": comparison.id, **columns})
        if write and wrong:
            session.execute(update(Comparison), wrong)
    skips = select(Skip.annotator_id, Skip.skipped_at).where(Skip.project_id == project_id)
    for annotator, skipped_at in session.execute(skips):
        found.days[annotator, skipped_at.date()]["skipped"] += 1
    found.content = _content(session, project_id)
    return found


def _add(sums: Tallies, comparison: Any, added: Contribution) -> None:
    for key, counts in added.days.items():
        sums.days[key].update(counts)
    group = tallies.prompt_group(comparison.prompt_id)
    sums.votes.update(tallies.vote_sums(group, added.votes))


def _voted(session: Session, comparisons: Rows, people: People) -> Iterator[tuple[Any, list[Vote]]]:
    """Each of these comparisons with its current judgments, in the order they were received."""
    keys = [comparison.id for comparison in comparisons]
    query = _VOTES.where(Judgment.comparison_id.in_(keys))
    found: dict[str, list[Vote]] = defaultdict(list)
    for row in session.connection().execute(query):
        of, who, received_at, kind, verdict, preferred, ranking, first, position = row
        is_sided = first is not None and preferred is not None
        vote = Vote(
            annotator_id=people[who],
            day=received_at.date(),
            kind=kind,
            verdict=verdict,
            choice=position if ranking is None else tallies.frozen(ranking),
            preferred_position=position,
            # Of more than two, nobody asks which of the other sides it was.
            side=int(first != hex_of(preferred)) if is_sided else None,
        )
        found[hex_of(of)].append(vote)
    for comparison in comparisons:
        yield comparison, found.get(comparison.id.hex, [])


def _content(session: Session, project_id: UUID) -> dict[str, int]:
    of_project = Prompt.project_id == project_id
    queries = {
        "prompts": select(func.count(Prompt.id)).where(of_project),
        "completions": select(func.count(Completion.id)).join(Prompt).where(of_project),
        "demonstrations": select(func.count(Demonstration.id))
        .join(Prompt, Prompt.id == Demonstration.prompt_id)
        .where(of_project),
        "comparisons": select(func.count(Comparison.id)).where(Comparison.project_id == project_id),
    }
    return {name: session.scalar(query) or 0 for name, query in queries.items()}
