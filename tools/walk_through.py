"""Take the pictures of docs/walk-through.md: `PYTHONPATH=.:tests python tools/walk_through.py`.

The project is that of the tests (`tests/helpers/office.py`): four weeks of seven people, of whom
one guesses, and a guideline that got better once. Here a reviewer decides, an admin publishes a
third version, and people work on by it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from ensure_browser import LAUNCH_FLAGS, installed_candidates, launches
from helpers.databases import make_database
from helpers.office import SLUG, START, WEEKS, make_office, work_after
from make_screenshots import PHONE, serving, sign_in
from playwright.sync_api import Page, ViewportSize, sync_playwright

from app.db import Database, utc_now
from app.main import create_app
from app.models.accounts import Annotator, Role
from app.models.adjudications import CandidateStatus
from app.services import accounts, adjudications, candidates, guidelines, projects, triage
from app.services.adjudications import Decision
from app.settings import Settings

WINDOW = ViewportSize(width=1100, height=820)
ASKS = "Where the customer does not say what they want, choose the reply that asks."
LENGTH = "Of two replies that say the same, the shorter one is better."
DECISIONS = [
    ("split", "underspecified", ASKS), ("A", "factual", ""), ("split", "taste", ""),
    ("tie", "underspecified", LENGTH), ("split", "underspecified", ""), ("B", "slip", ""),
    ("split", "taste", ""), ("split", "underspecified", ""), ("tie", "", ""),
]  # fmt: skip
"""What the reviewer finds, one comparison after another, and the sentences they suggest."""


class Shot(NamedTuple):
    name: str
    path: str
    """In the project's admin pages."""
    keys: tuple[str, ...] = ()
    """Pressed before the picture is taken."""


BEFORE = [
    Shot("1-annotators", "annotators?sort=agreement"),
    Shot("2-triage", "triage"),
    Shot("3-adjudicate", "triage/next", ("s", "2")),
    Shot("4-reasons", "triage/reasons"),
    Shot("5-guideline", "guideline"),
]
AFTER = [Shot("6-agreement", "agreement#slices")]


def decide(database: Database, reviewer: Annotator) -> None:
    now = START + timedelta(weeks=WEEKS)
    for outcome, cause, note in DECISIONS:
        with database.writing() as session:
            project = projects.by_slug(session, SLUG)
            comparison = triage.next_for(session, project, reviewer)
            assert comparison is not None
            decision = Decision(outcome=outcome, cause=cause or None, note=note)
            adjudications.adjudicate(session, project, reviewer, comparison, decision, now=now)
            if note:
                candidates.propose(session, project, comparison, note, by=reviewer, now=now)


def publish(database: Database, admin: Annotator) -> None:
    """A version with all that was suggested, and work that follows it."""
    with database.writing() as session:
        project = projects.by_slug(session, SLUG)
        current = guidelines.current(session, project)
        assert current is not None
        chosen = candidates.list_for(session, project, CandidateStatus.OPEN)
        text = candidates.insert_into(current.markdown, chosen)
        published = START + timedelta(weeks=WEEKS)
        version = guidelines.publish(session, project, text, by=admin, now=published)
        candidates.adopt(session, project, [found.id for found in chosen], version)
    work_after(database, comparisons=70)


def take(page: Page, address: str, shot: Shot, out: Path, *, variants: bool) -> None:
    page.set_viewport_size(WINDOW)
    page.goto(f"{address}/admin/{SLUG}/{shot.path}")
    for key in shot.keys:
        page.keyboard.press(key)
    page.screenshot(path=out / f"walk-{shot.name}.png")
    if variants:
        page.emulate_media(color_scheme="dark")
        page.screenshot(path=out / f"walk-{shot.name}-dark.png", full_page=True)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(PHONE)
        page.screenshot(path=out / f"walk-{shot.name}-phone.png", full_page=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Take the pictures of docs/walk-through.md.")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument(
        "--variants", action="store_true", help="take whole pages too: dark, and as a phone shows"
    )
    arguments = parser.parse_args()
    path = next(filter(launches, installed_candidates()), None)
    if path is None:
        sys.exit("No Chromium starts here; run `python tools/ensure_browser.py` to get one.")
    arguments.out.mkdir(parents=True, exist_ok=True)
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        database = make_database(Path(folder) / "office.db")
        make_office(database, comparisons=400)
        with database.writing() as session:
            rosa, admin = (
                accounts.create_person(session, name=name, password=None, role=role, now=START)
                for name, role in (("rosa", Role.REVIEWER), ("you", Role.ADMIN))
            )
            token = accounts.create_sign_in_link(session, admin, now=utc_now())
        decide(database, rosa)
        app = create_app(Settings(database_url=str(database.url)))
        with serving(app) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path or None, args=LAUNCH_FLAGS)
            page = sign_in(browser, address, token, problems)
            for shot in BEFORE:
                take(page, address, shot, arguments.out, variants=arguments.variants)
            publish(database, admin)
            for shot in AFTER:
                take(page, address, shot, arguments.out, variants=arguments.variants)
            browser.close()
    for problem in problems:
        print(f"the browser reported: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
