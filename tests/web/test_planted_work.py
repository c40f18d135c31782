"""Gold and repeats cannot be told from normal work by what an annotator's page or program gets.

Every answer is kept as it goes over the wire: status, headers in their order, and the body. Only
texts of the project, ids and times are masked, and what counts the annotator's own work.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from helpers.api import program
from helpers.web import NOON, Site, make_site

from app.models.judgments import Assignment
from app.rules.queue_policy import QueuePolicy
from app.services import imports, projects
from app.services.import_files import Record

KINDS = {"normal", "gold", "repeat"}
UUID_TEXT = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
# Nobody's work depends on these, and they differ from one answer to the next.
MASKS = [
    (UUID_TEXT, "ID"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "REQUEST"),
    (re.compile(r"(question|first|second) text number \d+"), "TEXT"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)"), "TIME"),
    (re.compile(r"Comparison \d+|\d+ judged|(?<=judged )\d+|value=\"\d+\" max"), "COUNT"),
]
COMPARISONS, GOLD = 40, 12
WARMING_UP, NOTED = 10, 36
"""From the tenth on, the numbers on the pages have two digits, and the pages one length. Chance
plans the work: among so many, one kind is missing in six of a hundred thousand runs."""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Half of the work of whoever judges here is planted. All texts have one length, so that the
    answers that differ in nothing else are equal once they are masked."""
    site = make_site(tmp_path, comparisons=0)
    records = [
        Record(
            line=number,
            value={
                "prompt": f"question text number {100 + number}",
                "completions": [f"{nth} text number {100 + number}" for nth in ("first", "second")],
            }
            | ({"gold": 1} if number <= GOLD else {}),
        )
        for number in range(1, GOLD + COMPARISONS + 1)
    ]
    assert not imports.import_records(site.database, "kitchen", records, now=NOON).rejected
    with site.database.writing() as session:
        policy = QueuePolicy(gold_share=0.25, repeat_share=0.25, repeat_after_hours=0)
        projects.set_policy(session, projects.by_slug(session, "kitchen"), policy)
    return site


def kind_of(site: Site, assignment: str) -> str:
    with site.database.reading() as session:
        return session.get_one(Assignment, UUID(assignment)).kind


def wire(answer: Any) -> tuple[int, list[tuple[str, str]], str]:
    """An answer as it was sent, with what has to differ masked."""
    text = answer.text
    headers = [(name.lower(), value) for name, value in answer.headers.multi_items()]
    for pattern, mask in MASKS:
        text = pattern.sub(mask, text)
        headers = [(name, pattern.sub(mask, value)) for name, value in headers]
    return answer.status_code, headers, text


Answers = dict[str, set[Any]]
"""Masked answers by the kind of work that was asked about."""


def hashable(answer: Any) -> Any:
    status, headers, text = wire(answer)
    return status, tuple(headers), text


def assert_alike(found: dict[str, Answers]) -> None:
    for act, by_kind in found.items():
        assert set(by_kind) == KINDS, act
        assert by_kind["normal"] == by_kind["gold"] == by_kind["repeat"], act
        assert len(by_kind["normal"]) == 1, act


def note(found: dict[str, Answers], act: str, kind: str, answer: Any) -> None:
    found.setdefault(act, {}).setdefault(kind, set()).add(hashable(answer))


def test_pages_answer_alike_byte_for_byte(site: Site) -> None:
    visit = site.signed_in("ada")
    found: dict[str, Answers] = {}
    for number in range(WARMING_UP + NOTED):
        page = visit.get("/projects/kitchen/compare")
        action = re.search(r'action="([^"]*)/judgment"', page.text)
        assert action is not None
        kind = kind_of(site, action[1].rpartition("/")[2])
        beat = visit.post(f"{action[1]}/heartbeat")
        form = {"verdict": "tie", "idempotency_key": f"the key {100 + number}"}
        # What comes next is in the answer: its kind must not show either.
        answer = visit.post(f"{action[1]}/judgment", form, headers={"HX-Request": "true"})
        if number >= WARMING_UP:
            for act, given in (("next", page), ("heartbeat", beat), ("submit", answer)):
                note(found, act, kind, given)
    assert_alike(found)


def test_the_api_answers_alike_byte_for_byte(site: Site) -> None:
    ada = program(site)
    found: dict[str, Answers] = {}
    for number in range(NOTED):
        taken = ada.post("/projects/kitchen/assignments")
        assignment = taken.json()["id"]
        kind = kind_of(site, assignment)
        note(found, "next", kind, taken)
        note(found, "heartbeat", kind, ada.post(f"/assignments/{assignment}/heartbeat"))
        judgment = {"verdict": "tie", "idempotency_key": f"the key {100 + number}"}
        note(found, "submit", kind, ada.post(f"/assignments/{assignment}/judgment", judgment))
    assert_alike(found)
