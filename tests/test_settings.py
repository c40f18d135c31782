import base64
import random

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
        "12345678901234567890123456789012",
        "98765432109876543210987654321098",
        "qwertyuiopasdfghjklzxcvbnm123456",
        "QWERTYUIOPasdfghjklZXCVBNM098765",
        "qazwsxedcrfvtgbyhnujmikolp123456",
        "abcdefghijklmnopqrstuvwxyzabcdef",
        "a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6",
        "correct-1-correct-2-correct-3-cor",
        "hunter2hunter3hunter4hunter5hunt",
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


def test_what_the_advice_and_openssl_make_is_good() -> None:
    chance = random.Random(20260302)
    for _ in range(3000):
        drawn = chance.randbytes(32)
        urlsafe = base64.urlsafe_b64encode(drawn).rstrip(b"=").decode()
        for secret in (urlsafe, drawn.hex(), drawn[:16].hex()):
            assert not looks_guessable(secret), secret
