"""A whole application for tests: a migrated database with a small project, people, and a server."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from helpers.databases import make_database
from helpers.processes import poll_until
from starlette.testclient import TestClient

from app.db import Database
from app.main import create_app
from app.models.accounts import Annotator, Role
from app.services import accounts, guidelines, imports, projects
from app.services.import_files import Record
from app.settings import Settings

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"
GUIDELINE = """# How to compare

Choose the response that would help the person more.

- **Correct** comes before *pleasant*.
- Short is good, as long as nothing is missing.

## When both are wrong

Say **both bad**. It is an honest answer.
"""

QUESTIONS = [
    (
        "How do I keep basil alive on a windowsill?",
        "Give it the sunniest window you have and water when the top of the soil is dry.\n\n"
        "Harvest from the top: each cut makes two new shoots.",
        "Basil likes water. Water it every day and keep it in the dark, so that it stays cool.",
    ),
    (
        "Why is the sky blue?",
        "Air scatters short wavelengths of sunlight far more than long ones, so blue light "
        "reaches your eyes from every direction.",
        "Because it reflects the sea.",
    ),
    (
        "What can I cook from two eggs, rice and a carrot?",
        "Egg fried rice:\n\n1. Cook the rice and let it cool.\n2. Fry the diced carrot.\n"
        "3. Push it aside, scramble the eggs, then fold all together.",
        "You could order a pizza, that is easier.",
    ),
    (
        "How long should a nap be?",
        "About twenty minutes, or a full ninety: in between you wake from deep sleep.",
        "As long as you like. Some people nap for `4 hours` and enjoy it *very* much.",
    ),
    (
        "How do I say no politely?",
        "Thank them, say no plainly, and give one short reason if you want to.",
        "Just never answer.",
    ),
]


@dataclass(frozen=True)
class Site:
    """One application on one migrated SQLite database, with the project `kitchen`."""

    settings: Settings
    app: FastAPI
    database: Database

    def visit(self) -> Visit:
        """Somebody who is not signed in."""
        client = TestClient(self.app, follow_redirects=False, raise_server_exceptions=False)
        return Visit(client)

    def person(
        self, name: str, role: Role = Role.ANNOTATOR, *, reads: bool = True, member: bool = True
    ) -> Annotator:
        """A person without a password; `reads` confirms the guideline for them."""
        with self.database.writing() as session:
            person = accounts.create_person(session, name=name, password=None, role=role, now=NOON)
            project = projects.by_slug(session, "kitchen")
            if member:
                projects.add_member(session, project, person, now=NOON)
            version = guidelines.current(session, project)
            if reads and version is not None:
                guidelines.confirm_reading(session, version, person, now=NOON)
        return person

    def sign_in_link(self, person: Annotator) -> str:
        now = datetime.now(UTC)
        with self.database.writing() as session:
            return f"/invitations/{accounts.create_sign_in_link(session, person, now=now)}"

    def signed_in(
        self, name: str, role: Role = Role.ANNOTATOR, *, reads: bool = True, member: bool = True
    ) -> Visit:
        """A new person who has followed their sign-in link."""
        visit = self.visit()
        link = self.sign_in_link(self.person(name, role, reads=reads, member=member))
        visit.get(link)
        assert visit.post(f"{link}/sign-in").status_code == 303
        visit.get("/projects")
        return visit


class Visit:
    """A client that carries the token of the page it saw last, as a browser's form would."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.token = ""

    def get(self, path: str, **options: Any) -> Any:
        response = self.client.get(path, **options)
        found = re.search(r'"X-CSRF-Token": "([^"]*)"', response.text)
        if found:
            self.token = found[1]
        return response

    def post(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> Any:
        return self.client.post(path, data={"csrf_token": self.token, **(data or {})}, **options)


def make_site(folder: Path, *, comparisons: int = 5, overlap: int = 1, **settings: Any) -> Site:
    """The site in this folder; its database too, unless `database_url` names a migrated one."""
    if "database_url" not in settings:
        settings["database_url"] = str(make_database(folder / "test.db").url)
    chosen = Settings(exports_dir=folder / "exports", **settings)
    app = create_app(chosen)
    database: Database = app.state.database
    with database.writing() as session:
        projects.create(
            session,
            slug="kitchen",
            name="Kitchen and sky",
            question="Which response helps more?",
            overlap=overlap,
            guideline=GUIDELINE,
            now=NOON,
        )
    add_comparisons(database, [QUESTIONS[i % len(QUESTIONS)] for i in range(comparisons)])
    return Site(chosen, app, database)


def add_comparisons(database: Database, rows: list[tuple[str, str, str]]) -> None:
    """One comparison for each (prompt, response, response)."""
    records = [
        Record(
            line=i,
            value={
                "prompt": prompt if i <= len(QUESTIONS) else f"{prompt} ({i})",
                "completions": [
                    {"text": first, "source": "model-alpha"},
                    {"text": second, "source": "model-beta"},
                ],
            },
        )
        for i, (prompt, first, second) in enumerate(rows, start=1)
    ]
    summary = imports.import_records(database, "kitchen", records, now=NOON)
    assert not summary.rejected, summary.rejected


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The application behind a real uvicorn on a free port; yields its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            poll_until(lambda: server.started, "uvicorn to start", seconds=20)
            yield address
        finally:
            server.should_exit = True
            thread.join(timeout=20)
