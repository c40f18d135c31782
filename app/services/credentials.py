"""Passwords and tokens: how they are made, checked and stored (only ever as a hash)."""

import hashlib
import secrets
from functools import cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from app.errors import InvalidInput

MIN_PASSWORD_LENGTH = 10
MAX_PASSWORD_LENGTH = 1000

_passwords = PasswordHash((Argon2Hasher(),))


def hash_password(password: str) -> str:
    """The argon2id hash to store. Raises InvalidInput for a password of a length not allowed."""
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise InvalidInput(
            f"The password has {len(password)} characters; choose one of at least "
            f"{MIN_PASSWORD_LENGTH} (and at most {MAX_PASSWORD_LENGTH})."
        )
    return _passwords.hash(password)


@cache
def _hash_of_nobody() -> str:
    return _passwords.hash(secrets.token_urlsafe(32))


def password_matches(password_hash: str | None, password: str) -> bool:
    """Whether the password is right. Takes as long where there is no account (None)."""
    if len(password) > MAX_PASSWORD_LENGTH:
        return False
    matches = _passwords.verify(password, password_hash or _hash_of_nobody())
    return matches and password_hash is not None


def new_token() -> str:
    """256 random bits, safe in a URL and a cookie."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """What is stored of a token. Plain SHA-256, because the token itself is random enough."""
    return hashlib.sha256(token.encode()).hexdigest()
