import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from helpers.office import SLUG, make_office
from helpers.web import Site, Visit, make_site
from sqlalchemy import select

from app.models.accounts import AuditEntry, Role
from app.rules.bootstrap import Statistic
from app.services import assignments, judgments, projects
from app.services.judgments import Submission
from app.services.planning import LONGEST_FORECAST, Left
from app.web.planning import forecast

PAGE = f"/admin/{SLUG}/planning"
FORM = {"currency": "EUR", "person_amount": "0.35", "person_per": "judgment"}


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html.split("<main")[1]).split())


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = make_site(Path(tmp_path_factory.mktemp("office")))
    make_office(site.database)
    return site


@pytest.fixture(scope="module")
def admin(office: Site) -> Visit:
    return office.signed_in("admin", Role.ADMIN)


def pay_entries(site: Site) -> int:
    with site.database.reading() as session:
        return len(
            session.scalars(select(AuditEntry).where(AuditEntry.action == "pay changed")).all()
        )


def test_a_plan_of_a_filled_project_has_every_part(admin: Visit) -> None:
    page = admin.get(PAGE).text
    text = words(page)
    for part in (
        "still wanted", "Active time per judgment", "Strength of preferences",
        "Against 1 label at least", "Against the majority of 3 at least",
        "A single label is right in", "Half-width of the 95 % interval", "fewest judgments",
        "Annotators are exchangeable", "That somebody chooses one side in 55.0 % 783 verdicts",
    ):  # fmt: skip
        assert part in text, part
    assert "nan" not in text.lower().split()
    assert 'aria-label="Half-width of the interval of agreement' in page


def test_a_smaller_target_needs_more_comparisons(admin: Visit) -> None:
    def fewest(target: str) -> int:
        text = words(admin.get(f"{PAGE}?target={target}").text)
        found = re.search(r"\d fewest judgments ([\d,]+) ([\d,]+)", text)
        assert found is not None
        return int(found[2].replace(",", ""))

    # Half the half-width takes four times as many, up to rounding.
    assert fewest("2") == pytest.approx(4 * fewest("4"), rel=0.02)


@pytest.mark.parametrize("target", ["0", "-1", "26", "nan", "inf", "x", ""])
def test_a_target_that_is_none_is_refused_with_one_sentence(admin: Visit, target: str) -> None:
    answer = admin.get(f"{PAGE}?target={target}")
    assert answer.status_code == 422
    assert "write percent points from 0.1 to 25." in words(answer.text)


def test_an_admin_sets_the_pay_and_sees_what_was_spent(office: Site, admin: Visit) -> None:
    before = pay_entries(office)
    assert "No pay rate is set" in words(admin.get(PAGE).text)
    answer = admin.post(PAGE, FORM)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}#pay")
    page = admin.get(PAGE).text
    text = words(page)
    judgments = int(re.search(r"person 0\.35 EUR per judgment ([\d,]+)", text)[1].replace(",", ""))
    assert f"Spent so far {0.35 * judgments:,.2f} EUR" in text
    assert 'value="0.35"' in page
    assert pay_entries(office) == before + 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"person_amount": "lots"}, "The amount for person is “lots”; write a number such as 0.35"),
        ({"model_amount": "-2"}, "A rate is -2; write an amount from 0 to 1000000"),
        ({"person_per": "week"}, "choose judgment or hour"),
        ({"currency": "<b>"}, "write a code of three capital letters such as EUR"),
    ],
)
def test_a_wrong_form_changes_nothing_and_comes_back_as_it_was(
    office: Site, admin: Visit, changed: dict[str, str], said: str
) -> None:
    before = pay_entries(office)
    admin.get(PAGE)
    answer = admin.post(PAGE, {**FORM, "person_amount": "7.125", **changed})
    assert answer.status_code == 422
    assert f"Nothing was changed. {said}" in words(answer.text) or said in words(answer.text)
    assert "person_amount" in changed or 'value="7.125"' in answer.text
    assert "<b>" not in answer.text
    assert pay_entries(office) == before


def test_a_reviewer_sees_the_plan_and_cannot_change_the_pay(office: Site) -> None:
    reviewer = office.signed_in("reviewer", Role.REVIEWER)
    page = reviewer.get(PAGE)
    assert page.status_code == 200
    assert "Change the pay" not in page.text
    assert reviewer.post(PAGE, FORM).status_code == 403


def test_a_project_without_judgments_says_what_is_missing(office: Site, admin: Visit) -> None:
    text = words(admin.get("/admin/kitchen/planning").text)
    assert "Expected end: undefined, nothing was judged here in these days." in text
    assert "Undefined: no comparison has two such judgments yet" in text


TODAY = date(2026, 3, 2)


def left_of(judgments: int, *, value: float | None, low=None, high=None, reason=None) -> Left:
    def day(days: float | None) -> date | None:
        return None if days is None or days > LONGEST_FORECAST else TODAY + timedelta(days=days)

    return Left(
        judgments=judgments, is_estimated=False, cost=None, end=day(value), earliest=day(low),
        latest=day(high), days=Statistic(value=value, low=low, high=high, n=9, reason=reason),
    )  # fmt: skip


def told(left: Left) -> list[tuple[str, float | None, float | None, float | None]]:
    found = forecast(left, TODAY)
    assert found is not None
    said = [(one.given.label, one.given.statistic) for one in found.points]
    return [
        (label, *(None if end is None else round(end, 9) for end in (one.value, one.low, one.high)))
        for label, one in said
    ]


def test_a_forecast_goes_down_at_the_mean_pace_and_at_both_ends_of_its_interval() -> None:
    # 120 judgments, at 10 a day in 12 days; at 20 a day in 6, at 5 a day in 24.
    found = told(left_of(120, value=12.0, low=6.0, high=24.0))
    assert found == [
        ("2026-03-02", 120, 120, 120), ("2026-03-06", 80, 40, 100), ("2026-03-10", 40, 0, 80),
        ("2026-03-14", 0, 0, 60), ("2026-03-18", 0, 0, 40), ("2026-03-22", 0, 0, 20),
        ("2026-03-26", 0, 0, 0),
    ]  # fmt: skip


def test_a_forecast_whose_slowest_pace_is_none_goes_to_twice_the_expected_time() -> None:
    found = told(left_of(120, value=12.0, low=6.0, reason="pace_too_uneven"))
    assert found[3] == ("2026-03-14", 0, 0, 120)
    assert found[-1] == ("2026-03-26", 0, 0, 120)


def test_a_forecast_of_few_days_has_no_interval_and_each_day_once() -> None:
    found = told(left_of(30, value=3.0, reason="too_few_for_interval"))
    assert found == [
        ("2026-03-02", 30, None, None), ("2026-03-03", 20, None, None),
        ("2026-03-04", 10, None, None), ("2026-03-05", 0, None, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("judgments", "days"), [(0, 0.0), (5, None), (5, float(LONGEST_FORECAST + 1))]
)
def test_without_an_end_to_go_to_there_is_no_forecast(judgments: int, days: float | None) -> None:
    assert forecast(left_of(judgments, value=days), TODAY) is None


def test_the_forecast_is_a_plot_with_a_table_where_there_is_a_pace(site: Site) -> None:
    person = site.person("ada")
    now = datetime.now(UTC)
    with site.database.writing() as session:
        project = projects.by_slug(session, "kitchen")
        then = now - timedelta(days=1)
        view = assignments.lease_next(session, project, person, lease_seconds=600, now=then)
        assert view is not None
        submission = Submission(verdict="A", idempotency_key="one a day")
        judgments.submit(session, person, view.id, submission, now=then)
    page = site.signed_in("boss", Role.ADMIN).get("/admin/kitchen/planning").text
    # One of five was judged in the one whole day there is, so four are left, for four days.
    end = (now + timedelta(days=4)).date()
    card = page.split("<h2>Forecast</h2>")[1].split("</section>")[0]
    assert card.count('class="point"') == 5
    assert f'aria-label="{end}: 0, n 1"' in card
    assert f"{now.date()} 4 too few" in words("<main" + card)
