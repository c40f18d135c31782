"""Real crowd votes through the import and the agreement, against figures published beside them.

Needs `../shared/data`, which is not part of the project; without it the tests are skipped.
"""

from pathlib import Path

import pytest

from app import migrate
from app.db import Database, utc_now
from app.services import agreement, imports, projects
from app.services.import_mapping import Mapper

ROOT = Path(__file__).parent.parent
VOTES = ROOT.parent / "shared" / "data" / "ukpconvarg1_votes.jsonl.gz"


@pytest.mark.skipif(not VOTES.is_file(), reason="needs ../shared/data/ukpconvarg1_votes.jsonl.gz")
def test_ukpconvarg1_has_the_agreement_that_is_known_of_it(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/ukp.db")
    migrate.upgrade(database)
    with database.writing() as session:
        projects.create(session, slug="ukp", overlap=5, now=utc_now())
    mapper = Mapper.load(ROOT / "recipes" / "import" / "ukpconvarg1.yaml")

    summary = imports.import_file(database, "ukp", VOTES, mapper=mapper, now=utc_now())
    with database.reading() as session:
        found = agreement.for_project(session, projects.by_slug(session, "ukp"))

    assert summary.rejected == []
    assert (summary.added["comparisons"], summary.added["judgments"]) == (11_638, 58_052)
    assert (found.n_items, found.n_judgments, found.n_annotators) == (11_638, 58_052, 3_691)
    assert found.percent_agreement.value == pytest.approx(0.515, abs=0.002)
    assert found.percent_agreement_no_ties.value == pytest.approx(0.698, abs=0.002)
    assert found.krippendorff_alpha_nominal.value == pytest.approx(0.255, abs=0.002)
    assert found.krippendorff_alpha_nominal_no_ties.value == pytest.approx(0.419, abs=0.002)
