"""Behind every number that a page of statistics links are as many comparisons as it says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from helpers.behind import Link, links_to_comparisons
from helpers.data import import_plain
from helpers.office import SLUG, START, make_office, work_after
from helpers.rankings import rank
from helpers.web import Site, Visit, make_site
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models.accounts import Annotator, AnnotatorKind, Role
from app.models.projects import Comparison, Project
from app.rules.queue_policy import QueuePolicy
from app.services import (
    accounts,
    adjudications,
    assignments,
    comparisons,
    full_tallies,
    guidelines,
    judgments,
    pay,
    projects,
    queue,
)
from app.services.adjudications import Decision
from app.services.comparisons import ComparisonsPage
from app.services.judgments import Submission
from app.services.pay import PayRates, Rate
from app.services.projects import EVER_ADAPTIVE
from app.web import comparison_query
from app.web.comparison_query import FilterQuery

LATER = START + timedelta(weeks=4)
PAGES = (
    "overview", "annotators", "leaderboard", "planning", "annotators/matrix", "triage",
    "triage/reasons", "triage/reasons?undecided=true",
    "annotators/matrix?ties=without&week=2026-03-09", "annotators/matrix?figure=weighted",
    "agreement?by=guideline",
    *(f"agreement?by={by}" for by in ("tag", "sources", "strength", "week")),
    "agreement?by=week&figure=graded", "agreement?by=week&figure=graded&ties=without",
    "agreement?by=sources&figure=others&ties=without", "agreement?figure=fleiss&ties=without",
)  # fmt: skip


LOOKED_AT = ("alma", "guess", "gita", "office/w2")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Known answers, repeats, rankings, imported verdicts, an unknown source, Markdown, a flag and
    skips beside the ordinary work."""
    site = make_site(Path(tmp_path_factory.mktemp("office")))
    make_office(site.database, comparisons=48)
    with site.database.writing() as session:
        project = projects.by_slug(session, SLUG)
        policy = QueuePolicy(overlap=3, gold_share=0.1, repeat_share=0.3, repeat_after_hours=1)
        projects.set_policy(session, project, policy)
    work_after(site.database, comparisons=24)
    assert not import_plain(site.database, [*_imported()], slug=SLUG).rejected
    with site.database.writing() as session:
        project = projects.by_slug(session, SLUG)
        _rank(session)
        _markdown_skips_and_flags(session, project)
        _decide(session, project)
        rates = {
            AnnotatorKind.PERSON: Rate(amount=12, per="hour"),
            AnnotatorKind.IMPORTED: Rate(amount=1, per="judgment"),
        }
        pay.change(session, project, PayRates(rates=rates), by=None, now=START)
        full_tallies.rebuild(session, project, queue.policy_of(project))
    return site


def _imported() -> Iterator[dict[str, Any]]:
    for i in range(6):
        yield {
            "prompt": f"Imported {i}?",
            "completions": [
                {"text": f"* one {i}", "source": "model-large"},
                {"text": f"two {i} " + "and more " * (i * 3), "source": None},
            ],
            "judgments": [
                {"annotator": name, "verdict": verdict, "ended_at": f"2026-04-0{1 + i}T09:00:00Z"}
                for name, verdict in (("w1", 1 + i % 2), ("w2", 1 if i < 4 else "both_bad"))
            ],
        }
    # Rock, paper, scissors.
    for one, other in ("ab", "bc", "ca"):
        yield {
            "prompt": "Round?",
            "completions": [f"{one} round", f"{other} round"],
            "judgments": [{"annotator": "w2", "verdict": 1, "ended_at": "2026-04-08T09:00:00Z"}],
        }
    for i in range(3):
        yield {"prompt": f"Rank {i}?", "completions": [f"{letter} {i}" for letter in "abc"]}


def _rank(session: Session) -> None:
    for number, name, ranking in (
        (0, "alma", "a b c"), (0, "bo", "a c b"), (1, "alma", "b a c"), (1, "bo", "b a c"),
        (2, "alma", "c b=a"),
    ):  # fmt: skip
        rank(session, number, name, ranking, received_at=LATER)


def _markdown_skips_and_flags(session: Session, project: Project) -> None:
    """Somebody new who judges some of what is open, in another layout and far too fast."""
    person = accounts.create_person(
        session, name="gita", password=None, role=Role.ANNOTATOR, now=START
    )
    projects.add_member(session, project, person, now=START)
    _confirm(session, project, person)
    for i in range(12):
        now = LATER + timedelta(hours=i)
        view = assignments.lease_next(session, project, person, lease_seconds=600, now=now)
        if view is None:
            return
        if i % 4 == 3:
            judgments.flag(session, person, view.id, "odd", now=now)
            judgments.skip(session, person, view.id, "too hard", now=now)
            continue
        submission = Submission(
            verdict="A" if i % 3 else "B",
            idempotency_key=f"gita-{i:08}",
            active_ms=500 + 700 * i,
            layout="stacked",
            reason_codes=["clear"],
        )
        judgments.submit(session, person, view.id, submission, now=now)


def _decide(session: Session, project: Project) -> None:
    """Half of the disagreements, for one of two causes or none, some with a note."""
    vera = accounts.create_person(
        session, name="vera", password=None, role=Role.REVIEWER, now=START
    )
    contested = select(Comparison.id).where(Comparison.contested).order_by(Comparison.id)
    for i, key in enumerate(session.scalars(contested).all()[::2]):
        decision = Decision(
            outcome="split" if i % 2 else "tie",
            cause=("taste", "slip", None)[i % 3],
            note=("Say what short means.", None)[i % 2],
        )
        adjudications.adjudicate(session, project, vera, key, decision, now=LATER)


def _confirm(session: Session, project: Project, person: Annotator) -> None:
    version = guidelines.current(session, project)
    assert version is not None
    guidelines.confirm_reading(session, version, person, now=START)


@pytest.fixture(scope="module")
def links(office: Site) -> list[tuple[str, Link]]:
    """All that pages of statistics link, each once, with the page."""
    visit = office.signed_in("admin", Role.ADMIN)
    people = re.findall(r'/annotators/([0-9a-f-]{36})">([^<]*)<', _page(visit, "annotators"))
    pages = (*PAGES, *(f"annotators/{key}" for key, name in sorted(people) if name in LOOKED_AT))
    found = _links(visit, pages)
    # Of the same judgments, agreement is now that of the first two of each comparison.
    with office.database.writing() as session:
        project = projects.by_slug(session, SLUG)
        before, project.settings = project.settings, {**project.settings, EVER_ADAPTIVE: True}
    found |= _links(visit, [page for page in PAGES if page.startswith(("agreement", "planning"))])
    with office.database.writing() as session:
        projects.by_slug(session, SLUG).settings = before
    return list(found.values())


def _links(visit: Visit, pages: Iterable[str]) -> dict[Any, tuple[str, Link]]:
    return {
        (link.href, link.says, link.n): (page, link)
        for page in pages
        for link in links_to_comparisons(_page(visit, page))
    }


def _page(visit: Visit, page: str) -> str:
    answer = visit.get(f"/admin/{SLUG}/{page}")
    assert answer.status_code == 200, page
    return str(answer.text)


def test_a_list_is_as_long_as_the_number_that_leads_to_it(
    office: Site, links: list[tuple[str, Link]]
) -> None:
    wrong, known = [], {}
    with office.database.reading() as session:
        project = projects.by_slug(session, SLUG)
        for page, link in links:
            if link.href not in known:
                wanted = comparison_query.read(FilterQuery(**link.query))
                known[link.href] = comparisons.page_of(session, project, wanted, per_page=1)
                assert not known[link.href].is_cut
            problem = _problem(link, known[link.href])
            if problem:
                said = f"{link.says} {link.after.strip()[:40]}"
                wrong.append(f"{page}: {said}, {link.href}: {problem}")
    assert not wrong, f"{len(wrong)} of {len(links)}\n" + "\n".join(sorted(wrong))


def _problem(link: Link, found: ComparisonsPage) -> str | None:
    lengths = {found.total} if found.number is None else {found.total, found.number}
    if link.count is not None:
        return None if link.count in lengths else f"the list holds {lengths}"
    if not found.total:
        return None if link.share == 0 else "the list is empty"
    if link.n is None:
        return None
    # A share leads to what it counts, to the rest, or to all of which it is a share; any other
    # figure to all.
    expected = {link.n}
    if link.share is not None:
        near = 0.0006 if "." in link.says else 0.006
        part = {k for k in range(link.n + 1) if abs(k / link.n - link.share) < near}
        expected |= part | {link.n - k for k in part}
    return None if expected & lengths else f"the list holds {lengths}, not {link.n}"


def test_every_filter_that_is_no_field_of_the_form_is_where_a_number_leads(
    links: list[tuple[str, Link]],
) -> None:
    asked = {name for _, link in links for name in link.query}
    elsewhere = {"page", "counts"}
    assert asked | elsewhere >= set(FilterQuery.model_fields)
