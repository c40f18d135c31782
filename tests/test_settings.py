import secrets

import pytest

from app.errors import InvalidInput
from app.main import create_app
from app.settings import Settings, looks_guessable

GOOD = "Vt7uX0b2kQ9wLz4RfYh1nSgC8mJpAeDi"


def start(**settings: str) -> None:
    create_app(Settings(database_url="sqlite://", environment="production", **settings))


@pytest.mark.parametrize(
    "weak",
    [
        "k" * 40,
        "abcabc" * 8,
        "3f9c1d7a" * 4,
        "1112223331112223331112223331112221",
        "please-change-me-0123456789abcdefXYZ",
        "this-is-my-SECRET-0123456789-abcdefg",
    ],
)
def test_production_does_not_start_with_a_secret_that_can_be_guessed(weak: str) -> None:
    with pytest.raises(InvalidInput, match="PREFLOOP_SECRET_KEY can be guessed") as refused:
        start(secret_key=weak)
    assert weak not in str(refused.value)
    with pytest.raises(InvalidInput, match="PREFLOOP_METRICS_TOKEN can be guessed"):
        start(secret_key=GOOD, metrics_token=weak)


def test_production_starts_with_a_random_secret_and_not_without_one() -> None:
    start(secret_key=GOOD)
    with pytest.raises(InvalidInput, match="PREFLOOP_SECRET_KEY is not set"):
        start()


def test_what_the_advice_makes_is_good() -> None:
    assert not any(looks_guessable(secrets.token_urlsafe(32)) for _ in range(200))
    assert not any(looks_guessable(secrets.token_hex(16)) for _ in range(200))
