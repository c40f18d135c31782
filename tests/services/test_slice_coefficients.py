"""Coefficients of slices beside plain loops and other implementations."""

import random
from statistics import mean

import krippendorff
import numpy as np
import pytest
from helpers.agreement import Counts, labels_of, mean_shares, modes, share_of_equal_pairs
from helpers.data import import_plain, make_project
from helpers.slices import GRADED, MAY_4, MAY_11, by, graded_peer, voted
from statsmodels.stats.inter_rater import fleiss_kappa

from app.db import Database
from app.rules.project_statistics import Dimension


def plain(counts: Counts, places: list[int]) -> dict[str, float]:
    """Coefficients by their definitions, of (N, q) counts of labels with these places in order."""
    shared = counts[counts.sum(axis=1) > 1]
    observed = mean(share_of_equal_pairs(labels_of(row)) for row in shared)
    shares = mean_shares(counts)
    by_chance = sum(share**2 for share in shares)
    by_skew = sum(share * (1 - share) for share in shares) / (len(shares) - 1)
    credits = []
    for labels in map(labels_of, shared):
        others = [modes(labels[:i] + labels[i + 1 :]) for i in range(len(labels))]
        credits.append(
            mean((k in found) / len(found) for k, found in zip(labels, others, strict=True))
        )
    in_order = np.array([[row[np.array(places) == p].sum() for p in (0, 1, 2)] for row in shared])
    return {
        "percent_agreement": observed,
        "leave_one_out_agreement": mean(credits),
        "fleiss_kappa": (observed - by_chance) / (1 - by_chance),
        "gwet_ac1": (observed - by_skew) / (1 - by_skew),
        "krippendorff_alpha_nominal": krippendorff.alpha(
            value_counts=shared, level_of_measurement="nominal"
        ),
        "krippendorff_alpha_ordinal": krippendorff.alpha(
            value_counts=in_order, level_of_measurement="ordinal"
        ),
    }


def test_every_coefficient_of_a_slice_is_that_of_plain_loops_and_of_other_implementations(
    database: Database,
) -> None:
    make_project(database, pairs=0)
    dice = random.Random(6)
    verdicts: tuple[int | str, ...] = (1, 2, "tie", "both_bad")
    counts: dict[str, list[list[int]]] = {"three": [], "some": []}
    records = []
    for n in range(260):
        tag = "three" if n % 2 else "some"
        often = 3 if tag == "three" else dice.randint(1, 5)
        given = dice.choices(
            verdicts, dice.choice([(7, 1, 1, 1), (2, 6, 1, 0), (1, 1, 3, 1)]), k=often
        )
        counts[tag].append([given.count(verdict) for verdict in verdicts])
        records.append(voted(n, ("a", "b"), [tag], *((verdict, None, MAY_4) for verdict in given)))
    assert not import_plain(database, records).rejected

    rows = {row.name: row.statistics for row in by(database, Dimension.TAG).rows}

    for tag, found in rows.items():
        given_counts = np.array(counts[tag])
        for suffix, some, places in (
            ("", given_counts, [0, 2, 1, 1]),
            ("_no_ties", given_counts[:, :2], [0, 2]),
        ):
            for name, value in plain(some, places).items():
                statistic = found[name + suffix]
                assert statistic.value == pytest.approx(value, abs=1e-9), (tag, name, suffix)
                assert statistic.n == (some.sum(axis=1) > 1).sum()
                assert statistic.low is not None
                assert statistic.high is not None
                assert statistic.low < value < statistic.high
    peer = fleiss_kappa(np.array(counts["three"]))
    assert rows["three"]["fleiss_kappa"].value == pytest.approx(peer)


def test_graded_alpha_of_a_slice_is_that_of_another_implementation(database: Database) -> None:
    make_project(database, pairs=0)
    dice = random.Random(7)
    votes: list[tuple[int | str, int | None]] = [
        (1, 3), (1, 2), (1, 1), ("tie", None), (2, 1), (2, 2), (2, 3),
        (1, None), (2, None), ("both_bad", None),
    ]  # fmt: skip
    grades: dict[str, list[list[int]]] = {"a and b": [], "a and c": []}
    weeks: dict[str, list[list[int]]] = {"2026-05-04": [], "2026-05-11": []}
    records = []
    for n in range(600):
        turned = n % 3 == 0
        sources = ("a", "b") if n % 2 else ("a", "c")
        leaning = dice.randrange(7)
        weights = [4 / (1 + abs(grade - leaning)) for grade in range(7)] + [0.5, 0.5, 0.5]
        given = dice.choices(range(10), weights, k=dice.randint(1, 4))
        days = dice.choices((MAY_4, MAY_11), k=len(given))
        for day in (MAY_4, MAY_11):
            of_day = [k for k, when in zip(given, days, strict=True) if when == day]
            weeks[f"{day}"].append([of_day.count(grade) for grade in range(7)])
        # Of a source that stands second, much better is -3 and not 3.
        ordered = [6 - k if turned and k < 7 else k for k in given]
        grades[" and ".join(sources)].append([ordered.count(grade) for grade in range(7)])
        records.append(
            voted(
                n,
                sources[::-1] if turned else sources,
                [],
                *((*votes[k], day) for k, day in zip(given, days, strict=True)),
            )
        )
    assert not import_plain(database, records).rejected

    for dimension, expected in ((Dimension.SOURCES, grades), (Dimension.WEEK, weeks)):
        rows = by(database, dimension).rows
        assert {row.name for row in rows} == set(expected)
        for row in rows:
            of_row = np.array(expected[row.name])
            no_ties = of_row * (np.arange(-3, 4) != 0)
            for name, counts in zip(GRADED, (of_row, no_ties), strict=True):
                shared = counts[counts.sum(axis=1) > 1]
                statistic = row.statistics[name]
                assert statistic.value == pytest.approx(graded_peer(shared.tolist()), abs=1e-9)
                assert statistic.n == len(shared)
                assert statistic.low is not None
                assert statistic.high is not None
                assert statistic.low < statistic.value < statistic.high
