"""Made-up rows are rows that the server could have written, and so are the sums over them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from app.db import Database
from app.models.judgments import Assignment, AssignmentState, Judgment, Preference, Verdict
from app.models.projects import Comparison
from app.models.statistics import KeptSums
from app.services import agreement, full_tallies, projects, queue, statistics
from benchmarks import bulk
from benchmarks.seed import SLUG, seed

COMPARISONS = 400


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def seeded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('seed')}/seeded.db"
    else:
        url = request.getfixturevalue("postgres_server").create_database("benchmark_seed")
    seed(make_url(url), comparisons=COMPARISONS)
    database = Database(url)
    yield database
    database.dispose()


def test_every_comparison_has_three_of_four_judgments_and_one_open_slot(seeded):
    with seeded.reading() as session:
        rows = session.execute(
            select(
                Comparison.target,
                Comparison.open_slots,
                func.count(Judgment.annotator_id.distinct()),
            )
            .join(Judgment, Judgment.comparison_id == Comparison.id)
            .group_by(Comparison.id, Comparison.target, Comparison.open_slots)
        ).all()

    assert [tuple(row) for row in rows] == [(4, 1, 3)] * COMPARISONS


def test_the_sums_are_those_that_the_server_computes_from_all_rows(seeded):
    with seeded.reading() as session:
        project = projects.by_slug(session, SLUG)
        assert full_tallies.check(session, project, queue.policy_of(project)) == []


def test_the_state_of_statistics_is_built_and_right(seeded):
    with seeded.reading() as session:
        key = projects.by_slug(session, SLUG).id
        assert session.get_one(KeptSums, key).folded == 3 * COMPARISONS
        assert statistics.check(session, key) == []


def test_counts_beside_a_comparison_are_its_judgments(seeded):
    """`full_tallies.rebuild` would change a row that is wrong; here it finds none."""
    columns = (
        Comparison.id, Comparison.judged, Comparison.contested, Comparison.n_first,
        Comparison.n_second, Comparison.n_tie, Comparison.n_both_bad,
    )  # fmt: skip
    with seeded.writing() as session:
        before = session.execute(select(*columns).order_by(Comparison.id)).all()
        project = projects.by_slug(session, SLUG)
        full_tallies.rebuild(session, project, queue.policy_of(project))
        assert session.execute(select(*columns).order_by(Comparison.id)).all() == before


def test_verdicts_are_mixed_and_agreement_is_neither_chance_nor_perfect(seeded):
    with seeded.reading() as session:
        report = agreement.for_project(session, projects.by_slug(session, SLUG))

    assert {"first", "second", "tie", "both_bad"} == {
        k for k, v in report.verdict_shares.items() if v
    }
    alpha = report.krippendorff_alpha_nominal.value
    assert alpha is not None
    assert 0.2 < alpha < 0.6


def test_assignments_and_preferences_belong_to_judgments(seeded):
    with seeded.reading() as session:
        preferred = select(func.count(Judgment.id)).where(Judgment.verdict == Verdict.PREFERRED)
        assert session.scalar(select(func.count()).select_from(Preference)) == session.scalar(
            preferred
        )
        states = session.execute(
            select(Assignment.state, func.count())
            .join(Judgment, Judgment.assignment_id == Assignment.id)
            .group_by(Assignment.state)
        ).all()
        assert [tuple(row) for row in states] == [(AssignmentState.JUDGED, 3 * COMPARISONS)]


def test_no_row_names_one_that_is_not_there(tmp_path: Path):
    seed(make_url(f"sqlite:///{tmp_path}/seeded.db"), comparisons=50)

    assert bulk.broken_references(f"{tmp_path}/seeded.db") == 0


def test_the_same_seed_gives_the_same_verdicts(tmp_path: Path):
    found = []
    for name in ("one.db", "two.db"):
        database = Database(f"sqlite:///{tmp_path}/{name}")
        seed(database.url, comparisons=50)
        with database.reading() as session:
            rows = select(Judgment.id, Judgment.verdict, Judgment.received_at).order_by(Judgment.id)
            found.append(session.execute(rows).all())
        database.dispose()

    assert found[0] == found[1]
