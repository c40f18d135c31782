"""After whatever happened, sums and pages say what the rows say.

Random histories of leases, verdicts, skips, imports and changed policies run through the services.
Then everything that an admin reads is computed again from the judgments, one by one.
"""

import itertools
from collections import Counter, defaultdict
from datetime import timedelta
from statistics import mean, median

import krippendorff
import numpy as np
import pytest
from helpers.data import NOON, add_annotator, import_plain, lease, pair, submit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from app.models.accounts import Annotator
from app.models.judgments import Assignment, Flag, Judgment, Skip
from app.models.projects import Comparison, ComparisonCompletion
from app.rules.queue_policy import QueuePolicy
from app.services import (
    agreement,
    annotator_rows,
    comparisons,
    full_tallies,
    judgments,
    overview,
    projects,
    queue,
)
from app.services.comparison_filters import ComparisonFilter

slugs = itertools.count()
people = st.integers(0, 2)
votes = st.lists(
    st.tuples(st.sampled_from("uvw"), st.sampled_from([1, 2, "tie", "both_bad"])), max_size=3
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("judge"), people, st.sampled_from(["A", "A", "B", "tie", "both_bad"])),
        st.tuples(st.just("judge"), people, st.sampled_from(["A", "B"])),
        st.tuples(st.just("skip"), people),
        st.tuples(st.just("flag"), people),
        st.tuples(st.just("wait")),
        st.tuples(st.just("import"), st.integers(1, 9), votes, st.integers(1, 3)),
        st.tuples(
            st.just("policy"),
            st.builds(
                QueuePolicy,
                overlap=st.integers(1, 3),
                adaptive_max=st.sampled_from([None, 5]),
                adaptive_confidence=st.just(0.8),
                gold_share=st.sampled_from([0.0, 0.3]),
                repeat_share=st.sampled_from([0.0, 0.2]),
                repeat_after_hours=st.just(0.0),
            ),
        ),
    ),
    min_size=8,
    max_size=30,
)


class History:
    """A project of its own in the test's database, and three people who work in it."""

    def __init__(self, database) -> None:
        self.database, self.slug, self.now = database, f"h{next(slugs)}", NOON
        with database.writing() as session:
            projects.create(session, slug=self.slug, overlap=2, now=NOON)
        self.people = [
            add_annotator(database, f"{name} of {self.slug}", slug=self.slug) for name in "abc"
        ]
        gold = pair(20, gold=1)
        three = {"prompt": "Three?", "completions": ["x", "y", "z"]}
        import_plain(database, [pair(1), pair(2), pair(3), gold, three], slug=self.slug)

    def run(self, steps) -> None:
        for step in steps:
            self.now += timedelta(hours=7)
            getattr(self, step[0])(*step[1:])

    def project(self, session):
        return projects.by_slug(session, self.slug)

    def judge(self, who, verdict) -> None:
        view = lease(self.database, self.people[who], now=self.now, slug=self.slug)
        if view is not None:
            active_ms = None if verdict == "tie" else 1000 + int(self.now.timestamp()) % 997
            submit(
                self.database, self.people[who], view, verdict, now=self.now, active_ms=active_ms
            )

    def skip(self, who) -> None:
        view = lease(self.database, self.people[who], now=self.now, slug=self.slug)
        if view is not None:
            with self.database.writing() as session:
                judgments.skip(session, self.people[who], view.id, "no", now=self.now)

    def flag(self, who) -> None:
        view = lease(self.database, self.people[who], now=self.now, slug=self.slug)
        if view is not None:
            with self.database.writing() as session:
                judgments.flag(session, self.people[who], view.id, "odd", now=self.now)

    def wait(self) -> None:
        self.now += timedelta(days=1)

    def policy(self, policy) -> None:
        with self.database.writing() as session:
            projects.set_policy(session, self.project(session), policy)

    def import_(self, number, given, overlap) -> None:
        ended = self.now.isoformat()
        record = pair(
            number,
            priority=number % 3,
            overlap=overlap,
            judgments=[{"annotator": a, "verdict": v, "ended_at": ended} for a, v in given],
        )
        import_plain(self.database, [record], slug=self.slug)


setattr(History, "import", History.import_)


class Rows:
    """All that a project holds, and what follows from it by the definitions."""

    def __init__(self, session, project) -> None:
        of_project = {"project_id": project.id}
        self.comparisons = {
            c.id: c for c in session.scalars(select(Comparison).filter_by(**of_project))
        }
        members = session.scalars(
            select(ComparisonCompletion).order_by(ComparisonCompletion.position)
        )
        self.members = defaultdict(list)
        for member in members:
            self.members[member.comparison_id].append(member.completion_id)
        self.given = session.scalars(
            select(Judgment).filter_by(**of_project).order_by(Judgment.received_at, Judgment.id)
        ).all()
        self.skips = session.scalars(select(Skip).filter_by(**of_project)).all()
        self.flags = session.scalars(
            select(Flag).filter_by(**of_project).order_by(Flag.flagged_at)
        ).all()
        self.leased = Counter(
            session.scalars(
                select(Assignment.comparison_id).filter_by(
                    **of_project, state="leased", kind="normal"
                )
            )
        )
        self.names = dict(session.execute(select(Annotator.id, Annotator.name)).all())
        self.counted = [
            j
            for j in self.given
            if j.kind == "normal" and self.comparisons[j.comparison_id].kind == "normal"
        ]
        self.of = defaultdict(list)
        for judgment in self.counted:
            self.of[judgment.comparison_id].append(judgment)

    def label(self, judgment):
        """What a judgment says, equal for two that say the same."""
        if judgment.preferred_id is None:
            return judgment.verdict
        return self.members[judgment.comparison_id].index(judgment.preferred_id)

    def judges(self, comparison_id):
        return {
            j.annotator_id
            for j in self.given
            if j.comparison_id == comparison_id and j.kind != "repeat"
        }


def pairs_of(labels):
    return [a == b for a, b in itertools.combinations(labels, 2)]


def check_comparisons(rows):
    for comparison in rows.comparisons.values():
        labels = [rows.label(j) for j in rows.of[comparison.id]]
        judged = len(rows.judges(comparison.id))
        assert comparison.judged == judged
        assert comparison.contested == (len(set(labels)) > 1)
        wanted = comparison.target - judged - rows.leased[comparison.id]
        assert comparison.open_slots == max(0, wanted)
        counts = (
            comparison.n_first, comparison.n_second, comparison.n_tie, comparison.n_both_bad,
        )  # fmt: skip
        if comparison.size == 2:
            assert counts == tuple(labels.count(label) for label in (0, 1, "tie", "both_bad"))
        else:
            assert counts == (0, 0, 0, 0)


def check_overview(rows, found):
    normal = [c for c in rows.comparisons.values() if c.kind == "normal"]
    finished = [c for c in normal if len(rows.judges(c.id)) >= c.target and not rows.leased[c.id]]
    assert (found.comparisons, found.gold) == (len(normal), len(rows.comparisons) - len(normal))
    assert found.finished_comparisons == len(finished)
    assert (found.judgments, found.counted_judgments) == (len(rows.given), len(rows.counted))
    assert found.annotators == len({j.annotator_id for j in rows.given})
    assert (found.skips, found.flags) == (len(rows.skips), len(rows.flags))
    assert found.verdicts == Counter(j.verdict for j in rows.counted)
    by_day = Counter(j.received_at.date().isoformat() for j in rows.given)
    assert found.judgments_by_day == sorted(by_day.items())


def check_agreement(rows, found, *, was_adaptive):
    of_two = {
        key: [rows.label(j) for j in given]
        for key, given in rows.of.items()
        if rows.comparisons[key].size == 2
    }
    assert found.counted == ("first_two" if was_adaptive else "all")
    most = 2 if was_adaptive else None
    measured = {key: labels[:most] for key, labels in of_two.items()}
    decisive = {key: [x for x in labels if x in (0, 1)] for key, labels in measured.items()}
    assert found.n_judgments == sum(map(len, of_two.values()))
    assert found.n_items == sum(bool(labels) for labels in of_two.values())
    assert found.n_pairs == sum(len(pairs_of(labels)) for labels in of_two.values())
    assert found.n_annotators == len({j.annotator_id for j in rows.counted})
    for items, percent, alpha in (
        (measured, found.percent_agreement, found.krippendorff_alpha_nominal),
        (decisive, found.percent_agreement_no_ties, found.krippendorff_alpha_nominal_no_ties),
    ):
        shared = [labels for labels in items.values() if len(labels) > 1]
        expected = mean(mean(pairs_of(labels)) for labels in shared) if shared else None
        assert percent.n == alpha.n == len(shared)
        assert percent.value == (None if expected is None else pytest.approx(expected))
        counts = np.array(
            [[labels.count(x) for x in (0, 1, "tie", "both_bad")] for labels in shared]
        )
        if not shared or (counts.sum(axis=0) > 0).sum() < 2:
            assert alpha.value is None
        else:
            peer = krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")
            assert alpha.value == pytest.approx(peer, abs=1e-9)


def check_annotators(rows, found, *, was_adaptive):
    assert {row.name for row in found} == {rows.names[j.annotator_id] for j in rows.given}
    for row in found:
        given = [j for j in rows.given if rows.names[j.annotator_id] == row.name]
        counted = [j for j in rows.counted if rows.names[j.annotator_id] == row.name]
        assert (row.judgments, row.planted) == (len(counted), len(given) - len(counted))
        assert row.ties == sum(j.verdict in ("tie", "both_bad") for j in counted)
        assert row.skips == sum(rows.names[s.annotator_id] == row.name for s in rows.skips)
        assert row.last_judged_at == max(j.received_at for j in given)
        times = [j.active_ms for j in given if j.active_ms is not None]
        assert row.median_active_ms.value == (median(times) if times else None)
        assert row.median_active_ms.n == len(times)
        sided = [
            j
            for j in counted
            if j.assignment_id and j.preferred_id and rows.comparisons[j.comparison_id].size == 2
        ]
        on_the_left = [j.shown_order[0] == j.preferred_id.hex for j in sided]
        assert row.left_rate.n == len(sided)
        assert row.left_rate.value == (pytest.approx(mean(on_the_left)) if sided else None)
        shares = []
        for judgment in counted:
            # `of` is in the order in which they were received.
            compared = rows.of[judgment.comparison_id][: 2 if was_adaptive else None]
            others = [j for j in compared if j is not judgment]
            if others and judgment in compared:
                shares.append(mean(rows.label(j) == rows.label(judgment) for j in others))
        assert row.agreement_with_others.n == len(shares)
        assert row.agreement_with_others.value == (pytest.approx(mean(shares)) if shares else None)


def check_lists(rows, session, project):
    flagged = {f.comparison_id for f in rows.flags}
    wanted = {
        "all": lambda c: True,
        "judged": lambda c: rows.judges(c.id),
        "open": lambda c: c.open_slots > 0,
        "contested": lambda c: len({rows.label(j) for j in rows.of[c.id]}) > 1,
        "gold": lambda c: c.kind == "gold",
        "flagged": lambda c: c.id in flagged,
    }
    for show, holds in wanted.items():
        of_show = ComparisonFilter(show=show)
        first = comparisons.page_of(session, project, of_show, per_page=4)
        shown = [row.id for row in first.rows]
        for page in range(2, first.pages + 1):
            more = comparisons.page_of(session, project, of_show, per_page=4, page=page)
            shown += [row.id for row in more.rows]
        right = [c for c in rows.comparisons.values() if holds(c)]
        assert first.total == len(right)
        if show == "flagged":
            times = {f.comparison_id: f.flagged_at for f in rows.flags}
            assert shown == sorted(times, key=lambda key: times[key])[::-1]
        else:
            assert shown == [c.id for c in sorted(right, key=lambda c: (c.priority, c.id))][::-1]


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(STEPS)
def test_sums_and_pages_say_what_the_rows_say(database, steps):
    history = History(database)
    history.run(steps)

    with database.reading() as session:
        project = history.project(session)
        assert full_tallies.check(session, project, queue.policy_of(project)) == []
        rows = Rows(session, project)
        check_comparisons(rows)
        check_overview(rows, overview.for_project(session, project))
        was_adaptive = any(step[0] == "policy" and step[1].adaptive_max for step in steps)
        check_agreement(rows, agreement.for_project(session, project), was_adaptive=was_adaptive)
        told = annotator_rows.for_project(session, project).rows
        check_annotators(rows, told, was_adaptive=was_adaptive)
        check_lists(rows, session, project)
