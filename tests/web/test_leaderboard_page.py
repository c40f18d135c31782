import re

import pytest
from helpers.web import NOON, Site, Visit

from app import behind
from app.models.accounts import Role
from app.services import annotator_models, counted_judgments, imports
from app.services.import_files import Record


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html.split("<main")[1]).split())


def add_contests(site: Site, contests: list[tuple[str, str, object]]) -> None:
    """Each of (source, source, verdict) judged once."""
    records = [
        Record(
            line=i,
            value={
                "prompt": f"Case {i}?",
                "completions": [
                    {"text": f"{i} one", "source": one},
                    {"text": f"{i} two", "source": other},
                ],
                "judgments": [{"annotator": "w", "verdict": verdict}],
            },
        )
        for i, (one, other, verdict) in enumerate(contests, start=1)
    ]
    assert not imports.import_records(site.database, "kitchen", records, now=NOON).rejected


@pytest.fixture
def reviewer(site: Site) -> Visit:
    return site.signed_in("reviewer", Role.REVIEWER)


def test_sources_are_ranked_with_strength_arena_scale_and_n(site: Site, reviewer: Visit) -> None:
    add_contests(site, [("big", "small", 1)] * 3 + [("small", "big", 1)])
    page = reviewer.get("/admin/kitchen/leaderboard").text
    text = words(page)
    # ln(3) / 2, and 1000 + 200 log10(3).
    assert "4 judgments between 2 sources of responses, 0 of them ties" in text
    told = r"1 big 0\.55 n 4 .*1,095 n 4 no side recorded 4 2 small −0\.55 n 4 .*905 n 4 .* 4"
    assert re.search(told, text)
    assert "there are none yet: too few independent prompts or comparisons for an interval" in text
    assert "big against small 75.0 % n 4 75.0 % 0.0 points" in text
    link = re.search(r'href="(/admin/kitchen/comparisons\?[^"]*source=big[^"]*)"', page)
    assert link is not None
    assert "4 comparisons" in words(reviewer.get(link[1].replace("&amp;", "&")).text)


def test_what_goes_round_is_named_and_leads_to_its_comparisons(site: Site, reviewer: Visit) -> None:
    """Rock, paper, scissors: one is preferred to the next in 2 of 3."""
    round_once = [("rock", "scissors"), ("scissors", "paper"), ("paper", "rock")]
    add_contests(site, [(a, b, v) for a, b in round_once for v in (1, 1, 2)])
    page = reviewer.get("/admin/kitchen/leaderboard").text
    text = words(page)
    assert "1 of 1 triple of sources (100.0 %) goes round" in text
    told = re.search(
        "paper over rock 66.7 %, n 3 ; rock over scissors 66.7 %, n 3 ; scissors over paper", text
    )
    assert told is not None
    links = re.findall(r'href="(/admin/kitchen/comparisons\?[^"]*source=paper[^"]*)"', page)
    assert "3 comparisons" in words(reviewer.get(links[-1].replace("&amp;", "&")).text)


def test_sources_that_cannot_be_compared_are_listed_by_part(site: Site, reviewer: Visit) -> None:
    add_contests(site, [("big", "small", 1), ("red", "blue", 1), ("blue", "red", 1)])
    text = words(reviewer.get("/admin/kitchen/leaderboard").text)
    assert "Strengths are undefined: some sources never lost to" in text
    assert "big blue, red small" in text


def test_without_judgments_the_page_says_what_is_missing(reviewer: Visit) -> None:
    text = words(reviewer.get("/admin/kitchen/leaderboard").text)
    assert "No source is ranked yet: no two responses from different sources were compared" in text


def test_a_hostile_name_of_a_source_is_text(site: Site, reviewer: Visit) -> None:
    add_contests(site, [("<b>x</b>&'\"", "small", 1), ("small", "<b>x</b>&'\"", 1)])
    page = reviewer.get("/admin/kitchen/leaderboard").text
    assert "<b>x" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page


def test_annotators_have_no_way_to_the_sources(site: Site) -> None:
    annotator = site.signed_in("ann")
    assert annotator.get("/admin/kitchen/leaderboard").status_code == 403


def test_strengths_at_equal_length_and_what_twice_the_length_does(
    site: Site, reviewer: Visit
) -> None:
    """Equally long, `good` wins 3 of 4, twice as long 2 of 4."""
    verdicts = [(30, 1), (30, 1), (30, 1), (30, 2), (60, 1), (60, 1), (60, 2), (60, 2)]
    records = [
        {
            "prompt": f"Case {i}?",
            "completions": [
                {"text": "a" * length, "source": "good"},
                {"text": "b" * 30, "source": "other"},
            ],
            "judgments": [{"annotator": "w", "verdict": verdict}],
        }
        for i, (length, verdict) in enumerate(verdicts)
    ]
    lines = [Record(line=i, value=record) for i, record in enumerate(records, start=1)]
    assert not imports.import_records(site.database, "kitchen", lines, now=NOON).rejected
    text = words(reviewer.get("/admin/kitchen/leaderboard").text)
    # ln(3) / 2 at equal length; as it is, 5 of 8, ln(5 / 3) / 2.
    assert re.search(
        r"good 0\.55 n 8 .*0\.26 1 other −0\.55 n 8 .*−0\.26 2 What length and side do Effect", text
    )
    # -ln 3 / ln 2, and odds of 1 to 3 at twice the length.
    assert re.search(r"Length −1\.58 n 8 .* twice as long is preferred in 25\.0 %", text)
    assert "Left side no side recorded" in text


def test_models_are_fitted_once_for_the_same_judgments_and_anew_for_more(
    site: Site, reviewer: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, times = counted_judgments.read, []
    monkeypatch.setattr(
        counted_judgments, "read", lambda *args, **more: times.append(1) or read(*args, **more)
    )
    add_contests(site, [("big", "small", 1)] * 3 + [("small", "big", 1)])
    pages = [reviewer.get("/admin/kitchen/leaderboard").text for _ in range(3)]
    assert len(times) == 1
    assert pages[0] == pages[1] == pages[2]
    reviewer.get("/admin/kitchen/annotators")
    reviewer.get("/admin/kitchen/annotators")
    assert len(times) == 2
    add_contests(site, [("big", "tiny", 1), ("tiny", "big", 1)])
    # The records of before are the first two of the same prompts, and these have other sources.
    assert "6 judgments between 3 sources" in words(reviewer.get("/admin/kitchen/leaderboard").text)
    assert len(times) == 3


def test_models_of_a_large_project_are_renewed_behind_the_page_which_says_how_old_they_are(
    site: Site, reviewer: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotator_models, "FITTED_UP_TO", 3)
    add_contests(site, [("big", "small", 1)] * 3 + [("small", "big", 1)])
    # In this process and at a known moment; that a real one starts is a test of annotators' pages.
    monkeypatch.setattr(
        behind, "start", lambda database, work, key, **_: work(database, key, now=NOON)
    )
    text = words(reviewer.get("/admin/kitchen/leaderboard").text)
    assert "Strengths at equal length are undefined: not fitted yet" in text
    assert (
        "The models of this large project are not fitted yet. The models are being renewed" in text
    )
    text = words(reviewer.get("/admin/kitchen/leaderboard").text)
    assert "undefined: all responses are about equally long" in text
    assert "Fitted 2026-03-02 12:00 UTC to 4 judgments." in text
    assert "being renewed" not in text
    # What is kept is shown, with its age, until a tenth more judgments are there.
    add_contests(site, [("big", "tiny", 1), ("tiny", "big", 1)])
    text = words(reviewer.get("/admin/kitchen/leaderboard").text)
    assert "Fitted 2026-03-02 12:00 UTC to 4 judgments. The models are being renewed" in text


def test_what_has_one_length_says_why_nothing_is_told_at_equal_length(
    site: Site, reviewer: Visit
) -> None:
    add_contests(site, [("big", "small", 1)] * 3 + [("small", "big", 1)])
    text = words(reviewer.get("/admin/kitchen/leaderboard").text)
    assert "at equal length are undefined: all responses are about equally long" in text
