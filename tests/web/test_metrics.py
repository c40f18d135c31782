"""What Prometheus is told, and who may ask."""

from __future__ import annotations

import pytest
from helpers.api import Program, make_token
from helpers.web import Site, add_comparisons, make_site
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from starlette.testclient import TestClient

from app.errors import StorageUnavailable
from app.models.accounts import Role
from app.web import metrics

TOKEN = "a-token-of-the-scraper-that-is-long"
Numbers = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def local(site: Site) -> TestClient:
    """A client on this machine."""
    return TestClient(site.app, client=("127.0.0.1", 50000), raise_server_exceptions=False)


def scrape(site: Site) -> Numbers:
    response = local(site).get("/metrics")
    assert response.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def grown(before: Numbers, after: Numbers, name: str, **labels: str) -> float:
    """By how much a number grew; other tests of this process count too."""
    key = (name, tuple(sorted(labels.items())))
    return after[key] - before.get(key, 0)


def test_requests_are_counted_by_route_method_and_status(site: Site) -> None:
    before = scrape(site)
    visit = site.visit()
    for address in ("/projects/a/compare", "/projects/b/compare"):
        visit.get(address)
    visit.get("/no/such/page")
    after = scrape(site)

    route = {"route": "/projects/{slug}/compare", "method": "GET"}
    assert grown(before, after, "prefloop_requests_total", status="303", **route) == 2
    assert grown(before, after, "prefloop_request_seconds_count", **route) == 2
    assert (
        grown(
            before, after, "prefloop_requests_total", route="no route", method="GET", status="404"
        )
        == 1
    )


def test_leases_judgments_replays_and_skips_are_counted_by_their_outcome(site: Site) -> None:
    program = Program(site, make_token(site, site.person("robot")))
    before = scrape(site)

    first = program.post("/projects/kitchen/assignments").json()["id"]
    verdict = {"verdict": "tie", "idempotency_key": "one key for both"}
    assert program.post(f"/assignments/{first}/judgment", verdict).status_code == 201
    assert program.post(f"/assignments/{first}/judgment", verdict).status_code == 200
    again = {"verdict": "tie", "idempotency_key": "another key"}
    assert program.post(f"/assignments/{first}/judgment", again).status_code == 409
    second = program.post("/projects/kitchen/assignments").json()["id"]
    assert program.post(f"/assignments/{second}/skip", {"reason": "too long"}).status_code == 204
    after = scrape(site)

    counts = "prefloop_submit_seconds_count"
    assert grown(before, after, "prefloop_lease_seconds_count", outcome="leased") == 2
    assert grown(before, after, counts, outcome="stored") == 1
    assert grown(before, after, counts, outcome="replayed") == 1
    assert grown(before, after, counts, outcome="refused") == 1
    assert grown(before, after, "prefloop_judgments_total", kind="in_time") == 1
    assert grown(before, after, "prefloop_judgments_total", kind="late") == 0
    assert grown(before, after, "prefloop_replays_total") == 1
    assert grown(before, after, "prefloop_skips_total") == 1


def test_a_page_counts_its_leases_and_judgments_too(site: Site) -> None:
    visit = site.signed_in("ada")
    before = scrape(site)
    page = visit.get("/projects/kitchen/compare").text
    action = page.split('/judgment"')[0].rpartition('"')[2] + "/judgment"
    assert visit.post(action, {"verdict": "A", "idempotency_key": "k" * 20}).status_code == 200
    after = scrape(site)

    assert grown(before, after, "prefloop_lease_seconds_count", outcome="leased") == 1
    assert grown(before, after, "prefloop_judgments_total", kind="in_time") == 1


def test_open_comparisons_are_counted_by_project_but_not_at_every_scrape(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ("prefloop_open_comparisons", (("project", "kitchen"),))
    assert scrape(site)[key] == 5

    add_comparisons(site.database, [("Why?", "So.", "Because.")] * 2)
    assert scrape(site)[key] == 5
    monkeypatch.setattr(metrics, "DEPTH_SECONDS", 0.0)
    assert scrape(site)[key] == 6, "one question is new, and the same twice is one comparison"


def test_without_the_database_the_other_numbers_are_still_told(site: Site) -> None:
    before = scrape(site)
    site.app.state.queue_depths = metrics.QueueDepths(site.database)
    with site.database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE comparisons RENAME TO elsewhere"))
    with pytest.raises(StorageUnavailable), site.database.reading() as session:
        session.execute(text("SELECT 1 FROM comparisons"))
    after = scrape(site)

    assert not any(name == "prefloop_open_comparisons" for name, _ in after)
    errors = grown(before, after, "prefloop_database_errors_total", kind="OperationalError")
    assert errors >= 1


def test_labels_hold_nothing_of_anybody(site: Site) -> None:
    visit = site.signed_in("zoe.quell@example.org", Role.ADMIN)
    visit.get("/projects/kitchen/compare?q=secret-query")
    visit.get("/invitations/secret-token")
    visit.client.request("BREW", "/coffee")
    told = local(site).get("/metrics").text

    for secret in ("zoe", "secret-query", "secret-token", "BREW", "coffee"):
        assert secret not in told


def test_without_a_token_only_this_machine_may_ask(site: Site) -> None:
    passed_on = {"X-Forwarded-For": "127.0.0.1"}
    assert local(site).get("/metrics").status_code == 200
    assert local(site).get("/metrics", headers=passed_on).status_code == 403
    for host in ("198.51.100.7", "10.0.0.1", "::ffff:10.0.0.1", "testclient"):
        assert TestClient(site.app, client=(host, 1)).get("/metrics").status_code == 403
    for host in ("::1", "::ffff:127.0.0.1"):
        assert TestClient(site.app, client=(host, 1)).get("/metrics").status_code == 200
    assert site.signed_in("ada", Role.ADMIN).get("/metrics").status_code == 403


def test_with_a_token_whoever_has_it_may_ask_and_nobody_else(tmp_path) -> None:
    site = make_site(tmp_path, metrics_token=TOKEN)
    stranger = TestClient(site.app, client=("198.51.100.7", 1))
    for given in (None, "Bearer wrong", f"Basic {TOKEN}", TOKEN):
        headers = {} if given is None else {"Authorization": given}
        assert stranger.get("/metrics", headers=headers).status_code == 403
        assert local(site).get("/metrics", headers=headers).status_code == 403
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert stranger.get("/metrics", headers=headers).status_code == 200
