"""A project whose policy is or was adaptive is measured on first judgments, wherever it is told."""

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from helpers.data import NOON, import_plain, make_project, project_of
from helpers.slices import MAY_4, by, read, voted
from sqlalchemy import inspect, null, select

from app import migrate
from app.db import Database
from app.models.judgments import Judgment
from app.rules.project_statistics import Dimension
from app.rules.queue_policy import QueuePolicy
from app.services import (
    agreement,
    annotator_rows,
    comparison_search,
    exports,
    full_tallies,
    projects,
    queue,
    queue_overview,
)
from app.services.comparison_filters import ComparisonFilter
from app.services.exports import ExportOptions

VOTED = [
    voted(1, ("a", "b"), ["x"], (1, 2, MAY_4), (2, 1, MAY_4), (1, 1, MAY_4), (1, 1, MAY_4)),
    voted(2, ("a", "b"), ["x"], (1, 1, MAY_4), (1, 2, MAY_4)),
    voted(3, ("a", "b"), [], (2, 1, MAY_4), (2, 1, MAY_4), (1, 3, MAY_4)),
]


def import_in_order(database: Database) -> None:
    """An hour between two judgments of a comparison; those of one time would be in the order of
    their ids."""
    make_project(database, pairs=0, overlap=2)
    for record in VOTED:
        for i, one in enumerate(record["judgments"]):
            one["ended_at"] = f"{MAY_4}T{9 + i:02}:00:00Z"
    assert not import_plain(database, VOTED).rejected


def test_agreement_is_of_the_first_two_from_when_the_policy_was_adaptive(
    database: Database, tmp_path: Path
) -> None:
    import_in_order(database)

    def told() -> tuple[str, float | None]:
        with database.reading() as session:
            found = agreement.for_project(session, project_of(session))
            summary = agreement.summary(project_of(session), read(database))
        assert summary["percent_agreement"]["value"] == found.percent_agreement.value
        assert (found.n_judgments, found.n_items_overlap, found.n_pairs) == (9, 3, 10)
        return summary["counted"], found.percent_agreement.value

    # Three of six pairs, one of one, one of three.
    assert told() == ("all", pytest.approx((1 / 2 + 1 + 1 / 3) / 3))
    for policy in (QueuePolicy(overlap=2, adaptive_max=4), QueuePolicy(overlap=2)):
        with database.writing() as session:
            projects.set_policy(session, project_of(session), replace(policy, overlap=2))
        assert told() == ("first_two", pytest.approx(2 / 3))
    (x,) = by(database, Dimension.TAG, "first_two").rows
    assert (x.overlap, x.contested) == (2, 1)
    assert x.statistics["percent_agreement"].value == 0.5
    # Grades -2 and 1, -1 and -2, 1 and 1 have no comparison of four grades.
    assert x.statistics["krippendorff_alpha_graded"].n == 2
    made = exports.export_project(database, "p", tmp_path / "bundle", ExportOptions(), now=NOON)
    assert made.manifest["agreement"]["counted"] == "first_two"
    assert made.manifest["agreement"]["percent_agreement"]["value"] == pytest.approx(2 / 3)


def test_an_upgrade_learns_from_the_audit_log_which_policies_were_once_adaptive(
    database: Database,
) -> None:
    import_in_order(database)
    make_project(database, slug="q", overlap=2)
    with database.writing() as session:
        for slug, most in (("p", 4), ("p", None), ("q", None)):
            policy = QueuePolicy(overlap=2, adaptive_max=most)
            project = project_of(session, slug)
            queue_overview.change_policy(session, project, policy, by=None, now=NOON)
        # An older version did not write it down.
        project = project_of(session, "p")
        project.settings = {"queue": {}, "pay": {}}
        full_tallies.rebuild(session, project, queue.policy_of(project))

    def counted() -> list[str]:
        with database.reading() as session:
            return [agreement.counted_of(project_of(session, slug)) for slug in "pq"]

    assert counted() == ["all", "all"]
    assert agrees_with_others(database) == OF_ALL
    for _ in range(2):
        migrate.upgrade(database)
        assert counted() == ["first_two", "all"]
        assert agrees_with_others(database) == OF_FIRST
    with database.reading() as session:
        assert {"queue", "pay"} < project_of(session, "p").settings.keys()


Told = dict[str, tuple[float | None, int]]


def agrees_with_others(database: Database) -> Told:
    """Of each annotator, and that the sums are right."""
    with database.reading() as session:
        project = project_of(session)
        assert full_tallies.check(session, project, queue.policy_of(project)) == []
        rows = annotator_rows.for_project(session, project_of(session)).rows
    found = {row.name: row.agreement_with_others for row in rows}
    return {name: (found[name].value, found[name].n) for name in sorted(found)}


# By hand: of all judgments, w0 agrees with two of three, one of one, and one of two others, …
OF_ALL: Told = {
    "p/w0": (pytest.approx(13 / 18), 3),
    "p/w1": (pytest.approx(1 / 2), 3),
    "p/w2": (pytest.approx(1 / 3), 2),
    "p/w3": (pytest.approx(2 / 3), 1),
}
OF_FIRST: Told = {
    "p/w0": (pytest.approx(2 / 3), 3),
    "p/w1": (pytest.approx(2 / 3), 3),
    "p/w2": (None, 0),
    "p/w3": (None, 0),
}


def test_annotators_are_compared_on_first_judgments_once_a_policy_was_adaptive(
    database: Database,
) -> None:
    import_in_order(database)
    assert agrees_with_others(database) == OF_ALL
    for most in (4, None):
        with database.writing() as session:
            policy = QueuePolicy(overlap=2, adaptive_max=most)
            projects.set_policy(session, project_of(session), policy)
        assert agrees_with_others(database) == OF_FIRST

    # What comes earlier than the first two takes the place of one: w0 and w4 differ.
    early = {"annotator": "w4", "verdict": 2, "ended_at": f"{MAY_4}T08:00:00Z"}
    import_plain(database, [{**VOTED[0], "judgments": [early]}])
    told = agrees_with_others(database)
    assert (told["p/w0"], told["p/w1"]) == ((pytest.approx(2 / 3), 3), (1, 2))
    assert told["p/w4"] == (0, 1)


def test_a_list_of_the_first_two_judgments_holds_these(database: Database) -> None:
    import_in_order(database)
    judged: defaultdict[UUID, list[Judgment]] = defaultdict(list)
    with database.writing() as session:
        for judgment in session.scalars(select(Judgment).order_by(Judgment.received_at)):
            judged[judgment.comparison_id].append(judgment)
        of_two, of_three, of_four = sorted(judged.values(), key=len)
        assert (len(of_two), len(of_three), len(of_four)) == (2, 3, 4)
        # After all others, the second annotator changes their mind, and keeps their place.
        session.add(_revision(of_four[1], preferred_id=of_four[0].preferred_id))
        session.add(_revision(of_three[2], verdict="tie", preferred_id=None))

    def found(**asked: Any) -> tuple[int, int | None, list[int]]:
        """How many comparisons and judgments, and how many each of the former once had."""
        with database.reading() as session:
            wanted = ComparisonFilter(first_two=True, **asked)
            one = comparison_search.find(session, project_of(session), wanted)
        return len(one.ids), one.number, sorted(len(judged[key]) for key in one.ids)

    assert found(overlap=2) == (3, 6, [2, 3, 4])
    assert found(tag="x") == (2, 4, [2, 4])
    # 1, 1 (was 2) of four; 1, 1 of two; 2, 2 of three.
    assert found(verdict=("first",)) == (2, 4, [2, 4])
    assert found(verdict=("second",), overlap=2) == (1, 2, [3])
    # The tie is the third judgment, and so are all of w2 and w3.
    assert found(verdict=("tie",)) == (0, 0, [])
    assert [found(annotator=f"p/w{i}")[0] for i in range(4)] == [3, 3, 0, 0]
    # Two weeks later nobody but the second annotator judged any of the first two.
    assert found(week=date(2026, 5, 18)) == (1, 1, [4])
    assert found(show="contested") == (0, 0, [])


def _revision(judgment: Judgment, **changes: Any) -> Judgment:
    columns = {column.key: getattr(judgment, column.key) for column in inspect(Judgment).columns}
    made = {
        "id": uuid4(),
        "idempotency_key": f"revised-{judgment.id}",
        "supersedes_id": judgment.id,
        "received_at": judgment.received_at + timedelta(days=14),
    }
    # None would be stored as the word null of JSON.
    return Judgment(**{**columns, **made, "ranking": null(), **changes})
