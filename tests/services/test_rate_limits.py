from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from helpers.data import NOON
from sqlalchemy import func, select

from app.db import Database
from app.errors import TooManyRequests
from app.models.accounts import Attempts
from app.services import rate_limits


def tries_until_refused(database: Database, name: str, address: str = "198.51.100.7") -> int:
    for number in range(100):
        try:
            rate_limits.count_sign_in(database, name, address, now=NOON)
        except TooManyRequests:
            return number
    raise AssertionError("a hundred tries, and none was refused")


def rows(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Attempts)) or 0


def test_ten_tries_a_name_in_five_minutes_whatever_the_address(database: Database) -> None:
    for number in range(10):
        rate_limits.count_sign_in(database, "ada", f"198.51.100.{number}", now=NOON)
    late = NOON + timedelta(seconds=200)
    with pytest.raises(TooManyRequests, match="wait five minutes") as refused:
        rate_limits.count_sign_in(database, " ada ", "203.0.113.9", now=late)
    assert refused.value.headers == {"Retry-After": "100"}
    rate_limits.count_sign_in(database, "ada", "203.0.113.9", now=NOON + timedelta(seconds=300))


def test_fifty_tries_an_address_whatever_the_names(database: Database) -> None:
    for number in range(50):
        rate_limits.count_sign_in(database, f"name {number}", "198.51.100.7", now=NOON)
    with pytest.raises(TooManyRequests):
        rate_limits.count_sign_in(database, "another", "198.51.100.7", now=NOON)
    rate_limits.count_sign_in(database, "another", "198.51.100.8", now=NOON)


def test_tries_beyond_the_limit_of_a_name_still_count_for_the_address(database: Database) -> None:
    assert tries_until_refused(database, "ada") == 10
    for _ in range(39):
        with pytest.raises(TooManyRequests):
            rate_limits.count_sign_in(database, "ada", "198.51.100.7", now=NOON)
    with pytest.raises(TooManyRequests):
        rate_limits.count_sign_in(database, "eve", "198.51.100.7", now=NOON)


def test_one_customers_network_of_ipv6_counts_as_one_address(database: Database) -> None:
    for number in range(50):
        rate_limits.count_sign_in(database, f"name {number}", f"2001:db8:1:2::{number:x}", now=NOON)
    with pytest.raises(TooManyRequests):
        rate_limits.count_sign_in(database, "another", "2001:db8:1:2:ffff::1", now=NOON)
    rate_limits.count_sign_in(database, "another", "2001:db8:1:3::1", now=NOON)


def test_processes_count_together_and_a_restart_forgets_nothing(database: Database) -> None:
    others = [Database(database.url.render_as_string(hide_password=False)) for _ in range(3)]

    def refused(number: int) -> bool:
        try:
            rate_limits.count_sign_in(others[number % 3], "ada", "198.51.100.7", now=NOON)
        except TooManyRequests:
            return True
        return False

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(refused, range(30))) == 20
    for other in others:
        other.dispose()
    assert tries_until_refused(database, "ada") == 0


def test_a_successful_sign_in_gives_the_name_its_tries_back(database: Database) -> None:
    assert tries_until_refused(database, "ada", "198.51.100.1") == 10
    rate_limits.forget_name(database, " ada")
    assert tries_until_refused(database, "ada", "198.51.100.2") == 10


def test_neither_names_nor_addresses_are_stored_and_old_counts_are_removed(
    database: Database,
) -> None:
    rate_limits.count_sign_in(database, "ada@example.org", "198.51.100.7", now=NOON)
    with database.reading() as session:
        stored = " ".join(session.scalars(select(Attempts.bucket)))
    assert "ada" not in stored
    assert "198.51" not in stored
    assert rows(database) == 2
    rate_limits.count_sign_in(database, "eve", "203.0.113.9", now=NOON + timedelta(minutes=5))
    assert rows(database) == 2
