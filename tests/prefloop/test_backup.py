"""A backup made while annotators submit over HTTP holds all that was acknowledged before it began,
and a whole state of the database."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from helpers.load_site import SLUG, make_load_site
from helpers.postgres import PostgresServer, find_binaries
from helpers.processes import poll_until
from helpers.serving import serve
from sqlalchemy import func, select
from typer.testing import CliRunner, Result

from app.db import Database
from app.models.judgments import Assignment, AssignmentState, Judgment, Preference
from app.services import audit, full_tallies, projects, queue
from prefloop.cli import app

ANNOTATORS = 4


@dataclass
class Crowd:
    """Annotators who judge without a pause until they are told to stop."""

    address: str
    acknowledged: list[str] = field(default_factory=list)
    """Keys, appended once their 201 was received."""
    problems: list[Exception] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def judge(self, token: str, name: str) -> None:
        number = 0
        try:
            while not self.stop.is_set():
                number += 1
                assignment = self._post(token, f"/projects/{SLUG}/assignments")
                if assignment is None:
                    return
                key = f"key of {name}, number {number}"
                body = {"verdict": "A", "idempotency_key": key}
                self._post(token, f"/assignments/{assignment['id']}/judgment", body)
                self.acknowledged.append(key)
        except Exception as error:
            self.problems.append(error)

    def _post(self, token: str, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = json.dumps(body or {}).encode()
        request = Request(f"{self.address}/api/v1{path}", data, headers, method="POST")
        with urlopen(request, timeout=30) as answer:
            return None if answer.status == 204 else json.load(answer)


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of a database, and of another one to restore into."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/served.db", f"sqlite:///{tmp_path}/restored.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    names = ("served", "restored")
    yield tuple(server.create_database(name) for name in names)
    for name in names:
        server.drop_database(name)


def prefloop(url: str, *arguments: str) -> Result:
    environment = {"PREFLOOP_DATABASE_URL": url, "PG_BIN": str(find_binaries())}
    return CliRunner().invoke(app, ["db", *arguments], env=environment)


def test_a_backup_while_annotators_submit_restores_to_a_whole_state(urls, tmp_path):
    served, restored = urls
    people = make_load_site(served, comparisons=400, people=ANNOTATORS, plants=False)
    file = str(tmp_path / "b")
    unlimited = {"PREFLOOP_REQUESTS_PER_MINUTE": "1000000"}
    with serve(tmp_path, served, "--workers", "2", **unlimited) as serving:
        assert serving.address is not None
        crowd = Crowd(serving.address)
        threads = [
            threading.Thread(target=crowd.judge, args=[person.token, str(i)])
            for i, person in enumerate(people)
        ]
        for thread in threads:
            thread.start()
        poll_until(
            lambda: len(crowd.acknowledged) >= 40 or crowd.problems != [], "some work", seconds=60
        )
        before = set(crowd.acknowledged)
        made = prefloop(served, "backup", file)
        after = len(crowd.acknowledged)
        crowd.stop.set()
        for thread in threads:
            thread.join(timeout=30)
        over_the_served = prefloop(served, "restore", file, "--yes") if "sqlite" in served else None

    assert crowd.problems == []
    assert made.exit_code == 0, made.stderr
    assert after > len(before), "annotators went on while the backup was made"
    if over_the_served is not None:
        assert over_the_served.exit_code == 1
        assert "is in use; stop the server" in over_the_served.stderr
    put_back = prefloop(restored, "restore", file)
    assert put_back.exit_code == 0, put_back.stderr
    check_whole(Database(restored), before)
    check_that_a_restore_asks(restored, file)


def check_that_a_restore_asks(url: str, file: str) -> None:
    unasked, confirmed = prefloop(url, "restore", file), prefloop(url, "restore", file, "--yes")

    assert unasked.exit_code == 1
    assert "holds 1 projects, 400 comparisons" in unasked.stderr
    assert "add --yes to replace" in unasked.stderr
    assert confirmed.exit_code == 0, confirmed.stderr
    assert "Restored 1 projects, 400 comparisons" in confirmed.stderr


def check_whole(database: Database, acknowledged: set[str]) -> None:
    with database.reading() as session:
        keys = set(session.scalars(select(Judgment.idempotency_key)))
        assert acknowledged - keys == set()
        # A judgment, its preferences, its assignment and every sum were committed together.
        judged = session.scalar(
            select(func.count()).where(Assignment.state == AssignmentState.JUDGED)
        )
        preferring = session.scalar(select(func.count(Preference.judgment_id.distinct())))
        project = projects.by_slug(session, SLUG)
        assert judged == preferring == len(keys)
        assert full_tallies.check(session, project, queue.policy_of(project)) == []
        assert audit.verify(session).problem is None
    database.dispose()
