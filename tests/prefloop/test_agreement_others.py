"""`prefloop agreement --judgments FILE`: how far other annotators would agree."""

import json
import random

from typer.testing import CliRunner

from prefloop.cli import app

HEADLINES = ("percent_agreement", "krippendorff_alpha_nominal")


def measured(tmp_path, annotators, *options):
    """Three of the annotators judge each of 60 items; six of ten times they see what is right."""
    dice, path = random.Random(1), tmp_path / "judgments.jsonl"
    with path.open("w") as file:
        for item in range(60):
            truth = dice.choice(["A", "B", "tie"])
            for who in dice.sample(range(annotators), 3):
                label = truth if dice.random() < 0.6 else dice.choice(["A", "B", "tie"])
                print(json.dumps({"item": item, "annotator": who, "label": label}), file=file)
    found = CliRunner().invoke(app, ["agreement", "--judgments", str(path), *options])
    assert found.exit_code == 0, found.output
    return found.stdout


def test_of_eight_annotators_and_more_it_is_told_how_far_others_would_agree(tmp_path):
    found, again = (
        json.loads(measured(tmp_path, 9, "--json", "--seed", seed)) for seed in ("1", "2")
    )
    for name in HEADLINES:
        for ties in ("", "_no_ties"):
            other, own = found["for_other_annotators"][name + ties], found[name + ties]
            assert other.keys() == {"value", "low", "high", "n", "reason"}
            assert (other["value"], other["n"], other["reason"]) == (own["value"], 9, None)
            assert -1 <= other["low"] < other["value"] < other["high"] <= 1
            assert again["for_other_annotators"][name + ties]["low"] != other["low"]


def test_of_fewer_it_cannot_be_told_and_people_read_why(tmp_path):
    found = json.loads(measured(tmp_path, 7, "--json"))

    for name in HEADLINES:
        assert found["for_other_annotators"][name] == {
            "value": found[name]["value"], "low": None, "high": None, "n": 7,
            "reason": "too_few_annotators",
        }  # fmt: skip
    _, _, told = measured(tmp_path, 7).partition("With other annotators")
    assert told.count("fewer than eight annotators") == 4
