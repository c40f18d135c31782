"""Settings of the server, read once at start from `PREFLOOP_…` variables."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import InvalidInput

DEFAULT_DATABASE = "sqlite:///prefloop.db"

MAKE_ONE = "make one with `python -c 'import secrets; print(secrets.token_urlsafe(32))'`"
PLACEHOLDERS = ("change", "replace", "example", "secret", "password", "your-", "your_")
ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
)
"""What hands type without thinking: the alphabet, digits, rows and columns of keyboards."""
NEIGHBOURS = frozenset(
    pair for row in ROWS for a, b in pairwise(row) for pair in ((a, b), (b, a), (a, a), (b, b))
)


class Settings(BaseSettings):
    """What an installation chooses. Nothing else in `app` reads the environment."""

    model_config = SettingsConfigDict(
        env_prefix="PREFLOOP_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    database_url: str = DEFAULT_DATABASE
    """SQLAlchemy address; `sqlite:///file.db` or `postgresql+psycopg://user:password@host/name`."""
    secret_key: SecretStr | None = None
    """Signs form tokens. Needed in production; a random one is made for each start otherwise."""
    environment: str = Field(default="development", pattern="^(development|production)$")
    session_hours: int = Field(default=12, ge=1)
    """A session ends this long after sign-in."""
    lease_seconds: int = Field(default=600, ge=1)
    """How long a comparison is reserved for the annotator who was given it; a visible page extends
    it."""
    workers: int = Field(default=1, ge=1, le=64)
    """Processes of `prefloop serve`."""
    trusted_proxies: str = "127.0.0.1,::1"
    """Addresses and networks of proxies, with commas between: what they say of whom they pass on
    is believed."""
    metrics_token: SecretStr | None = None
    """Opens `/metrics` as a bearer token; without one they are for this machine alone."""
    requests_per_minute: int = Field(default=1200, ge=1)
    """Most requests of one person or API token in a minute, counted by each process for itself. An
    address without either gets a quarter of it."""
    import_megabytes: int = Field(default=256, ge=1)
    """The most MiB that one import over the API may send."""
    exports_dir: Path = Path("exports")
    """Where exports started from the admin pages are written."""

    @field_validator("secret_key", "metrics_token")
    @classmethod
    def _secret_is_long(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            name = f"PREFLOOP_{info.field_name}".upper()
            raise ValueError(f"{name} is shorter than 32 characters; {MAKE_ONE}")
        return value


def require_good_secrets(settings: Settings) -> None:
    """Raises InvalidInput where a secret that production needs is missing or can be guessed."""
    if settings.secret_key is None:
        raise InvalidInput(f"PREFLOOP_SECRET_KEY is not set, and production needs it; {MAKE_ONE}.")
    given = {
        "PREFLOOP_SECRET_KEY": settings.secret_key,
        "PREFLOOP_METRICS_TOKEN": settings.metrics_token,
    }
    for name, value in given.items():
        if value is not None and looks_guessable(value.get_secret_value()):
            raise InvalidInput(
                f"{name} can be guessed: it is a placeholder, repeats itself, follows the alphabet "
                f"or the keyboard, or has few different characters; {MAKE_ONE}."
            )


def looks_guessable(secret: str) -> bool:
    """Whether somebody typed this: a placeholder, few different characters, or for two thirds of it
    what stood a fixed distance before, or its neighbour in the alphabet or on a keyboard.

    32 random hexadecimal digits have fewer than 8 different ones once in thirty million times, and
    repeat or follow each other that much more rarely still.
    """
    typed = secret.lower()
    return (
        len(set(secret)) < 8
        or any(word in typed for word in PLACEHOLDERS)
        or any(_mostly(typed, distance, _same) for distance in range(1, len(typed) // 2 + 1))
        # At a distance too, because two rows may be typed in turn.
        or any(_mostly(typed, distance, _neighbours) for distance in range(1, 5))
    )


def _mostly(secret: str, distance: int, follows: Callable[[str, str], bool]) -> bool:
    """Whether two thirds of the characters follow from the one this distance before."""
    pairs = list(zip(secret, secret[distance:], strict=False))
    return 3 * sum(follows(a, b) for a, b in pairs) >= 2 * len(pairs)


def _same(a: str, b: str) -> bool:
    return a == b


def _neighbours(a: str, b: str) -> bool:
    return (a, b) in NEIGHBOURS
