"""Simulated crowds of known skill, side bias and strengths are recovered."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from app.rules import crowd_bradley_terry
from app.rules.crowd_bradley_terry import CrowdBradleyTerry


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """The mean skill of all judgments is 1, as in the model."""

    strengths: NDArray[np.float64]
    skills: NDArray[np.float64]
    sides: NDArray[np.float64]
    columns: tuple[NDArray[np.int64], ...]
    """Annotators, left, right, whether left is preferred."""
    prompts: NDArray[np.int64]

    def fit(self, *, with_prompts: bool = False) -> CrowdBradleyTerry:
        return crowd_bradley_terry.fit(
            *self.columns,
            n_sources=len(self.strengths),
            n_annotators=len(self.skills),
            prompts=self.prompts if with_prompts else None,
        )


def simulated(
    seed: int, *, m: int = 6, skills=None, sides=None, each: int = 100, difficulty: float = 0.0
) -> Simulated:
    """`difficulty` is how much strengths differ between the 60 prompts."""
    rng = np.random.default_rng(seed)
    skills = rng.normal(1, 0.5, 12) if skills is None else np.array(skills)
    sides = rng.normal(0, 0.7, len(skills)) if sides is None else np.array(sides)
    strengths = rng.normal(0, 1, m) * skills.mean()
    skills = skills / skills.mean()
    n = each * len(skills)
    annotators = np.repeat(np.arange(len(skills)), each)
    left = rng.integers(0, m, n)
    right = (left + rng.integers(1, m, n)) % m
    prompts = rng.integers(0, 60, n)
    local = strengths + difficulty * rng.normal(size=(60, m))
    logit = skills[annotators] * (local[prompts, left] - local[prompts, right]) + sides[annotators]
    preferred = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
    return Simulated(
        strengths=strengths - strengths.mean(),
        skills=skills,
        sides=sides,
        columns=(annotators, left, right, preferred),
        prompts=prompts,
    )


def inside(seeds, **options) -> NDArray[np.float64]:
    """Shares of strengths, skills and sides that are in their intervals."""
    found = []
    for seed in seeds:
        made = simulated(seed, **options)
        fitted = made.fit()
        found.append(
            [
                ((e.low <= truth) & (truth <= e.high)).mean()
                for e, truth in (
                    (fitted.strengths, made.strengths),
                    (fitted.skills, made.skills),
                    (fitted.sides, made.sides),
                )
            ]
        )
    return np.mean(found, axis=0)


def test_intervals_hold_the_truth_about_95_times_in_100():
    """25 crowds: 150 strengths, which hang together, and 300 skills and sides."""
    strengths, skills, sides = inside(range(25))

    assert 0.87 <= strengths <= 1
    assert 0.91 <= skills <= 0.99
    assert 0.91 <= sides <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{}, {"each": 40}, {"m": 3}, {"skills": np.linspace(0.2, 1.8, 30)}]
)
def test_intervals_hold_the_truth_in_many_crowds(options):
    for share in inside(range(1000, 1300), **options):
        assert 0.92 <= share <= 0.975


SKILLS = [1.2, 1.0, 0.9, 1.1, 1.0, 0.8, 1.3, 1.0, 0.0, 0.0, -0.9]
SIDES = [0.0, 0.0, 0.5, 0.0, -0.5, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0]


def test_a_spammer_a_left_clicker_and_an_inverter_are_told_apart():
    made = simulated(1, skills=SKILLS, sides=SIDES, each=200)
    fitted = made.fit()
    spammer, clicker, inverter = 8, 9, 10

    assert abs(fitted.skills.value[spammer]) < 0.25
    assert abs(fitted.sides.value[spammer]) < 0.35
    # 19 of 20 clicks go left, so little is known of the skill behind them.
    widths = fitted.skills.high - fitted.skills.low
    assert fitted.skills.low[clicker] < 0.2
    assert widths[clicker] > 1.5 * widths[spammer]
    assert fitted.sides.low[clicker] > 2
    assert fitted.skills.high[inverter] < 0
    assert fitted.skills.low[:8].min() > 0.4
    assert fitted.strengths.value == pytest.approx(made.strengths, abs=0.35)


def test_half_a_crowd_of_spammers_leaves_the_other_half_its_skill():
    made = simulated(2, skills=[1.0] * 6 + [0.0] * 6, sides=[0.0] * 12, each=300)

    fitted = made.fit()

    assert fitted.skills.value[:6].mean() == pytest.approx(2, abs=0.2)
    assert np.abs(fitted.skills.value[6:]).max() < 0.4


def test_it_is_the_mode_of_the_posterior():
    """The same posterior, written anew and minimised by another method from the truth."""
    made = simulated(3, m=3, skills=[1.3, 0.7, 1.0], each=30)
    a, left, right, y = made.columns

    def loss(x):
        skills = np.append(x[3:5], 3 - x[3:5].sum())
        sides = x[5:8]
        total = (x[:3] ** 2).sum() / 8 + 2 * ((skills - 1) ** 2).sum() + (sides**2).sum() / 2
        for i in range(len(a)):
            z = skills[a[i]] * (x[left[i]] - x[right[i]]) + sides[a[i]]
            total += np.log1p(np.exp(-z if y[i] else z))
        return total

    start = np.concatenate([made.strengths, made.skills[:2], made.sides])
    best = minimize(loss, start, method="BFGS", options={"gtol": 1e-4}).x
    fitted = made.fit()

    assert fitted.strengths.value == pytest.approx(best[:3] - best[:3].mean(), abs=2e-3)
    assert fitted.skills.value[:2] == pytest.approx(best[3:5], abs=2e-3)
    assert fitted.sides.value == pytest.approx(best[5:8], abs=2e-3)


def test_mirrored_sides_mirror_the_side_bias_and_nothing_else():
    made = simulated(4, each=60)
    a, left, right, y = made.columns
    fitted = made.fit()
    mirrored = crowd_bradley_terry.fit(a, right, left, 1 - y, n_sources=6, n_annotators=12)

    assert mirrored.sides.value == pytest.approx(-fitted.sides.value, abs=1e-3)
    assert mirrored.strengths.value == pytest.approx(fitted.strengths.value, abs=1e-3)
    assert mirrored.skills.low == pytest.approx(fitted.skills.low, abs=1e-3)


def test_a_tie_is_half_a_judgment_for_each_side():
    """One annotator, one pair, two ties: like one judgment for each."""
    tied = crowd_bradley_terry.fit([0, 0], [0, 0], [1, 1], [0.5, 0.5], n_sources=2, n_annotators=1)
    split = crowd_bradley_terry.fit([0, 0], [0, 0], [1, 1], [1, 0], n_sources=2, n_annotators=1)

    assert tied.strengths.value == pytest.approx([0, 0], abs=1e-4)
    assert tied.strengths.high == pytest.approx(split.strengths.high)


def test_who_judged_nothing_has_the_interval_of_the_prior():
    made = simulated(5, each=50)
    fitted = crowd_bradley_terry.fit(*made.columns, n_sources=6, n_annotators=13)

    assert fitted.skills.value[12] == pytest.approx(1, abs=1e-3)
    assert fitted.skills.high[12] == pytest.approx(1 + 1.96 * 0.5, abs=0.01)
    assert fitted.sides.low[12] == pytest.approx(-1.96, abs=0.01)


@pytest.mark.parametrize("seed", range(20))
def test_the_skill_of_one_alone_is_one_for_certain(seed):
    """Skills are relative: their mean is 1."""
    rng = np.random.default_rng(seed)
    left = rng.integers(0, 3, 12)
    right = (left + rng.integers(1, 3, 12)) % 3
    won = rng.integers(0, 2, 12)
    found = crowd_bradley_terry.fit(
        np.zeros(12, int), left, right, won, n_sources=3, n_annotators=1
    )
    for end in (found.skills.low, found.skills.value, found.skills.high):
        assert end == pytest.approx([1.0], abs=1e-6)


def test_prompts_of_different_difficulty_widen_the_intervals_of_strengths():
    """Estimates of 25 crowds spread by what the intervals with prompts say, and not by what those
    without say."""
    spread, plain, clustered = [], [], []
    truth = np.random.default_rng(99).normal(0, 1, 6)
    for seed in range(25):
        rng = np.random.default_rng(seed)
        a, prompts = np.repeat(np.arange(12), 150), rng.integers(0, 60, 1800)
        left = rng.integers(0, 6, 1800)
        right = (left + rng.integers(1, 6, 1800)) % 6
        local = truth + rng.normal(size=(60, 6))
        gap = local[prompts, left] - local[prompts, right]
        y = rng.random(1800) < 1 / (1 + np.exp(-gap))
        for widths, given in ((plain, None), (clustered, prompts)):
            fitted = crowd_bradley_terry.fit(
                a, left, right, y, n_sources=6, n_annotators=12, prompts=given
            )
            widths.append(fitted.strengths.high - fitted.strengths.low)
        spread.append(fitted.strengths.value)

    error = np.std(spread, axis=0, ddof=1).mean()
    assert np.mean(clustered) / 3.92 == pytest.approx(error, rel=0.25)
    assert np.mean(plain) / 3.92 < 0.8 * error


@pytest.mark.parametrize("cells", [1, 700])
def test_how_many_prompts_are_looked_at_at_once_moves_no_interval(cells, monkeypatch):
    """One prompt at a time, or about six; all 60 otherwise, which are in no order."""
    made = simulated(3, difficulty=0.8)
    whole = made.fit(with_prompts=True).strengths
    monkeypatch.setattr(crowd_bradley_terry, "_CELLS_AT_ONCE", cells)

    found = made.fit(with_prompts=True).strengths

    assert found.low == pytest.approx(whole.low, rel=1e-9)
    assert found.high == pytest.approx(whole.high, rel=1e-9)
    alone = made.fit().strengths
    assert (found.high - found.low > 1.1 * (alone.high - alone.low)).any()


def test_strengths_are_those_on_a_random_prompt_where_prompts_differ():
    """Strengths that vary by 0.5 from prompt to prompt make contests look closer: averaged over
    prompts, the log-odds shrink by about sqrt(1 + 2 0.5^2 / 1.7^2) (the logistic distribution is
    nearly a normal one of 1.7). Those are in their intervals, and the others are not."""
    inside, conditional, skills, sides = [], [], [], []
    for seed in range(15):
        made = simulated(seed, each=300, difficulty=0.5)
        found = made.fit(with_prompts=True)
        on_average = made.strengths / np.sqrt(1 + 2 * 0.5**2 / 1.7**2)
        for shares, of, true in (
            (inside, found.strengths, on_average),
            (conditional, found.strengths, made.strengths),
            (skills, found.skills, made.skills),
            (sides, found.sides, made.sides),
        ):
            shares.append(((of.low <= true) & (true <= of.high)).mean())

    assert np.mean(inside) >= 0.9
    assert np.mean(conditional) < 0.9
    # Skills and sides take judgments as independent, and hold the truth nearly as often as told.
    assert np.mean(skills) >= 0.85
    assert np.mean(sides) >= 0.85


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ValueError, match="no judgments"):
        crowd_bradley_terry.fit([], [], [], [], n_sources=2, n_annotators=1)
    with pytest.raises(ValueError, match="with itself"):
        crowd_bradley_terry.fit([0], [1], [1], [1], n_sources=2, n_annotators=1)
