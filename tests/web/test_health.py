"""Being alive is not being ready."""

import pytest
from helpers.web import Site

from app.services import storage


def test_a_full_disk_is_alive_but_not_ready(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    visit = site.visit()
    assert visit.get("/readyz").text == "ready\n"
    monkeypatch.setattr(storage, "LEAST_FREE_BYTES", 2**62)

    ready = visit.get("/readyz")

    assert (ready.status_code, ready.text) == (503, "the database's disk is full\n")
    assert visit.get("/healthz").status_code == 200


def test_what_is_said_names_no_path_and_no_address(site: Site) -> None:
    site.database.dispose()
    (site.settings.exports_dir.parent / "test.db").unlink()

    ready = site.visit().get("/readyz")

    assert (ready.status_code, ready.text) == (503, "the database does not answer\n")
