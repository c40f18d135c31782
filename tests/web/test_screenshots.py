"""The script that takes the README's pictures, run as a person runs it."""

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.office import SLUG, make_office
from helpers.web import Site
from sqlalchemy import func, select

from app.models.judgments import Judgment
from app.services import assignments, judgments, projects
from app.services.judgments import Submission

ROOT = Path(__file__).parents[2]


def take(
    database: Path, out: Path, *more: str, project: str = "kitchen"
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tools/make_screenshots.py", "--project", project]
    options = ["--database", str(database), "--out", str(out)]
    return subprocess.run(
        [*command, *options, *more], cwd=ROOT, check=False, capture_output=True, text=True
    )


def sizes_of(folder: Path) -> dict[str, tuple[int, ...]]:
    return {path.name: struct.unpack(">II", path.read_bytes()[16:24]) for path in folder.iterdir()}


@pytest.mark.browser
def test_the_pictures_are_taken_on_a_copy_of_the_database(site: Site, tmp_path: Path) -> None:
    ada = site.person("ada")
    with site.database.writing() as session:
        project, now = projects.by_slug(session, "kitchen"), ada.created_at
        while view := assignments.lease_next(session, project, ada, lease_seconds=60, now=now):
            submission = Submission(verdict="A", idempotency_key=view.id.hex)
            judgments.submit(session, ada, view.id, submission, now=now)

    done = take(tmp_path / "test.db", tmp_path / "images")

    assert done.returncode == 0, done.stderr
    assert sizes_of(tmp_path / "images") == {
        "compare.png": (1280, 780),
        "compare-dark.png": (1280, 780),
        "compare-phone.png": (390, 844),
        "dashboard.png": (1280, 780),
    }
    with site.database.reading() as session:
        assert projects.by_slug(session, "kitchen").overlap == 1
        assert session.scalar(select(func.count(Judgment.id))) == 5


@pytest.mark.browser
def test_the_dashboards_are_taken_of_a_project_with_something_to_tell(
    site: Site, tmp_path: Path
) -> None:
    make_office(site.database)
    out = tmp_path / "images"
    done = take(tmp_path / "test.db", out, "--dashboards", project=SLUG)
    assert done.returncode == 0, done.stderr
    assert sizes_of(out) == {"agreement.png": (1100, 780), "annotators.png": (1100, 780)}


@pytest.mark.slow
@pytest.mark.browser
def test_the_walk_through_has_all_its_pictures(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "tools/walk_through.py", "--out", str(tmp_path)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": ".:tests"},
    )
    assert done.returncode == 0, done.stderr
    shown = re.findall(r"\(images/(.*?)\)", (ROOT / "docs/walk-through.md").read_text())
    assert sizes_of(tmp_path) == dict.fromkeys(shown, (1100, 820))
    assert len(shown) == 6


def test_a_database_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = take(tmp_path / "nowhere.db", tmp_path / "images")
    assert done.returncode == 1
    assert "nowhere.db is not a file" in done.stderr
