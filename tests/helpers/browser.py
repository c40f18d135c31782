"""Pages of a real browser that report what a person would not see: console errors, other hosts."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize

VIEWPORT: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
TIMEOUT_MILLISECONDS = 10_000
# No page may need another host; without a name server such a request fails at once.
NO_OTHER_HOSTS = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
# Chromium reports every 4xx answer on the console. These two carry a fragment that the page shows.
EXPECTED_STATUS = re.compile(r"server responded with a status of (409|422)\b")


def open_watched_page(browser: Browser, problems: list[str]) -> Page:
    """A page in a fresh context; what goes wrong in it is appended to `problems`."""
    # Pages fade colours only for who wants motion; a colour looked at half-way is nobody's.
    context = browser.new_context(viewport=VIEWPORT, reduced_motion="reduce")
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    page = context.new_page()

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error" and not EXPECTED_STATUS.search(message.text):
            problems.append(f"console: {message.text} ({message.location.get('url', '')})")

    def on_request(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob"} and address.hostname != "127.0.0.1":
            problems.append(f"request to another host: {request.url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: problems.append(f"script error: {error}"))
    context.on("request", on_request)
    return page


def accessibility_problems(page: Page, name: str) -> list[str]:
    """What axe finds in the page as it stands there, and whether it is too wide for a phone."""
    problems = []
    for violation in Axe().run(page).response["violations"]:
        nodes = [node["html"][:160] for node in violation["nodes"][:2]]
        problems.append(f"{name}: {violation['id']} {nodes}")
    page.set_viewport_size(PHONE)
    width = page.evaluate("document.documentElement.scrollWidth")
    if width > PHONE["width"]:
        problems.append(f"{name}: {width} px wide on a phone")
    page.set_viewport_size(VIEWPORT)
    return problems
