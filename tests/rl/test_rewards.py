"""Rewards, score normalisation and the KL controller against hand numbers."""

import math

import pytest
import torch

from rl.rewards import (
    KLController,
    ScoreNormaliser,
    assemble_rewards,
    explained_variance,
    replace_unfinished,
    unfinished_floor,
)
from training.errors import TrainingError


def test_score_lands_on_the_last_real_token_of_short_and_full_rows():
    mask = torch.tensor([[True, True, True], [True, True, False], [True, False, False]])
    kl = torch.tensor([[0.2, -0.4, 1.0], [0.2, -0.4, 1e6], [1.0, 1e6, float("nan")]])
    rewards = assemble_rewards(torch.tensor([3.0, -1.0, 2.0]), kl, mask, kl_coef=0.5)
    expected = torch.tensor([[-0.1, 0.2, 2.5], [-0.1, -0.8, 0.0], [1.5, 0.0, 0.0]])
    torch.testing.assert_close(rewards, expected)


def test_score_steps_over_a_gap_to_the_last_real_token():
    mask = torch.tensor([[True, False, True, False]])
    rewards = assemble_rewards(torch.tensor([1.0]), torch.zeros(1, 4), mask, kl_coef=0.5)
    assert rewards.tolist() == [[0.0, 0.0, 1.0, 0.0]]


def test_a_completion_without_tokens_is_refused():
    mask = torch.tensor([[True], [False]])
    with pytest.raises(ValueError, match="1 of 2 completions have no token"):
        assemble_rewards(torch.zeros(2), torch.zeros(2, 1), mask, kl_coef=0.1)


def test_a_cut_completion_gets_one_below_the_lowest_score():
    scores = torch.tensor([0.5, -2.0, 9.0])
    finished = torch.tensor([True, True, False])
    assert replace_unfinished(scores, finished, unfinished_floor(scores)).tolist() == [0.5, -2, -3]


def test_normalised_scores_have_mean_0_and_deviation_1():
    # Scores 1, 3 have mean 2 and deviation 1; scores 0, 4 mean 2 and deviation 2.
    normaliser = ScoreNormaliser.fit(torch.tensor([0.0, 4.0]))
    assert (normaliser.gain, normaliser.bias) == (0.5, -1.0)
    assert normaliser(torch.tensor([0.0, 2.0, 6.0])).tolist() == [-1.0, 0.0, 2.0]


def test_normalisation_holds_on_a_fresh_sample():
    torch.manual_seed(0)
    normaliser = ScoreNormaliser.fit(3 + 7 * torch.randn(20_000))
    fresh = normaliser(3 + 7 * torch.randn(20_000))
    assert abs(fresh.mean().item()) < 0.05
    assert abs(fresh.std().item() - 1) < 0.05


def test_equal_scores_cannot_be_normalised():
    with pytest.raises(TrainingError, match="4 scores have standard deviation 0"):
        ScoreNormaliser.fit(torch.ones(4))


def test_constant_kl_at_twice_the_target_raises_the_weight_in_closed_form():
    controller = KLController(kl_coef=0.1, target=6.0, horizon=10_000)
    for _ in range(5):
        controller = controller.after(12.0, 512)
    assert controller.kl_coef == pytest.approx(0.1 * (1 + 0.2 * 512 / 10_000) ** 5, rel=1e-12)


def test_a_small_error_moves_the_weight_in_proportion_and_downwards_too():
    controller = KLController(kl_coef=0.1, target=6.0, horizon=1_000)
    assert controller.after(5.4, 100).kl_coef == pytest.approx(0.1 * (1 - 0.1 * 0.1))
    assert controller.after(-50.0, 100).kl_coef == pytest.approx(0.1 * (1 - 0.2 * 0.1))


def test_without_a_target_the_weight_is_fixed():
    assert KLController(kl_coef=0.05).after(100.0, 512) == KLController(kl_coef=0.05)


def test_explained_variance_of_good_constant_and_offset_values():
    returns = torch.tensor([[1.0, 2.0, 3.0, 1e6]])
    mask = torch.tensor([[True, True, True, False]])

    def explained(*values):
        return explained_variance(torch.tensor([[*values, 0.0]]), returns, mask)

    assert explained(1.0, 2.0, 3.0) == pytest.approx(1.0)
    assert explained(2.0, 2.0, 2.0) == pytest.approx(0.0)
    assert explained(11.0, 12.0, 13.0) == pytest.approx(1.0)
    # Errors 0, 1, 0 have variance 2/9, the returns 2/3.
    assert explained(1.0, 1.0, 3.0) == pytest.approx(1 - (2 / 9) / (2 / 3))


def test_explained_variance_is_undefined_for_equal_returns():
    ones = torch.ones(1, 3)
    assert math.isnan(explained_variance(torch.zeros(1, 3), ones, ones.bool()))
