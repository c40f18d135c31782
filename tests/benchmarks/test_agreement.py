"""The benchmark of agreement on few judgments: its ways agree, its last line is JSON."""

import json

import numpy as np
import pytest

from benchmarks import agreement


def test_every_way_gives_one_alpha_and_the_last_line_is_the_object_of_figures(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["benchmarks.agreement", "--judgments", "2000"])

    agreement.main()

    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found.keys() == {"bench", "ours", "peer", "ratio", "machine"}
    assert (found["bench"], found["ours"]["judgments"]) == ("agreement", 2000)
    assert all(seconds > 0 for seconds in found["peer"].values())


def test_an_annotator_judges_an_item_once():
    judgments = agreement.make_judgments(5_000, annotators=200)

    pairs = np.column_stack([judgments.items, judgments.annotators])
    assert len(np.unique(pairs, axis=0)) == 5_000
    assert (np.bincount(judgments.items) == agreement.PER_ITEM).all()


def test_figures_that_differ_end_the_run():
    with pytest.raises(RuntimeError, match=r"alpha: 0\.5, but 0\.4 elsewhere"):
        agreement.agree("alpha", 0.5, 0.4)
