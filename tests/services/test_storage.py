"""What makes storing impossible is seen before anybody tries."""

from pathlib import Path

import pytest
from sqlalchemy import text

from app.db import Database
from app.services import storage


def test_a_database_that_can_be_written_has_no_problem(database):
    assert storage.problem(database) is None


@pytest.mark.own_database
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_postgresql_that_may_only_be_read_is_seen(database: Database):
    with database.engine.begin() as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar()
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    database.dispose()

    assert storage.problem(database) == "the database may only be read"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_full_disk_is_seen(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(storage, "LEAST_FREE_BYTES", 2**62)

    assert storage.problem(database) == "the database's disk is full"


def test_a_folder_that_may_only_be_read_is_seen():
    # Nobody may write there, not even the administrator.
    assert storage.problem(Database("sqlite:////proc/1/x.db")) == (
        "the database's file or folder may only be read"
    )
    assert not Path("/proc/1/x.db").exists()


def test_a_database_in_memory_needs_no_disk():
    assert storage.problem(Database("sqlite://")) is None
