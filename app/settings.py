"""Settings of the server, read once at start from `PREFLOOP_…` variables."""

from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import InvalidInput

DEFAULT_DATABASE = "sqlite:///prefloop.db"

MAKE_ONE = "make one with `python -c 'import secrets; print(secrets.token_urlsafe(32))'`"
PLACEHOLDERS = ("change", "replace", "example", "secret", "password", "your-", "your_")


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
    """Processes of `prefloop serve`; what a process counts for itself is divided by it."""
    trusted_proxies: str = "127.0.0.1,::1"
    """Addresses and networks of proxies, with commas between: what they say of whom they pass on
    is believed."""
    metrics_token: SecretStr | None = None
    """Opens `/metrics` as a bearer token; without one they are for this machine alone."""
    requests_per_minute: int = Field(default=1200, ge=1)
    """Most requests of one person or API token in a minute. An address without either gets a
    quarter of it."""
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
                f"{name} can be guessed: it is a placeholder, repeats itself, or has few different "
                f"characters; {MAKE_ONE}."
            )


def looks_guessable(secret: str) -> bool:
    """Whether somebody typed this: a placeholder, a piece repeated, or few different characters.

    32 random hexadecimal digits have fewer than 8 different ones once in thirty million times.
    """
    is_repeated = secret in (secret + secret)[1:-1]
    is_placeholder = any(word in secret.lower() for word in PLACEHOLDERS)
    return len(set(secret)) < 8 or is_repeated or is_placeholder
