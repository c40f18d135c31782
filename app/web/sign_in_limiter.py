"""Slows down password guessing: few tries for one name, some more for one address.

Counted in this process's memory, so each worker counts for itself and a restart forgets.
"""

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from app.errors import TooManyRequests

TRIES_PER_NAME = RateLimitItemPerMinute(10, 5)
TRIES_PER_ADDRESS = RateLimitItemPerMinute(50, 5)


class SignInLimiter:
    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count_try(self, name: str, address: str) -> None:
        """Raises TooManyRequests where this name or address has used up its tries."""
        # Signing in ignores space around a name, so spaces must not give more tries.
        name = name.strip()
        free = self._limiter.hit(TRIES_PER_ADDRESS, "address", address) and self._limiter.hit(
            TRIES_PER_NAME, "name", name
        )
        if not free:
            raise TooManyRequests(
                "Too many attempts to sign in with this name or from this address; "
                "wait five minutes and try again."
            )

    def forget(self, name: str) -> None:
        """After a successful sign-in the name starts afresh."""
        self._limiter.clear(TRIES_PER_NAME, "name", name.strip())
