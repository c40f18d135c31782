"""What a hand-made request can hold that no page sends; on PostgreSQL, which takes less."""

from collections.abc import Iterator

import pytest
from helpers.postgres import PostgresServer
from starlette.testclient import TestClient

from app import migrate
from app.main import create_app
from app.settings import Settings


@pytest.fixture
def client(postgres_server: PostgresServer) -> Iterator[TestClient]:
    app = create_app(Settings(database_url=postgres_server.create_database("hostile_input")))
    migrate.upgrade(app.state.database)
    yield TestClient(app, raise_server_exceptions=False)
    app.state.database.dispose()
    postgres_server.drop_database("hostile_input")


def test_a_character_that_the_database_cannot_hold_is_refused_as_bad_input(
    client: TestClient,
) -> None:
    page = client.get("/sign-in").text
    token = page.split('"X-CSRF-Token": "')[1].split('"')[0]
    form = {"csrf_token": token, "name": "a\x00b", "password": "correct horse battery"}
    response = client.post("/sign-in", data=form)
    assert response.status_code == 422
    assert "cannot hold" in response.text
