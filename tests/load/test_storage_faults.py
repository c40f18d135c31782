"""A full, read-only or vanished database gives a 503 and an unsent outbox, never a 200.

The verdict that could not be stored waits in the browser and arrives by itself, once, when the
storage is back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from helpers.load_doors import ASSIGNMENT, TOKEN
from helpers.load_servers import Servers
from helpers.load_site import SLUG, Invited, make_load_site
from helpers.load_storage import (
    DeadPostgres,
    FileSizeLimit,
    ReadOnlyFile,
    ReadOnlyPostgres,
    Storage,
    VanishedFile,
    VanishedFolder,
    full_disk,
    full_postgres,
)
from helpers.load_stored import query
from helpers.person import press
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

SQLITE = {
    "a file size limit": FileSizeLimit,
    "a read-only file": ReadOnlyFile,
    "a vanished folder": VanishedFolder,
    "a vanished file": VanishedFile,
}
POSTGRESQL = {"a dead database server": DeadPostgres, "a read-only database": ReadOnlyPostgres}


FULL = {"a full disk": full_disk, "a database server's full disk": full_postgres}


@pytest.fixture(params=[*FULL, *SQLITE, *POSTGRESQL])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    with ExitStack() as stack:
        if request.param in SQLITE:
            yield SQLITE[request.param](tmp_path)
        elif request.param in POSTGRESQL:
            yield POSTGRESQL[request.param](request.getfixturevalue("own_postgres"))
        else:
            try:
                yield stack.enter_context(FULL[request.param](tmp_path))
            except PermissionError as error:
                pytest.skip(f"{error}; a file size limit and a dead server are tested")


def judgments(storage: Storage) -> int:
    (row,) = query(storage.url, "SELECT COUNT(*) AS n FROM judgments")
    return row["n"]


def judged(page: Page, number: int) -> None:
    page.locator(".progress").get_by_text(f"{number} of 5 judged", exact=True).wait_for()


VERDICT = {"verdict": "tie", "idempotency_key": "the script's only key"}


class Script:
    """Somebody without a browser, who sees statuses and whole answers."""

    def __init__(self, address: str, invited: Invited) -> None:
        self._client = httpx2.Client(base_url=address, timeout=60)
        self._bearer = {"Authorization": f"Bearer {invited.token}"}
        entrance = f"/invitations/{invited.links[0]}"
        page = self._client.get(entrance)
        self._client.post(f"{entrance}/sign-in", headers=self._token(page.text))
        page = self._client.get(f"/projects/{SLUG}/compare")
        self._headers = self._token(page.text)
        found = ASSIGNMENT.search(page.text)
        assert found is not None
        self._assignment = f"assignments/{found[1]}/judgment"

    def _token(self, page: str) -> dict[str, str]:
        found = TOKEN.search(page)
        assert found is not None
        return {"X-CSRF-Token": found[1]}

    def open_page(self) -> httpx2.Response:
        return self._client.get(f"/projects/{SLUG}/compare")

    def send_verdict(self) -> httpx2.Response:
        return self._client.post(
            f"/projects/{SLUG}/{self._assignment}",
            data=VERDICT,
            headers={**self._headers, "HX-Request": "true"},
        )

    def send_verdict_to_api(self) -> httpx2.Response:
        return httpx2.post(
            self._client.base_url.join(f"/api/v1/{self._assignment}"),
            json=VERDICT,
            headers=self._bearer,
            timeout=60,
        )


def assert_unavailable(answer: httpx2.Response, *, is_page: bool) -> None:
    assert answer.status_code == 503
    assert ("<html" in answer.text) == is_page
    assert "nothing was stored" in answer.text
    for leak in ("Traceback", "sqlite", "psycopg", "postgres", "disk", "readonly", "read-only"):
        assert leak not in answer.text


def test_a_verdict_waits_in_the_browser_while_there_is_trouble_with(
    storage: Storage, browser: Browser, tmp_path: Path
) -> None:
    ada, script = make_load_site(storage.url, comparisons=5, people=2, overlap=2, plants=False)
    with Servers(storage.url, tmp_path, count=1, lease_seconds=600) as servers:
        address = servers.addresses[0]
        visitor = Script(address, script)
        page = browser.new_context().new_page()
        page.goto(f"{address}/invitations/{ada.links[0]}")
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url("**/projects")
        page.goto(f"{address}/projects/{SLUG}/compare")
        press(page, "a", "2", "Enter")
        judged(page, 1)

        storage.fail(servers)
        press(page, "b", "1", "Enter")
        page.get_by_text("Not saved yet.").wait_for()
        assert_unavailable(visitor.send_verdict(), is_page=False)
        assert_unavailable(visitor.send_verdict_to_api(), is_page=False)
        assert_unavailable(visitor.open_page(), is_page=True)
        storage.recover(servers)

        judged(page, 2)
        page.get_by_text("Not saved yet.").wait_for(state="hidden")
        assert judgments(storage) == 2, "the script's refused verdict was stored"
        assert visitor.send_verdict_to_api().status_code == 201
        assert visitor.send_verdict().status_code == 200
        assert judgments(storage) == 3
        assert "Traceback" not in servers.log()
        page.context.close()
