"""Every error of the domain: each carries one sentence that says what was found and what to do.

The web and the API turn an error into its `status`; the command line prints it and exits with 1.
"""


class PrefloopError(Exception):
    """A request that cannot be carried out, explained in one sentence."""

    status = 400

    @property
    def headers(self) -> dict[str, str]:
        """What the answer over HTTP carries beside its status."""
        return {}


class NotFound(PrefloopError):
    """The thing does not exist, or the asker may not know that it does."""

    status = 404


class Forbidden(PrefloopError):
    """The asker's role does not allow this."""

    status = 403


class SignInRequired(PrefloopError):
    """Nobody is signed in, or the session has ended."""

    status = 401


class InvalidInput(PrefloopError):
    """Something that was sent or read is not what was expected."""

    status = 422


class Conflict(PrefloopError):
    """The request disagrees with what is stored now."""

    status = 409


class TooLarge(PrefloopError):
    """What was sent has more bytes than are taken at once."""

    status = 413


class UnsupportedMedia(PrefloopError):
    """What was sent is not of the media type that is expected."""

    status = 415


class TooManyRequests(PrefloopError):
    """The same client tried too often."""

    status = 429

    def __init__(self, sentence: str, *, retry_after_seconds: int) -> None:
        super().__init__(sentence)
        self.retry_after_seconds = retry_after_seconds

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after_seconds)}


class StorageUnavailable(PrefloopError):
    """The database cannot be reached or written; nothing was stored."""

    status = 503
