"""Static files: our own from `annotator_ui/static`, htmx from the installed django-htmx package.

Nothing comes from another host. Addresses hold a hash of the files (`/static/<version>/app.css`),
so browsers may keep a file for ever and still see a new one at once.
"""

import hashlib
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

import annotator_ui

UI_FOLDER = Path(annotator_ui.__file__).parent
HTMX_FILE = "htmx-2.min.js"
"""The one place that chooses the version of htmx (2.0)."""

A_YEAR = 365 * 24 * 3600


def _version() -> str:
    digest = hashlib.sha256(HTMX_FILE.encode())
    for path in sorted((UI_FOLDER / "static").iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


VERSION = _version()


class VersionedFiles(StaticFiles):
    """Serves `<version>/<name>`; any other version is not there."""

    def get_path(self, scope: Scope) -> str:
        version, _, name = super().get_path(scope).partition("/")
        return name if version == VERSION else "not-this-version"

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = f"public, max-age={A_YEAR}, immutable"
        return response


# django_htmx is found, never imported: its module needs Django set up.
static_files = VersionedFiles(
    directory=UI_FOLDER / "static", packages=[("django_htmx", "static/django_htmx")]
)


def asset(name: str) -> str:
    """The address of a static file."""
    if static_files.lookup_path(name)[1] is None:
        raise FileNotFoundError(f"{name} is in none of {static_files.all_directories}")
    return f"/static/{VERSION}/{name}"
