"""Keeps the sums of `models/tallies.py` equal to the rows they sum up.

`judgment_added` changes them in the judgment's own transaction; `full_tallies.py` computes them
from all rows. Rows are locked last and in one order (annotators before votes, each by key), so that
nobody who waits here holds what another needs.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, select, update
from sqlalchemy.orm import Session

from app.models.judgments import Judgment, Skip
from app.models.projects import Comparison, ComparisonCompletion, Project
from app.models.tallies import AnnotatorDay, ProjectContent, VoteCount
from app.prepared import Asked, Rows, run_all
from app.rules.queue_policy import QueuePolicy, first_target, target_after
from app.rules.tallies import Contribution, DayKey, Vote, VoteKey, change, contribution
from app.services import slots
from app.services.current import is_current
from app.services.queue import policy_of
from app.services.slots import ComparisonRow
from app.upserts import upsert, upserts

DAY_SUMS = (
    "judged", "counted", "preferred", "tie", "both_bad", "ranking", "sided", "first_side", "shared",
    "credit", "skipped",
)  # fmt: skip
FIRST_ONLY = "credit_of_first_only"
"""In the settings of a project whose `credit` and `shared` are of each comparison's first judgments
only, because its policy is or was adaptive (`full_tallies.compare_first_only`)."""
LABEL_COUNTS = ("n_first", "n_second", "n_tie", "n_both_bad")
CONTENT = ("prompts", "completions", "demonstrations", "comparisons")
IN_LIST = 900

VoteSums = Counter[tuple[int, VoteKey]]
"""Comparisons by group of prompts and counts of labels."""


Votes = defaultdict[UUID, list[tuple[UUID, Vote]]]
"""The current judgments of comparisons, with their ids."""

_VOTES = (
    select(
        Judgment.comparison_id,
        Judgment.id,
        Judgment.annotator_id,
        Judgment.received_at,
        Judgment.kind,
        Judgment.verdict,
        Judgment.preferred_id,
        Judgment.ranking,
        Judgment.shown_order,
        Judgment.assignment_id,
        ComparisonCompletion.position,
    )
    .outerjoin(
        ComparisonCompletion,
        (ComparisonCompletion.comparison_id == Judgment.comparison_id)
        & (ComparisonCompletion.completion_id == Judgment.preferred_id),
    )
    .where(is_current())
)
_VOTES_OF_ONE = (
    _VOTES.add_columns(Project.overlap, Project.settings)
    .join(Project, Project.id == Judgment.project_id)
    .where(Judgment.comparison_id == bindparam("comparison"))
)
_OWN_VOTES_OF_ONE = _VOTES_OF_ONE.where(Judgment.annotator_id == bindparam("annotator"))


def votes_of(comparison: ComparisonRow, annotator_id: UUID) -> Asked:
    """Reads the current judgments of a locked comparison, and the policy as it is stored now: who
    waited for the comparison may have loaded the project before it changed.

    Of gold only the annotator's own: everybody judges it and none counts for another, and to read
    hundreds would take a time that tells it from normal work.
    """
    if comparison.kind == "gold":
        return Asked(_OWN_VOTES_OF_ONE, {"comparison": comparison.id, "annotator": annotator_id})
    return Asked(_VOTES_OF_ONE, {"comparison": comparison.id})


def judgment_added(
    session: Session, comparison: ComparisonRow, judgment_id: UUID, rows: Rows
) -> list[Asked]:
    """Accounts for a judgment that was just stored: changes the sums, and of the comparison the
    columns that follow from its judgments. `rows` are what `votes_of` gave."""
    votes, policy = _collect(rows)[comparison.id], policy_of(rows[0])
    first_only = is_first_only(rows[0])
    before, after = (
        contribution_of(comparison, [vote for key, vote in votes if key != without], first_only)
        for without in (judgment_id, None)
    )
    if comparison.kind == "gold":
        after = replace(after, judged=comparison.judged + after.judged - before.judged)
    return [
        *_recording(session, comparison.project_id, [(comparison, before, after)]),
        slots.recount_one(comparison.id, **columns_after(comparison, after, policy)),
    ]


def is_first_only(project: Any) -> bool:
    """project: it, or any row with its settings."""
    return FIRST_ONLY in project.settings


def contributions(
    session: Session, project: Project, comparisons: Iterable[UUID]
) -> dict[UUID, Contribution]:
    """What each of these comparisons adds as it is stored now."""
    return {
        comparison.id: contribution
        for comparison, contribution in _contributions(session, project, comparisons)
    }


def _contributions(
    session: Session, project: Project, comparisons: Iterable[UUID]
) -> Iterator[tuple[Comparison, Contribution]]:
    keys = sorted(comparisons)
    for chunk in (keys[i : i + IN_LIST] for i in range(0, len(keys), IN_LIST)):
        votes = _votes(session, Judgment.comparison_id.in_(chunk))
        for comparison in session.scalars(select(Comparison).where(Comparison.id.in_(chunk))):
            given = [vote for _, vote in votes.get(comparison.id, [])]
            yield comparison, contribution_of(comparison, given, is_first_only(project))


def judgments_imported(
    session: Session, project: Project, before: dict[UUID, Contribution], policy: QueuePolicy
) -> None:
    """Account for judgments that were just stored for locked comparisons; `before` is what these
    added until then."""
    # A session forgets rows that nobody holds, and would ask for each of them again.
    after = list(_contributions(session, project, before))
    rows = [
        {"id": comparison.id, **columns_after(comparison, found, policy)}
        for comparison, found in after
    ]
    if rows:
        session.execute(update(Comparison), rows)
    changes = [(comparison, before[comparison.id], found) for comparison, found in after]
    run_all(session, *_recording(session, project.id, changes))


def _recording(
    session: Session,
    project_id: UUID,
    changes: Iterable[tuple[ComparisonRow, Contribution, Contribution]],
) -> list[Asked]:
    """Adds what changed from the first contribution of each comparison to the second."""
    days: dict[DayKey, Counter[str]] = defaultdict(Counter)
    votes: VoteSums = Counter()
    for comparison, before, after in changes:
        for key, sums in change(before, after).items():
            # Counter's += would drop what is negative.
            days[key].update(sums)
        group = prompt_group(comparison.prompt_id)
        votes.update(vote_sums(group, after.votes))
        votes.subtract(vote_sums(group, before.votes))
        # Gold changes no label. It takes the same statement all the same: time must not tell.
        votes.setdefault((group, after.votes), 0)
    return adding(session, project_id, days, votes)


def skip_added(session: Session, skip: Skip) -> None:
    days = {(skip.annotator_id, skip.skipped_at.date()): Counter(skipped=1)}
    run_all(session, *adding(session, skip.project_id, days, Counter()))


def content_added(session: Session, project_id: UUID, added: Mapping[str, int]) -> None:
    row = {name: added.get(name, 0) for name in CONTENT}
    if any(row.values()):
        upsert(session, ProjectContent, [{"project_id": project_id, **row}], add=CONTENT)


def prompt_group(prompt_id: UUID) -> int:
    """Ids are hashes, so their first byte is a fair draw of one of 256 groups."""
    return prompt_id.bytes[0]


def _votes(session: Session, which: ColumnElement[bool]) -> Votes:
    return _collect(session.execute(_VOTES.where(which)))


def _collect(rows: Iterable[Any]) -> Votes:
    """The current judgments of comparisons, with their ids, in the order they were received."""
    found: Votes = defaultdict(list)
    for row in sorted(rows, key=attrgetter("received_at", "id")):
        shown = row.preferred_id is not None and row.assignment_id is not None
        vote = Vote(
            annotator_id=row.annotator_id,
            day=row.received_at.date(),
            kind=row.kind,
            verdict=row.verdict,
            choice=row.position if row.ranking is None else frozen(row.ranking),
            preferred_position=row.position,
            side=row.shown_order.index(row.preferred_id.hex) if shown else None,
        )
        found[row.comparison_id].append((row.id, vote))
    return found


def frozen(ranking: list[list[str]]) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(group) for group in ranking)


def contribution_of(
    comparison: ComparisonRow, votes: Sequence[Vote], first_only: bool
) -> Contribution:
    """votes: in the order in which they were received."""
    is_gold = comparison.kind == "gold"
    return contribution(votes, gold=is_gold, size=comparison.size, first_only=first_only)


def columns_after(
    comparison: ComparisonRow, found: Contribution, policy: QueuePolicy
) -> dict[str, Any]:
    """What of the comparison's row follows from its judgments."""
    return {
        "judged": found.judged,
        "contested": found.contested,
        "target": target_of(
            comparison, policy, found.judged, found.votes, contested=found.contested
        ),
        **dict(zip(LABEL_COUNTS, found.votes, strict=True)),
    }


def target_of(
    comparison: ComparisonRow,
    policy: QueuePolicy,
    judged: int,
    votes: VoteKey,
    *,
    contested: bool,
) -> int:
    """Judgments wanted of a comparison after these."""
    if comparison.kind == "gold":
        return 0
    first = first_target(policy, comparison.id, comparison.tags, comparison.overlap)
    return target_after(policy, first, judged, votes, contested=contested)


def label_counts(comparison: Comparison) -> VoteKey:
    return comparison.n_first, comparison.n_second, comparison.n_tie, comparison.n_both_bad


def vote_sums(group: int, votes: VoteKey) -> dict[tuple[int, VoteKey], int]:
    return {(group, votes): 1} if any(votes) else {}


def adding(
    session: Session, project_id: UUID, days: Mapping[DayKey, Counter[str]], votes: VoteSums
) -> list[Asked]:
    of_days = upserts(
        session,
        AnnotatorDay,
        [
            {
                "project_id": project_id,
                "annotator_id": annotator,
                "day": day,
                **{name: sums[name] for name in DAY_SUMS},
            }
            for (annotator, day), sums in sorted(days.items())
        ],
        add=DAY_SUMS,
    )
    of_votes = upserts(
        session,
        VoteCount,
        [
            {
                "project_id": project_id,
                "prompt_group": group,
                **dict(zip(LABEL_COUNTS, labels, strict=True)),
                "comparisons": n,
            }
            for (group, labels), n in sorted(votes.items())
        ],
        add=("comparisons",),
    )
    return of_days + of_votes
