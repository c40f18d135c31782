"""Priority, overlap, groups and known answers that come with an import."""

from datetime import timedelta

import pytest
from helpers.data import NOON, add_annotator, import_plain, lease, make_project, pair, project_of
from sqlalchemy import select

from app.errors import InvalidInput
from app.models.accounts import Membership
from app.models.judgments import Judgment
from app.models.projects import Comparison
from app.rules.queue_policy import QueuePolicy
from app.services import agreement, export_queries, full_tallies, overview, projects, queue
from app.services.import_mapping import Mapper
from app.services.import_rows import parse_record


def columns(database, *names):
    with database.reading() as session:
        rows = session.execute(
            select(*(getattr(Comparison, name) for name in names)).order_by(Comparison.created_at)
        )
        return sorted(map(tuple, rows), key=repr)


def sums_are_right(database) -> bool:
    with database.reading() as session:
        project = project_of(session)
        return full_tallies.check(session, project, queue.policy_of(project)) == []


def test_a_record_says_how_its_comparison_is_judged(database):
    make_project(database, pairs=0, overlap=2)

    import_plain(
        database,
        [pair(1), pair(2, priority=7, overlap=4, annotator_group=" medics "), pair(3, overlap="1")],
    )

    assert columns(database, "priority", "target", "open_slots", "restricted_to") == [
        (0, 1, 1, None), (0, 2, 2, None), (7, 4, 4, "medics"),
    ]  # fmt: skip


def test_what_is_urgent_comes_first_and_what_is_for_a_group_only_to_its_members(database):
    make_project(database, pairs=20)
    import_plain(database, [pair(30, priority=2, annotator_group="medics"), pair(31, priority=1)])
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    with database.writing() as session:
        project = project_of(session)
        session.get_one(Membership, (project.id, bo.id)).groups = ["medics"]

    for annotator, length in ((ada, 31), (bo, 30)):
        assert lease(database, annotator).messages[0]["content"].count("x") == length


def test_a_later_import_changes_what_it_gives_and_leaves_the_rest(database):
    make_project(database, pairs=0, overlap=2)
    import_plain(database, [pair(1, priority=7, overlap=4, annotator_group="medics"), pair(2)])

    again = import_plain(database, [pair(1), pair(2, priority=0)])
    assert (again.updated, again.already_there) == (0, 2)
    assert columns(database, "priority", "overlap", "restricted_to") == [
        (0, None, None), (7, 4, "medics"),
    ]  # fmt: skip

    changed = import_plain(database, [pair(1, overlap=None, annotator_group="nurses"), pair(2)])

    assert (changed.updated, changed.rejected) == (1, [])
    assert set(changed.added.values()) == {0}
    assert columns(database, "priority", "overlap", "restricted_to", "open_slots") == [
        (0, None, None, 2), (7, None, "nurses", 2),
    ]  # fmt: skip
    assert sums_are_right(database)


def test_of_two_records_of_one_comparison_the_later_one_holds(database):
    make_project(database, pairs=0)

    import_plain(database, [pair(1, priority=1, overlap=3), pair(1, priority=5)])

    assert columns(database, "priority", "target") == [(5, 3)]


def test_another_overlap_counts_the_judgments_that_are_there(database):
    make_project(database, pairs=0, overlap=1)
    votes = [{"annotator": name, "verdict": 1} for name in "ab"]
    import_plain(database, [pair(1, judgments=votes)])

    import_plain(database, [pair(1, overlap=5, judgments=[{"annotator": "c", "verdict": 2}])])

    assert columns(database, "judged", "target", "open_slots") == [(3, 5, 2)]
    assert sums_are_right(database)


@pytest.mark.parametrize(
    ("given", "stored"), [(1, ("preferred", 0)), (2, ("preferred", 1)), ("tie", ("tie", None)),
                          ("both_bad", ("both_bad", None))],
)  # fmt: skip
def test_gold_is_stored_with_its_answer_and_waits_for_nobody(database, given, stored):
    make_project(database, pairs=0)

    summary = import_plain(database, [pair(1, gold=given)])

    assert summary.added["comparisons"] == 1
    assert columns(database, "kind", "gold_verdict", "gold_position", "target", "open_slots") == [
        ("gold", *stored, 0, 0)
    ]


def test_a_corrected_answer_replaces_the_first_in_whatever_order_the_responses_come(database):
    make_project(database, pairs=0)
    import_plain(database, [pair(1, gold=1)])
    other_way_round = {**pair(1), "completions": pair(1)["completions"][::-1]}

    same = import_plain(database, [{**other_way_round, "gold": 2}])
    other = import_plain(database, [{**other_way_round, "gold": 1}])

    assert (same.updated, other.updated) == (0, 1)
    assert columns(database, "gold_verdict", "gold_position") == [("preferred", 1)]


def test_a_comparison_is_gold_from_its_first_import_or_never(database):
    make_project(database, pairs=0)
    import_plain(database, [pair(1), pair(2, gold=2)])

    records = [
        pair(1, gold=1),
        pair(3),
        pair(2),
        pair(4, gold=1),
        pair(4),
        "nonsense",
        pair(3, gold=1),
    ]
    summary = import_plain(database, records)

    assert [(r.line, r.reason.split(";")[0]) for r in summary.rejected] == [
        (
            1,
            "the same comparison is there already without a known answer, for annotators to decide",
        ),
        (3, "the same comparison is there already as gold"),
        (5, "the same comparison is there already as gold"),
        (6, "the record is a text"),
        (
            7,
            "the same comparison is there already without a known answer, for annotators to decide",
        ),
    ]
    assert [r.record for r in summary.rejected] == [records[i] for i in (0, 2, 4, 5, 6)]
    assert columns(database, "kind") == [("gold",), ("gold",), ("normal",), ("normal",)]
    assert sums_are_right(database)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"priority": 1.5}, "priority is 1.5; expected a whole number from -1000000 to 1000000"),
        ({"priority": True}, "priority is True; expected a whole number"),
        ({"priority": 10**7}, "priority is 10000000; expected"),
        ({"overlap": 0}, "overlap is 0; expected a whole number from 1 to 1000"),
        ({"overlap": "many"}, "overlap is 'many'; expected"),
        ({"annotator_group": ["a"]}, "annotator_group is a list; expected a text"),
        ({"annotator_group": "x" * 81}, "annotator_group has 81 characters"),
        ({"gold": 3}, "gold: verdict is 3; expected 1 to 2"),
        ({"gold": True}, "gold: verdict is True; expected 1 to 2"),
        ({"gold": 1, "overlap": 3}, "gold is given and overlap too"),
        ({"gold": 1, "priority": 3}, "gold is given and priority too"),
        (
            {"gold": 1, "completions": [], "demonstration": "So."},
            "gold is given, but there are no completions",
        ),
    ],
)  # fmt: skip
def test_each_mistake_is_explained(fields, complaint):
    with pytest.raises(InvalidInput) as refused:
        parse_record({**pair(1), **fields})
    assert str(refused.value).startswith(complaint)


def test_gold_counts_neither_for_agreement_nor_exports_nor_what_is_finished(database):
    make_project(database, pairs=0, overlap=2)
    votes = [{"annotator": "a", "verdict": 1}, {"annotator": "b", "verdict": 2}]
    agreeing = [{"annotator": "a", "verdict": 1}, {"annotator": "b", "verdict": 1}]
    import_plain(database, [pair(1, gold=1, judgments=votes), pair(2, judgments=agreeing)])

    with database.reading() as session:
        project = project_of(session)
        agreed = agreement.for_project(session, project)
        rows = list(export_queries.judged_comparisons(session, project))
        counts = overview.for_project(session, project)
        assert session.scalars(select(Judgment.kind)).all() == ["normal"] * 4

    assert (agreed.n_judgments, agreed.percent_agreement.value) == (2, 1.0)
    assert [len(comparison.votes) for _, comparison in rows] == [2]
    assert (counts.comparisons, counts.gold, counts.finished_comparisons) == (1, 1, 1)
    assert (counts.judgments, counts.counted_judgments) == (4, 2)
    assert sums_are_right(database)


def test_imported_gold_is_planted_where_the_policy_says_so(database):
    make_project(database, pairs=30)
    import_plain(database, [pair(100 + i, gold=1) for i in range(20)])
    with database.writing() as session:
        projects.set_policy(session, project_of(session), QueuePolicy(gold_share=0.5))
    ada = add_annotator(database, "Ada")

    lengths = []
    for minute in range(30):
        view = lease(database, ada, now=NOON + timedelta(hours=minute))
        lengths.append(view.messages[0]["content"].count("x") >= 100)

    assert any(lengths)
    assert not all(lengths)


def test_a_mapping_translates_known_answers_and_takes_numbers_as_texts(database):
    make_project(database, pairs=0, overlap=1)
    mapper = Mapper.parse(
        {
            "prompt": "q",
            "completions": ["x", "y"],
            "gold": {"verdict": "right", "verdicts": {"x": 1, "y": 2, "none": "both_bad"}},
            "priority": "urgent",
            "overlap": "times",
            "annotator_group": "who",
        }
    )
    base = {"x": "X", "y": "Y", "urgent": "", "times": "", "who": "", "right": ""}

    summary = import_plain(
        database,
        [
            {**base, "q": "1", "right": "y"},
            {**base, "q": "2", "urgent": "3", "times": "2", "who": "medics"},
            {**base, "q": "3", "right": "z"},
            {**base, "q": "4", "right": ["y"]},
        ],
        mapper=mapper,
    )

    assert columns(database, "kind", "gold_position", "priority", "target", "restricted_to") == [
        ("gold", 1, 0, 0, None), ("normal", None, 3, 2, "medics"),
    ]  # fmt: skip
    assert [r.reason for r in summary.rejected] == [
        "gold is 'z'; the mapping knows 'x', 'y', 'none'",
        "gold is ['y']; the mapping knows 'x', 'y', 'none'",
    ]


@pytest.mark.parametrize(
    ("gold", "complaint"),
    [({"verdict": "a", "verdict_": 1}, "gold: unknown key"), ({"verdicts": {}}, "gold needs")],
)
def test_a_bad_mapping_of_gold_is_explained(gold, complaint):
    spec = {"prompt": "q", "completions": ["x", "y"], "gold": gold}
    with pytest.raises(InvalidInput, match=complaint):
        Mapper.parse(spec)
