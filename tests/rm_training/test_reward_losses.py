import math

import pytest
import torch
from torch import tensor

from rm_training.losses import bradley_terry_loss, centring_penalty

ONE = tensor([1.0])


def test_a_difference_of_log_three_means_three_to_one() -> None:
    # sigmoid(ln 3) = 3/4, so the loss of the hard label is ln(4/3).
    loss = bradley_terry_loss(tensor([math.log(3.0)]), tensor([0.0]), ONE, ONE)

    assert loss.item() == pytest.approx(math.log(4 / 3), abs=1e-7)


def test_a_soft_label_weighs_both_outcomes() -> None:
    # q = 0.6 and P = 3/4: 0.6 ln(4/3) + 0.4 ln 4.
    loss = bradley_terry_loss(tensor([math.log(3.0)]), tensor([0.0]), ONE, tensor([0.6]))

    assert loss.item() == pytest.approx(0.6 * math.log(4 / 3) + 0.4 * math.log(4), abs=1e-6)


def test_the_best_difference_for_a_soft_label_is_its_logit() -> None:
    scores = tensor([math.log(0.8 / 0.2)], requires_grad=True)

    bradley_terry_loss(scores, tensor([0.0]), ONE, tensor([0.8])).sum().backward()

    assert scores.grad is not None
    assert scores.grad.item() == pytest.approx(0.0, abs=1e-7)


def test_a_weight_scales_its_own_row_only() -> None:
    scores, zeros, ones = torch.zeros(2), torch.zeros(2), torch.ones(2)

    losses = bradley_terry_loss(scores, zeros, tensor([1.0, 3.0]), ones)

    assert losses.tolist() == pytest.approx([math.log(2), 3 * math.log(2)])


def test_a_confident_error_costs_its_size_without_overflow() -> None:
    loss = bradley_terry_loss(tensor([-1000.0]), tensor([0.0]), ONE, ONE)

    assert loss.item() == 1000.0


def test_swapping_sides_and_label_changes_nothing() -> None:
    chosen, rejected = tensor([0.3, -1.2]), tensor([0.9, 0.4])
    label, weights = tensor([0.7, 0.2]), torch.ones(2)

    torch.testing.assert_close(
        bradley_terry_loss(chosen, rejected, weights, label),
        bradley_terry_loss(rejected, chosen, weights, 1 - label),
    )


def test_centring_squares_the_sum_of_both_scores() -> None:
    assert centring_penalty(tensor([1.0, 2.0]), tensor([2.0, -2.0])).tolist() == [9.0, 0.0]
