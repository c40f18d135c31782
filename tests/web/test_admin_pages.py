import html
import random
import re
from datetime import timedelta
from pathlib import Path

import pytest
from helpers.data import import_plain, pair
from helpers.web import NOON, QUESTIONS, Site, Visit, add_comparisons, make_site

from app.models.accounts import Annotator, Role
from app.rules.queue_policy import QueuePolicy
from app.services import agreement, assignments, judgments, projects, statistics
from app.services.judgments import Submission
from app.web.pages import _templates

FIRST_RESPONSES = {first for _, first, _ in QUESTIONS}


def judge_all(site: Site, person: Annotator, verdicts: list[str]) -> None:
    """One verdict for each of QUESTIONS, whatever order the queue gives them in; `1` and `2` name
    the stored responses, whatever side they are on."""
    number = {question: i for i, (question, _, _) in enumerate(QUESTIONS)}
    for _ in verdicts:
        with site.database.writing() as session:
            project = projects.by_slug(session, "kitchen")
            view = assignments.lease_next(session, project, person, lease_seconds=10**6, now=NOON)
            assert view is not None
            i = number[view.messages[-1]["content"]]
            now = NOON + timedelta(days=i)
            if verdicts[i] == "skip":
                judgments.skip(session, person, view.id, "too hard", now=now)
                continue
            first = "A" if view.sides[0].text in FIRST_RESPONSES else "B"
            sides = {"1": first, "2": "B" if first == "A" else "A"}
            submission = Submission(
                verdict=sides.get(verdicts[i], verdicts[i]),
                strength=3 if verdicts[i] in sides else None,
                rationale="Because <b>so</b>.",
                idempotency_key=f"{person.name}-{i:04}",
                active_ms=12_300,
            )
            judgments.submit(session, person, view.id, submission, now=now)


def admin_of(site: Site) -> Visit:
    return site.signed_in("admin", Role.ADMIN)


def words(html: str) -> str:
    """The text of a page, without tags and runs of space."""
    return " ".join(re.sub(r"<[^>]*>", " ", html.split("<main")[1]).split())


@pytest.fixture
def judged(site: Site) -> Site:
    with site.database.writing() as session:
        projects.set_overlap(session, projects.by_slug(session, "kitchen"), 2)
    judge_all(site, site.person("ada"), ["1", "1", "tie", "2", "both_bad"])
    judge_all(site, site.person("grace"), ["1", "2", "tie", "2", "skip"])
    return site


def test_the_overview_counts_what_was_done_and_what_is_wanted(judged: Site) -> None:
    page = admin_of(judged).get("/admin/kitchen/overview").text
    text = words(page)
    assert "One is better 66.7 % 6" in text
    assert "Tie 22.2 % 2" in text
    assert "Both bad 11.1 % 1" in text
    assert "4 of 5 comparisons finished (80 %) , 9 judgments so far" in text
    assert "Annotators 2 Skips 1" in text
    # Two judgments on each of four days, one on the fifth.
    assert page.count('class="bar"') == 5
    assert "2026-03-06: 1" in page


def test_the_filter_shows_contested_comparisons_only(judged: Site) -> None:
    visit = admin_of(judged)
    assert "5 comparisons" in words(visit.get("/admin/kitchen/comparisons").text)
    contested = words(visit.get("/admin/kitchen/comparisons?show=contested").text)
    assert "1 comparison " in contested
    assert "1 × prefers 1" in contested
    assert "1 × prefers 2" in contested


def test_a_comparison_shows_each_judgment_with_who_why_and_how(judged: Site) -> None:
    visit = admin_of(judged)
    found = visit.get("/admin/kitchen/comparisons?show=contested").text
    link = re.search(r'href="(/admin/kitchen/comparisons/[0-9a-f-]{36})"', found)
    assert link is not None
    page = visit.get(link[1]).text
    text = words(page)
    assert "2 judgments" in text
    assert "ada prefers 1 , much" in text
    assert "grace prefers 2 , much" in text
    assert "12.3 s" in text
    assert "model-alpha" in text
    assert "Because &lt;b&gt;so&lt;/b&gt;." in page


def test_agreement_shows_every_statistic_with_n_and_says_why_one_has_no_interval(
    judged: Site,
) -> None:
    page = admin_of(judged).get("/admin/kitchen/agreement").text
    text = words(page)
    # Three of the four comparisons that two people judged got equal verdicts.
    assert "75.0 % fewer than 20 comparisons, no interval, n = 4" in text
    # All four are grey: of so few, nothing is claimed.
    assert page.count('class="big num faint"') == 4
    assert 'class="big num"' not in page
    assert "The latter cannot be told: fewer than eight annotators." in text
    assert "9 judgments by 2 annotators on 5 comparisons of two responses; 4 of these" in text


def test_agreement_tells_of_other_annotators_where_eight_share_comparisons(judged: Site) -> None:
    dice = random.Random(2)
    ties = ("tie", "both_bad")
    for number in range(100, 140):
        votes = [
            {"annotator": f"w{i}", "verdict": dice.choice([1, 1, 2, *ties])}
            for i in dice.sample(range(9), 3)
        ]
        record = pair(number, judgments=votes)
        assert not import_plain(judged.database, [record], slug="kitchen").rejected
    visit = admin_of(judged)
    text = words(visit.get("/admin/kitchen/agreement").text)
    with judged.database.reading() as session:
        project = projects.by_slug(session, "kitchen")
    found = statistics.read(judged.database, project.id, now=NOON)
    report, others = agreement.report(project, found), agreement.for_others(project, found)

    # Nine who were imported, and the two of before.
    assert {one.n for one in others.values()} == {11}
    for name, one in others.items():
        of_items = getattr(report, name)
        assert one.value == pytest.approx(of_items.value)
        # Over prompts alone the interval is narrower, but for the chance of the draws.
        assert one.low < of_items.low + 0.02
        shown = f"{100 * one.low:.1f} to" if name.startswith("percent") else f"{one.low:.3f} to"
        assert f"with other annotators {shown.replace('-', '−')}" in text

    with judged.database.writing() as session:
        policy = QueuePolicy(overlap=2, adaptive_max=5)
        projects.set_policy(session, projects.by_slug(session, "kitchen"), policy)
    text = words(visit.get("/admin/kitchen/agreement").text)
    assert "with other annotators" not in text
    assert "cannot be told: more judgments were asked for where annotators disagreed." in text


def test_agreement_of_an_adaptive_queue_says_which_judgments_it_is_of(judged: Site) -> None:
    visit, sentence = admin_of(judged), "measured on the first two judgments of each comparison"
    compared = "Only the first two judgments of a comparison are compared"
    assert sentence not in words(visit.get("/admin/kitchen/agreement").text)
    assert compared not in words(visit.get("/admin/kitchen/annotators").text)
    with judged.database.writing() as session:
        project = projects.by_slug(session, "kitchen")
        projects.set_policy(session, project, QueuePolicy(overlap=2, adaptive_max=5))
    text = words(visit.get("/admin/kitchen/agreement").text)
    assert f"{sentence}. More are asked for where annotators disagree" in text
    assert "Agreement over all judgments" in text
    page = visit.get("/admin/kitchen/annotators").text
    assert compared in words(page)
    (link,) = set(re.findall(r'href="([^"]*first_two=yes[^"]*annotator=ada)"', page))
    assert "4 comparisons" in words(visit.get(html.unescape(link)).text)


def test_agreement_without_overlap_is_undefined_and_says_why(site: Site) -> None:
    text = words(admin_of(site).get("/admin/kitchen/agreement").text)
    assert text.count("undefined no comparison has two such judgments yet (n = 0)") == 4


def test_every_coefficient_is_told_with_ties_and_without(judged: Site) -> None:
    """ada and grace: 1 1, 1 2, tie tie, 2 2; without ties 1 1, 1 2, 2 2."""
    page = admin_of(judged).get("/admin/kitchen/agreement").text
    text = words(re.sub(r'<span class="subject.*?</span>', "", page))
    few = "fewer than 20"
    # Labels 1, 2 and tie come 3, 3 and 2 times of 8: 1 - 7 * 2 / (64 - 22) with ties, and
    # 1 - 5 * 2 / (36 - 18) without. Shares with the single `both bad` of 5 comparisons: 3, 3, 2
    # and 2 of 10; the same two labels come in 26 of 100.
    assert f"Fleiss’ kappa 0.66 n 4 {few} 0.33 n 3 {few}" in text
    # Chance by four labels: (21 + 21 + 16 + 16) / 300; by two labels 1/2.
    assert f"Gwet’s AC1 0.67 n 4 {few} 0.33 n 3 {few}" in text
    assert f"With the others 75.0 % n 4 {few} 66.7 % n 3 {few}" in text
    # One who says 1 beside one who says 2 is half right about the most frequent verdict.
    assert f"Consensus strength 87.5 % n 4 {few} 83.3 % n 3 {few}" in text
    # Grades -3 and 3 as `1` and `2` above, with both ties between them: mean ranks 2, 4.5 and 7,
    # so 1 - 7 * 2 * 5 ** 2 / (2 * (9 * 5 ** 2 + 2 * 6 * 2.5 ** 2)); without ties those of 1 and 2.
    assert f"Alpha, graded 0.42 n 4 {few} 0.44 n 3 {few}" in text


@pytest.mark.parametrize(
    ("query", "heading", "figure"),
    [
        ("", "Agreement, with ties", "75.0 %"),
        ("figure=agreement&ties=without", "Agreement, without ties", "66.7 %"),
        ("figure=others", "With the others, with ties", "75.0 %"),
        ("figure=alpha", "Alpha, with ties", "0.67"),
        ("figure=alpha&ties=without", "Alpha, without ties", "0.44"),
        ("figure=ordinal&ties=without", "Alpha, ordinal, without ties", "0.44"),
        ("figure=graded", "Alpha, graded, with ties", "0.42"),
        ("figure=graded&ties=without", "Alpha, graded, without ties", "0.44"),
        ("figure=fleiss", "Fleiss’ kappa, with ties", "0.66"),
        ("figure=ac1&ties=without", "Gwet’s AC1, without ties", "0.33"),
    ],
)
def test_groups_follow_the_coefficient_that_is_chosen(
    judged: Site, query: str, heading: str, figure: str
) -> None:
    text = words(admin_of(judged).get(f"/admin/kitchen/agreement?by=sources&{query}").text)
    table = text.partition(f"Sources {heading} Plot")[2]
    n = " n 3" if "without" in query else " n 4"
    assert f"model-alpha and model-beta {figure}{n} fewer than 20" in table


def test_what_is_chosen_of_groups_and_coefficients_stays_while_another_choice_is_made(
    judged: Site,
) -> None:
    address = "/admin/kitchen/agreement?by=week&figure=ac1&ties=without"
    links = re.findall(r'href="\?(by=[^"#]*)#', admin_of(judged).get(address).text)
    for query in (
        "by=tag&amp;figure=ac1&amp;ties=without",
        "by=week&amp;figure=fleiss&amp;ties=without",
        "by=week&amp;figure=ac1&amp;ties=with",
    ):
        assert query in links
    assert len(links) == 5 + 7 + 2


def test_a_group_without_two_judgments_is_undefined_and_says_why(site: Site) -> None:
    judge_all(site, site.person("ada"), ["1", "1", "tie", "2", "both_bad"])
    visit = admin_of(site)
    for figure in ("agreement", "others", "alpha", "ordinal", "graded", "fleiss", "ac1"):
        page = visit.get(f"/admin/kitchen/agreement?by=sources&figure={figure}")
        why = "undefined: no comparison has two such judgments yet (n = 0)"
        assert f"model-alpha and model-beta {why}" in words(page.text)


def test_who_agrees_with_whom_is_told_of_a_slice_with_ties_and_without(judged: Site) -> None:
    for number, verdicts in ((90, ("tie", "tie")), (91, (1, 2))):
        votes = [{"annotator": f"w{i}", "verdict": v} for i, v in enumerate(verdicts)]
        record = pair(number, tags=["tea"], judgments=votes)
        assert not import_plain(judged.database, [record], slug="kitchen").rejected
    visit = admin_of(judged)
    slices = visit.get("/admin/kitchen/agreement?by=tag").text
    assert "/admin/kitchen/annotators/matrix?show=judged&amp;tag=tea" in slices

    def told(query: str) -> str:
        return words(visit.get(f"/admin/kitchen/annotators/matrix{query}").text)

    # 1 1, 1 2, tie tie, 2 2: chance is (2 * 1 + 1 * 2 + 1 * 1) / 16 and (2 * 1 + 1 * 2) / 9.
    assert "ada and grace 75.0 % n 4 fewer than 20" in told("")
    assert f"ada and grace {1 - (1 / 4) / (11 / 16):.2f} n 4" in told("?figure=kappa")
    assert "ada and grace 0.40 n 3" in told("?figure=kappa&ties=without")
    assert re.search(r"w[01] and kitchen/w[01] 50\.0 % n 2", told("?tag=tea"))
    # All are much better: -3 -3, -3 3, 0 0, 3 3; chance is (2 * 81 + 27 + 45) / 16.
    assert f"ada and grace {1 - (36 / 4) / (234 / 16):.2f} n 4" in told("?figure=weighted")
    assert "ada" not in told("?tag=tea").partition("Find")[2]
    assert re.search(r"w[01] and kitchen/w[01] 0\.0 % n 1", told("?tag=tea&ties=without"))
    assert "week" in visit.get("/admin/kitchen/annotators/matrix?week=soon").text
    assert "Fewer than two annotators judged such comparisons" in told("?tag=coffee")


def test_a_number_that_rounds_to_zero_has_no_sign() -> None:
    figures = _templates.from_string("{{ v | number('coefficient') }} {{ v | number('share') }}")
    assert figures.render(v=-0.0004) == "0.00 0.0 %"
    assert figures.render(v=-0.006) == "−0.01 −0.6 %"


def test_annotators_are_listed_with_intervals_or_the_reason_for_none(judged: Site) -> None:
    text = words(admin_of(judged).get("/admin/kitchen/annotators").text)
    assert "ada latest 2026-03-06 5 2 ties" in text
    assert "75.0 % n 4" in text
    assert "12.3 s" in text


def test_publishing_a_guideline_makes_a_new_version_and_keeps_the_old(site: Site) -> None:
    visit = admin_of(site)
    new = "# New\r\n\r\n![x](https://evil.example/x.png) <b>bold</b>"
    assert visit.post("/admin/kitchen/guideline", {"markdown": new}).status_code == 303
    page = visit.get("/admin/kitchen/guideline").text
    assert "Publish version 3" in page
    assert "Earlier versions" in page
    shown = visit.get("/projects/kitchen/guideline").text
    assert "[image not shown: x]" in shown
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown
    assert visit.post("/admin/kitchen/guideline", {"markdown": " "}).status_code == 422


def test_an_export_started_here_is_listed_with_its_path_and_the_next_command(
    judged: Site,
) -> None:
    visit = admin_of(judged)
    assert visit.post("/admin/kitchen/exports").status_code == 303
    page = visit.get("/admin/kitchen/exports").text
    path = re.search(r'<h2 class="path">([^<]+)</h2>', page)
    assert path is not None
    assert (Path(path[1]) / "manifest.json").is_file()
    assert f"prefloop train rm --bundle {path[1]} " in page


def test_a_reviewer_reads_admin_pages_and_sees_no_button_that_changes_something(
    site: Site,
) -> None:
    visit = site.signed_in("reviewer", Role.REVIEWER)
    for name in (
        "overview", "comparisons", "triage", "queue", "agreement", "annotators", "guideline",
        "exports",
    ):  # fmt: skip
        page = visit.get(f"/admin/kitchen/{name}")
        assert page.status_code == 200
        main = page.text.split("<main")[1]
        assert 'method="post"' not in main
        assert "hx-post" not in main


def test_a_flag_leads_an_admin_to_its_reason(site: Site) -> None:
    ada = site.signed_in("ada")
    action = re.search(r'action="([^"]*)/judgment"', ada.get("/projects/kitchen/compare").text)
    assert action is not None
    assert ada.post(f"{action[1]}/flag", {"reason": "<i>It is rude</i>"}).status_code == 200

    visit = admin_of(site)
    found = visit.get("/admin/kitchen/comparisons?show=flagged").text
    assert "1 comparison, 1 flag " in words(found)
    link = re.search(r'href="(/admin/kitchen/comparisons/[0-9a-f-]{36})"', found)
    assert link is not None
    page = visit.get(link[1]).text
    assert "ada flagged &lt;i&gt;It is rude&lt;/i&gt;" in words(page)


def test_annotators_are_found_by_name(judged: Site) -> None:
    visit = admin_of(judged)
    text = words(visit.get("/admin/kitchen/annotators?name=AD").text)
    assert "1 annotator, most judgments" in text
    assert "grace" not in text
    none = visit.get('/admin/kitchen/annotators?name="><script>').text
    assert "Nobody who judged here has" in none
    assert "<script>" not in none.split("<main")[1]


def test_lines_of_a_guideline_are_joined_and_lines_of_a_prompt_are_not(tmp_path: Path) -> None:
    site = make_site(tmp_path, comparisons=0)
    visit = admin_of(site)
    visit.post("/admin/kitchen/guideline", {"markdown": "One\ntwo"})
    assert "<p>One\ntwo</p>" in visit.get("/projects/kitchen/guideline").text
    add_comparisons(site.database, [("Break?\nYes.", "a", "b")])
    visit.post("/projects/kitchen/guideline/reading")
    assert "<p>Break?<br>\nYes.</p>" in visit.get("/projects/kitchen/compare").text
