import re

import pytest
from helpers.data import import_plain
from helpers.web import NOON, Site, Visit, add_comparisons
from sqlalchemy import func, select

from app.models.judgments import Assignment, Flag, Judgment, Skip
from app.services import guidelines, projects

KEY = "0123456789abcdef"


def action_of(page: str) -> str:
    found = re.search(r'action="([^"]*)/judgment"', page)
    assert found is not None, page
    return found[1]


def count(site: Site, table: type) -> int:
    with site.database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def judge(visit: Visit, action: str, **fields: str) -> tuple[int, str]:
    form = {"verdict": "A", "strength": "2", "idempotency_key": KEY, **fields}
    response = visit.post(f"{action}/judgment", form, headers={"HX-Request": "true"})
    return response.status_code, response.text


def test_the_guideline_comes_before_the_first_comparison_of_each_version(site: Site) -> None:
    visit = site.signed_in("ada", reads=False)
    assert visit.get("/projects/kitchen/compare").headers["location"].endswith("/guideline")
    page = visit.get("/projects/kitchen/guideline").text
    assert "<strong>Correct</strong> comes before <em>pleasant</em>" in page
    visit.post("/projects/kitchen/guideline/reading")
    action = action_of(visit.get("/projects/kitchen/compare").text)

    with site.database.writing() as session:
        project = projects.by_slug(session, "kitchen")
        guidelines.publish(session, project, "# New", by=None, now=NOON)
    status, fragment = judge(visit, action)

    assert status == 200
    assert "The guideline has changed" in fragment
    assert count(site, Judgment) == 1
    assert visit.get("/projects/kitchen/compare").status_code == 303


def test_a_verdict_is_stored_with_what_the_page_sent_and_brings_the_next_comparison(
    site: Site,
) -> None:
    visit = site.signed_in("ada")
    page = visit.get("/projects/kitchen/compare").text
    assert "0 of 5 judged" in page

    status, fragment = judge(
        visit, action_of(page), rationale="One.\r\nTwo.", active_ms="4321", layout="stacked"
    )

    assert status == 200
    assert fragment.startswith('<section id="comparison"')
    assert "1 of 5 judged" in fragment
    assert action_of(fragment) != action_of(page)
    with site.database.reading() as session:
        stored = session.scalars(select(Judgment)).one()
    assert (stored.verdict, stored.strength, stored.rationale) == ("preferred", 2, "One.\nTwo.")
    assert (stored.active_ms, stored.layout) == (4321, "stacked")


def test_the_same_key_sent_again_is_answered_the_same_and_stored_once(site: Site) -> None:
    visit = site.signed_in("ada")
    action = action_of(visit.get("/projects/kitchen/compare").text)
    first, second = judge(visit, action), judge(visit, action)
    assert first == second
    assert first[0] == 200
    assert count(site, Judgment) == 1


def test_only_the_routes_own_word_on_a_verdict_is_marked_as_final(site: Site) -> None:
    visit = site.signed_in("ada")
    action = action_of(visit.get("/projects/kitchen/compare").text)
    verdict = {"verdict": "A", "strength": "2", "idempotency_key": KEY}
    other = action.rpartition("/")[0] + "/00000000-0000-0000-0000-000000000000"

    def answer(path: str, form: dict[str, str], **headers: str) -> tuple[int, str | None]:
        response = visit.post(path, form, headers={"HX-Request": "true", **headers})
        return response.status_code, response.headers.get("x-prefloop-judgment")

    session = visit.client.cookies["prefloop_session"]
    visit.client.cookies.clear()
    # Nobody is signed in, so the stranger's form token is wrong too; both pass with a sign-in.
    assert answer(f"{action}/judgment", verdict) == (403, None)
    visit.client.cookies["prefloop_session"] = session
    stale = {**verdict, "csrf_token": "of an earlier session"}
    assert answer(f"{action}/judgment", stale) == (403, None)
    assert answer(f"{action}/judgment/more", verdict) == (404, None)
    assert answer(f"{other}/judgment", verdict) == (404, "refused")
    assert answer(f"{action}/judgment", {**verdict, "strength": "9"}) == (422, "refused")
    assert answer(f"{action}/judgment", {**verdict, "strength": "many"}) == (422, "refused")
    assert answer(f"{action}/flag", {"reason": "It is harmful or illegal"}) == (200, "flagged")
    assert answer(f"{action}/judgment", verdict) == (200, "stored")
    assert answer(f"{action}/judgment", verdict) == (200, "replayed")
    again = {**verdict, "idempotency_key": "x" * 16}
    assert answer(f"{action}/judgment", again) == (409, "refused")
    assert answer(f"{action}/skip", {"reason": "It is upsetting"}) == (409, "refused")
    following = action_of(visit.get("/projects/kitchen/compare").text)
    assert answer(f"{following}/skip", {"reason": "It is upsetting"}) == (200, "skipped")


def test_another_verdict_on_the_same_assignment_is_a_conflict_shown_in_the_notice(
    site: Site,
) -> None:
    visit = site.signed_in("ada")
    action = action_of(visit.get("/projects/kitchen/compare").text)
    judge(visit, action)
    response = visit.post(
        f"{action}/judgment",
        {"verdict": "B", "strength": "1", "idempotency_key": "x" * 16},
        headers={"HX-Request": "true"},
    )
    assert response.status_code == 409
    assert response.headers["hx-retarget"] == "#notice"
    assert "judged this comparison already" in response.text
    assert '<a href="">Go on</a>' in response.text
    assert "<html" not in response.text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"verdict": "C"}, "C"),
        ({"strength": "4"}, "Strength is 4; send 1, 2, 3"),
        ({"strength": "many"}, "strength: Input should be a valid integer"),
        ({"idempotency_key": "short"}, "has 5 characters"),
        ({"active_ms": "-5"}, "Active time is -5 ms"),
        ({"layout": "upside_down"}, "layout: Input should be"),
    ],
)
def test_a_form_that_makes_no_sense_is_refused_with_what_was_found(
    site: Site, fields: dict[str, str], sentence: str
) -> None:
    visit = site.signed_in("ada")
    action = action_of(visit.get("/projects/kitchen/compare").text)
    status, fragment = judge(visit, action, **fields)
    assert status == 422
    assert sentence in fragment
    assert count(site, Judgment) == 0


def test_a_reload_shows_the_same_comparison_in_the_same_order(site: Site) -> None:
    visit = site.signed_in("ada")
    first, second = (visit.get("/projects/kitchen/compare").text for _ in range(2))
    assert first == second
    assert count(site, Assignment) == 1


def test_skipping_with_a_reason_brings_the_next_and_is_no_verdict(site: Site) -> None:
    visit = site.signed_in("ada")
    action = action_of(visit.get("/projects/kitchen/compare").text)
    response = visit.post(f"{action}/skip", {"reason": "It is upsetting"})
    assert response.status_code == 200
    assert "0 of 4 judged" in response.text
    assert (count(site, Skip), count(site, Judgment)) == (1, 0)
    assert visit.post(f"{action_of(response.text)}/skip", {"reason": " "}).status_code == 422


def test_a_flag_is_kept_and_the_comparison_stays(site: Site) -> None:
    visit = site.signed_in("ada")
    page = visit.get("/projects/kitchen/compare").text
    response = visit.post(f"{action_of(page)}/flag", {"reason": "It holds personal data"})
    assert "Flagged" in response.text
    assert count(site, Flag) == 1
    assert action_of(visit.get("/projects/kitchen/compare").text) == action_of(page)


def test_when_nothing_is_left_the_page_says_so_and_what_to_do(site: Site) -> None:
    visit = site.signed_in("ada")
    page = visit.get("/projects/kitchen/compare").text
    for i in range(5):
        _, page = judge(visit, action_of(page), idempotency_key=f"{KEY}{i}")
    assert "Nothing left for you here" in page
    assert "You judged 5 comparisons" in page
    assert 'href="/projects"' in page


def test_the_page_never_holds_what_would_sway_the_annotator(site: Site) -> None:
    with site.database.writing() as session:
        projects.by_slug(session, "kitchen").overlap = 2
    grace = site.signed_in("grace-hopper")
    judge(grace, action_of(grace.get("/projects/kitchen/compare").text), rationale="secret-why")
    ada = site.signed_in("ada")
    pages = [ada.get("/projects/kitchen/compare").text, ada.get("/projects").text]
    pages.append(judge(ada, action_of(pages[0]))[1])
    for page in pages:
        for secret in ("model-alpha", "model-beta", "grace-hopper", "secret-why", "gold"):
            assert secret not in page.lower()


def test_hostile_text_arrives_as_text(site: Site) -> None:
    hostile = '<script>alert(1)</script> <img src=x onerror="alert(2)">'
    visit = site.signed_in("ada")
    while "Nothing left" not in (page := visit.get("/projects/kitchen/compare").text):
        visit.post(f"{action_of(page)}/skip", {"reason": "making room"})
    add_comparisons(
        site.database,
        [(hostile, "![see](https://evil.example/pixel.png)", "[click](javascript:alert(3))")],
    )
    page = visit.get("/projects/kitchen/compare").text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert 'href="javascript' not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "[image not shown: see]" in page


def test_a_form_with_places_is_a_ranking(site: Site) -> None:
    three = {"prompt": "Rank?", "completions": ["a", "b", "c"], "priority": 1}
    assert not import_plain(site.database, [three], slug="kitchen").rejected
    visit = site.signed_in("ada")
    page = visit.get("/projects/kitchen/compare").text
    assert page.count('<select name="place"') == 3
    action = action_of(page)
    form = {"verdict": "ranking", "idempotency_key": KEY}

    for places, complaint in (
        (["2", "1", ""], "Response C has no place"),
        (["2", "1"], "leaves out side C"),
        ([], "leaves out side A"),
    ):
        refused = visit.post(f"{action}/judgment", {**form, "place": places})
        assert (refused.status_code, complaint in refused.text) == (422, True)
        assert refused.headers["X-Prefloop-Judgment"] == "refused"
    assert count(site, Judgment) == 0

    visit.post(f"{action}/judgment", {**form, "place": ["2", "1", "2"]})

    with site.database.reading() as session:
        (given,) = session.scalars(select(Judgment))
    first, second, third = given.shown_order
    assert given.ranking == [[second], sorted([first, third])]
    # The next one has two responses, and no places.
    assert 'name="place"' not in visit.get("/projects/kitchen/compare").text
