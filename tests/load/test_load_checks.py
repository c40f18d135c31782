"""The checks of the load tests find every kind of broken promise, so that their silence counts."""

from __future__ import annotations

import copy
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from helpers.data import (
    LEASE_SECONDS,
    NOON,
    add_annotator,
    lease,
    make_project,
    project_of,
    submit,
)
from helpers.load_checks import violations
from helpers.load_clocks import PATIENCE, surely_late
from helpers.load_ledger import Hold, Ledger, Outcome, Sent
from helpers.load_stored import Stored, unfinished

from app import migrate
from app.db import Database
from app.services import assignments, judgments, slots

NOON_SECONDS = NOON.timestamp()
AFTER_ALL_LEASES = NOON + timedelta(days=1)


class Work:
    """A project of six comparisons in which two of three annotators judged everything."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/load.db"
        self._path = folder / "load.db"
        self.ledger = Ledger(LEASE_SECONDS)
        database = Database(self.url)
        migrate.upgrade(database)
        make_project(database, pairs=6, overlap=2)
        people = [add_annotator(database, name) for name in ("Ada", "Bo", "Cy")]
        self._skip_one_and_go_away(database, people[2])
        for annotator in people[:2]:
            for verdict in ("A", "B", "tie", "both_bad", "A", "B"):
                self._judge(database, annotator, verdict)
        database.dispose()

    def _judge(self, database, annotator, verdict: str) -> None:
        view = lease(database, annotator)
        submit(database, annotator, view, verdict)
        seen = {side.label: side.text for side in view.sides}
        sent = Sent(annotator.id.hex, view.id.hex, f"key-{view.id}", verdict, None, seen)
        sent.outcome = Outcome.ACKNOWLEDGED
        sent.first_try, sent.acknowledged_at = NOON_SECONDS + 29, NOON_SECONDS + 31
        self.ledger.holds[view.id.hex].append(Hold(NOON_SECONDS - 1, NOON_SECONDS + 1))
        self.ledger.sent.append(sent)

    def _skip_one_and_go_away(self, database, annotator) -> None:
        view = lease(database, annotator)
        with database.writing() as session:
            judgments.skip(session, annotator, view.id, "not for me", now=NOON)
            assignments.lease_next(
                session, project_of(session), annotator, lease_seconds=60, now=NOON
            )
            slots.release_expired(session, project_of(session), now=AFTER_ALL_LEASES)
        self.ledger.skipped.add(view.id.hex)

    def copy_to(self, folder: Path) -> Work:
        other = copy.deepcopy(self)
        other._path = folder / "load.db"
        other.url = f"sqlite:///{other._path}"
        shutil.copy(self._path, other._path)
        return other

    def change(self, statement: str) -> None:
        """Change the database behind the services' back."""
        with closing(sqlite3.connect(self._path)) as connection, connection:
            assert connection.execute(statement).rowcount >= 1, statement

    def found(self) -> list[str]:
        return violations(Stored.read(self.url), self.ledger)


ONE_JUDGMENT = "(SELECT id FROM judgments ORDER BY id LIMIT 1)"
ONE_PREFERENCE = "(SELECT judgment_id FROM preferences ORDER BY judgment_id LIMIT 1)"
COPIED = (
    "id, project_id, comparison_id, annotator_id, assignment_id, verdict, preferred_id, "
    "reason_codes, shown_order, layout, kind, received_at, late, idempotency_key"
)


def copy_of_judgment(**changed: str) -> str:
    """The statement that stores a judgment once more, with some columns changed."""
    columns = COPIED.split(", ")
    values = ", ".join(changed.get(column, column) for column in columns)
    return (
        f"INSERT INTO judgments ({COPIED}) SELECT {values} FROM judgments WHERE id = {ONE_JUDGMENT}"
    )


NEW = "lower(hex(randomblob(16)))"
CY = "(SELECT id FROM annotators WHERE name = 'Cy')"
DAMAGE = {
    "lost": (f"DELETE FROM judgments WHERE id = {ONE_JUDGMENT}", "is stored 0 times"),
    "a judgment too few": (
        f"DELETE FROM judgments WHERE id = {ONE_JUDGMENT}",
        "1 judged, wanted 2",
    ),
    "a judgment too many": (
        copy_of_judgment(id=NEW, annotator_id=CY),
        "3 judged on time, wanted 2",
    ),
    "judged twice": (copy_of_judgment(id=NEW, idempotency_key=NEW), "2 times (repeat=False)"),
    "nobody sent it": (copy_of_judgment(id=NEW, idempotency_key=NEW), "nobody sent it"),
    "late without a reason": (
        f"UPDATE judgments SET late = 1 WHERE id = {ONE_JUDGMENT}",
        # The lease was asked for a second before noon, the verdict was there 31 seconds after.
        "is marked late, 568.000 s before its lease could end",
    ),
    "a repeat of nothing": (
        copy_of_judgment(id=NEW, annotator_id=CY, kind="'repeat'"),
        "1 times (repeat=True)",
    ),
    "another verdict": (
        "UPDATE judgments SET verdict = 'both_bad' WHERE verdict = 'tie'",
        "stored (",
    ),
    "the other side": (
        "UPDATE judgments SET preferred_id = (SELECT completion_id FROM comparison_completions m "
        "WHERE m.comparison_id = judgments.comparison_id AND completion_id <> preferred_id) "
        "WHERE preferred_id IS NOT NULL",
        "stored (",
    ),
    "another order": (
        "UPDATE judgments SET shown_order = json_array(shown_order ->> 1, shown_order ->> 0)",
        "and its judgment differ",
    ),
    "a preference lost": (
        f"DELETE FROM preferences WHERE judgment_id = {ONE_PREFERENCE}",
        "its preference rows are not",
    ),
    "a preference turned round": (
        "UPDATE preferences SET chosen_id = rejected_id, rejected_id = chosen_id",
        "its preference rows are not",
    ),
    "a lease left": ("UPDATE assignments SET state = 'leased' WHERE state = 'expired'", "on lease"),
    "judged without a judgment": (
        "UPDATE assignments SET state = 'judged' WHERE state = 'expired'",
        "is judged and has 0 judgments",
    ),
    "a skip lost": ("DELETE FROM skips", "was acknowledged and is not stored"),
    "open slots": ("UPDATE comparisons SET open_slots = 1", "open_slots is 1, counted 0"),
    "labels": ("UPDATE comparisons SET n_tie = n_tie + 1", "kept {"),
    "contested": ("UPDATE comparisons SET contested = NOT contested", "'contested'"),
    "an annotator's day": ("UPDATE annotator_days SET credit = credit + 1", "'credit'"),
    "a day lost": ("DELETE FROM annotator_days", "is not kept"),
    "vote counts": ("UPDATE vote_counts SET comparisons = comparisons + 1", "vote counts"),
}


@pytest.fixture(scope="module")
def finished_work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    return Work(tmp_path_factory.mktemp("work"))


@pytest.fixture
def work(finished_work: Work, tmp_path: Path) -> Work:
    """To be damaged."""
    return finished_work.copy_to(tmp_path)


def test_a_run_without_trouble_has_no_violation(work: Work) -> None:
    assert len(work.ledger.sent) == 12
    assert unfinished(work.url) == 0
    assert work.found() == []


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(work: Work, name: str) -> None:
    statement, sentence = DAMAGE[name]
    work.change(statement)
    assert any(sentence in violation for violation in work.found())


def _refused(ledger: Ledger) -> None:
    ledger.sent[0].outcome = Outcome.REFUSED


def _unanswered(ledger: Ledger) -> None:
    ledger.sent[0].outcome = Outcome.UNKNOWN


def _forgotten(ledger: Ledger) -> None:
    del ledger.sent[0]


def _created_twice(ledger: Ledger) -> None:
    ledger.sent[0].created = 2


def _sent_late(ledger: Ledger) -> None:
    ledger.sent[0].first_try = NOON_SECONDS + 602.5
    ledger.sent[0].acknowledged_at = NOON_SECONDS + 603


def _never_given(ledger: Ledger) -> None:
    ledger.holds.clear()


@pytest.mark.parametrize(
    ("remembered", "sentence"),
    [
        (_refused, "refused and is stored 1 times"),
        (_unanswered, "unknown and is stored 1 times"),
        (_forgotten, "nobody sent it"),
        (_created_twice, "was called new 2 times"),
        (_sent_late, "is not marked late, 1.500 s after its lease"),
        (_never_given, "was never handed out"),
    ],
)
def test_a_memory_that_differs_from_what_is_stored_is_found(
    work: Work, remembered: Callable[[Ledger], None], sentence: str
) -> None:
    remembered(work.ledger)
    assert [violation for violation in work.found() if sentence in violation]


def test_a_judgment_that_came_late_may_be_one_more_than_wanted(work: Work) -> None:
    work.change(copy_of_judgment(id=NEW, annotator_id=CY, late="1"))
    assert not [violation for violation in work.found() if "wanted" in violation]


def late_marks(work: Work) -> list[str]:
    return [violation for violation in work.found() if " late" in violation]


def hold_longer(work: Work, hold: Hold, *, is_answered: bool) -> None:
    """Another request of the first verdict's annotator, for its assignment."""
    sent = work.ledger.sent[0]
    if is_answered:
        work.ledger.holds[sent.assignment_id].append(hold)
    else:
        work.ledger.unanswered[sent.annotator_id].append(hold)


@pytest.mark.parametrize(
    ("hold", "is_answered"),
    [
        (Hold(NOON_SECONDS + 2, NOON_SECONDS + 3), True),
        (Hold(NOON_SECONDS + 2, NOON_SECONDS + 3 - PATIENCE), False),
    ],
)
def test_a_lease_that_may_have_been_prolonged_excuses_a_judgment_on_time(
    work: Work, hold: Hold, is_answered: bool
) -> None:
    _sent_late(work.ledger)
    assert surely_late(Stored.read(work.url), work.ledger) == 1
    hold_longer(work, hold, is_answered=is_answered)
    assert late_marks(work) == []
    assert surely_late(Stored.read(work.url), work.ledger) == 0


def test_a_judgment_that_may_have_come_in_time_may_also_be_late(work: Work) -> None:
    sent = work.ledger.sent[0]
    sent.first_try, sent.acknowledged_at = NOON_SECONDS + 598, NOON_SECONDS + 600
    assert late_marks(work) == []
    work.change(f"UPDATE judgments SET late = 1 WHERE idempotency_key = '{sent.key}'")
    assert late_marks(work) == []
    hold_longer(work, Hold(NOON_SECONDS + 2, NOON_SECONDS + 3), is_answered=True)
    assert len(late_marks(work)) == 1


def test_a_run_in_which_nothing_went_wrong_says_what_was_missing() -> None:
    ledger = Ledger(LEASE_SECONDS)
    assert {"vanished", "replayed", "refused in another tab"} < set(ledger.missing())
    ledger.events["vanished"] += 1
    assert "vanished" not in ledger.missing()


def test_a_comparison_that_wants_more_is_unfinished(work: Work) -> None:
    work.change(f"DELETE FROM judgments WHERE id = {ONE_JUDGMENT}")
    assert unfinished(work.url) == 1
