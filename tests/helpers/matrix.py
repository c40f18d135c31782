"""A site with two projects and people around them, and what each may ask of it.

`Matrix` fills in the address and the body of each route that the application has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from helpers.processes import wait_for_what_pages_began
from helpers.routes import BODIES, NAMED, Case, Kind, Route
from helpers.web import GUIDELINE, NOON, PASSWORD, Site
from sqlalchemy import event, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.models import tables
from app.models.accounts import Annotator, AnnotatorKind, ApiToken, Role, SignInSession
from app.models.judgments import Judgment
from app.models.projects import Comparison
from app.models.tallies import AnnotatorDay
from app.services import (
    accounts,
    adjudications,
    assignments,
    candidates,
    guidelines,
    invitations,
    judgments,
    memberships,
    projects,
)
from app.services.adjudications import Decision
from app.services.credentials import hash_token, new_token
from app.services.import_files import Record
from app.services.imports import import_records
from app.services.judgments import Submission
from app.services.tokens import Scope
from app.web.access import SAFE_METHODS

SECRET = "a text of the garden that only its members may read"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
UNWATCHED = {"attempts", "audit_entries"}
"""Tables that a refused request may write to."""
LINES = json.dumps({"prompt": "New?", "completions": ["yes", "no"]}).encode()


@dataclass
class Asker:
    """Somebody with a session, a token and things of their own."""

    kind: Kind
    client: TestClient
    csrf_token: str = ""
    bearer: str | None = None
    own: dict[str, str] = field(default_factory=dict)
    """What they may fill in for each object of an address."""


class Matrix:
    """A site with two projects and people around them, and what each may ask of it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.now = datetime.now(UTC)
        self._numbers = iter(range(10_000))
        self._patient: dict[Kind, Asker] = {}
        _write_without_waiting(site)
        self._make_garden()
        self._judge("kitchen", "critic", "Both are fine.")
        self._judge("garden", "florist", SECRET)
        self._others = self._things_of_others()

    def asker_for(self, route: Route, kind: Kind) -> Asker:
        """One who may be used up where the request may succeed and change something."""
        if route.method not in SAFE_METHODS and route.rule.allows(kind.role):
            return self.asker(kind)
        if kind not in self._patient:
            self._patient[kind] = self.asker(kind)
        return self._patient[kind]

    def asker(self, kind: Kind) -> Asker:
        """A new person of this kind, with an assignment, an API token and a session."""
        client = TestClient(self.site.app, follow_redirects=False, raise_server_exceptions=False)
        asker = Asker(kind, client, own=self._common())
        if kind == Kind.NOBODY:
            asker.csrf_token = _token_of_stranger(client)
            return asker
        role = kind.role or Role.ADMIN
        with self.site.database.writing() as session:
            person = accounts.create_person(
                session, name=self._name("asker"), password=None, role=role, now=NOON
            )
            kitchen, hedge = (projects.by_slug(session, slug) for slug in ("kitchen", "hedge"))
            for project in (kitchen, hedge):
                memberships.add(session, project, person, now=NOON)
            _read_guideline(session, person, "garden")
            asker.own["assignment_id"] = self._lease(session, person, "kitchen")
            if kind == Kind.OUTSIDER:
                memberships.remove(session, kitchen, person, by=person, now=NOON)
            token = accounts.start_session(session, person, session_hours=1, now=self.now)
            asker.csrf_token = session.get_one(SignInSession, hash_token(token)).csrf_token
            client.cookies["prefloop_session"] = token
            asker.bearer, asker.own["token_id"] = self._api_token(session, person)
            if kind == Kind.DISABLED:
                # Not through the service, which would end the session and leave nothing to test.
                person.disabled_at = NOON
        if kind == Kind.DISABLED:
            asker.csrf_token = _token_of_stranger(client)
        return asker

    def cases(self, route: Route, asker: Asker) -> Iterator[Case]:
        """The address with all one's own, and with each object in turn somebody else's or none."""
        for name in route.objects:
            assert name in asker.own or asker.kind == Kind.NOBODY, (
                f"{route} takes {name!r}: teach tests/helpers/routes.py what that may be"
            )
        yield self._case(route, asker, {})
        for name in route.objects:
            for variant in self._others[name]:
                # Another project of one's own is no less open; what is in the first is not in it.
                if variant != "another of mine" or len(route.objects) > 1:
                    yield self._case(route, asker, {name: variant})

    def strange_fields(self, route: Route) -> Iterator[dict[str, str]]:
        """What a body or a query may name that is not in the project, or nowhere; one at a time."""
        for field_name, kind in NAMED.get(route.path, {}).items():
            for variant, value in self._others[kind].items():
                # Admins may open any project to a person.
                if kind != "slug" or variant == "unknown":
                    yield {field_name: value}

    def send(
        self, route: Route, asker: Asker, case: Case, fields: Mapping[str, str] | None = None
    ) -> Any:
        """The request as this asker would send it, with all that they have to show, and these
        fields in its body or query."""
        if route.is_api:
            return self._send_to_api(route, asker, case)
        if route.method in SAFE_METHODS:
            return asker.client.request(route.method, case.address, params=fields)
        body = {"csrf_token": asker.csrf_token, **self.body(route), **(fields or {})}
        return asker.client.request(route.method, case.address, data=body)

    def body(self, route: Route) -> dict[str, Any]:
        assert route.path in BODIES, f"{route}: teach tests/helpers/routes.py what it accepts"
        body = dict(BODIES[route.path])
        if route.path.endswith("/judgment"):
            body["idempotency_key"] = uuid4().hex
        if route.path == "/invitations/{token}":
            body["name"] = self._name("invited")
        return body

    def state(self) -> dict[str, set[str]]:
        """Every row that a refused request must leave alone."""
        # What an allowed page began in a process of its own is that page's doing.
        wait_for_what_pages_began()
        found = {}
        with self.site.database.engine.connect() as connection:
            for table in tables.metadata.sorted_tables:
                if table.name not in UNWATCHED:
                    # When a token was used last is noted even where it does not open the thing.
                    names = [c.name for c in table.columns if c.name != "last_used_at"]
                    # As the driver gives them: what Python makes of them takes most of the time.
                    statement = f"SELECT {', '.join(names)} FROM {table.name}"
                    found[table.name] = {str(row) for row in connection.exec_driver_sql(statement)}
        return found

    def _send_to_api(self, route: Route, asker: Asker, case: Case) -> Any:
        headers = {"Authorization": f"Bearer {asker.bearer}"} if asker.bearer else {}
        client = TestClient(self.site.app, raise_server_exceptions=False)
        if route.method in SAFE_METHODS:
            return client.request(route.method, case.address, headers=headers)
        if route.path.endswith("/import"):
            headers["Content-Type"] = "application/x-ndjson"
            self.body(route)
            return client.request(route.method, case.address, headers=headers, content=LINES)
        return client.request(route.method, case.address, headers=headers, json=self.body(route))

    def _case(self, route: Route, asker: Asker, variants: dict[str, str]) -> Case:
        address = route.path
        for name in route.objects:
            values = self._others[name]
            value = values[variants[name]] if name in variants else self._own(route, asker, name)
            address = address.replace(f"{{{name}}}", value)
        return Case(address, variants, self._is_open(route, asker.kind, variants))

    def _own(self, route: Route, asker: Asker, name: str) -> str:
        if name not in ("token", "invitation_id"):
            # Nobody has nothing of their own, and is refused before it is looked for.
            return asker.own.get(name, UNKNOWN)
        with self.site.database.writing() as session:
            if name == "token" and route.path.endswith("/sign-in"):
                person = accounts.find_person(session, "visitor")
                return accounts.create_sign_in_link(session, person, now=self.now)
            made = invitations.create(
                session, role=Role.ANNOTATOR, project=None, by=None, now=self.now
            )
            return made if name == "token" else hash_token(made)

    @staticmethod
    def _is_open(route: Route, kind: Kind, variants: dict[str, str]) -> bool:
        about_a_project = {"slug", "assignment_id"} & set(route.objects)
        if about_a_project and not kind.sees_every_project and kind != Kind.MEMBER:
            return False
        # Reviewers and admins may open every project; but what is in one is not in another.
        return not variants or (
            variants == {"slug": "foreign"}
            and route.objects == ["slug"]
            and kind.sees_every_project
        )

    def _common(self) -> dict[str, str]:
        """What is the same for everybody."""
        with self.site.database.writing() as session:
            target = accounts.create_person(
                session,
                name=self._name("target"),
                password=None,
                role=Role.ANNOTATOR,
                now=NOON,
            )
            kitchen = projects.by_slug(session, "kitchen")
            memberships.add(session, kitchen, target, now=NOON)
            comparison = session.scalars(
                select(Comparison.id)
                .where(Comparison.project_id == kitchen.id)
                # One that somebody judged: imports may have added others.
                .order_by(Comparison.judged.desc())
                .limit(1)
            ).one()
            candidate = candidates.propose(
                session, kitchen, comparison, self._name("suggestion"), by=target, now=NOON
            )
            judge = session.scalars(
                select(AnnotatorDay.annotator_id)
                .where(AnnotatorDay.project_id == kitchen.id, AnnotatorDay.judged > 0)
                .limit(1)
            ).one()
        return {
            "slug": "kitchen",
            "annotator_id": str(judge),
            "comparison_id": str(comparison),
            "candidate_id": str(candidate.id),
            "person_id": str(target.id),
            "token": "made for each request",
            "invitation_id": "made for each request",
        }

    def _things_of_others(self) -> dict[str, dict[str, str]]:
        """Values of each object that are not the asker's."""
        with self.site.database.writing() as session:
            accounts.create_person(
                session, name="visitor", password=PASSWORD, role=Role.ANNOTATOR, now=NOON
            )
            cook, gardener = (
                accounts.create_person(
                    session, name=name, password=None, role=Role.ANNOTATOR, now=NOON
                )
                for name in ("cook", "gardener")
            )
            for person, slug in ((cook, "kitchen"), (gardener, "garden")):
                memberships.add(session, projects.by_slug(session, slug), person, now=NOON)
            imported = Annotator(name="import", kind=AnnotatorKind.IMPORTED, created_at=NOON)
            session.add(imported)
            garden = projects.by_slug(session, "garden")
            comparison = session.scalars(
                select(Comparison.id).where(Comparison.project_id == garden.id)
            ).one()
            elsewhere = candidates.propose(
                session, garden, comparison, SECRET, by=gardener, now=NOON
            )
            judge = accounts.create_person(
                session, name="judge", password=None, role=Role.REVIEWER, now=NOON
            )
            decision = Decision(outcome="split", cause="taste", note=SECRET)
            decided = adjudications.adjudicate(
                session, garden, judge, comparison, decision, now=self.now
            )
            judgment = session.scalars(
                select(Judgment.id).where(Judgment.comparison_id == comparison)
            ).one()
            return {
                "judgment_id": {"foreign": str(judgment), "unknown": UNKNOWN},
                "adjudication_id": {"foreign": str(decided.id), "unknown": UNKNOWN},
                "annotator_name": {"foreign": "florist", "unknown": "nobody of this name"},
                # Who works in another project only.
                "annotator_id": {"foreign": str(gardener.id), "unknown": UNKNOWN},
                "candidate_id": {"foreign": str(elsewhere.id), "unknown": UNKNOWN},
                "slug": {"foreign": "garden", "another of mine": "hedge", "unknown": "nothing"},
                "assignment_id": {
                    "another's": self._lease(session, cook, "kitchen"),
                    "another's elsewhere": self._lease(session, gardener, "garden"),
                    "unknown": UNKNOWN,
                },
                "comparison_id": {"foreign": str(comparison), "unknown": UNKNOWN},
                "person_id": {"no person": str(imported.id), "unknown": UNKNOWN},
                "token_id": {
                    "another's": self._api_token(session, cook)[1],
                    "unknown": UNKNOWN,
                },
                "token": {"unknown": new_token()},
                "invitation_id": {
                    "a sign-in link": hash_token(
                        accounts.create_sign_in_link(session, cook, now=self.now)
                    ),
                    "unknown": UNKNOWN,
                },
            }

    def _make_garden(self) -> None:
        with self.site.database.writing() as session:
            for slug in ("garden", "hedge"):
                projects.create(session, slug=slug, overlap=1000, guideline=GUIDELINE, now=NOON)
        garden = [
            Record(line=1, value={"prompt": SECRET, "completions": [f"{SECRET} 1", f"{SECRET} 2"]})
        ]
        assert not import_records(self.site.database, "garden", garden, now=NOON).rejected

    def _judge(self, slug: str, name: str, rationale: str) -> None:
        """Somebody judged all of a project, so that there is something to adjudicate."""
        with self.site.database.writing() as session:
            critic = accounts.create_person(
                session, name=name, password=None, role=Role.ANNOTATOR, now=NOON
            )
            project = projects.by_slug(session, slug)
            memberships.add(session, project, critic, now=NOON)
            _read_guideline(session, critic, slug)
            while view := assignments.lease_next(
                session, project, critic, lease_seconds=3600, now=self.now
            ):
                submission = Submission(
                    verdict="tie", idempotency_key=uuid4().hex, rationale=rationale
                )
                judgments.submit(session, critic, view.id, submission, now=self.now)

    def _lease(self, session: Session, person: Annotator, slug: str) -> str:
        _read_guideline(session, person, slug)
        project = projects.by_slug(session, slug)
        view = assignments.lease_next(session, project, person, lease_seconds=3600, now=self.now)
        assert view is not None
        return str(view.id)

    def _api_token(self, session: Session, person: Annotator) -> tuple[str, str]:
        """A token with every scope, as one has whose role was higher once: the role alone bounds
        it."""
        text = new_token()
        row = ApiToken(
            token_hash=hash_token(text),
            annotator_id=person.id,
            label="matrix",
            scopes=list(Scope),
            role=Role.ADMIN,
            created_at=NOON,
            expires_at=self.now + timedelta(days=1),
        )
        session.add(row)
        session.flush()
        assert isinstance(row.id, UUID)
        return text, str(row.id)

    def _name(self, what: str) -> str:
        return f"{what} {next(self._numbers)}"


def _read_guideline(session: Session, person: Annotator, slug: str) -> None:
    version = guidelines.current(session, projects.by_slug(session, slug))
    assert version is not None
    guidelines.confirm_reading(session, version, person, now=NOON)


def _token_of_stranger(client: TestClient) -> str:
    """The token of the form that somebody gets who is not signed in, or no longer."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert found is not None
    return found[1]


def _write_without_waiting(site: Site) -> None:
    """No test here loses power, and waiting for the disk takes most of the time of all."""
    if not site.database.is_sqlite:
        return

    @event.listens_for(site.database.engine, "connect")
    def do_not_wait(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA synchronous=off")

    site.database.engine.dispose()
