"""Triage, blind adjudication, filters and suggestions, as a reviewer or admin meets them."""

import re
from pathlib import Path

import pytest
from helpers.web import NOON, Site, Visit, make_site
from sqlalchemy import select

from app.models.accounts import AuditEntry, Role
from app.models.adjudications import Adjudication
from app.models.projects import Comparison
from app.services import guidelines, imports, projects
from app.services.import_files import Record

RATIONALES = ("Shorter, and nothing is missing.", "It says more.")
TRIAGE = "/admin/kitchen/triage"


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html.split("<main")[1]).split())


@pytest.fixture
def split(tmp_path: Path) -> Site:
    """Two comparisons that two imported annotators judged differently, one they agreed on."""
    site = make_site(tmp_path, comparisons=0)
    records = [
        Record(
            line=number,
            value={
                "prompt": f"Question {number}?",
                "tags": ["odd" if number % 2 else "even"],
                "completions": [
                    {"text": "the first text", "source": "secret-alpha"},
                    {"text": "the second text", "source": "secret-beta"},
                ],
                "judgments": [
                    {"annotator": name, "verdict": verdict, "reason": reason}
                    for name, verdict, reason in zip(
                        ("wilma", "fred"), verdicts, RATIONALES, strict=True
                    )
                ],
            },
        )
        for number, verdicts in enumerate(((1, 2), (2, "tie"), (1, 1)), start=1)
    ]
    assert not imports.import_records(site.database, "kitchen", records, now=NOON).rejected
    return site


def reviewer_of(site: Site, name: str = "vera") -> Visit:
    return site.signed_in(name, Role.REVIEWER)


def next_of(visit: Visit) -> str:
    """The address of what the reviewer is to decide next; its page was seen."""
    address = visit.get(f"{TRIAGE}/next").headers["location"]
    assert visit.get(address).status_code == 200
    return str(address)


def test_the_queue_names_how_split_a_comparison_is_but_not_which_way(split: Site) -> None:
    text = words(reviewer_of(split).get(TRIAGE).text)
    assert "2 of 2 disagreements to decide" in text
    assert "Question 1? odd 1 : 1" in text
    assert "Question 3" not in text
    assert "prefers" not in text
    assert "wilma" not in text


def test_the_page_to_decide_on_shows_nothing_of_votes_names_reasons_and_sources(
    split: Site,
) -> None:
    visit = reviewer_of(split)
    page = visit.get(next_of(visit)).text
    assert "the first text" in page
    assert "the second text" in page
    for secret in ("wilma", "fred", "secret-", *RATIONALES, "prefers"):
        assert secret not in page


def test_after_a_decision_the_comparison_shows_everything_and_leads_to_the_next(
    split: Site,
) -> None:
    visit = reviewer_of(split)
    first = next_of(visit)
    answer = visit.post(first, {"outcome": "split", "cause": "taste", "note": "Both\r\nwork."})
    assert answer.status_code == 303
    page = visit.get(answer.headers["location"])
    text = words(page.text)
    assert "Adjudicated: fairly split" in text
    assert "Both work. Taste. vera" in text
    assert "kitchen/wilma" in text
    assert RATIONALES[0] in text
    assert "Adjudicate the next" in text
    assert next_of(visit) != first
    overview = words(visit.get(TRIAGE).text)
    assert "1 of 2 disagreements to decide Decided 1 Fairly split 1" in overview
    assert "Taste 1" in overview


def test_who_looked_at_the_votes_first_comes_to_what_is_blind_and_is_marked_where_not(
    split: Site,
) -> None:
    vera = reviewer_of(split)
    first = next_of(vera)
    assert "saw the votes" not in vera.get(first).text
    page = vera.get(first.replace("triage", "comparisons")).text
    assert "kitchen/wilma" in page
    assert f'href="{first}"' not in page
    # The other disagreement is blind still, so it comes first from now on.
    second = next_of(vera)
    assert second != first
    assert words(vera.get(TRIAGE).text).count("votes seen") == 1

    assert "You saw the votes on this on" in words(vera.get(first).text)
    answer = vera.post(first, {"outcome": "split"})
    text = words(vera.get(answer.headers["location"]).text)
    assert "Adjudicated: fairly split not blind" in text
    assert "had seen the votes before" in text
    answer = vera.post(second, {"outcome": "tie"})
    assert "not blind" not in words(vera.get(answer.headers["location"]).text)
    # Now that the page of votes was open, a revision is not.
    page = vera.get(second).text
    revises = re.search(r'name="revises" value="([^"]+)"', page)
    assert revises is not None
    answer = vera.post(second, {"outcome": "split", "revises": revises[1]})
    assert "fairly split not blind" in words(vera.get(answer.headers["location"]).text)


def test_a_list_that_tells_verdicts_is_seen_too(split: Site) -> None:
    vera = reviewer_of(split)
    assert words(vera.get(TRIAGE).text).count("votes seen") == 0
    assert "prefers" in words(vera.get("/admin/kitchen/comparisons?tag=odd").text)
    assert words(vera.get(TRIAGE).text).count("votes seen") == 1
    assert words(reviewer_of(split, "olga").get(TRIAGE).text).count("votes seen") == 0


def test_a_cause_that_a_version_never_had_counts_0_there(split: Site) -> None:
    visit = reviewer_of(split)
    for cause in ("taste", "slip"):
        visit.post(next_of(visit), {"outcome": "split", "cause": cause})
    with split.database.writing() as session:
        version = guidelines.current(session, projects.by_slug(session, "kitchen"))
        assert version is not None
        taste = select(Adjudication).where(Adjudication.cause == "taste")
        session.scalars(taste).one().guideline_version_id = version.id
    text = words(visit.get(TRIAGE).text)
    assert "Cause All Guideline v1 No guideline" in text
    assert "Taste 1 1 0" in text
    assert "Slip 1 0 1" in text


def test_every_number_leads_to_the_comparisons_behind_it(split: Site) -> None:
    visit = reviewer_of(split)
    for outcome, cause in (("split", "taste"), ("tie", "")):
        visit.post(next_of(visit), {"outcome": outcome, "cause": cause})
    page = visit.get(TRIAGE).text
    numbered = re.findall(r'href="(/admin/kitchen/comparisons\?[^"]*)">([\d,]+)(?: dis\w+)?<', page)
    assert len(numbered) == 7
    for address, n in numbered:
        found = visit.get(address.replace("&amp;", "&")).text
        assert f"{n} comparison" in words(found), address


def test_a_form_that_is_wrong_comes_back_as_it_was_and_nothing_is_stored(split: Site) -> None:
    visit = reviewer_of(split)
    address = next_of(visit)
    answer = visit.post(address, {"outcome": "tie", "cause": "slip", "suggest": "true"})
    assert answer.status_code == 422
    assert "The suggestion has 0 characters" in answer.text
    assert re.search(r'name="outcome" value="tie" checked', answer.text)
    assert re.search(r'name="cause" value="slip" checked', answer.text)
    with split.database.reading() as session:
        assert session.scalars(select(Adjudication)).all() == []


def test_two_reviewers_on_one_comparison_lose_nothing_of_the_first(split: Site) -> None:
    vera, olga = reviewer_of(split), reviewer_of(split, "olga")
    address = next_of(vera)
    olga.get(address)
    assert vera.post(address, {"outcome": "tie"}).status_code == 303
    late = olga.post(address, {"outcome": "split"})
    assert late.status_code == 409
    assert "since your page was made" in late.text
    page = olga.get(address).text
    assert "vera adjudicated this on" in page
    revises = re.search(r'name="revises" value="([^"]+)"', page)
    assert revises is not None
    assert olga.post(address, {"outcome": "split", "revises": revises[1]}).status_code == 303
    text = words(olga.get(address.replace("triage", "comparisons")).text)
    assert "Adjudicated: fairly split" in text
    assert "1 earlier decision vera" in text


def test_who_judged_a_comparison_is_told_to_leave_it(site: Site) -> None:
    vera = reviewer_of(site)
    form = vera.get("/projects/kitchen/compare").text
    action = re.search(r'action="([^"]*)/judgment"', form)
    assert action is not None
    given = {"verdict": "tie", "idempotency_key": "a key of mine"}
    assert vera.post(f"{action[1]}/judgment", given).status_code == 200
    with site.database.reading() as session:
        judged = session.scalars(select(Comparison.id).where(Comparison.judged > 0)).one()
    for answer in (
        vera.get(f"{TRIAGE}/{judged}"),
        vera.post(f"{TRIAGE}/{judged}", {"outcome": "tie"}),
    ):
        assert answer.status_code == 409
        assert "You judged this comparison yourself" in answer.text


def test_a_suggestion_goes_from_a_reason_into_the_next_version(split: Site) -> None:
    vera = reviewer_of(split)
    vera.post(next_of(vera), {"outcome": "tie", "note": "Say what a tie is.", "suggest": "true"})
    with split.database.reading() as session:
        comparison = session.scalars(select(Comparison.id).where(Comparison.contested)).first()
    place = f"/admin/kitchen/comparisons/{comparison}"
    judgment = re.search(r'name="judgment_id" value="([^"]+)"', vera.get(place).text)
    assert judgment is not None
    answer = vera.post(f"{place}/candidates", {"judgment_id": judgment[1]})
    assert answer.headers["location"] == f"{place}#suggestions"

    admin = split.signed_in("admin", Role.ADMIN)
    page = admin.get("/admin/kitchen/guideline").text
    ids = re.findall(r'name="candidate" value="([^"]+)"', page)
    assert len(ids) == 2
    text = "# Mine\r\n\r\nUnsaved."
    draft = admin.post("/admin/kitchen/guideline/draft", {"markdown": text, "candidate": ids})
    shown = re.search(r"<textarea[^>]*>\s*(.*?)</textarea>", draft.text, re.DOTALL)
    assert shown is not None
    assert shown[1].startswith("# Mine\n\nUnsaved.\n\n- ")
    assert "- Say what a tie is." in shown[1]
    again = admin.post(
        "/admin/kitchen/guideline/draft", {"markdown": shown[1], "candidate": ids}
    ).text
    assert again.count("- Say what a tie is.") == 1

    adopted = next(i for i in ids if re.search(f"{i}[^~]*?Say what a tie is", page))
    other = next(i for i in ids if i != adopted)
    kept = admin.post(
        f"/admin/kitchen/guideline/candidates/{other}/drop",
        {"markdown": shown[1], "candidate": [adopted]},
    ).text
    assert "Dropped, take it back" in kept
    assert "Unsaved." in kept
    assert (
        admin.post(
            "/admin/kitchen/guideline", {"markdown": shown[1], "candidate": [adopted]}
        ).status_code
        == 303
    )
    page = admin.get("/admin/kitchen/guideline").text
    assert "in version 2" in page
    assert 'name="candidate"' not in page


def test_reasons_come_together_by_cause_without_names_and_verdicts(split: Site) -> None:
    vera = reviewer_of(split)
    reasons = f"{TRIAGE}/reasons"
    assert "Nothing is adjudicated yet" in words(vera.get(reasons).text)
    assert words(vera.get(TRIAGE).text).count("votes seen") == 0
    first = next_of(vera)
    vera.post(first, {"outcome": "split", "cause": "taste", "note": "Say whether short is better."})
    vera.post(next_of(vera), {"outcome": "tie", "cause": "taste"})

    page = vera.get(reasons)
    text = words(page.text)
    assert "Taste 2 comparisons" in text
    for reason in RATIONALES:
        assert f"{reason} 2 times, on 2 comparisons" in text
    assert "Say whether short is better. on one comparison" in text
    for secret in ("wilma", "fred", "secret-", "prefers"):
        assert secret not in page.text
    address = re.search(rf'action="({reasons}/[^"]+)"', page.text)
    assert address is not None
    form = re.search(rf'action="({reasons}/[^"]+)".*?name="text" value="([^"]+)"', page.text, re.S)
    assert form is not None
    answer = vera.post(form[1], {"text": form[2]})
    assert answer.headers["location"] == reasons
    assert words(vera.get(reasons).text).count("suggested") == 1
    assert form[2] in vera.get("/admin/kitchen/guideline").text


def test_reasons_of_what_is_not_decided_stand_apart_and_end_blindness(split: Site) -> None:
    vera = reviewer_of(split)
    assert words(vera.get(TRIAGE).text).count("votes seen") == 0
    text = words(vera.get(f"{TRIAGE}/reasons?undecided=true").text)
    assert "Not decided yet 2 comparisons" in text
    assert RATIONALES[0] in text
    assert "marked as not blind" in text
    assert words(vera.get(TRIAGE).text).count("votes seen") == 2
    with split.database.reading() as session:
        entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None
    assert (entry.action, entry.details) == ("judgments read", {"reasons": "undecided"})


def test_a_filter_that_makes_no_sense_is_refused_in_one_sentence(split: Site) -> None:
    visit = reviewer_of(split)
    for query, sentence in (
        ("show=odd", "The filter show is"),
        ("strength=4", "The filter strength is"),
        ("version=x", "The filter version is"),
        ("version=7", "has no version 7"),
        ("week=2026-W99", "The filter week is"),
        ("annotator=nobody", "There is no annotator"),
        ("other=ada", "name both"),
        ("labels=first,second", "name the two"),
        ("annotator=a&other=b&labels=left,right", "The filter labels is"),
        ("cause=mood", "The filter cause is"),
        ("outcome=mood", "The filter outcome is"),
        ("counts=2-1", "The filter counts is"),
    ):
        answer = visit.get(f"/admin/kitchen/comparisons?{query}")
        assert answer.status_code == 422, query
        assert sentence in words(answer.text)


def test_filters_are_shown_can_be_taken_away_and_stay_on_the_next_page(split: Site) -> None:
    visit = reviewer_of(split)
    query = "tag=odd&annotator=kitchen/wilma&other=kitchen/fred&week=2026-03-04"
    text = visit.get(f"/admin/kitchen/comparisons?{query}").text
    chips = re.findall(r'class="chip" href="\?([^"]*)">([^<]*)<', text)
    assert [words_.strip() for _, words_ in chips] == [
        "tag odd", "week of 2026-03-02", "kitchen/wilma and kitchen/fred differ",
    ]  # fmt: skip
    without_week = chips[1][0].replace("&amp;", "&")
    assert "week" not in without_week
    without_week = words(visit.get(f"/admin/kitchen/comparisons?{without_week}").text)
    assert "1 comparison, 1 such judgment " in without_week


def test_looking_at_what_somebody_judged_is_written_down(split: Site) -> None:
    reviewer_of(split).get("/admin/kitchen/comparisons?annotator=kitchen/wilma")
    with split.database.reading() as session:
        entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None
    assert (entry.action, entry.details) == ("judgments read", {"annotators": ["kitchen/wilma"]})
