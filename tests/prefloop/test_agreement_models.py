"""Models in `prefloop agreement --judgments FILE --models …`: what their options do."""

import json
import random
from statistics import fmean

import pytest
from typer.testing import CliRunner

from prefloop.cli import app


def one_coin_of(tmp_path, rows, *options):
    path = tmp_path / "judgments.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["agreement", "--judgments", str(path), "--json", "--models", "one-coin", *options]
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)["one_coin"]


def test_maximum_likelihood_is_surer_than_the_smoothed_model(tmp_path):
    dice = random.Random(1)
    rows = [
        {"item": item, "annotator": who, "label": dice.choice("AAB" if item % 2 else "ABB")}
        for item in range(60)
        for who in dice.sample("uvwxyz", 3)
    ]

    def surest(*options):
        posterior = one_coin_of(tmp_path, rows, *options)["posterior"]
        return fmean([max(p.values()) for p in posterior.values()])

    assert surest("--smoothing", "0") > surest()


def test_models_take_labels_as_equally_likely_where_asked_to(tmp_path):
    """Nine items are A by everybody and one is B; then a label of one alone says less of it."""
    rows = [
        {"item": i, "annotator": who, "label": "B" if i == 9 else "A"}
        for i in range(10)
        for who in "uvw"
    ]
    rows.append({"item": 10, "annotator": "u", "label": "A"})

    def posterior(*options):
        found = one_coin_of(tmp_path, rows, *options)
        return found["priors"], found["posterior"]["10"]["A"]

    (shares, of_shares), (equal, of_equal) = posterior(), posterior("--priors", "equal")
    assert equal == {"A": 0.5, "B": 0.5}
    # One pseudo-item of each beside eleven items, of which ten are A.
    assert shares["A"] == pytest.approx(11 / 13, abs=0.01)
    assert of_shares > of_equal
    assert posterior("--priors", "estimated") == (shares, of_shares)
