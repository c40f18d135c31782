"""Rankings over HTTP: how they are stored, what follows from them, and what is no ranking."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from statistics import mean
from uuid import UUID, uuid4

import pytest
from helpers.api import Program, program
from helpers.data import import_plain
from helpers.web import Site, make_site
from scipy.stats import kendalltau
from sqlalchemy import func, select

from app.models.accounts import Role
from app.models.judgments import Judgment, Preference
from app.models.projects import Completion
from app.services import full_tallies, projects, queue, ranking_agreement

NEXT = "/projects/kitchen/assignments"


@pytest.fixture
def threes(tmp_path: Path) -> Site:
    """Two comparisons of the responses a, b and c."""
    site = make_site(tmp_path, comparisons=0, overlap=2)
    records = [{"prompt": f"Rank {n}?", "completions": [f"{c} {n}" for c in "abc"]} for n in "01"]
    assert not import_plain(site.database, records, slug="kitchen").rejected
    return site


def give(ada: Program, ranking: str) -> tuple[str, dict[str, object], str]:
    """Path, body and prompt of a ranking of the next comparison: `b a=c` puts b before a and c."""
    shown = ada.post(NEXT).json()
    sides = {c["text"][0]: c["side"] for c in shown["comparison"]["completions"]}
    groups = [[sides[name] for name in group.split("=")] for group in ranking.split()]
    body = {"ranking": groups, "idempotency_key": str(uuid4())}
    return f"/assignments/{shown['id']}/judgment", body, shown["comparison"]["prompt"][0]["content"]


def judgments(site: Site) -> int:
    with site.database.reading() as session:
        return session.scalar(select(func.count(Judgment.id))) or 0


@pytest.mark.parametrize(
    ("ranking", "groups", "pairs"),
    [
        ("c a b", ["c", "a", "b"], ["a>b", "c>a", "c>b"]),
        ("b c=a", ["b", "ac"], ["b>a", "b>c"]),
        ("c=b a", ["bc", "a"], ["b>a", "c>a"]),
        ("a=b=c", ["abc"], []),
    ],
)
def test_a_ranking_is_stored_by_response_with_every_pair_that_it_implies(
    threes: Site, ranking: str, groups: list[str], pairs: list[str]
) -> None:
    ada = program(threes)
    path, body, _ = give(ada, ranking)

    answers = [ada.post(path, body) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 200]
    with threes.database.reading() as session:
        named = {c.id: c.text[0] for c in session.scalars(select(Completion))}
        stored = session.scalars(select(Judgment)).one()
        rows = session.scalars(select(Preference)).all()
        sums = full_tallies.check(
            session,
            projects.by_slug(session, "kitchen"),
            queue.policy_of(projects.by_slug(session, "kitchen")),
        )
    assert str(stored.id) == answers[1].json()["id"]
    assert (stored.verdict, stored.preferred_id, stored.strength) == ("ranking", None, None)
    assert stored.ranking is not None
    found = ["".join(sorted(named[UUID(hex=key)] for key in group)) for group in stored.ranking]
    assert found == groups
    assert all(group == sorted(group) for group in stored.ranking)
    assert sorted(f"{named[row.chosen_id]}>{named[row.rejected_id]}" for row in rows) == pairs
    assert {row.judgment_id for row in rows} <= {stored.id}
    assert sums == []


def test_another_key_after_a_ranking_conflicts(threes: Site) -> None:
    ada = program(threes)
    path, body, _ = give(ada, "a b c")
    ada.post(path, body)

    answer = ada.post(path, {"verdict": "A", "idempotency_key": str(uuid4())})

    assert (answer.status_code, judgments(threes)) == (409, 1)


def test_a_verdict_on_more_than_two_is_no_ranking(threes: Site) -> None:
    ada = program(threes)
    path, body, _ = give(ada, "a b c")
    verdict = {"verdict": "B", "idempotency_key": body["idempotency_key"]}

    assert ada.post(path, verdict).status_code == 201
    with threes.database.reading() as session:
        stored, is_null = session.execute(select(Judgment, Judgment.ranking.is_(None))).one()
        assert (stored.verdict, is_null) == ("preferred", True)
        assert session.scalar(select(func.count(Preference.judgment_id))) == 2


NO_RANKINGS = [
    ([], "leaves out side A"),
    ([["A"], ["B"]], "leaves out side C. Name each of A, B, C once"),
    ([["A"], ["B"], ["D"]], "names side 'D', which was not shown"),
    ([["A"], ["B"], ["C"], ["A"]], "names side A more than once"),
    ([["A", "A"], ["B"], ["C"]], "names side A more than once"),
    ([["A"], [], ["B", "C"]], "at least 1 item"),
    (["A", "B", "C"], "valid list"),
    ("ABC", "valid list"),
    ([["A"], ["B"], [3]], "valid string"),
    ([["A"], ["B"], ["tie"]], "match pattern"),
    ([["A"]] * 27, "at most 26 items"),
    (None, "neither was found"),
]


def test_what_is_no_ranking_is_refused_with_a_sentence_and_nothing_is_stored(threes: Site) -> None:
    ada = program(threes)
    path, body, _ = give(ada, "a b c")
    for ranking, complaint in NO_RANKINGS:
        answer = ada.post(path, {**body, "ranking": ranking})

        assert answer.status_code == 422, ranking
        assert complaint in answer.json()["error"]["sentence"]
    for more, complaint in (
        ({"verdict": "A"}, "both were found"),
        ({"strength": 2}, "A ranking has no strength"),
    ):
        answer = ada.post(path, {**body, **more})

        assert answer.status_code == 422, more
        assert complaint in answer.json()["error"]["sentence"]
    assert judgments(threes) == 0


def test_two_responses_are_not_ranked(site: Site) -> None:
    ada = program(site)
    path = f"/assignments/{ada.post(NEXT).json()['id']}/judgment"

    answer = ada.post(path, {"ranking": [["A"], ["B"]], "idempotency_key": str(uuid4())})

    assert answer.status_code == 422
    assert "send the verdict A, B, tie or both_bad instead" in answer.json()["error"]["sentence"]
    assert judgments(site) == 0


def test_rankings_over_the_api_are_measured_as_taus_and_by_kendalls_formula(
    tmp_path: Path,
) -> None:
    """Three people rank six comparisons of four without ties; agreement of pairs is half of the
    mean tau plus one, W = 12 S / (m^2 (K^3 - K)), and the same best is counted one by one."""
    site = make_site(tmp_path, comparisons=0, overlap=3)
    records = [{"prompt": f"{n}?", "completions": [f"{c} {n}" for c in "abcd"]} for n in range(6)]
    assert not import_plain(site.database, records, slug="kitchen").rejected
    rng = random.Random(7)
    places: defaultdict[str, list[list[int]]] = defaultdict(list)
    for name in ("ada", "lin", "bo"):
        person = program(site, name)
        for _ in records:
            order = rng.sample("abcd", 4)
            path, body, prompt = give(person, " ".join(order))
            assert person.post(path, body).status_code == 201
            places[prompt].append([order.index(c) + 1 for c in "abcd"])

    with site.database.reading() as session:
        found = ranking_agreement.for_project(session, projects.by_slug(session, "kitchen"))

    assert found is not None
    assert [len(given) for given in places.values()] == [3] * 6
    pairs = [list(combinations(given, 2)) for given in places.values()]
    tau = mean(mean(kendalltau(a, b).statistic for a, b in given) for given in pairs)
    same = mean(mean(a.index(1) == b.index(1) for a, b in given) for given in pairs)
    sums = [[sum(column) for column in zip(*given, strict=True)] for given in places.values()]
    # The mean sum of three ranks from 1 to 4 is 7.5.
    w = mean(12 * sum((r - 7.5) ** 2 for r in row) / (3**2 * (4**3 - 4)) for row in sums)
    assert found.report.pair_agreement.value == pytest.approx((tau + 1) / 2)
    assert found.report.pair_agreement_no_ties.value == pytest.approx((tau + 1) / 2)
    assert found.report.kendall_w.value == pytest.approx(w)
    assert found.report.top_choice.value == pytest.approx(same)
    assert 0 < same < 1
    assert found.report.kendall_w.n == 6
    page = site.signed_in("grace", Role.REVIEWER).get("/admin/kitchen/agreement").text
    card = page[page.index("<h2>Rankings</h2>") :]
    assert f"{100 * (tau + 1) / 2:.1f} %" in card[: card.index("</table>")]
