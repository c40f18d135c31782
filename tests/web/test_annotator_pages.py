"""What the pages of annotators tell of models, and who may have these fitted."""

from __future__ import annotations

import re

import pytest
from helpers.processes import wait_for_what_pages_began
from helpers.web import NOON, QUESTIONS, Site, Visit
from sqlalchemy import update

from app.models.accounts import Role
from app.models.projects import Completion
from app.models.statistics import ModelFit
from app.services import annotator_models, assignments, judgments, projects, statistics
from app.services.judgments import Submission

LIST = "/admin/kitchen/annotators"


@pytest.fixture
def judged(site: Site) -> Site:
    """Two people, each with three verdicts for the left side and two ties."""
    with site.database.writing() as session:
        projects.set_overlap(session, projects.by_slug(session, "kitchen"), 2)
    for name in ("ada", "grace"):
        person = site.person(name)
        for number in range(len(QUESTIONS)):
            with site.database.writing() as session:
                project = projects.by_slug(session, "kitchen")
                view = assignments.lease_next(session, project, person, lease_seconds=60, now=NOON)
                assert view is not None
                said = Submission(
                    verdict="A" if number < 3 else "tie", idempotency_key=f"{name}-{number:04}"
                )
                judgments.submit(session, person, view.id, said, now=NOON)
    return site


def words(html: str) -> str:
    """The text of a page, without tags and runs of space."""
    return " ".join(re.sub(r"<[^>]*>", " ", html.split("<main")[1]).split())


def page_of_ada(visit: Visit) -> str:
    link = re.search(rf'href="({LIST}/[0-9a-f-]{{36}})">ada<', visit.get(LIST).text)
    assert link is not None
    return words(visit.get(link[1]).text)


def test_the_page_of_an_annotator_tells_models_and_sides_or_why_there_are_none(
    judged: Site,
) -> None:
    visit = judged.signed_in("admin", Role.ADMIN)
    text = page_of_ada(visit)
    chance = r"… corrected for chance −?\d.\d\d n 5"
    for model in ("one-coin", "Dawid-Skene"):
        assert re.search(rf"Accuracy, {model} \d\d.\d % n 5 {chance}", text)
    assert re.search(r"Sees differences −?\d.\d\d n 5 Leans left \d.\d\d n 5", text)
    assert "Chose the left or first 100.0 % n 3 … the left, side by side 100.0 % n 3" in text
    # Three of five verdicts are for the left and two are ties: 0.97 bits.
    assert "Left less right, ties in 60.0 % n 5 Ties and both bad 40.0 % n 5" in text
    assert "Skipped 0.0 % n 5 Variety of verdicts 0.97 n 5" in text
    for reason in ("nobody shares 20 comparisons", "no three responses to one prompt compared"):
        assert reason in text
    assert "a sequential test between 70.0 % right (too low) and 90.0 % (good enough)" in text
    assert "Sees differences: how well somebody sees the difference between two sources." in text

    with judged.database.writing() as session:
        session.execute(update(Completion).values(source="model-alpha"))
        # Nobody changes a source, so sums and fits that know it have to be told.
        statistics.forget(session, projects.by_slug(session, "kitchen").id, now=NOON)
    text = page_of_ada(visit)
    reason = "no two responses from different sources were compared"
    assert f"Sees differences {reason} Leans left {reason}" in text


def wait_for_the_fit() -> None:
    assert wait_for_what_pages_began() == 1


def test_the_list_says_in_how_many_judgments_somebody_is_right_with_n(judged: Site) -> None:
    text = words(judged.signed_in("admin", Role.ADMIN).get(LIST).text)
    # Figures of fewer than 20 show no interval.
    assert re.search(r"ada latest 2026-03-02 5 2 ties .* right in \d\d.\d % n 5 ", text)


def test_models_of_a_large_project_are_fitted_behind_the_first_page_that_lacks_them(
    judged: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotator_models, "FITTED_UP_TO", 5)
    visit = judged.signed_in("admin", Role.ADMIN)
    text = words(visit.get(LIST).text)
    assert "The models of this large project are not fitted yet. They are being renewed." in text
    assert "Fit it now" not in text
    wait_for_the_fit()
    fitted = r"The models were fitted 20\d\d-\S+ \S+ UTC to 10 judgments\."
    text = words(visit.get(LIST).text)
    assert re.search(fitted, text)
    assert "They are being renewed" not in text
    text = page_of_ada(visit)
    assert re.search(fitted, text)
    assert re.search(r"Sees differences −?\d.\d\d n 5 Leans left \d.\d\d n 5", text)


def test_an_admin_has_models_fitted_anew_though_few_judgments_are_new(
    judged: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotator_models, "FITTED_UP_TO", 5)
    visit = judged.signed_in("admin", Role.ADMIN)
    visit.get(LIST)
    wait_for_the_fit()
    with judged.database.writing() as session:
        session.execute(update(ModelFit).values(fitted_at=NOON))
    assert "fitted 2026-03-02 12:00 UTC" in words(visit.get(LIST).text)
    assert visit.post(f"{LIST}/fit").status_code == 303
    wait_for_the_fit()
    assert "fitted 2026-03-02 12:00 UTC" not in words(visit.get(LIST).text)


def test_models_are_fitted_by_one_process_however_often_somebody_asks(judged: Site) -> None:
    visit = judged.signed_in("admin", Role.ADMIN)
    # Nobody finishes a fit while the answers are sent: a process needs a second to begin.
    assert {visit.post(f"{LIST}/fit").status_code for _ in range(3)} == {303}
    wait_for_the_fit()
    assert visit.post(f"{LIST}/fit").status_code == 303
    wait_for_the_fit()
