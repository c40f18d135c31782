"""A project whose policy is or was adaptive is measured on first judgments, wherever it is told."""

from dataclasses import replace
from pathlib import Path

import pytest
from helpers.data import NOON, import_plain, make_project, project_of
from helpers.slices import MAY_4, by, read, voted

from app.db import Database
from app.rules.project_statistics import Dimension
from app.rules.queue_policy import QueuePolicy
from app.services import agreement, exports, projects
from app.services.exports import ExportOptions

VOTED = [
    voted(1, ("a", "b"), ["x"], (1, 2, MAY_4), (2, 1, MAY_4), (1, 1, MAY_4), (1, 1, MAY_4)),
    voted(2, ("a", "b"), ["x"], (1, 1, MAY_4), (1, 2, MAY_4)),
    voted(3, ("a", "b"), [], (2, 1, MAY_4), (2, 1, MAY_4), (1, 3, MAY_4)),
]


def test_agreement_is_of_the_first_two_from_when_the_policy_was_adaptive(
    database: Database, tmp_path: Path
) -> None:
    make_project(database, pairs=0, overlap=2)
    # Judgments of one time would be in the order of their ids.
    for record in VOTED:
        for i, one in enumerate(record["judgments"]):
            one["ended_at"] = one["ended_at"].replace("09:", f"{9 + i:02}:")
    assert not import_plain(database, VOTED).rejected

    def told() -> tuple[str, float | None]:
        with database.reading() as session:
            found = agreement.for_project(session, project_of(session))
            summary = agreement.summary(project_of(session), read(database))
        assert summary["percent_agreement"]["value"] == found.percent_agreement.value
        assert (found.n_judgments, found.n_items_overlap, found.n_pairs) == (9, 3, 10)
        return summary["counted"], found.percent_agreement.value

    # Three of six pairs, one of one, one of three.
    assert told() == ("all", pytest.approx((1 / 2 + 1 + 1 / 3) / 3))
    for policy in (QueuePolicy(overlap=2, adaptive_max=4), QueuePolicy(overlap=2)):
        with database.writing() as session:
            projects.set_policy(session, project_of(session), replace(policy, overlap=2))
        assert told() == ("first_two", pytest.approx(2 / 3))
    (x,) = by(database, Dimension.TAG, "first_two").rows
    assert (x.overlap, x.contested) == (2, 1)
    assert x.statistics["percent_agreement"].value == 0.5
    # Grades -2 and 1, -1 and -2, 1 and 1 have no comparison of four grades.
    assert x.statistics["krippendorff_alpha_graded"].n == 2
    made = exports.export_project(database, "p", tmp_path / "bundle", ExportOptions(), now=NOON)
    assert made.manifest["agreement"]["counted"] == "first_two"
    assert made.manifest["agreement"]["percent_agreement"]["value"] == pytest.approx(2 / 3)
