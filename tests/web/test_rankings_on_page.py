"""Rankings of three responses are told on the page of agreement, and only where there are any."""

from __future__ import annotations

import re

from helpers.data import import_plain
from helpers.rankings import rank
from helpers.web import Site

from app.models.accounts import Role
from app.services import full_tallies, projects, queue

PAGE = "/admin/kitchen/agreement"


def rankings_card(html: str) -> list[str] | None:
    """The names and figures of the card, in its order."""
    found = re.search(r"<h2>Rankings</h2>.*?</table>", html, re.DOTALL)
    if found is None:
        return None
    cells = re.findall(r"<th scope=\"row\"[^>]*>(.*?) <span|<td>(.*?)</td>", found[0], re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", name or value).split()) for name, value in cells]


def test_rankings_have_a_card_once_there_are_some(site: Site) -> None:
    site.person("ada")
    site.person("lin")
    reviewer = site.signed_in("grace", Role.REVIEWER)
    assert rankings_card(reviewer.get(PAGE).text) is None

    three = {"prompt": "Rank 0?", "completions": ["a 0", "b 0", "c 0"]}
    assert not import_plain(site.database, [three], slug="kitchen").rejected
    with site.database.writing() as session:
        rank(session, 0, "ada", "a b c")
        rank(session, 0, "lin", "a c b")
        project = projects.by_slug(session, "kitchen")
        full_tallies.rebuild(session, project, queue.policy_of(project))

    card = rankings_card(reviewer.get(PAGE).text)
    assert card is not None
    shown = dict(zip(card[::2], card[1::2], strict=True))
    # Two of three pairs are in the same order;
    # the ranks sum to 2, 5 and 5, so S = 6 and W = 12 * 6 / (4 * 24) = 0.75.
    assert shown["Pairs, with ties"].startswith("66.7 %")
    assert shown["Pairs, without ties"].startswith("66.7 %")
    assert shown["Same best"].startswith("100")
    assert shown["Kendall’s W"].startswith("0.75")


def test_pages_of_rankings_alone_do_not_say_that_nothing_was_judged(site: Site) -> None:
    site.person("ada")
    reviewer = site.signed_in("grace", Role.REVIEWER)
    three = {"prompt": "Rank 0?", "completions": ["a 0", "b 0", "c 0"]}
    assert not import_plain(site.database, [three], slug="kitchen").rejected
    with site.database.writing() as session:
        rank(session, 0, "ada", "a b c")
        project = projects.by_slug(session, "kitchen")
        full_tallies.rebuild(session, project, queue.policy_of(project))

    def words(page: str) -> str:
        main = reviewer.get(f"/admin/kitchen/{page}").text.split("<main")[1]
        return " ".join(re.sub(r"<[^>]*>", " ", main).split())

    agreement, planning = words("agreement"), words("planning")
    assert "Ranking 100.0 % 1" in planning
    assert "Strength of preferences No preference yet." in planning
    missing = "undefined: no comparison has two such judgments yet."
    assert f"How often a single label is right is {missing}" in planning
    assert f"the agreement, which is {missing}" in planning
    assert "Verdict shares No judgment of two responses yet." in agreement
    for text in (agreement, planning, words("leaderboard")):
        assert "No judgment yet." not in text
    assert "no two responses from different sources were compared" in words("leaderboard")
