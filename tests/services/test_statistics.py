"""The kept state of a project always says what its judgments say, whoever folds, and whenever."""

from __future__ import annotations

import itertools
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from helpers.data import NOON, add_annotator, import_plain, lease, make_project, submit
from helpers.slow_statistics import slow_sums
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from app.models.judgments import Judgment
from app.models.statistics import KeptSums, PendingJudgment
from app.rules.project_sums import TABLES
from app.rules.queue_policy import QueuePolicy
from app.services import guidelines, projects, statistics

slugs = itertools.count()
people = st.integers(0, 2)
strengths = st.sampled_from([None, 1, 2, 3])
judgments_given = st.lists(
    st.tuples(st.sampled_from("uvw"), st.sampled_from([1, 2, "tie", "both_bad"]), strengths),
    max_size=4,
)
rankings = st.sampled_from([[2, 1, 3], [2, [1, 3]], [[1, 2], 3], [[1, 2, 3]], [3, 1, 2]])
ranked = st.lists(st.tuples(st.sampled_from("uvw"), rankings, st.none()), max_size=3)
JUDGE = st.tuples(
    st.just("judge"),
    people,
    st.sampled_from(["A", "A", "B", "tie", "both_bad"]),
    strengths,
    st.sampled_from([[], ["typo"], ["typo", "unsafe"]]),
    st.sampled_from([None, 0, 1500, 40_000]),
)
STEPS = st.lists(
    st.one_of(
        JUDGE,
        JUDGE,
        st.tuples(st.just("import"), st.integers(1, 6), judgments_given),
        st.tuples(st.just("gold"), st.sampled_from([1, 2, "tie"]), judgments_given),
        st.tuples(
            st.just("three"), st.sampled_from([None, 2, "tie"]), st.one_of(judgments_given, ranked)
        ),
        st.tuples(st.just("revise"), st.integers(0, 99), st.sampled_from(["tie", "both_bad"])),
        st.tuples(st.just("guideline")),
        st.tuples(st.just("fold")),
        st.tuples(st.just("forget")),
        st.tuples(
            st.just("policy"),
            st.builds(
                QueuePolicy,
                overlap=st.integers(1, 3),
                gold_share=st.sampled_from([0.0, 0.25]),
                repeat_share=st.sampled_from([0.0, 0.25]),
                repeat_after_hours=st.just(0.0),
            ),
        ),
    ),
    min_size=8,
    max_size=30,
)


def record(number, **extra):
    """Texts that differ in length and in their marks, of sources in either order."""
    texts = [f"short {number}", f"a **much** longer answer with more words in it, {number}"]
    sources = ["zeta", "alpha"] if number % 2 else ["alpha", None]
    return {
        "prompt": f"Question {number}?",
        "completions": [
            {"text": text, "source": source} for text, source in zip(texts, sources, strict=True)
        ],
        "tags": ["odd", "x" * number] if number % 2 else [],
        **extra,
    }


class History:
    """A project of its own in the test's database, and three people who work in it."""

    def __init__(self, database) -> None:
        self.database, self.slug, self.now = database, f"s{next(slugs)}", NOON
        with database.writing() as session:
            project = projects.create(
                session, slug=self.slug, overlap=3, guideline="Be fair.", now=NOON
            )
            self.project_id = project.id
        self.people = [
            add_annotator(database, f"{name} of {self.slug}", slug=self.slug) for name in "abc"
        ]
        import_plain(database, [record(1), record(2), record(9, gold=2)], slug=self.slug)

    def run(self, steps) -> None:
        for step in steps:
            self.now += timedelta(days=1, hours=7)
            getattr(self, f"do_{step[0]}")(*step[1:])

    def do_judge(self, who, verdict, strength, reasons, active_ms) -> None:
        view = lease(self.database, self.people[who], now=self.now, slug=self.slug)
        if view is not None:
            submit(
                self.database,
                self.people[who],
                view,
                verdict,
                now=self.now,
                strength=strength,
                reason_codes=reasons,
                active_ms=active_ms,
                layout="stacked" if who == 1 else "side_by_side",
            )

    def do_import(self, number, votes) -> None:
        self._import(record(number), votes)

    def do_gold(self, answer, votes) -> None:
        """Another answer is known of a comparison that was judged perhaps."""
        self._import(record(9, gold=answer), votes)

    def do_three(self, answer, votes) -> None:
        known = {} if answer is None else {"gold": answer}
        prompt = "Three, known?" if known else "Three?"
        self._import({"prompt": prompt, "completions": ["x", "y", "z z"], **known}, votes)

    def _import(self, given, votes) -> None:
        ended = self.now.isoformat()
        given["judgments"] = [
            {
                "annotator": a,
                "ranking" if isinstance(v, list) else "verdict": v,
                "strength": s,
                "ended_at": ended,
            }
            for a, v, s in votes
        ]
        import_plain(self.database, [given], slug=self.slug)

    def do_revise(self, number, verdict) -> None:
        """A later release may let annotators change their minds: a row that supersedes another."""
        with self.database.writing() as session:
            superseded = select(Judgment.supersedes_id).where(Judgment.supersedes_id.is_not(None))
            current = session.scalars(
                select(Judgment)
                .where(Judgment.project_id == self.project_id, Judgment.id.not_in(superseded))
                .order_by(Judgment.id)
            ).all()
            if not current:
                return
            old = current[number % len(current)]
            values = {c.name: getattr(old, c.name) for c in Judgment.__table__.columns}
            del values["id"]
            values |= {
                "verdict": verdict, "preferred_id": None, "strength": None,
                "idempotency_key": f"revision of {old.id}", "supersedes_id": old.id,
            }  # fmt: skip
            new = Judgment(**values)
            session.add(new)
            session.flush()
            session.add(
                PendingJudgment(
                    judgment_id=new.id, project_id=new.project_id, comparison_id=new.comparison_id
                )
            )

    def do_guideline(self) -> None:
        with self.database.writing() as session:
            project = projects.by_slug(session, self.slug)
            guidelines.publish(session, project, f"At {self.now}", by=self.people[0], now=self.now)

    def do_fold(self) -> None:
        statistics.fold(self.database, self.project_id, now=self.now)

    def do_forget(self) -> None:
        with self.database.writing() as session:
            statistics.forget(session, self.project_id, now=self.now)

    def do_policy(self, policy) -> None:
        with self.database.writing() as session:
            projects.set_policy(session, projects.by_slug(session, self.slug), policy)


def check(history) -> None:
    """The state with what is pending, the folded state, and one built anew say the same, and that
    is what the rows say one by one."""
    database, key = history.database, history.project_id
    with database.reading() as session:
        assert statistics.check(session, key) == []
    folded = statistics.read(database, key, now=history.now)
    with database.writing() as session:
        statistics.forget(session, key, now=history.now)
    built = statistics.read(database, key, now=history.now)
    with database.reading() as session:
        slow = slow_sums(session, key)
        n = session.scalar(select(func.count(Judgment.id)).where(Judgment.project_id == key))
    assert (folded.judgments, folded.waiting, built.judgments) == (n, 0, n)
    for name in TABLES:
        assert folded.sums.rows(name) == slow.get(name, {}), name
        assert built.sums.rows(name) == slow.get(name, {}), name


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(STEPS)
def test_the_state_says_what_the_rows_say_after_any_history(database, steps):
    history = History(database)
    history.run([("fold",), *steps])

    check(history)


def gold_of(history):
    found = statistics.read(history.database, history.project_id, now=history.now)
    return {sums.gold for sums in found.annotators().values() if sums.gold.gold}


def version_of(history):
    with history.database.reading() as session:
        return session.get_one(KeptSums, history.project_id).version


def test_a_corrected_known_answer_changes_who_was_right_without_building_the_state_anew(
    database, monkeypatch
):
    history = History(database)
    history.do_gold(2, [("u", 1, 3), ("v", 2, None)])
    assert gold_of(history) == {(1, 0), (1, 1)}
    # One is folded, one is pending when the answer changes.
    history.do_gold(2, [("w", 1, None)])
    monkeypatch.setattr(statistics, "_build", None)

    history.do_gold(1, [])

    with database.reading() as session:
        assert statistics.check(session, history.project_id) == []
    found = statistics.read(database, history.project_id, now=NOON).annotators()
    right = Counter(sums.gold for sums in found.values())
    assert right == {(1, 1): 2, (1, 0): 1}


def test_an_answer_that_is_imported_again_leaves_the_state_alone(database):
    history = History(database)
    history.do_gold(2, [("u", 1, 3)])
    gold_of(history)
    version = version_of(history)

    history.do_gold(2, [])

    assert version_of(history) == version


def test_nothing_is_written_where_nothing_is_pending(database):
    history = History(database)
    history.do_import(1, [("u", 1, None)])
    statistics.read(database, history.project_id, now=NOON)
    version = version_of(history)

    assert statistics.read(database, history.project_id, now=NOON).judgments == 1
    assert not statistics.fold(database, history.project_id, now=NOON)
    assert version_of(history) == version


def test_a_page_folds_only_so_many_and_says_how_many_wait(database, monkeypatch):
    history = History(database)
    statistics.read(database, history.project_id, now=NOON)
    votes = [("u", 1, None), ("v", 2, None), ("w", "tie", None)]
    for number in range(1, 9):
        history.do_import(number, votes)
    monkeypatch.setattr(statistics, "FOLDED_AT_ONCE", 4)

    # The judgments of a comparison are folded together, so it is six at a time.
    first = statistics.read(database, history.project_id, now=NOON)
    statistics.catch_up(database, history.project_id, now=NOON)
    last = statistics.read(database, history.project_id, now=NOON)

    assert (first.judgments, first.waiting) == (6, 18)
    assert (last.judgments, last.waiting) == (24, 0)


def test_a_backlog_of_a_project_without_a_state_is_dropped_and_counted_all_the_same(
    database, monkeypatch
):
    history = History(database)
    for number in range(1, 9):
        history.do_import(number, [("u", 1, None), ("v", 2, None)])
    monkeypatch.setattr(statistics, "FOLDED_AT_ONCE", 5)

    statistics.catch_up(database, history.project_id, now=NOON)

    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(PendingJudgment)) == 0
    check(history)


@pytest.mark.parametrize("change", ["fold", "forget", "gold"])
def test_who_was_overtaken_while_reading_writes_nothing(database, monkeypatch, change):
    """Between reading and writing somebody else folds, forgets or corrects an answer."""
    history = History(database)
    history.do_gold(2, [("u", 1, None)])
    statistics.read(database, history.project_id, now=NOON)
    history.do_import(1, [("u", 1, None), ("v", 2, None)])
    write, overtaken = statistics._write, []

    def write_late(*given, **more):
        monkeypatch.setattr(statistics, "_write", write)
        history.run([(change, 1, []) if change == "gold" else (change,)])
        overtaken.append(not write(*given, **more))
        return not overtaken[0]

    monkeypatch.setattr(statistics, "_write", write_late)
    statistics.fold(database, history.project_id, now=NOON)

    assert overtaken == [True]
    check(history)


@pytest.mark.parametrize("change", ["import", "dropped", "forget", "gold"])
def test_what_happens_while_a_state_is_built_is_not_lost(database, monkeypatch, change):
    history = History(database)
    history.do_gold(2, [("u", 1, None)])
    write = statistics._write

    def write_late(*given, **more):
        monkeypatch.setattr(statistics, "_write", write)
        votes = [("u", 1, None), ("v", 2, None)]
        imported = ("import", 1, votes)
        step = {"forget": ("forget",), "gold": ("gold", 1, votes)}.get(change, imported)
        history.run([step])
        if change == "dropped":
            # Somebody else is about to build it too, and drops a backlog.
            monkeypatch.setattr(statistics, "FOLDED_AT_ONCE", 1)
            statistics._make_way(database, history.project_id, now=NOON)
        return write(*given, **more)

    monkeypatch.setattr(statistics, "_write", write_late)
    statistics.fold(database, history.project_id, now=NOON)
    if change == "dropped":
        with database.reading() as session:
            assert session.get_one(KeptSums, history.project_id).state is None

    check(history)


def test_many_who_judge_and_fold_at_once_lose_nothing(database):
    make_project(database, pairs=12, overlap=4)
    with database.reading() as session:
        key = projects.by_slug(session, "p").id
    people = [add_annotator(database, name) for name in ("ada", "bob", "cyd", "dan")]

    def work(annotator) -> int:
        given = 0
        while (view := lease(database, annotator)) is not None:
            submit(database, annotator, view, "AB"[given % 2], active_ms=900)
            given += 1
        return given

    def fold() -> int:
        for _ in range(12):
            statistics.fold(database, key, now=NOON)
        return 0

    with ThreadPoolExecutor(7) as pool:
        running = [pool.submit(work, person) for person in people]
        running += [pool.submit(fold) for _ in range(3)]
        given = sum(one.result() for one in running)

    assert given == 48
    with database.reading() as session:
        assert statistics.check(session, key) == []
    found = statistics.read(database, key, now=NOON)
    with database.reading() as session:
        slow = slow_sums(session, key)
    assert found.judgments == given
    assert {name: found.sums.rows(name) for name in slow} == slow


def test_a_check_names_what_is_wrong(database):
    history = History(database)
    history.do_import(1, [("u", 1, 2)])
    statistics.read(database, history.project_id, now=NOON)
    with database.writing() as session:
        session.execute(update(Judgment).values(strength=3))

    with database.reading() as session:
        problems = statistics.check(session, history.project_id)

    dimensions = {"all", "tag", "sources", "guideline", "week", "strength"}
    assert {problem.split()[0] for problem in problems} == {*dimensions, "strengths"}
    assert any("kept (1,), computed None" in problem for problem in problems)
