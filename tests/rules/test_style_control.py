"""Strengths at equal length: by hand, beside statsmodels, on crowds that prefer what is long."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import linprog
from scipy.special import stdtrit

from app.rules.bradley_terry import Contests, clustered_covariance, strengths
from app.rules.style_control import ShownContests, StyleControl, fit

THETA = np.array([0.8, 0.3, -0.1, -1.0])
LONGER = np.array([-0.6, 0.5, 0.0, 0.4])
"""Mean logarithms of the sources' lengths: the best one is brief."""


def crowd(
    seed: int,
    *,
    prompts: int = 150,
    length: float = 1.2,
    side: float = 0.3,
    ties: float = 0.0,
    spread: float = 0.0,
) -> ShownContests:
    """Four judgments of each prompt. `spread` moves the strengths from prompt to prompt."""
    rng = np.random.default_rng(seed)
    prompt = np.repeat(np.arange(prompts), 4)
    size, m = len(prompt), len(THETA)
    first = rng.integers(0, m, size)
    second = (first + rng.integers(1, m, size)) % m
    ratio = LONGER[first] - LONGER[second] + rng.normal(0, 0.6, size)
    shown = rng.choice([-1.0, 1.0], size)
    local = THETA + spread * rng.normal(size=(prompts, m))
    logit = local[prompt, first] - local[prompt, second] + length * ratio + side * shown
    won = (rng.random(size) < 1 / (1 + np.exp(-logit))).astype(float)
    won[rng.random(size) < ties] = 0.5
    return ShownContests(
        first=first, second=second, prompts=prompt, won=won, log_ratio=ratio, side=shown,
        n_sources=m,
    )  # fmt: skip


def rows(first, second, won, ratio, side=None, prompts=None, m=2) -> ShownContests:
    size = len(first)
    return ShownContests(
        first=np.array(first, int),
        second=np.array(second, int),
        prompts=np.arange(size) if prompts is None else np.array(prompts),
        won=np.array(won, float),
        log_ratio=np.array(ratio, float),
        side=np.zeros(size) if side is None else np.array(side, float),
        n_sources=m,
    )


def values(found: StyleControl) -> list[float]:
    return [s.value for s in (*found.strengths, found.length, found.side)]


def reasons(found: StyleControl) -> set[str | None]:
    return {s.reason for s in (*found.strengths, found.length)}


def test_two_sources_and_two_lengths_by_hand():
    """Of 4 contests at equal length the first wins 3: a difference of ln 3. Of 4 in which it is
    e times as long it wins 2, so that length takes all of it away: -ln 3."""
    won = [1, 1, 1, 0, 1, 1, 0, 0]
    found = fit(rows([0] * 8, [1] * 8, won, [0] * 4 + [1] * 4))

    assert found.strengths[0].value == pytest.approx(math.log(3) / 2)
    assert found.strengths[1].value == pytest.approx(-math.log(3) / 2)
    assert found.length.value == pytest.approx(-math.log(3))
    assert [s.n for s in (*found.strengths, found.length, found.side)] == [8, 8, 8, 0]
    # Eight prompts are too few, and nobody saw a side.
    assert (found.length.low, found.length.reason) == (None, "too_few_for_interval")
    assert (found.side.value, found.side.reason) == (None, "no_shown_sides")


def test_the_left_side_by_hand():
    """On the left the first wins 3 of 4, on the right 2 of 4, at both lengths alike: the side is
    half of ln 3, and so are both strengths together."""
    block = [1, 1, 1, 0, 1, 1, 0, 0]
    side = [1] * 4 + [-1] * 4
    found = fit(rows([0] * 16, [1] * 16, block * 2, [-1] * 8 + [1] * 8, side * 2))

    assert found.side.value == pytest.approx(math.log(3) / 2)
    assert found.strengths[0].value == pytest.approx(math.log(3) / 4)
    assert found.length.value == pytest.approx(0, abs=1e-9)
    assert found.side.n == 16


def test_a_tie_is_half_a_judgment_for_each():
    split = fit(rows([0] * 6, [1] * 6, [1, 0, 1, 1, 1, 0], [0, 0, 0, 0, 1, 1]))
    tied = fit(rows([0] * 6, [1] * 6, [0.5, 0.5, 1, 1, 0.5, 0.5], [0, 0, 0, 0, 1, 1]))

    assert tied.strengths[0].value == pytest.approx(split.strengths[0].value)
    assert tied.length.value == pytest.approx(split.length.value)


@pytest.mark.parametrize("seed", range(6))
def test_coefficients_and_errors_are_those_of_statsmodels(seed):
    made = crowd(seed, prompts=60, ties=0.2, spread=0.7)
    size, m = len(made.won), made.n_sources
    sources = np.zeros((size, m))
    sources[np.arange(size), made.first] = 1
    sources[np.arange(size), made.second] = -1
    # The last source is the reference, and taken off below.
    design = np.column_stack([sources[:, :-1], made.log_ratio, made.side])
    groups = {"groups": made.prompts, "use_correction": False}
    peer = sm.GLM(made.won, design, family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds=groups, tol=1e-12
    )
    centred = np.zeros((m + 2, m + 1))
    centred[: m - 1, : m - 1] = np.eye(m - 1)
    centred[:m] -= centred[:m].mean(axis=0)
    centred[m:, m - 1 :] = np.eye(2)
    errors = np.sqrt(np.diag(centred @ peer.cov_params() @ centred.T) * 60 / 59)

    found = fit(made)

    assert values(found) == pytest.approx((centred @ peer.params).tolist(), abs=1e-7)
    told = [(s.high - s.low) / 2 for s in (*found.strengths, found.length, found.side)]
    assert told == pytest.approx((stdtrit(59, 0.975) * errors).tolist(), rel=1e-5)


def plain(made: ShownContests) -> Contests:
    won = np.column_stack([made.won == 1, made.won == 0, made.won == 0.5]).astype(int)
    return Contests(
        first=made.first, second=made.second, groups=made.prompts, wins=won,
        n_sources=made.n_sources,
    )  # fmt: skip


def test_what_was_planted_is_in_the_intervals_about_95_times_in_100():
    """Long responses win whatever their source, and left ones too, so that plain strengths never
    put the best source first, which is brief."""
    inside, found_best = [], 0
    for seed in range(60):
        made = crowd(seed)
        found = fit(made)
        told = (*found.strengths, found.length, found.side)
        wanted = [*(THETA - THETA.mean()), 1.2, 0.3]
        inside.append([s.low <= true <= s.high for s, true in zip(told, wanted, strict=True)])
        (theta,) = strengths(plain(made).win_matrix()[None])
        assert np.argmax(theta) == 1
        found_best += np.argmax([s.value for s in found.strengths]) == 0

    assert found_best >= 55
    assert 0.91 <= np.mean(inside) <= 0.985


def test_without_an_effect_of_length_it_is_plain_bradley_terry():
    made = crowd(3, prompts=600, length=0.0, side=0.0, ties=0.1)
    (theta,) = strengths(plain(made).win_matrix()[None])
    errors = np.sqrt(np.diag(clustered_covariance(plain(made), theta)))

    found = fit(made)

    for one, value, error in zip(found.strengths, theta, errors, strict=True):
        assert one.value == pytest.approx(value, abs=0.06)
        # Length tells the sources apart in part, which costs some certainty.
        assert error < (one.high - one.low) / 3.92 < 1.5 * error
    assert found.length.low < 0 < found.length.high


def test_the_longer_side_of_a_pair_and_its_order_do_not_matter():
    made = crowd(4, prompts=40)
    turned = ShownContests(
        first=made.second, second=made.first, prompts=made.prompts, won=1 - made.won,
        log_ratio=-made.log_ratio, side=-made.side, n_sources=made.n_sources,
    )  # fmt: skip

    assert values(fit(turned)) == pytest.approx(values(fit(made)), abs=1e-8)


def test_judgments_copied_within_their_prompts_tell_no_more_than_once():
    made = crowd(5, prompts=40)
    times = np.repeat(np.arange(len(made.won)), 3)
    copied = ShownContests(
        first=made.first[times], second=made.second[times], prompts=made.prompts[times],
        won=made.won[times], log_ratio=made.log_ratio[times], side=made.side[times], n_sources=4,
    )  # fmt: skip
    one, other = fit(made).length, fit(copied).length

    assert (other.low, other.high) == (pytest.approx(one.low), pytest.approx(one.high))
    assert other.n == 3 * one.n


def test_equal_lengths_say_nothing_about_length():
    found = fit(rows([0] * 4, [1] * 4, [1, 0, 1, 1], [0] * 4))

    assert reasons(found) == {"one_value"}
    assert values(found) == [None] * 4
    almost = fit(rows([0] * 4, [1] * 4, [1, 0, 1, 1], [0.01, -0.02, 0.03, 0]))
    assert reasons(almost) == {"one_value"}


def test_a_source_that_is_always_as_much_longer_cannot_be_told_from_length():
    """Each source has one length of its own, so that strengths may take any part of it."""
    made = crowd(6)
    ratio = LONGER[made.first] - LONGER[made.second]
    collinear = ShownContests(
        first=made.first, second=made.second, prompts=made.prompts, won=made.won,
        log_ratio=ratio, side=made.side, n_sources=4,
    )  # fmt: skip

    assert reasons(fit(collinear)) == {"length_is_source"}
    # Lengths that are otherwise by less than one part in twenty tell too little, by more something.
    otherwise = np.random.default_rng(1).normal(0, 1, len(ratio))
    ratio += 0.03 * otherwise
    assert reasons(fit(collinear)) == {"length_is_source"}
    ratio += 0.04 * otherwise
    assert fit(collinear).length.value is not None


def test_a_source_that_is_always_left_cannot_be_told_from_the_side():
    found = fit(
        rows([0] * 6, [1] * 6, [1, 0, 1, 1, 0, 1], [0.1, 0.2, -0.1, 0.3, 0, 0], side=[1] * 6)
    )

    assert reasons(found) == {"side_is_source"}
    assert found.side.n == 6


def test_where_the_longer_always_wins_the_maximum_lies_at_infinity():
    ratio = np.array([0.5, -0.4, 0.1, -0.3, 0.8, -0.9])
    assert reasons(fit(rows([0] * 6, [1] * 6, ratio > 0, ratio))) == {"no_maximum"}
    # One verdict the other way brings it back.
    won = np.append(ratio > 0, True)
    found = fit(rows([0] * 7, [1] * 7, won, np.append(ratio, -0.5)))
    assert found.length.value > 0


def test_there_is_a_maximum_exactly_where_no_direction_explains_every_verdict():
    """A direction in which no judgment loses and some win is what a linear programme looks for."""
    told = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        size = int(rng.integers(6, 14))
        first = rng.integers(0, 3, size)
        second = (first + rng.integers(1, 3, size)) % 3
        won = rng.choice([0.0, 0.5, 1.0], size, p=[0.45, 0.1, 0.45])
        ratio = rng.integers(-2, 3, size).astype(float)
        side = rng.choice([-1.0, 1.0], size)
        found = fit(rows(first, second, won, ratio, side, m=3))
        if found.length.reason in ("one_value", "not_connected", "length_is_source"):
            continue
        if found.length.reason == "side_is_source":
            continue
        design = np.zeros((size, 5))
        design[np.arange(size), first] = 1
        design[np.arange(size), second] = -1
        design[:, 3:] = np.column_stack([ratio, side])
        signs = 2 * won - 1
        ties, other = design[signs == 0], design[signs != 0] * signs[signs != 0, None]
        best = linprog(
            -other.sum(axis=0), A_ub=-other, b_ub=np.zeros(len(other)),
            A_eq=ties if len(ties) else None, b_eq=np.zeros(len(ties)) if len(ties) else None,
            bounds=(-1, 1),
        )  # fmt: skip
        told.append(found.length.reason == "no_maximum")
        assert told[-1] == (best.fun < -1e-7), seed

    assert 10 < sum(told) < len(told) - 10


def test_a_source_that_never_lost_has_no_strength_at_equal_length():
    won = [1, 1, 1, 0, 1, 0]
    found = fit(rows([0, 0, 1, 1, 1, 1], [1, 2, 2, 2, 2, 2], won, [0.1, 0, 0.2, -1, 1, 0.3], m=3))

    assert reasons(found) == {"no_maximum"}


def test_sources_that_never_met_are_apart_and_no_judgments_are_none():
    apart = rows([0, 0, 2, 2], [1, 1, 3, 3], [1, 0, 1, 0], [0.1, 0.2, -0.1, 0.3], m=4)
    assert reasons(fit(apart)) == {"not_connected"}
    assert reasons(fit(rows([], [], [], [], m=0))) == {"no_contests"}


def test_a_source_does_not_meet_itself():
    with pytest.raises(ValueError, match="with itself"):
        rows([0], [0], [1], [0.0])
