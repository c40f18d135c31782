"""Find a Chromium that starts, installing one only where none does, and print its path.

An empty path means Playwright's own browser. Every candidate is really launched: a browser that is
on PATH may still be a stub (Ubuntu's apt package) or lack a shared library.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from playwright.sync_api import Error, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge")
LAUNCH_FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--disable-gpu",
    # Containers often have a /dev/shm too small for a page.
    "--disable-dev-shm-usage",
]
PLAYWRIGHTS_OWN = ""


def launches(path: str) -> bool:
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path or None, args=LAUNCH_FLAGS)
        except Error as error:
            print(f"{path or 'Playwright browser'}: {str(error).splitlines()[0]}", file=sys.stderr)
            return False
        browser.close()
        return True


def installed_candidates() -> Iterator[str]:
    """Browsers that are here already; trying one costs a second and changes nothing."""
    if os.environ.get("CHROMIUM"):
        yield os.environ["CHROMIUM"]
    for name in NAMES:
        if path := shutil.which(name):
            yield path
    yield PLAYWRIGHTS_OWN


def run(*command: str) -> bool:
    """Run an installer; its output goes to stderr, because stdout carries the path."""
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    result = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=environment
    )
    return result.returncode == 0


def candidates() -> Iterator[str]:
    """Paths to try, cheapest first. Asking for the next one may install a browser."""
    yield from installed_candidates()
    can_apt = os.geteuid() == 0 and shutil.which("apt-get") is not None
    print("No browser starts yet; installing one.", file=sys.stderr)
    dependencies = ["--with-deps"] if can_apt else []
    install = [sys.executable, "-m", "playwright", "install", *dependencies]
    if run(*install, "chromium-headless-shell"):
        yield PLAYWRIGHTS_OWN
    apt_install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"]
    if can_apt and run("apt-get", "update", "-qq") and run(*apt_install):
        yield from filter(None, map(shutil.which, NAMES))


def main() -> int:
    path = next(filter(launches, candidates()), None)
    if path is None:
        print(
            "No Chromium starts on this machine and none could be installed. Install one with\n"
            "  apt-get install chromium                       (as root on Debian), or\n"
            f"  {sys.executable} -m playwright install --with-deps chromium-headless-shell\n"
            "and run this again; CHROMIUM=/path/to/browser names one that is elsewhere.",
            file=sys.stderr,
        )
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
