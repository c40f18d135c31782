"""Imported rankings: which pairs they imply, and what is no ranking."""

import pytest
from helpers.data import import_plain, make_project, project_of
from sqlalchemy import select

from app.models.accounts import Annotator
from app.models.judgments import Judgment, Preference
from app.models.projects import Completion
from app.services import full_tallies, queue
from app.services.import_mapping import Mapper


def test_rankings_are_imported_with_every_pair_that_they_imply(database):
    """Four responses: a strict ranking implies six pairs, one with two pairs of ties four, one of
    "B is better" three, and one that ties all of them none."""
    make_project(database, pairs=0)
    judgments = [
        {"annotator": "u", "ranking": [2, 4, 1, 3]},
        {"annotator": "v", "ranking": [[4, 2], [3, 1]]},
        {"annotator": "w", "verdict": 2, "strength": 3},
        {"annotator": "x", "ranking": [[1, 2, 3, 4]]},
    ]
    record = {"prompt": "Rank!", "completions": list("abcd"), "judgments": judgments}

    first, again = import_plain(database, [record]), import_plain(database, [record])

    assert (first.added["judgments"], again.added["judgments"]) == (4, 0)
    with database.reading() as session:
        named = {c.id: c.text for c in session.scalars(select(Completion))}
        pairs: dict[str, set[str]] = {name: set() for name in "uvwx"}
        for name, chosen, rejected, strength in session.execute(
            select(
                Annotator.name,
                Preference.chosen_id,
                Preference.rejected_id,
                Preference.strength,
            )
            .join(Judgment, Judgment.id == Preference.judgment_id)
            .join(Annotator, Annotator.id == Judgment.annotator_id)
        ):
            pairs[name[-1]].add(named[chosen] + named[rejected])
            assert strength == (3 if name[-1] == "w" else None)
        project = project_of(session)
        assert full_tallies.check(session, project, queue.policy_of(project)) == []
        stored = session.scalars(
            select(Judgment.ranking).where(Judgment.verdict == "ranking").order_by(Judgment.id)
        ).all()
    assert pairs == {
        "u": {"ba", "bc", "bd", "da", "dc", "ac"},
        "v": {"da", "dc", "ba", "bc"},
        "w": {"ba", "bc", "bd"},
        "x": set(),
    }
    assert all(group == sorted(group) for ranking in stored for group in ranking)


def test_a_mapping_names_where_rankings_are(database):
    make_project(database, pairs=0)
    mapper = Mapper.parse(
        {
            "prompt": "q",
            "completions": ["a.0", "a.1", "a.2"],
            "judgments": {"annotator": "who", "ranking": "order"},
        }
    )
    record = {"q": "Rank!", "a": ["x", "y", "z"], "who": "u", "order": [3, [1, 2]]}

    summary = import_plain(database, [record, {**record, "order": None}], mapper=mapper)

    assert summary.added["judgments"] == 1
    assert [reject.reason for reject in summary.rejected] == ["ranking: nothing at 'order'"]
    with database.reading() as session:
        assert [len(group) for group in session.scalars(select(Judgment.ranking)).one()] == [1, 2]


def ranked(ranking, of=3, **more) -> dict:
    judgment = {"annotator": "a", "ranking": ranking, **more}
    return {"completions": ["one", "two", "three"][:of], "judgments": [judgment]}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (ranked([2, 1], of=2), "ranking is given of two completions; give a verdict instead"),
        (ranked([2, 1]), "ranking is [2, 1]; expected 1 to 3, each once"),
        (ranked([2, 1, 3, 1]), "expected 1 to 3, each once"),
        (ranked([0, 1, 2]), "expected 1 to 3, each once"),
        (ranked([True, 2, 3]), "expected 1 to 3, each once"),
        (ranked([1, 2, [3, []]]), "expected 1 to 3, each once"),
        (ranked([1, 2, 3, []]), "expected 1 to 3, each once"),
        (ranked("2 1 3"), "ranking is '2 1 3'; expected 1 to 3, each once"),
        (ranked([2, 1, 3], verdict=2), "ranking is given and verdict too"),
        (ranked([2, 1, 3], strength=2), "ranking is given and strength too"),
    ],
)
def test_what_is_no_ranking_is_explained_in_one_sentence(database, change, complaint):
    make_project(database, pairs=0)

    summary = import_plain(database, [{"prompt": "Rank!", **change}])

    assert len(summary.rejected) == 1
    assert complaint in summary.rejected[0].reason
