import re
from pathlib import Path
from typing import Any

import pytest
from helpers.web import NOON, Site, Visit, make_site
from sqlalchemy import select

from app.models.accounts import AuditEntry, Membership, Role
from app.models.projects import Comparison
from app.rules.queue_policy import QueuePolicy
from app.services import projects, queue
from app.services.import_files import Record
from app.services.imports import import_records
from app.web.queue_form import PolicyForm, form_of, read

FORM = {
    "overlap": "2",
    "overlap_share": "100",
    "overlap_by_tag": "",
    "adaptive_max": "",
    "adaptive_confidence": "95",
    "gold_share": "0",
    "repeat_share": "0",
    "repeat_after_hours": "24",
}


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html.split("<main")[1]).split())


def policy_of(site: Site) -> QueuePolicy:
    with site.database.reading() as session:
        return queue.policy_of(projects.by_slug(session, "kitchen"))


def post(visit: Visit, **fields: str) -> Any:
    visit.get("/admin/kitchen/queue")
    return visit.post("/admin/kitchen/queue", {**FORM, **fields})


def test_an_admin_changes_the_whole_policy(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    visit = site.signed_in("admin", Role.ADMIN)

    answer = post(
        visit, overlap="3", overlap_share="40", overlap_by_tag="hard = 5\n\n a=b =2 ",
        adaptive_max="6", adaptive_confidence="90", gold_share="5", repeat_share="2.5",
        repeat_after_hours="48",
    )  # fmt: skip

    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/kitchen/queue")
    assert policy_of(site) == QueuePolicy(
        overlap=3, overlap_share=0.4, overlap_by_tag={"hard": 5, "a=b": 2}, adaptive_max=6,
        adaptive_confidence=0.9, gold_share=0.05, repeat_share=0.025, repeat_after_hours=48,
    )  # fmt: skip
    text = words(visit.get("/admin/kitchen/queue").text)
    assert "40 % of the comparisons, drawn at random, are judged by 3 annotators" in text
    assert "Those with the tag hard are judged by 5 annotators." in text
    assert "Gold is planned, but no comparison has a known answer" in text
    with site.database.reading() as session:
        entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert (entry.action, entry.subject) == ("policy changed", "project kitchen")
    assert (entry.details["overlap"], entry.details["gold_share"]) == (3, 0.05)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"overlap": "0"}, "“0” is no number of judgments; write 1 to 1000."),
        ({"overlap": "²"}, "“²” is no number of judgments"),
        ({"overlap_share": "101"}, "101 % is no share; write 0 to 100."),
        ({"gold_share": "nan"}, "“nan” is no number of percent"),
        ({"adaptive_confidence": "75"}, "75 % is no confidence; write more than 75, which one"),
        ({"repeat_after_hours": "-1"}, "-1 hours is no wait"),
        ({"overlap_by_tag": "hard"}, "Line 1 is “hard”; write a tag, = and a number"),
        ({"overlap_by_tag": "x = 1\nx = 2"}, "The tag x is there twice"),
        ({"overlap_by_tag": "x = 1\n<b> = no"}, "Line 2: “no” is no number of judgments"),
        ({"overlap": "4", "adaptive_max": "3"}, "The adaptive maximum is 3; give at least"),
        ({"gold_share": "30", "repeat_share": "30"}, "Gold and repeats are 60% of the work"),
    ],
)
def test_each_mistake_is_explained_in_one_sentence(fields: dict[str, str], sentence: str) -> None:
    policy, problems = read(PolicyForm(**{**FORM, **fields}))

    assert policy is None
    (found,) = problems.values()
    assert found.startswith(sentence)
    assert found.endswith(".")


def test_a_form_that_is_wrong_comes_back_as_it_was_written(site: Site) -> None:
    visit, before = site.signed_in("admin", Role.ADMIN), policy_of(site)
    written = {"overlap": "2", "overlap_by_tag": "<b> = no", "repeat_after_hours": "a week"}

    answer = post(visit, **written)

    assert answer.status_code == 422
    text = words(answer.text)
    assert "Nothing was changed. 2 fields need another value" in text
    assert "Line 1: “no” is no number of judgments; write 1 to 1000." in text
    assert "“a week” is no number of hours" in text
    assert (
        '<input class="short num" id="repeat_after_hours" name="repeat_after_hours" value="a week"'
        in answer.text
    )
    assert "&lt;b&gt; = no</textarea>" in answer.text
    assert policy_of(site) == before


def test_every_mistake_is_told_at_once() -> None:
    policy, problems = read(PolicyForm(overlap="x", gold_share="x", overlap_by_tag="x"))

    assert policy is None
    # The fields that were left empty are wrong too, all but the one that may be.
    assert problems.keys() == set(FORM) - {"adaptive_max"}


@pytest.mark.parametrize(
    "policy",
    [
        QueuePolicy(),
        QueuePolicy(overlap=3, overlap_share=0.07, gold_share=0.29, repeat_share=0.035),
        QueuePolicy(overlap_by_tag={"a = b": 3}, adaptive_max=4, repeat_after_hours=0.5),
    ],
)
def test_the_form_of_a_policy_reads_as_the_same_policy(policy: QueuePolicy) -> None:
    assert read(form_of(policy)) == (policy, {})


def test_a_reviewer_sees_the_queue_and_changes_nothing(site: Site) -> None:
    visit = site.signed_in("reviewer", Role.REVIEWER)

    page = visit.get("/admin/kitchen/queue")

    assert "Every comparison is judged by 1 annotator." in words(page.text)
    assert "<form" not in page.text.split("<main")[1]
    assert visit.post("/admin/kitchen/queue", FORM).status_code == 403


def test_the_page_counts_what_waits_who_has_it_and_which_group_may(site: Site) -> None:
    ada = site.signed_in("ada")
    assert ada.get("/projects/kitchen/compare").status_code == 200
    with site.database.writing() as session:
        comparisons = session.scalars(select(Comparison).order_by(Comparison.open_slots)).all()
        comparisons[-1].restricted_to, comparisons[-2].restricted_to = "<cooks>", "bakers"
        project = projects.by_slug(session, "kitchen")
        person = session.scalars(select(Membership)).first()
        person.groups = ["bakers"]
        assert project.overlap == 1

    text = words(site.signed_in("admin", Role.ADMIN).get("/admin/kitchen/queue").text)

    assert "Comparisons 5 Finished 0 Open 4 On lease 1 Held by 1 Known answers 0" in text
    assert "1 comparison is only for the group &lt;cooks&gt;, which has no member" in text
    assert "only for the group bakers" not in text
    assert "bakers 1 1" in text


def test_gold_is_not_part_of_the_work_that_is_to_be_finished(site: Site) -> None:
    record = {"prompt": "2 + 2?", "completions": ["4", "5"], "gold": 1}
    import_records(site.database, "kitchen", [Record(1, record)], now=NOON)
    visit = site.signed_in("admin", Role.ADMIN)
    post(visit, gold_share="10")

    text = words(visit.get("/admin/kitchen/queue").text)

    assert "Comparisons 5 Finished 0 Open 5" in text
    assert "Known answers 1" in text
    assert "Gold is planned, but" not in text


def test_another_number_of_judgments_gives_annotators_more_to_do(site: Site) -> None:
    admin = site.signed_in("admin", Role.ADMIN)
    with site.database.reading() as session:
        assert set(session.scalars(select(Comparison.open_slots))) == {1}

    post(admin, overlap="3")

    with site.database.reading() as session:
        assert set(session.scalars(select(Comparison.open_slots))) == {3}
