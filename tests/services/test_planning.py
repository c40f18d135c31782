import math
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from helpers.data import (
    NOON,
    add_annotator,
    import_plain,
    lease,
    make_project,
    pair,
    project_id_of,
    project_of,
    submit,
)
from sqlalchemy import select

from app.db import Database
from app.errors import InvalidInput
from app.models.accounts import AnnotatorKind, AuditEntry
from app.models.judgments import Judgment
from app.rules.queue_policy import QueuePolicy, planned_kind
from app.services import overview, pay, planning, projects, queue, recent_work, statistics
from app.services.pay import PayRates, Rate
from app.services.planning import Plan

BY_JUDGMENT = PayRates(
    currency="EUR", rates={AnnotatorKind.SIMULATED: Rate(amount=0.5, per="judgment")}
)


def plan_of(database: Database, *, now: datetime = NOON, half_width: float = 0.05) -> Plan:
    with database.reading() as session:
        project_id = project_of(session).id
    sums = statistics.read(database, project_id, now=now)
    with database.reading() as session:
        project = project_of(session)
        n_open = overview.for_project(session, project).open_comparisons
        return planning.for_project(
            session, project, sums, half_width=half_width, n_open=n_open, now=now
        )


def set_pay(database: Database, rates: PayRates) -> None:
    with database.writing() as session:
        pay.change(session, project_of(session), rates, by=None, now=NOON)


def judge(database: Database, verdicts: str, **fields: object) -> None:
    """By a new annotator, who is simulated."""
    annotator = add_annotator(database, f"judge {verdicts}")
    for verdict in verdicts:
        view = lease(database, annotator)
        assert view is not None
        submit(database, annotator, view, verdict, **fields)


def voted(number: int, *verdicts: int | str) -> dict[str, object]:
    votes = [{"annotator": f"w{i}", "verdict": v} for i, v in enumerate(verdicts)]
    return {
        "prompt": f"Question {number}?",
        "completions": [f"first {number}", f"second {number}"],
        "judgments": votes,
    }


def test_an_empty_project_has_a_plan_in_which_everything_says_why_it_is_undefined(
    database: Database,
) -> None:
    make_project(database, pairs=0)
    plan = plan_of(database)
    assert (plan.left.judgments, plan.left.days.reason) == (0, "no_pace")
    assert plan.agreement.reason == "no_overlap"
    assert [one.lower.reason for one in plan.ceilings] == ["no_overlap"] * 2
    assert plan.beta.ceilings[1].reason == "needs_three_labels"
    assert (plan.widths, plan.target.options, plan.times, plan.expected) == ([], [], [], [])
    assert plan.spending.costs is None


def test_what_is_wanted_ends_at_the_pace_of_the_whole_days_since_the_first(
    database: Database,
) -> None:
    make_project(database, pairs=10, overlap=2)
    annotator = add_annotator(database, "ada")
    # 1, 3, 0, 2 and 2 judgments on five days, and one today, which is not over.
    for day, n in enumerate([1, 3, 0, 2, 2, 1]):
        for _ in range(n):
            now = NOON + timedelta(days=day)
            view = lease(database, annotator, now=now)
            assert view is not None
            submit(database, annotator, view, now=now)

    left = plan_of(database, now=NOON + timedelta(days=5)).left

    assert (left.judgments, left.is_estimated) == (11, False)
    # 8 in 5 days are 1.6 a day: 11 take 6.875 days from the sixth day.
    assert left.days.value == pytest.approx(6.875)
    assert left.end == date(2026, 5, 9) + timedelta(days=7)
    # The variance of a day is (0.36 + 1.96 + 2.56 + 0.16 + 0.16) / 4 = 1.3.
    half = 1.959964 * math.sqrt(1.3 / 5)
    assert left.earliest == date(2026, 5, 9) + timedelta(days=math.ceil(11 / (1.6 + half)))
    assert left.latest == date(2026, 5, 9) + timedelta(days=math.ceil(11 / (1.6 - half)))


def test_only_the_latest_fourteen_days_make_the_pace(database: Database) -> None:
    make_project(database, pairs=3)
    judge(database, "AB")
    with database.reading() as session:
        project = project_of(session)
        day = NOON.date()
        found = [
            recent_work.read(session, project, today=day + timedelta(days=n)).by_day
            for n in (0, 1, 3, 14, 15)
        ]
    assert found[:3] == [[], [2], [2, 0, 0]]
    assert found[3] == [2, *[0] * 13]
    assert found[4] == [0] * 14


def test_ceilings_follow_from_the_agreement_without_ties(database: Database) -> None:
    make_project(database, pairs=0)
    # 4 of 5 pairs of preferences agree; a tie leaves nothing to compare.
    votes = [(1, 1), (2, 2), (1, 1), (2, 2), (1, 2), (1, "tie")]
    import_plain(database, [voted(i, *found) for i, found in enumerate(votes)])
    plan = plan_of(database)
    assert (plan.agreement.value, plan.agreement.n) == (0.8, 5)
    s = (1 + math.sqrt(0.6)) / 2
    one, three = plan.ceilings
    assert (one.lower.value, one.upper.value) == (0.8, pytest.approx(s))
    assert (three.lower.value, three.upper.value) == (0.8, pytest.approx(3 * s**2 - 2 * s**3))
    assert plan.single_label.value == pytest.approx(s)
    # z^2 p (1 - p) / h^2 = 245.9 comparisons of two judgments.
    assert {o.judgments_per_item: o.items for o in plan.target.options}[2] == 246
    # Six of eleven are for the first: 61/121 by chance, (0.8 - 0.504) / (1 - 0.504) = 0.597; then
    # 0.403 (0.403 * -0.193 + 0.597 * 1.403 / 0.496) / 0.05^2 = 259.8.
    assert plan.needs.kappa == pytest.approx(0.59667, abs=1e-5)
    assert (plan.needs.for_kappa, plan.needs.for_side_bias) == (260, {0.55: 783, 0.6: 194})
    assert plan.needs.majorities[1] == pytest.approx(s)
    assert plan.needs.majorities[3] == pytest.approx(3 * s**2 - 2 * s**3)
    # Five comparisons have no interval, so each counts as independent.
    at_500 = next(one.half_width for one in plan.widths if one.items == 500)
    assert at_500 == pytest.approx(1.959964 * math.sqrt(0.16 / 500))


def test_agreement_of_an_adaptive_project_is_that_of_first_judgments(database: Database) -> None:
    """Where annotators conflicted, a third was asked: what these say is more agreement than is."""
    make_project(database, pairs=0)
    votes = [(1, 1), (1, 2, 1), (1, 2, 1), (2, 2)]
    import_plain(database, [voted(i, *found) for i, found in enumerate(votes)])
    # The pairs of all agree in 1, 1/3, 1/3 and 1.
    assert plan_of(database).agreement.value == pytest.approx(2 / 3)
    with database.writing() as session:
        policy = QueuePolicy(overlap=2, adaptive_max=3)
        projects.set_policy(session, project_of(session), policy)
    assert plan_of(database).agreement.value == 0.5


def test_three_labels_on_twenty_comparisons_narrow_the_ceiling(database: Database) -> None:
    make_project(database, pairs=0)
    votes = [(1, 1, 1), (2, 2, 2), (1, 1, 2), (2, 2, 1)] * 6
    import_plain(database, [voted(i, *found) for i, found in enumerate(votes)])
    plan = plan_of(database)
    one, _ = plan.ceilings
    expected = plan.beta.ceilings[1].value
    assert expected is not None
    assert one.lower.value is not None
    assert one.upper.value is not None
    assert one.lower.value < expected < one.upper.value
    assert plan.beta.ceilings[3].value is not None
    assert plan.beta.ceilings[3].value > expected


def test_judgments_are_paid_by_kind_and_bits_bought_with_them(database: Database) -> None:
    make_project(database, pairs=2, overlap=2)
    judge(database, "AA")
    import_plain(database, [voted(9, 1, 2)])
    set_pay(database, BY_JUDGMENT)

    plan = plan_of(database)

    kinds = {one.kind: (one.judgments, one.spent) for one in plan.spending.kinds}
    assert kinds == {AnnotatorKind.SIMULATED: (2, 1.0), AnnotatorKind.IMPORTED: (2, 0.0)}
    costs = plan.spending.costs
    assert costs is not None
    # Two comparisons of one judgment have the label 2/3, the third is split.
    bits = 2 * (1 + 2 / 3 * math.log2(2 / 3) + 1 / 3 * math.log2(1 / 3))
    assert (costs.spent, costs.usable_pairs) == (1.0, 2)
    assert costs.bits == pytest.approx(bits)
    assert costs.per_judgment == pytest.approx(0.25)
    assert costs.per_comparison == pytest.approx(1 / 3)
    assert costs.per_usable_pair == pytest.approx(0.5)
    assert costs.per_bit == pytest.approx(1 / bits)
    # What was imported for nothing makes what is wanted no cheaper.
    assert (plan.spending.to_come.value, plan.spending.to_come.n) == (0.5, 2)
    assert (plan.left.judgments, plan.left.cost) == (2, pytest.approx(1.0))


def test_imported_judgments_and_planted_ones_are_no_pace(database: Database) -> None:
    """Four days ago: 60 imported, one known answer, and two judgments that fill a place."""
    make_project(database, pairs=4, overlap=3)
    import_plain(database, [voted(50 + i, *[1] * 20) for i in range(3)])
    gold = {"prompt": "Two and two?", "completions": ["four", "five"], "gold": 1}
    import_plain(database, [gold])
    policy = QueuePolicy(overlap=3, gold_share=0.5)
    with database.writing() as session:
        projects.set_policy(session, project_of(session), policy)
    # Somebody whose first lease is planned to be gold; there is one only.
    who = next(
        key
        for key in map(UUID, (f"{i:032x}" for i in range(100)))
        if planned_kind(policy, project_id_of("p"), key, 0) == "gold"
    )
    annotator = add_annotator(database, "ada", annotator_id=who)
    for _ in range(3):
        view = lease(database, annotator)
        assert view is not None
        submit(database, annotator, view)
    with database.reading() as session:
        kinds = Counter(session.scalars(select(Judgment.kind)).all())
    assert kinds == {"normal": 62, "gold": 1}
    set_pay(database, BY_JUDGMENT)

    plan = plan_of(database, now=NOON + timedelta(days=4))

    # Two in four days; ten more are wanted.
    assert (plan.left.judgments, plan.left.days.value) == (10, 20.0)
    # Half of what is paid is planted: each place that is wanted costs two judgments.
    assert plan.spending.to_come.value == pytest.approx(1.0)
    assert plan.left.cost == pytest.approx(10.0)


def test_without_work_of_late_the_cost_to_come_says_so(database: Database) -> None:
    make_project(database, pairs=2)
    import_plain(database, [voted(9, 1, 2)])
    set_pay(database, BY_JUDGMENT)
    plan = plan_of(database)
    assert (plan.left.cost, plan.spending.to_come.reason) == (None, "no_pace")
    assert plan.expected == []


def test_comparisons_of_two_are_not_charged_for_those_of_more(database: Database) -> None:
    """One judgment of two responses and three of three: a quarter of the spend is for the pair."""
    make_project(database, pairs=1)
    threes = {"prompt": "Which one?", "completions": ["one", "two", "three"], "overlap": 3}
    import_plain(database, [threes])
    for verdicts in ("AA", "A", "B"):
        judge(database, verdicts)
    set_pay(database, BY_JUDGMENT)

    costs = plan_of(database).spending.costs

    assert costs is not None
    assert (costs.spent, costs.judgments, costs.per_judgment) == (2.0, 4, 0.5)
    assert (costs.comparisons, costs.per_comparison) == (1, 0.5)


def test_an_hour_is_one_of_active_time_and_unknown_times_count_with_the_mean(
    database: Database,
) -> None:
    make_project(database, pairs=3)
    annotator = add_annotator(database, "ada")
    for milliseconds in (10_000, 20_000, None):
        view = lease(database, annotator)
        assert view is not None
        submit(database, annotator, view, active_ms=milliseconds)
    rate = Rate(amount=36.0, per="hour")
    set_pay(database, PayRates(rates={AnnotatorKind.SIMULATED: rate}))
    (kind,) = plan_of(database).spending.kinds
    # 15 seconds on average, three times, at a cent a second.
    assert (kind.seconds, kind.spent) == (pytest.approx(45.0), pytest.approx(0.45))


def test_pay_by_the_hour_without_any_time_is_unknown_and_not_nothing(database: Database) -> None:
    make_project(database, pairs=1)
    judge(database, "A", active_ms=None)
    rate = Rate(amount=36.0, per="hour")
    set_pay(database, PayRates(rates={AnnotatorKind.SIMULATED: rate}))
    plan = plan_of(database)
    assert plan.spending.unknown == [AnnotatorKind.SIMULATED]
    assert plan.spending.costs is None


def test_changing_the_pay_keeps_other_settings_and_is_written_down_once(
    database: Database,
) -> None:
    make_project(database, pairs=1)
    with database.writing() as session:
        policy = QueuePolicy(overlap=1, gold_share=0.1)
        projects.set_policy(session, project_of(session), policy)
    set_pay(database, BY_JUDGMENT)
    with database.reading() as session:
        project = project_of(session)
        assert pay.of(project) == BY_JUDGMENT
        assert queue.policy_of(project) == policy
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "pay changed"))
        (entry,) = entries.all()
        assert entry.subject == "project p"
        assert entry.details == {
            "currency": "EUR",
            "rates": {"simulated": {"amount": 0.5, "per": "judgment"}},
        }
    with database.writing() as session:
        pay.change(session, project_of(session), BY_JUDGMENT, by=None, now=NOON)
        projects.set_policy(session, project_of(session), replace(policy, overlap=2))
    with database.reading() as session:
        assert pay.of(project_of(session)) == BY_JUDGMENT


def test_of_many_open_comparisons_the_first_stand_for_the_rest(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(database, pairs=6, overlap=3)
    import_plain(database, [pair(20, priority=9, overlap=1)])
    monkeypatch.setattr(planning, "LOOK_AT", 4)
    left = plan_of(database).left
    # 1 + 3 + 3 + 3 of the first four; 7 comparisons: 10 / 4 * 7 = 17.5, to even.
    assert (left.judgments, left.is_estimated) == (18, True)


@pytest.mark.parametrize("amount", [-1.0, math.nan, math.inf, 1e7])
def test_a_rate_that_is_no_amount_is_refused(amount: float) -> None:
    with pytest.raises(InvalidInput, match="write an amount from 0 to 1000000"):
        Rate(amount=amount, per="hour")


def test_a_currency_is_a_code_of_three_letters() -> None:
    with pytest.raises(InvalidInput, match="such as EUR"):
        PayRates(currency="euro")
