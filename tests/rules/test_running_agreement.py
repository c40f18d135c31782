"""Agreement that is kept equals agreement that is counted anew."""

import random

import numpy as np
import pytest
from helpers.agreement import estimated
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rules.agreement import measure
from app.rules.krippendorff import krippendorff_alpha_nominal, ordinal_distances
from app.rules.running_agreement import RunningAgreement

LABELS = ("A", "tie", "B")
judgments_given = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 4), st.integers(0, 2)), max_size=60
)


def counted(held: dict[tuple[int, int], int]) -> RunningAgreement:
    """From nothing: one row of counts for each item."""
    rows: dict[int, list[int]] = {}
    for (item, _), label in held.items():
        rows.setdefault(item, [0, 0, 0])[label] += 1
    state = RunningAgreement(3)
    state.add_items(rows.keys(), rows.values())
    return state


def same(a: RunningAgreement, b: RunningAgreement) -> bool:
    return (a.patterns, a.pairs) == (b.patterns, b.pairs)


@given(judgments_given, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_inserts_edits_and_deletes_in_any_order_equal_a_new_count(operations, dice):
    running, held = RunningAgreement(3), {}
    for item, annotator, label in operations:
        old = held.get((item, annotator))
        if old is not None:
            running.remove(item, old)
            del held[item, annotator]
        if old is None or dice.random() < 0.6:
            running.add(item, label)
            held[item, annotator] = label

    fresh = counted(held)
    assert same(running, fresh)
    assert running.alpha() == fresh.alpha()
    counts = np.array([list(p) for p, n in fresh.patterns.items() for _ in range(n)])
    batch = estimated(krippendorff_alpha_nominal(counts.reshape(-1, 3))).value
    assert running.alpha() == (None if batch is None else pytest.approx(batch, abs=1e-12))


@given(judgments_given)
@settings(max_examples=40, deadline=None)
def test_taking_everything_away_leaves_nothing(operations):
    running = RunningAgreement(3)
    for item, _, label in operations:
        running.add(item, label)
    random.Random(3).shuffle(operations)
    for item, _, label in operations:
        running.remove(item, label)

    assert same(running, RunningAgreement(3))
    assert running.alpha() is None


def test_the_state_gives_every_figure_of_the_report():
    running = RunningAgreement(3)
    for item in range(30):
        for label in (0, 0 if item % 3 else 2, item % 3):
            running.add(f"item {item}", label)

    report = measure(running.table(), LABELS, ("tie",), 3, order=(0, 1, 2))

    assert (report.n_judgments, report.n_items_overlap, report.resampled) == (90, 30, "items")
    # The items are A B A, A A tie and A A B in turn: one of three pairs agrees on each.
    assert report.percent_agreement.value == pytest.approx(1 / 3)
    assert report.krippendorff_alpha_nominal.value == pytest.approx(running.alpha(), abs=1e-12)
    ordinal = running.alpha(ordinal_distances(running.coincidences().sum(axis=1)))
    assert report.krippendorff_alpha_ordinal.value == pytest.approx(ordinal, abs=1e-12)


def test_what_is_not_there_cannot_be_taken_away():
    running = RunningAgreement(3)
    running.add("x", 1)

    for item, label in (("x", 0), ("y", 1), ("x", 3), ("x", -1)):
        with pytest.raises(ValueError, match="has no label"):
            running.remove(item, label)
    with pytest.raises(ValueError, match="there already"):
        running.add_items(["x"], [[1, 0, 0]])
    assert running.patterns == {(0, 1, 0): 1}
