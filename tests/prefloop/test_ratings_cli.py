"""`prefloop ratings` on plain files."""

import json
import math

import choix
import numpy as np
import pytest
from typer.testing import CliRunner

from prefloop.cli import app


@pytest.fixture
def rate(tmp_path):
    def run(rows, *options: str):
        path = tmp_path / "verdicts.jsonl"
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        return CliRunner().invoke(app, ["ratings", "--judgments", str(path), *options])

    return run


def rows(a, b, verdicts: str, **extra):
    names = {"a": "a", "b": "b", "t": "tie"}
    return [{"a": a, "b": b, "verdict": names[v], **extra} for v in verdicts]


def test_two_models_by_hand(rate):
    """20 for one, 4 for the other, 8 ties: 24 to 8, so the odds are 3."""
    found = rate(rows("x", "y", "a" * 20 + "t" * 8) + rows("y", "x", "a" * 4), "--json")

    report = json.loads(found.stdout)
    x, y = report["ratings"]
    assert (x["name"], x["rank"], y["name"], y["rank"]) == ("x", 1, "y", 2)
    assert x["value"] == pytest.approx(math.log(3) / 2)
    assert y["value"] == pytest.approx(-math.log(3) / 2)
    assert x["low"] < x["value"] < x["high"]
    assert x["arena"] == pytest.approx(1000 + 200 * math.log10(3))
    assert (report["n"], report["ties"], x["n"]) == (32, 8, 32)
    assert report["davidson"]["nu"] == pytest.approx(8 / math.sqrt(20 * 4))
    assert (report["resampled"], report["units"]) == ("verdicts", 32)


def test_verdicts_on_one_prompt_are_resampled_together(rate):
    given = [row for i in range(25) for row in rows("x", "y", "aab" if i % 3 else "bbb", prompt=i)]

    report = json.loads(rate(given, "--json").stdout)
    alone = json.loads(rate([row | {"prompt": None} for row in given], "--json").stdout)

    assert (report["resampled"], report["units"]) == ("prompts", 25)
    assert alone["units"] == 75
    wide, narrow = (r["ratings"][0]["high"] - r["ratings"][0]["low"] for r in (report, alone))
    assert wide != pytest.approx(narrow, rel=0.01)


def test_strengths_are_those_of_choix_and_null_without_the_verdict_that_joins_the_parts(rate):
    """Five models, of which the last one lost a single time."""
    rng = np.random.default_rng(4)
    wins = [tuple(rng.choice(4, 2, replace=False).tolist()) for _ in range(80)]
    wins += [(4, 0), (4, 1), (4, 3), (2, 4)]
    given = [{"a": f"m{i}", "b": f"m{j}", "verdict": "a"} for i, j in wins]
    peer = choix.opt_pairwise(5, wins, alpha=0.0, tol=1e-10)

    joined, apart = (json.loads(rate(some, "--json").stdout) for some in (given, given[:-1]))

    told = {r["name"]: r["value"] for r in joined["ratings"]}
    assert [told[f"m{i}"] for i in range(5)] == pytest.approx(
        (peer - peer.mean()).tolist(), abs=1e-5
    )
    assert [r["value"] for r in apart["ratings"]] == [None] * 5
    assert [sorted(part) for part in apart["components"]] == [["m0", "m1", "m2", "m3"], ["m4"]]


def test_what_is_not_connected_is_null_with_its_parts(rate):
    found = rate(rows("x", "y", "ab") + rows("x", "z", "aa"), "--json")

    report = json.loads(found.stdout)
    assert report["reason"] == "not_connected"
    assert report["components"] == [["x", "y"], ["z"]]
    assert [r["value"] for r in report["ratings"]] == [None] * 3
    assert {r["reason"] for r in report["ratings"]} == {"not_connected"}


def test_an_empty_file_is_answered_with_nothing(rate):
    report = json.loads(rate([], "--json").stdout)

    assert (report["n"], report["reason"], report["ratings"]) == (0, "no_contests", [])
    assert report["davidson"] is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "line 2: is not JSON"),
        ("[]", 'line 2: is not an object; expected {"a"'),
        ({"a": "x", "b": "y"}, "line 2: has no 'verdict'"),
        ({"a": "x", "b": "y", "verdict": "A"}, "line 2: verdict is 'A'; expected 'a', 'b' or"),
        ({"b": "y", "verdict": "a"}, "line 2: has no 'a'"),
        ({"a": "x", "b": "x", "verdict": "a"}, "line 2: compares 'x' with itself"),
        ({"a": None, "b": "x", "verdict": "a"}, "line 2: a is None; expected a name"),
    ],
)
def test_a_bad_line_is_named(rate, row, message):
    found = rate([*rows("x", "y", "a"), row])

    assert found.exit_code == 1
    assert message in found.stderr


def test_people_read_a_table_best_first(rate):
    found = rate(rows("low", "high", "b" * 30 + "a" * 10 + "t" * 10))

    lines = found.stdout.splitlines()
    assert lines[0].split()[:3] == ["rank", "name", "strength"]
    assert lines[1].split()[:2] == ["1", "high"]
    assert lines[2].split()[:2] == ["2", "low"]
    assert "50 verdicts, 10 of them ties" in found.stderr


def test_people_read_which_parts_cannot_be_compared(rate):
    found = rate(rows("x", "y", "ab") + rows("x", "z", "aa"))

    assert found.exit_code == 0
    assert "x, y; z" in found.stderr
