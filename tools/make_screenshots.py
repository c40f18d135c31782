"""Take the README's pictures: `python tools/make_screenshots.py --database var/demo/demo.db`.

The app runs on a copy of a demo's database. The demo's annotators have judged everything they were
asked to, so the copy wants one judgment more of each comparison: that of the visitor.
"""

from __future__ import annotations

import argparse
import socket
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import uvicorn
from ensure_browser import LAUNCH_FLAGS, installed_candidates, launches
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright
from sqlalchemy.orm import Session

from app.db import Database, utc_now
from app.errors import PrefloopError
from app.main import create_app
from app.models.accounts import Role
from app.models.projects import Comparison, Project
from app.services import accounts, comparison_detail, comparisons, guidelines, projects
from app.services.comparison_filters import ComparisonFilter
from app.settings import Settings

LAPTOP = ViewportSize(width=1280, height=780)
PHONE = ViewportSize(width=390, height=844)
DASHBOARD = ViewportSize(width=1100, height=780)


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The app on a free port of this machine; gives its address."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, log_level="warning", access_log=False)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("The server did not start; its message stands above.")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def copy_of(database: Path, folder: Path) -> Path:
    """A consistent copy, even of a database that is in use."""
    if not database.is_file():
        sys.exit(f"{database} is not a file; make the demo's database with `make demo SERVE=0`.")
    copy = folder / "copy.db"
    with (
        closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    return copy


def put_first(session: Session, project: Project) -> str:
    """Let the queue begin with a comparison on which all agreed; the text that they preferred."""
    found = comparisons.page_of(session, project, ComparisonFilter(show="judged"))
    unanimous = [row for row in found.rows if set(row.verdicts) in ({"1"}, {"2"})]
    if not unanimous:
        sys.exit(f"No comparison on the first page of {project.slug} has one verdict only.")
    row = max(unanimous, key=lambda row: sum(map(len, row.responses)))
    session.get_one(Comparison, row.id).priority = 1
    detail = comparison_detail.detail(session, project, row.id)
    return next(c.text for c in detail.completions if c.label in row.verdicts)


def welcome_visitor(database: Database, slug: str) -> tuple[str, str]:
    """The token of a sign-in link for somebody who has everything of the project yet to judge, and
    the text to prefer in the first comparison."""
    now = utc_now()
    with database.writing() as session:
        project = projects.by_slug(session, slug)
        visitor = accounts.create_person(
            session, name="you@example.org", password=None, role=Role.ADMIN, now=now
        )
        projects.set_overlap(session, project, project.overlap + 1)
        version = guidelines.current(session, project)
        if version is not None:
            guidelines.confirm_reading(session, version, visitor, now=now)
        preferred = put_first(session, project)
        return accounts.create_sign_in_link(session, visitor, now=now), preferred


def sign_in(browser: Browser, address: str, token: str, problems: list[str]) -> Page:
    page = browser.new_context(viewport=LAPTOP, reduced_motion="reduce").new_page()
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{address}/invitations/{token}")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/projects")
    return page


def take(page: Page, address: str, slug: str, preferred: str, out: Path) -> None:
    page.goto(f"{address}/admin/{slug}/agreement")
    page.screenshot(path=out / "dashboard.png")
    page.goto(f"{address}/projects/{slug}/compare")
    on_the_left = (page.locator(".side-a .plain").text_content() or "").strip()
    page.keyboard.press("ArrowLeft" if on_the_left == preferred.strip() else "ArrowRight")
    page.locator(".side.chosen").wait_for()
    page.keyboard.press("2")
    page.screenshot(path=out / "compare.png")
    page.emulate_media(color_scheme="dark")
    page.screenshot(path=out / "compare-dark.png")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)
    page.screenshot(path=out / "compare-phone.png")


def take_dashboards(page: Page, address: str, slug: str, out: Path) -> None:
    page.set_viewport_size(DASHBOARD)
    page.goto(f"{address}/admin/{slug}/agreement#slices")
    page.screenshot(path=out / "agreement.png")
    page.goto(f"{address}/admin/{slug}/annotators?sort=agreement")
    page.screenshot(path=out / "annotators.png")


def main() -> int:
    parser = argparse.ArgumentParser(description="Take the README's pictures of a demo.")
    parser.add_argument("--database", type=Path, default=Path("var/demo/demo.db"))
    parser.add_argument("--project", default="demo")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument(
        "--dashboards",
        action="store_true",
        help="take those of agreement and annotators instead, of a project that has several "
        "guideline versions (make_office in tests/helpers/office.py makes one)",
    )
    arguments = parser.parse_args()
    path = next(filter(launches, installed_candidates()), None)
    if path is None:
        sys.exit("No Chromium starts here; run `python tools/ensure_browser.py` to get one.")
    arguments.out.mkdir(parents=True, exist_ok=True)
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_of(arguments.database, Path(folder))
        app = create_app(Settings(database_url=f"sqlite:///{copy}"))
        try:
            token, preferred = welcome_visitor(app.state.database, arguments.project)
        except PrefloopError as error:
            sys.exit(str(error))
        with serving(app) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path or None, args=LAUNCH_FLAGS)
            page = sign_in(browser, address, token, problems)
            if arguments.dashboards:
                take_dashboards(page, address, arguments.project, arguments.out)
            else:
                take(page, address, arguments.project, preferred, arguments.out)
            browser.close()
    for problem in problems:
        print(f"the browser reported: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
