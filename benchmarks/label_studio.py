"""Label Studio as its start command runs it, and how its own frontend talks to it.

Everyone has an account and a session of their own. The next task comes from the project's queue
(`/api/projects/ID/next`), a verdict is an annotation of it. The prepared folder (migrated, people
signed up, tasks imported) is kept, and copied for every run. Nothing it starts reaches the network.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.cookiejar import CookieJar
from importlib import metadata
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

from helpers.processes import free_port, poll_until, running

from benchmarks.client import Answer, Connection
from benchmarks.drive import Unexpected, Work
from benchmarks.machine import Processes
from benchmarks.pairs import Pair, make_pairs

TASKS = 2000
ANNOTATORS = 8
PASSWORD = "benchmark-only"
START_SECONDS = 300
ENVIRONMENT = {
    "COLLECT_ANALYTICS": "false",
    "LATEST_VERSION_CHECK": "false",
    "SENTRY_DSN": "",
    "LABEL_STUDIO_HOST": "",
    "DEBUG": "false",
}
LABEL_CONFIG = """
<View>
  <Text name="prompt" value="$prompt"/>
  <Pairwise name="better" toName="left,right"/>
  <Text name="left" value="$left"/>
  <Text name="right" value="$right"/>
</View>
"""


@dataclass(frozen=True)
class Account:
    """The cookies of a signed-in annotator."""

    session_id: str
    csrf_token: str


@dataclass(frozen=True)
class Prepared:
    """A folder that a server can be started on, again and again."""

    folder: Path
    project: int
    accounts: list[Account]


@dataclass(frozen=True)
class Server:
    port: int
    processes: Processes
    database: Path


def installed_version(environment: Path) -> str:
    found = metadata.distributions(
        name="label-studio", path=[str(p) for p in environment.glob("lib/python*/site-packages")]
    )
    return next(iter(found)).version


@contextmanager
def serving(environment: Path, data: Path) -> Iterator[Server]:
    """`label-studio start` on a free port; its log is `server.log` beside the data."""
    port = free_port()
    command = [
        str(environment / "bin" / "label-studio"), "start", "--no-browser",
        "--internal-host", "127.0.0.1", "--port", str(port), "--data-dir", str(data),
        "--username", "admin@example.com", "--password", PASSWORD, "--log-level", "ERROR",
    ]  # fmt: skip
    with running(
        command, cwd=data, environment=ENVIRONMENT | {"LABEL_STUDIO_BASE_DATA_DIR": str(data)},
        log=data / "server.log",
    ) as process:  # fmt: skip

        def answers() -> bool:
            if process.poll() is not None:
                raise RuntimeError(
                    f"label-studio ended at its start: {(data / 'server.log').read_text()[-2000:]}"
                )
            try:
                Browser(port).get("/health")
            except (URLError, OSError):
                return False
            return True

        poll_until(answers, "Label Studio to listen", seconds=START_SECONDS)
        yield Server(port, Processes(process.pid), data / "label_studio.sqlite3")


class Browser:
    """Cookies and form tokens for the few requests that set everything up."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"
        self._cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self._cookies), ProxyHandler({}))

    def get(self, path: str) -> bytes:
        with self._opener.open(self._address + path, timeout=60) as answer:
            body: bytes = answer.read()
        return body

    def post_form(self, path: str, fields: dict[str, str]) -> bytes:
        """Send a form of a page, with the token that stands in it."""
        token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', self.get(path))
        if token is None:
            raise RuntimeError(f"Label Studio's page {path} has no form.")
        body = urlencode({**fields, "csrfmiddlewaretoken": token[1].decode()}).encode()
        return self._send(path, body, "application/x-www-form-urlencoded")

    def post_json(self, path: str, value: object) -> dict[str, object]:
        answer = self._send(path, json.dumps(value).encode(), "application/json")
        found: dict[str, object] = json.loads(answer)
        return found

    def account(self) -> Account:
        return Account(self._cookie("sessionid"), self._cookie("csrftoken"))

    def _send(self, path: str, body: bytes, kind: str) -> bytes:
        headers = {"content-type": kind, "x-csrftoken": self._cookie("csrftoken")}
        headers["referer"] = self._address + path
        request = Request(self._address + path, data=body, headers=headers)
        with self._opener.open(request, timeout=300) as answer:
            found: bytes = answer.read()
        return found

    def _cookie(self, name: str) -> str:
        return next((c.value or "" for c in self._cookies if c.name == name), "")


def prepare(environment: Path, folder: Path, pairs: Sequence[Pair], annotators: int) -> Prepared:
    """Migrate, sign people up, import the tasks. Kept by version and numbers; minutes at first."""
    name = f"label_studio_{installed_version(environment)}_{len(pairs)}_{annotators}"
    kept, description = folder / name, folder / f"{name}.json"
    if not description.exists():
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        with serving(environment, kept) as server:
            project, accounts = _fill(server.port, pairs, annotators)
        found = {"project": project, "accounts": [asdict(account) for account in accounts]}
        description.write_text(json.dumps(found))
    found = json.loads(description.read_text())
    return Prepared(kept, found["project"], [Account(**account) for account in found["accounts"]])


def _fill(port: int, pairs: Sequence[Pair], annotators: int) -> tuple[int, list[Account]]:
    admin = Browser(port)
    admin.post_form("/user/login/", {"email": "admin@example.com", "password": PASSWORD})
    settings = {
        "title": "bench",
        "label_config": LABEL_CONFIG,
        "maximum_annotations": 1,
        "sampling": "Sequential sampling",
        "show_collab_predictions": False,
    }
    project = int(str(admin.post_json("/api/projects/", settings)["id"]))
    tasks = [{"data": {"prompt": p.prompt, "left": p.first, "right": p.second}} for p in pairs]
    admin.post_json(f"/api/projects/{project}/import", tasks)
    accounts = []
    for number in range(annotators):
        person = Browser(port)
        fields = {"email": f"annotator-{number}@example.com", "password": PASSWORD}
        person.post_form("/user/signup/", fields)
        accounts.append(person.account())
    return project, accounts


@contextmanager
def fresh_copy(prepared: Prepared) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="prefloop-peer-") as folder:
        data = Path(folder) / "data"
        shutil.copytree(prepared.folder, data)
        yield data


class Seat:
    """An annotator in Label Studio's own frontend."""

    def __init__(self, port: int, project: int, account: Account) -> None:
        self._connection = Connection("127.0.0.1", port)
        self._next = f"/api/projects/{project}/next"
        self._headers = {
            "cookie": f"sessionid={account.session_id}; csrftoken={account.csrf_token}",
            "x-csrftoken": account.csrf_token,
            "content-type": "application/json",
        }

    async def next(self) -> tuple[Answer, Work | None]:
        answer = await self._connection.send("GET", self._next, self._headers)
        if answer.status == 404:
            return answer, None
        if answer.status != 200:
            raise Unexpected(f"{answer.status}")
        return answer, Work(str(json.loads(answer.body)["id"]))

    async def submit(self, work: Work, key: str) -> tuple[Answer, Work | None]:
        side = ("left", "right")[int(key[0], 16) % 2]
        choice = {
            "from_name": "better",
            "to_name": "left,right",
            "type": "pairwise",
            "value": {"selected": side},
        }
        verdict = {"result": [choice], "lead_time": 1.2}
        path = f"/api/tasks/{work.id}/annotations/"
        answer = await self._connection.send(
            "POST", path, self._headers, json.dumps(verdict).encode()
        )
        if answer.status != 201:
            raise Unexpected(f"{answer.status}")
        return answer, None

    def close(self) -> None:
        self._connection.close()


def judged_beyond_overlap(database: Path) -> tuple[int, int]:
    """Annotations beyond one a task, and all annotations."""
    connection = sqlite3.connect(database)
    total, tasks = connection.execute(
        "SELECT count(*), count(DISTINCT task_id) FROM task_completion"
    ).fetchone()
    connection.close()
    return total - tasks, total


def main() -> None:
    """`python -m benchmarks.label_studio ENVIRONMENT FOLDER`: prepare, so that runs are quick."""
    environment, folder = (Path(argument).absolute() for argument in sys.argv[1:3])
    prepare(environment, folder, make_pairs(TASKS), ANNOTATORS)


if __name__ == "__main__":
    main()
