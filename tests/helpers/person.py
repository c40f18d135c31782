"""What a person does in the browser: come in, read the page, press keys."""

from __future__ import annotations

from dataclasses import dataclass

from helpers.web import Site
from playwright.sync_api import Page
from sqlalchemy import func, select

from app.models.accounts import Role
from app.models.judgments import Judgment

# The keys of five verdicts, and what they say: the side or verdict, and the strength.
STROKES = [
    (("ArrowLeft", "1"), "A", 1),
    (("ArrowRight", "3"), "B", 3),
    (("t",), "tie", None),
    (("x",), "both_bad", None),
    (("b", "2"), "B", 2),
]


@dataclass(frozen=True)
class Seen:
    """The texts that stood on the page when a verdict was given."""

    prompt: str
    a: str
    b: str
    verdict: str
    strength: int | None


def stored(site: Site) -> int:
    """How many judgments the database holds."""
    with site.database.reading() as session:
        return session.scalar(select(func.count(Judgment.id))) or 0


def enter(page: Page, site: Site, address: str, name: str, role: Role = Role.ANNOTATOR) -> None:
    """Come in as a new member through a sign-in link."""
    page.goto(address + site.sign_in_link(site.person(name, role)))
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/projects")


def wait_for_progress(page: Page, judged: int, of: int = 5) -> None:
    page.locator(".progress").get_by_text(f"{judged} of {of} judged", exact=True).wait_for()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def judge_five_by_keyboard(page: Page) -> list[Seen]:
    """Reads the exact texts in the plain-text view, then gives the verdicts of STROKES."""
    press(page, "v")
    seen = []
    for judged, (keys, verdict, strength) in enumerate(STROKES, start=1):
        prompt, a, b = (
            page.locator(f"{place} .plain").inner_text()
            for place in (".message.user", ".side-a", ".side-b")
        )
        seen.append(Seen(prompt, a, b, verdict, strength))
        press(page, *keys, "Enter")
        wait_for_progress(page, judged)
    return seen
