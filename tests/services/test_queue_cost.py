"""What the next comparison costs: the same in a project of any size, whatever is done, restricted
or planted there."""

import re
from contextlib import contextmanager

import pytest
from helpers.data import (
    add_annotator,
    import_plain,
    lease,
    make_project,
    pair,
    project_of,
    submit,
)
from helpers.policy import set_policy
from sqlalchemy import select, update

from app.models.judgments import Judgment
from app.models.projects import Comparison
from app.services import full_tallies, queue, queue_order, slots, targets


# SQLite counts the steps of its virtual machine, which a clock cannot: they do not depend on load.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_next_comparison_costs_the_same_in_a_larger_project(database):
    make_project(database, pairs=60, overlap=4)
    annotators = [add_annotator(database, f"annotator {i}") for i in range(3)]

    def median_steps() -> int:
        steps = []
        for _ in range(15):
            for annotator in annotators:
                view = None
                with counted_steps(database) as counter:
                    view = lease(database, annotator)
                steps.append(len(counter))
                submit(database, annotator, view)
        return sorted(steps)[len(steps) // 2]

    small = median_steps()
    import_plain(database, [pair(i) for i in range(100, 1600)])
    large = median_steps()

    assert large < 1.3 * small, (small, large)


@contextmanager
def counted_steps(database):
    found: list[int] = []
    with database.engine.connect() as connection:
        raw = connection.connection.driver_connection
    # The pool has one connection here, which the block uses too.
    raw.set_progress_handler(lambda: found.append(1) and None, 10)
    try:
        yield found
    finally:
        raw.set_progress_handler(None, 0)


# PostgreSQL plans by the size of tables, and these are small.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (queue._TURN, "ix_comparisons_walk (project_id=? AND restricted_to=? AND priority>?)"),
        (
            queue_order.BLOCK_OF_PLACE,
            "ix_comparisons_walk "
            "(project_id=? AND restricted_to=? AND priority=? AND id>? AND id<?)",
        ),
        *(
            (queue_order.open_comparisons(part, groups, 32), "ix_comparisons_walk (project_id=?")
            for part in queue_order.Part
            for groups in (0, 2)
        ),
        (queue_order.look_ahead(0, 10), "ix_comparisons_walk (project_id=? AND restricted_to=?"),
        (queue._gold(0), "ix_comparisons_gold_round (project_id=? AND id>?)"),
        (queue._gold(2), "ix_comparisons_gold_round (project_id=? AND id<?)"),
        (slots._EXPIRED, "ix_assignments_leased"),
    ],
)
def test_the_queue_reads_its_partial_indexes_and_sorts_nothing_long(database, statement, index):
    told = plan_of(database, statement)
    assert index in told
    # Every other look at the comparisons would be a longer one.
    looks = re.findall(r"(?:SEARCH|SCAN) comparisons(?:_1)? USING (?:COVERING )?INDEX (\w+)", told)
    assert set(looks) <= {index.split()[0], "sqlite_autoindex_comparisons_1"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("statement", [full_tallies._PART, targets._NORMAL_PART])
def test_a_walk_over_all_comparisons_reads_each_part_from_where_the_last_one_ended(
    database, statement
):
    told = plan_of(database, statement)

    assert "ix_comparisons_project (project_id=? AND (priority,id)>(?,?))" in told
    # To sort, it would have to look at the whole project for every part.
    assert "TEMP B-TREE" not in told


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_judgments_of_a_part_are_found_by_their_comparisons(database):
    make_project(database, pairs=1)
    with database.reading() as session:
        keys = session.scalars(select(Comparison.id)).all()
    told = plan_of(database, full_tallies._VOTES.where(Judgment.comparison_id.in_(keys)))

    assert "judgments USING INDEX ix_judgments_comparison (comparison_id=?)" in told
    assert "SCAN" not in told


def plan_of(database, statement) -> str:
    with database.reading() as session:
        options = {"render_postcompile": True}
        compiled = statement.compile(dialect=session.connection().dialect, compile_kwargs=options)
        text = str(compiled)
        plan = session.connection().exec_driver_sql(
            f"EXPLAIN QUERY PLAN {text}", tuple([None] * text.count("?"))
        )
        return " ".join(str(row) for row in plan)


def steps_of_a_lease(database, annotator) -> int:
    with counted_steps(database) as counter:
        assert lease(database, annotator) is not None
    return len(counter)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_next_one_costs_the_same_however_much_is_done_or_for_others_or_gold(database):
    make_project(database, pairs=40, overlap=2)
    ada, bob, cyd = (add_annotator(database, name) for name in ("ada", "bob", "cyd"))
    plain = steps_of_a_lease(database, ada)

    import_plain(database, [pair(i) | {"annotator_group": "medics"} for i in range(100, 1100)])
    import_plain(database, [pair(i) | {"priority": 9, "overlap": 1} for i in range(1100, 2100)])
    with database.writing() as session:
        session.execute(
            update(Comparison)
            .where(Comparison.priority == 9)
            .values(open_slots=0, judged=1)
            .execution_options(synchronize_session=False)
        )
    among_others = steps_of_a_lease(database, bob)
    set_policy(database, gold_share=0.5)
    import_plain(database, [pair(i) | {"gold": 1} for i in range(3000, 3040)])
    planted = steps_of_a_lease(database, cyd)
    import_plain(database, [pair(i) | {"gold": 1} for i in range(3040, 4000)])
    among_gold = steps_of_a_lease(database, add_annotator(database, "dan"))

    assert among_others < 1.3 * plain, (plain, among_others)
    assert among_gold < 1.3 * planted, (planted, among_gold)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_judgment_of_gold_costs_the_same_however_many_gave_theirs(database):
    make_project(database, pairs=1, overlap=1)
    set_policy(database, gold_share=0.5)
    import_plain(database, [pair(500, gold=1)])
    import_plain(database, [pair(i) for i in range(600, 640)])

    def steps_of_gold(name: str) -> int:
        annotator = add_annotator(database, name)
        for _ in range(12):
            view = lease(database, annotator)
            with counted_steps(database) as counter:
                submitted = submit(database, annotator, view)
            if submitted.values["kind"] == "gold":
                return len(counter)
        raise AssertionError("no gold came")

    first = steps_of_gold("first")
    later = [steps_of_gold(f"annotator {i}") for i in range(25)]

    assert max(later) < 1.3 * first + 20, (first, later)
    with database.reading() as session:
        gold = session.scalars(select(Comparison).where(Comparison.kind == "gold")).one()
        assert gold.judged == 26
        project = project_of(session)
        assert full_tallies.check(session, project, queue.policy_of(project)) == []
