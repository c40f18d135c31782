"""GAE against hand numbers and against a slow sum; whitening against numpy."""

import numpy as np
import pytest
import torch

from rl.advantages import estimate_advantages, whiten, whitened_advantages


def rows(*values):
    return torch.tensor(np.array(values), dtype=torch.float64)


def slow_advantages(values, rewards, gamma, gae_lambda):
    """Equation 16 as it is written: a discounted sum of later TD errors, for one row."""
    after = [*values[1:], 0.0]
    errors = [r + gamma * n - v for r, n, v in zip(rewards, after, values, strict=True)]
    return [
        sum((gamma * gae_lambda) ** k * error for k, error in enumerate(errors[t:]))
        for t in range(len(errors))
    ]


def test_advantages_of_the_hand_case():
    # TD errors 0, 0, 0.5; then 0.5, 0.95 * 0.5, 0.95^2 * 0.5.
    mask = torch.ones(1, 3, dtype=torch.bool)
    advantages, returns = estimate_advantages(
        rows([0.5, 0.5, 0.5]), rows([0, 0, 1]), mask, gamma=1.0, gae_lambda=0.95
    )
    torch.testing.assert_close(advantages, rows([0.45125, 0.475, 0.5]), atol=1e-12, rtol=0)
    torch.testing.assert_close(returns, rows([0.95125, 0.975, 1.0]), atol=1e-12, rtol=0)


def test_advantages_equal_the_slow_sum():
    rng = np.random.default_rng(0)
    values, rewards = rng.normal(size=(2, 9))
    found, _ = estimate_advantages(
        rows(values),
        rows(rewards),
        torch.ones(1, 9, dtype=torch.bool),
        gamma=0.97,
        gae_lambda=0.9,
    )
    expected = rows(slow_advantages(list(values), list(rewards), 0.97, 0.9))
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


def test_masked_tokens_anywhere_change_nothing():
    torch.manual_seed(0)
    values, rewards = torch.randn(2, 1, 6, dtype=torch.float64)
    plain = estimate_advantages(
        values, rewards, torch.ones(1, 6, dtype=torch.bool), gamma=0.9, gae_lambda=0.8
    )
    kept = [0, 1, 4, 5, 7, 9]  # Two gaps inside the response and two pads behind it.
    mask = torch.zeros(1, 12, dtype=torch.bool)
    mask[:, kept] = True
    wide_values, wide_rewards = torch.full((2, 1, 12), 1e6, dtype=torch.float64)
    wide_values[:, kept], wide_rewards[:, kept] = values, rewards
    for found, expected in zip(
        estimate_advantages(wide_values, wide_rewards, mask, gamma=0.9, gae_lambda=0.8),
        plain,
        strict=True,
    ):
        torch.testing.assert_close(found[:, kept], expected, atol=1e-12, rtol=0)
        assert torch.equal(found[~mask], torch.zeros(6, dtype=torch.float64))


@pytest.mark.parametrize("gae_lambda", [0.0, 0.5, 1.0])
def test_last_token_of_short_and_full_rows_has_the_same_credit(gae_lambda):
    mask = torch.tensor([[True, True, True, True], [True, True, False, False]])
    values = rows([0.1, 0.2, 0.3, 0.4], [0.3, 0.4, 1e6, 1e6])
    rewards = rows([0.0, 0, 0, 2.0], [0.0, 2.0, 1e6, 1e6])
    advantages, _ = estimate_advantages(values, rewards, mask, gamma=1.0, gae_lambda=gae_lambda)
    assert advantages[0, 3].item() == advantages[1, 1].item() == pytest.approx(1.6)


def test_arguments_are_left_as_they_were():
    values, rewards = torch.randn(2, 2, 3)
    mask = torch.tensor([[True, True, False], [True, False, False]])
    before = values.clone(), rewards.clone()
    estimate_advantages(values, rewards, mask, gamma=1.0, gae_lambda=0.95)
    assert torch.equal(values, before[0])
    assert torch.equal(rewards, before[1])


def test_whitening_gives_mean_zero_and_variance_one_over_trained_tokens():
    advantages = rows([1.0, 2.0, 1e6], [4.0, 1e6, 1e6])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    trained = np.array([1.0, 2.0, 4.0])
    expected = (trained - trained.mean()) / np.sqrt(trained.var() + 1e-8)
    white = whiten(advantages, mask)
    np.testing.assert_allclose(white[mask].numpy(), expected, atol=1e-12)
    assert white[~mask].tolist() == [0, 0, 0]


def test_returns_are_made_of_advantages_before_whitening():
    values, rewards = rows([0.5, 0.5, 0.5], [0.0, 1.0, 9.9]), rows([0, 0, 1], [0, 3, 9.9])
    mask = torch.tensor([[True, True, True], [True, True, False]])
    advantages, returns = whitened_advantages(values, rewards, mask, gamma=1.0, gae_lambda=0.95)
    # Second row: TD errors 1 and 2, so advantages 1 + 0.95 * 2 and 2.
    torch.testing.assert_close(returns, rows([0.95125, 0.975, 1.0], [2.9, 3.0, 0.0]))
    trained = np.array([0.45125, 0.475, 0.5, 2.9, 2.0])
    expected = (trained - trained.mean()) / np.sqrt(trained.var() + 1e-8)
    np.testing.assert_allclose(advantages[mask].numpy(), expected, atol=1e-12)


def test_equal_advantages_whiten_to_zero():
    assert whiten(rows([3.0, 3.0]), torch.ones(1, 2, dtype=torch.bool)).tolist() == [[0, 0]]


def test_whitening_on_two_ranks_equals_one():
    torch.manual_seed(0)
    advantages = torch.randn(4, 5, dtype=torch.float64)
    mask = torch.rand(4, 5) < 0.6
    expected = whiten(advantages, mask)
    # A rank's own sums are known, so the other rank's part is added where the ranks would meet.
    other, other_mask = advantages[2:], mask[2:]
    mean = advantages[mask].mean()
    parts = iter(
        [
            torch.stack([other[other_mask].sum(), other_mask.sum().double()]),
            (other[other_mask] - mean).square().sum(),
        ]
    )
    found = whiten(advantages[:2], mask[:2], reduce_sum=lambda total: total + next(parts))
    torch.testing.assert_close(found, expected[:2], atol=1e-12, rtol=0)
