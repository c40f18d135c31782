"""The two ways in which a simulated annotator works: the pages, and the JSON API with a token.

A door says which requests to send and reads the answers; when to send them is the annotator's.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from helpers.load_http import Answer, Call
from helpers.load_ledger import Sent

TOKEN = re.compile(r'"X-CSRF-Token": "([^"]+)"')
ASSIGNMENT = re.compile(r'action="/projects/[^"/]+/assignments/([0-9a-f-]{36})/judgment"')
SIDE = re.compile(r'data-side="([A-Z])".*?<pre class="plain"[^>]*>\n?(.*?)</pre>', re.DOTALL)


@dataclass(frozen=True)
class Task:
    """The comparison in front of an annotator."""

    assignment_id: str
    seen: dict[str, str]
    """The text on each side."""


Send = Callable[[Call], Awaitable[Answer]]


class Door(Protocol):
    can_reenter: bool

    async def enter(self, send: Send) -> bool:
        """Whether it let the annotator in."""
        ...

    def next_comparison(self) -> Call: ...

    def judgment(self, sent: Sent) -> Call: ...

    def skip(self, assignment_id: str) -> Call: ...

    def heartbeat(self, assignment_id: str) -> Call: ...

    def task_in(self, answer: Answer) -> Task | None: ...

    def says_new(self, answer: Answer) -> bool | None:
        """Whether an acknowledged verdict was stored only now; None where the answer is silent."""
        ...

    def notice(self, answer: Answer) -> None:
        """Keep what an answer changes: cookies, for example."""
        ...


@dataclass
class Pages:
    """The pages, as a browser uses them: cookies, and the token of the page seen last."""

    slug: str
    links: list[str]
    """One-time sign-in links that are not used up."""
    _cookies: dict[str, str] = field(default_factory=dict)
    _token: str = ""

    @property
    def can_reenter(self) -> bool:
        # Kills use up links whose answers they swallow, so some are left for the next time.
        return len(self.links) > 4

    async def enter(self, send: Send) -> bool:
        """Follow the next link. One whose answer was lost is used up, so take another."""
        while self.links:
            address = f"/invitations/{self.links.pop(0)}"
            self._cookies = {}
            if (await send(self._get(address))).status != 200:
                continue
            if (await send(self._post(f"{address}/sign-in", {}))).status == 303:
                return (await send(self._get("/projects"))).status == 200
        return False

    def next_comparison(self) -> Call:
        return self._get(f"/projects/{self.slug}/compare")

    def judgment(self, sent: Sent) -> Call:
        form = {"verdict": sent.verdict, "idempotency_key": sent.key, "active_ms": "100"}
        if sent.strength is not None:
            form["strength"] = str(sent.strength)
        return self._assignment(sent.assignment_id, "judgment", form)

    def skip(self, assignment_id: str) -> Call:
        return self._assignment(assignment_id, "skip", {"reason": "not for me"})

    def heartbeat(self, assignment_id: str) -> Call:
        return self._assignment(assignment_id, "heartbeat", {})

    def task_in(self, answer: Answer) -> Task | None:
        found = ASSIGNMENT.search(answer.text)
        if found is None:
            return None
        seen = {side: html.unescape(text) for side, text in SIDE.findall(answer.text)}
        return Task(found[1], seen)

    def says_new(self, answer: Answer) -> bool | None:
        return None

    def notice(self, answer: Answer) -> None:
        self._cookies |= answer.cookies()
        if found := TOKEN.search(answer.text):
            self._token = found[1]

    def _assignment(self, assignment_id: str, act: str, form: dict[str, str]) -> Call:
        return self._post(f"/projects/{self.slug}/assignments/{assignment_id}/{act}", form)

    def _get(self, path: str) -> Call:
        return Call("GET", path, self._cookie())

    def _post(self, path: str, form: dict[str, str]) -> Call:
        headers = self._cookie() | {"X-CSRF-Token": self._token, "HX-Request": "true"}
        return Call("POST", path, headers, form=form)

    def _cookie(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{k}={v}" for k, v in self._cookies.items())}


@dataclass
class Api:
    """`/api/v1` with a bearer token. An answer to a verdict does not hold the next comparison."""

    slug: str
    token: str
    can_reenter: bool = False

    async def enter(self, send: Send) -> bool:
        return True

    def next_comparison(self) -> Call:
        return self._post(f"/projects/{self.slug}/assignments", None)

    def judgment(self, sent: Sent) -> Call:
        body = {"verdict": sent.verdict, "idempotency_key": sent.key, "active_ms": 100}
        if sent.strength is not None:
            body["strength"] = sent.strength
        return self._post(f"/assignments/{sent.assignment_id}/judgment", body)

    def skip(self, assignment_id: str) -> Call:
        return self._post(f"/assignments/{assignment_id}/skip", {"reason": "not for me"})

    def heartbeat(self, assignment_id: str) -> Call:
        return self._post(f"/assignments/{assignment_id}/heartbeat", None)

    def task_in(self, answer: Answer) -> Task | None:
        if answer.status != 200 or "comparison" not in (found := json.loads(answer.text)):
            return None
        sides = found["comparison"]["completions"]
        return Task(found["id"], {side["side"]: side["text"] for side in sides})

    def says_new(self, answer: Answer) -> bool | None:
        return answer.status == 201

    def notice(self, answer: Answer) -> None:
        """A token stays what it is."""

    def _post(self, path: str, body: dict[str, object] | None) -> Call:
        content = None if body is None else ("application/json", json.dumps(body).encode())
        headers = {"Authorization": f"Bearer {self.token}"}
        return Call("POST", f"/api/v1{path}", headers, content=content)
