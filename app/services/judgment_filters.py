"""What a list of comparisons asks of the judgments: which ones, how many, and whose.

Only current judgments are looked at: none that a revision supersedes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, exists, func, not_, or_, select
from sqlalchemy.orm import Session, aliased

from app.models.accounts import Annotator
from app.models.judgments import Judgment, Skip, Verdict
from app.models.projects import Comparison, ComparisonCompletion, Completion, GuidelineVersion
from app.rules.annotator_sums import LONGER_BY, SECONDS_BINS, TIME_LIMITS, edges, time_bins
from app.rules.tallies import FIRST, LABELS
from app.services.comparison_filters import ComparisonFilter, holds

DAY, WEEK = timedelta(days=1), timedelta(days=7)
# To make an alias takes longer than all the rest of a query does.
_ONE, _OTHER, _BEFORE, _LATER, _EARLY = (aliased(Judgment) for _ in range(5))
_MEMBER, _CHOSEN, _LEFT = aliased(ComparisonCompletion), aliased(Completion), aliased(Completion)
ASKED = (
    "week", "day", "kind", "first_two", "verdict", "given", "reason", "chose", "layout", "time",
    "annotators",
)  # fmt: skip
"""Fields of a filter that ask something of a judgment, beside its version and its annotator."""
_UNASKED = {field.name: field.default for field in fields(ComparisonFilter)}
ANY = "any"
"""As one of two labels: whatever the verdict."""


def conditions(
    session: Session,
    wanted: ComparisonFilter,
    people: Sequence[Annotator],
    version: GuidelineVersion | None,
) -> list[ColumnElement[bool]]:
    """What the judgments of a comparison have to be, beside how many there are (`number`)."""
    found = []
    if wanted.strength is not None:
        found.append(_mean_strength() == wanted.strength)
    if wanted.overlap is not None and people:
        found.append(_number_counted() >= wanted.overlap)
    if wanted.show == "contested" and asks(wanted) and not people:
        of_both = [
            such
            for judgment in (_ONE, _OTHER)
            for such in _such(session, wanted, version, judgment)
        ]
        found.append(exists().where(*of_both, _differ(_ONE, _OTHER)))
    if wanted.differs and people:
        mine = (*_such(session, wanted, version, _ONE), _ONE.annotator_id == people[0].id)
        theirs = (*_current(_OTHER), _counted(_OTHER), _OTHER.annotator_id != people[0].id)
        found.append(exists().where(*mine, *theirs, _differ(_ONE, _OTHER)))
    if len(people) == 2:
        found.append(_said(session, wanted, people, version))
    return found


def number(
    session: Session,
    wanted: ComparisonFilter,
    people: Sequence[Annotator],
    version: GuidelineVersion | None,
) -> tuple[ColumnElement[int], int] | None:
    """Of a comparison, how many judgments (skips, of what was skipped) the filter is about, and how
    many there have to be; None where it is about none."""
    if wanted.show == "skipped":
        skips = select(func.count(Skip.id)).where(Skip.comparison_id == Comparison.id)
        if people:
            skips = skips.where(Skip.annotator_id == people[0].id)
        return skips.correlate(Comparison).scalar_subquery(), 1
    if not (asks(wanted) or people or wanted.overlap is not None):
        return None
    least = 1 if people else wanted.overlap or 1
    query = select(func.count(Judgment.id)).where(*such(session, wanted, people, version))
    return query.correlate(Comparison).scalar_subquery(), least


def asks(wanted: ComparisonFilter) -> bool:
    """Whether it asks anything of a judgment."""
    of_version = wanted.version is not None and not wanted.cause
    return of_version or any(getattr(wanted, name) != _UNASKED[name] for name in ASKED)


def under(
    wanted: ComparisonFilter, version: GuidelineVersion | None, judgment: Any = Judgment
) -> list[ColumnElement[bool]]:
    """Judgments under the version that a filter asks for."""
    if wanted.version is None or wanted.cause:
        return []
    return [judgment.guideline_version_id == (version.id if version else None)]


def within(wanted: ComparisonFilter, judgment: Any = Judgment) -> list[ColumnElement[bool]]:
    """Judgments of the week and the day that it asks for."""
    found: list[ColumnElement[bool]] = []
    for first, length in ((wanted.week, WEEK), (wanted.day, DAY)):
        if first is not None:
            start = datetime.combine(first, time(), UTC)
            found += [judgment.received_at >= start, judgment.received_at < start + length]
    return found


def such(
    session: Session,
    wanted: ComparisonFilter,
    people: Sequence[Annotator],
    version: GuidelineVersion | None,
) -> list[ColumnElement[bool]]:
    """Conditions on Judgment and Comparison: the judgments that `number` counts."""
    by = [Judgment.annotator_id == person.id for person in people[:1]]
    return [*_such(session, wanted, version, Judgment), *by]


def _such(
    session: Session, wanted: ComparisonFilter, version: GuidelineVersion | None, judgment: Any
) -> list[ColumnElement[bool]]:
    """The judgments of a comparison that have all that is asked of one."""
    found = [*_current(judgment), *under(wanted, version, judgment), *within(wanted, judgment)]
    of_agreement = wanted.overlap is not None or wanted.other or wanted.differs
    if wanted.kind:
        found.append(KINDS[wanted.kind](judgment))
    elif of_agreement or wanted.show in ("contested", "unadjudicated"):
        found.append(_counted(judgment))
    if wanted.first_two:
        found.append(_is_among_first(judgment))
    if wanted.verdict:
        found.append(or_(*(VERDICTS[verdict](judgment) for verdict in wanted.verdict)))
    if wanted.given is not None:
        given = judgment.strength == wanted.given if wanted.given else judgment.strength.is_(None)
        found += [_prefers(judgment), given]
    if wanted.reason:
        found.append(holds(session, judgment.reason_codes, wanted.reason))
    if wanted.chose in CHOICES:
        found.append(CHOICES[wanted.chose](judgment))
    if wanted.layout:
        found.append(judgment.layout == wanted.layout)
    if wanted.annotators:
        of_kind = select(Annotator.id).where(Annotator.kind == wanted.annotators)
        found.append(judgment.annotator_id.in_(of_kind))
    if wanted.time in TIMES:
        found.append(_lasted(judgment, wanted.time))
    return found


def _current(judgment: Any) -> list[ColumnElement[bool]]:
    return [
        judgment.comparison_id == Comparison.id,
        ~exists().where(_LATER.supersedes_id == judgment.id),
    ]


def _counted(judgment: Any) -> ColumnElement[bool]:
    return and_(judgment.kind == "normal", Comparison.kind == "normal")


def _is_among_first(judgment: Any) -> ColumnElement[bool]:
    """By when its annotator first judged the comparison: a revision has the place of what it takes
    the place of."""
    early = (
        select(_EARLY.annotator_id)
        .where(
            _EARLY.comparison_id == judgment.comparison_id,
            _EARLY.kind == "normal",
            # It supersedes none. SQLite would look for NULL in the index of what is superseded,
            # where nearly all judgments have it.
            func.coalesce(_EARLY.supersedes_id, _EARLY.id) == _EARLY.id,
        )
        .order_by(_EARLY.received_at, _EARLY.id)
        .limit(FIRST)
        .correlate(judgment)
    )
    # Most comparisons were judged by no more, and their judgments need no order.
    is_early = or_(Comparison.judged <= FIRST, judgment.annotator_id.in_(early))
    return and_(_counted(judgment), is_early)


def _is_answer(judgment: Any) -> ColumnElement[bool]:
    return and_(
        Comparison.kind == "gold", Comparison.gold_verdict.is_not(None), judgment.kind != "repeat"
    )


def _is_right(judgment: Any) -> ColumnElement[bool]:
    position = (
        select(ComparisonCompletion.position)
        .where(
            ComparisonCompletion.comparison_id == judgment.comparison_id,
            ComparisonCompletion.completion_id == judgment.preferred_id,
        )
        .scalar_subquery()
    )
    same = and_(
        judgment.verdict == Comparison.gold_verdict,
        position.is_not_distinct_from(Comparison.gold_position),
    )
    return or_(same, and_(judgment.verdict == Verdict.RANKING, _ranks_rightly(judgment)))


def _ranks_rightly(judgment: Any) -> ColumnElement[bool]:
    """Whether a ranking has the known answer alone at its top, or ties all where that is a tie."""
    answer = (
        select(func.replace(cast(ComparisonCompletion.completion_id, Text), "-", ""))
        .where(
            ComparisonCompletion.comparison_id == judgment.comparison_id,
            ComparisonCompletion.position == Comparison.gold_position,
        )
        .scalar_subquery()
    )
    length = func.json_array_length
    return or_(
        and_(Comparison.gold_verdict == Verdict.TIE, length(judgment.ranking) == 1),
        and_(
            Comparison.gold_verdict == Verdict.PREFERRED,
            length(judgment.ranking[0]) == 1,
            judgment.ranking[(0, 0)].as_string() == answer,
        ),
    )


def _repeats(judgment: Any, *which: Callable[[Any, Any], ColumnElement[bool]]) -> Any:
    """Whether it repeats one that the annotator had given before (such a one)."""
    return and_(
        judgment.kind == "repeat",
        exists().where(
            _BEFORE.comparison_id == judgment.comparison_id,
            _BEFORE.annotator_id == judgment.annotator_id,
            _BEFORE.kind != "repeat",
            ~exists().where(_LATER.supersedes_id == _BEFORE.id),
            *(condition(judgment, _BEFORE) for condition in which),
        ),
    )


def _differ(one: Any, other: Any) -> ColumnElement[bool]:
    return or_(
        one.verdict != other.verdict,
        one.preferred_id.is_distinct_from(other.preferred_id),
        cast(one.ranking, Text).is_distinct_from(cast(other.ranking, Text)),
    )


def _is_swapped(one: Any, other: Any) -> ColumnElement[bool]:
    first, before = (judgment.shown_order[0].as_string() for judgment in (one, other))
    return and_(_are_shown(one, other), first != before)


def _is_kept(one: Any, other: Any) -> ColumnElement[bool]:
    return and_(_are_shown(one, other), not_(_is_swapped(one, other)))


def _are_shown(one: Any, other: Any) -> ColumnElement[bool]:
    return and_(one.assignment_id.is_not(None), other.assignment_id.is_not(None))


KINDS: dict[str, Callable[[Any], ColumnElement[bool]]] = {
    "any": lambda judgment: judgment.id.is_not(None),
    "counted": _counted,
    "planted": lambda judgment: not_(_counted(judgment)),
    "gold": _is_answer,
    "gold_right": lambda judgment: and_(_is_answer(judgment), _is_right(judgment)),
    "gold_wrong": lambda judgment: and_(_is_answer(judgment), not_(_is_right(judgment))),
    "repeat": _repeats,
    "repeat_swapped": lambda judgment: and_(Comparison.size == 2, _repeats(judgment, _is_swapped)),
    "repeat_kept": lambda judgment: and_(Comparison.size == 2, _repeats(judgment, _is_kept)),
    "repeat_same": lambda judgment: _repeats(judgment, lambda a, b: not_(_differ(a, b))),
    "repeat_other": lambda judgment: _repeats(judgment, _differ),
}
"""What agreement is made of; known answers and repeats; and how these came out."""


def _prefers(judgment: Any) -> ColumnElement[bool]:
    found: ColumnElement[bool] = judgment.verdict == Verdict.PREFERRED
    return found


def _says(judgment: Any, label: str) -> ColumnElement[bool]:
    if label == ANY:
        return KINDS["any"](judgment)
    if label in ("tie", "both_bad"):
        verdict: ColumnElement[bool] = judgment.verdict == label
        return verdict
    return exists().where(
        ComparisonCompletion.comparison_id == judgment.comparison_id,
        ComparisonCompletion.completion_id == judgment.preferred_id,
        ComparisonCompletion.position == LABELS.index(label),
    )


VERDICTS: dict[str, Callable[[Any], ColumnElement[bool]]] = {
    "preferred": _prefers,
    "graded": lambda judgment: and_(_prefers(judgment), judgment.strength.is_not(None)),
    "first": lambda judgment: _says(judgment, "first"),
    "second": lambda judgment: _says(judgment, "second"),
    "tie": lambda judgment: judgment.verdict == Verdict.TIE,
    "both_bad": lambda judgment: judgment.verdict == Verdict.BOTH_BAD,
    "ranking": lambda judgment: judgment.verdict == Verdict.RANKING,
}
"""`graded` is a preference that has a strength."""


def _is_seen(judgment: Any) -> ColumnElement[bool]:
    """Of two responses it is known which one was on side A; of imported judgments it is not."""
    return and_(judgment.assignment_id.is_not(None), Comparison.size == 2)


def _chose_side_a(judgment: Any) -> ColumnElement[bool]:
    chosen = func.replace(cast(judgment.preferred_id, Text), "-", "")
    return and_(_is_seen(judgment), judgment.shown_order[0].as_string() == chosen)


def _lengths(judgment: Any, condition: Callable[[Any, Any], ColumnElement[bool]]) -> Any:
    """Whether the lengths of the preferred one of two responses and of the other one are so."""
    return and_(
        Comparison.size == 2,
        exists().where(
            _CHOSEN.id == judgment.preferred_id,
            _MEMBER.comparison_id == judgment.comparison_id,
            _MEMBER.completion_id != judgment.preferred_id,
            _LEFT.id == _MEMBER.completion_id,
            condition(func.length(_CHOSEN.text), func.length(_LEFT.text)),
        ),
    )


CHOICES: dict[str, Callable[[Any], ColumnElement[bool]]] = {
    "seen": _is_seen,
    "a_or_b": lambda judgment: and_(_is_seen(judgment), _prefers(judgment)),
    "a": _chose_side_a,
    "longer_or_shorter": lambda judgment: _lengths(
        judgment, lambda chosen, left: func.abs(chosen - left) > LONGER_BY
    ),
    "longer": lambda judgment: _lengths(judgment, lambda chosen, left: chosen - left > LONGER_BY),
}
"""`seen`: known which response was on side A; `a_or_b`: and preferred one of the two."""
TIMES = ("known", *map(str, (0, *TIME_LIMITS)))
"""That an active time is known; or the lower limit, in seconds, of a bar of times."""


def _lasted(judgment: Any, name: str) -> ColumnElement[bool]:
    """A bar holds whole bins of the histogram, so that its number is that of the list."""
    active: ColumnElement[int] = judgment.active_ms
    if name == "known":
        return active.is_not(None)
    ends = edges(SECONDS_BINS)
    place = TIMES.index(name) - 1
    bins = [b for b, bar in zip(SECONDS_BINS, time_bins(SECONDS_BINS), strict=True) if bar == place]
    found: list[ColumnElement[bool]] = [active.is_not(None)]
    # The first bin has no lower edge, and the last one no upper one.
    if bins[0] > SECONDS_BINS.start:
        found.append(active >= math.ceil(1000 * float(ends[bins[0] - SECONDS_BINS.start - 1])))
    if bins[-1] < SECONDS_BINS.stop - 1:
        found.append(active < math.ceil(1000 * float(ends[bins[-1] - SECONDS_BINS.start])))
    return and_(*found)


def _number_counted() -> ColumnElement[int]:
    query = select(func.count(Judgment.id)).where(*_current(Judgment), _counted(Judgment))
    return query.correlate(Comparison).scalar_subquery()


def _mean_strength() -> ColumnElement[int | None]:
    """Rounded, half a step up, in whole numbers."""
    total, n = func.sum(Judgment.strength), func.count()
    mean: ColumnElement[int | None] = (2 * total + n) // (2 * n)
    return (
        select(mean)
        .where(*_current(Judgment), _counted(Judgment), Judgment.strength.is_not(None))
        .correlate(Comparison)
        .scalar_subquery()
    )


def _said(
    session: Session,
    wanted: ComparisonFilter,
    people: Sequence[Annotator],
    version: GuidelineVersion | None,
) -> ColumnElement[bool]:
    """Whether the two said these labels of it, or without labels different things."""
    both = [
        *_such(session, wanted, version, _ONE),
        *_such(session, wanted, version, _OTHER),
        _ONE.annotator_id == people[0].id,
        _OTHER.annotator_id == people[1].id,
    ]
    if wanted.labels is not None:
        said = zip((_ONE, _OTHER), wanted.labels, strict=True)
        return exists().where(*both, *(_says(judgment, label) for judgment, label in said))
    return exists().where(*both, _differ(_ONE, _OTHER))
