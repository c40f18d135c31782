"""Real votes through `prefloop agreement --judgments`, against figures published beside them.

Needs `../shared/data`, which is not part of the project; without it the tests are skipped.
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import spearmanr
from typer.testing import CliRunner

from prefloop.cli import app

DATA = Path(__file__).parents[3] / "shared" / "data"
Row = tuple[str | int, str | int, str | int]


def ukpconvarg1(text: str) -> Iterator[Row]:
    for line in text.strip().split("\n"):
        pair = json.loads(line)
        for vote in pair["mTurkAssignments"]:
            yield pair["id"], vote["turkID"], vote["value"]


def mtbench(text: str) -> Iterator[Row]:
    """A pair of models may be stored in both orders, so that the verdict must name the model."""
    for line in text.strip().split("\n"):
        vote = json.loads(line)
        pair = " ".join(sorted((vote["model_a"], vote["model_b"])))
        winner = vote.get(vote["winner"], "tie")
        side = "tie" if winner == "tie" else ("second", "first")[pair.startswith(winner + " ")]
        yield f"{vote['question_id']} {vote['turn']} {pair}", vote["judge"], side


def pandalm(text: str) -> Iterator[Row]:
    for pair in json.loads(text):
        for number in (1, 2, 3):
            yield pair["idx"], number, pair[f"annotator{number}"]


def dices(text: str) -> Iterator[Row]:
    """A rater is known by the place in the list."""
    for instance in json.loads(text)["instances"]:
        scores = instance["annotations"]["safety"]["individual_human_scores"]
        for rater, score in enumerate(scores):
            yield instance["id"], rater, score


# What ../shared/data/README.md says of each: items, those with two votes or more, votes,
# annotators; agreement with and without ties, alpha with and without.
PUBLISHED: dict[str, tuple[Any, str, tuple[int, ...], tuple[float, ...]]] = {
    "ukpconvarg1_votes.jsonl.gz": (
        ukpconvarg1, "equal", (11638, 11638, 58052, 3691), (0.515, 0.698, 0.255, 0.419)
    ),
    "mtbench_human_votes.jsonl.gz": (
        mtbench, "tie", (1257, 660, 2318, 65), (0.666, 0.825, 0.480, 0.644)
    ),
    "pandalm_testset.json.gz": (pandalm, "0", (701, 701, 2103, 3), (0.924, 0.948, 0.868, 0.894)),
    "dices_350.json.gz": (dices, "Unsure", (245, 245, 30135, 123), (0.567, 0.633, 0.157, 0.195)),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_real_votes_have_the_agreement_that_is_known_of_them(tmp_path, name):
    if not (DATA / name).is_file():
        pytest.skip(f"needs ../shared/data/{name}")
    rows_of, tie_label, counts, values = PUBLISHED[name]
    path = tmp_path / "judgments.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for item, annotator, label in rows_of(gzip.decompress((DATA / name).read_bytes()).decode()):
            file.write(json.dumps({"item": item, "annotator": annotator, "label": label}) + "\n")

    result = CliRunner().invoke(
        app, ["agreement", "--judgments", str(path), "--tie-label", tie_label, "--json"]
    )

    found = json.loads(result.stdout)
    names = ("n_items", "n_items_overlap", "n_judgments", "n_annotators")
    assert tuple(found[name] for name in names) == counts
    statistics = [
        found[name]
        for name in (
            "percent_agreement", "percent_agreement_no_ties",
            "krippendorff_alpha_nominal", "krippendorff_alpha_nominal_no_ties",
        )
    ]  # fmt: skip
    assert [s["value"] for s in statistics] == pytest.approx(list(values), abs=0.002)
    assert all(s["low"] < s["value"] < s["high"] for s in statistics)


@pytest.mark.parametrize(
    ("priors", "expected"),
    [
        ("estimated", {"one_coin": (0.424, 0.523), "dawid_skene": (0.473, 0.613)}),
        ("equal", {"one_coin": (0.660, 0.660), "dawid_skene": (0.784, 0.784)}),
    ],
)
def test_accuracies_of_real_workers_rank_as_their_published_competence(tmp_path, priors, expected):
    """Spearman's correlation of accuracy and of skill with turkCompetence, over the 381 workers
    with 20 votes or more; at least 0.7 with the priors that the published one has."""
    votes = DATA / "ukpconvarg1_votes.jsonl.gz"
    if not votes.is_file():
        pytest.skip(f"needs ../shared/data/{votes.name}")
    competence, n = {}, Counter()
    path = tmp_path / "judgments.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for pair in map(json.loads, gzip.decompress(votes.read_bytes()).splitlines()):
            for vote in pair["mTurkAssignments"]:
                who = vote["turkID"]
                competence[who], n[who] = vote["turkCompetence"], n[who] + 1
                row = {"item": pair["id"], "annotator": who, "label": vote["value"]}
                file.write(json.dumps(row) + "\n")
    busy = [who for who in competence if n[who] >= 20]
    assert len(busy) == 381
    models = ("--models", "one-coin,dawid-skene", "--priors", priors, "--bootstrap", "0")

    result = CliRunner().invoke(app, ["agreement", "--judgments", str(path), "--json", *models])

    found = json.loads(result.stdout)
    published = [competence[who] for who in busy]
    for model, correlations in expected.items():
        people = found[model]["annotators"]
        told = (
            [people[who]["accuracy"] for who in busy],
            [people[who]["skill"]["value"] for who in busy],
        )
        ranks = [spearmanr(values, published).statistic for values in told]
        assert ranks == pytest.approx(correlations, abs=0.005), model
    if priors == "equal":
        assert ranks[0] >= 0.7
