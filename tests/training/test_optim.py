import math

import pytest
import torch
from torch import nn

from training.errors import RunError
from training.optim import GuardedOptimizer, build_optimizer, clip_gradients, learning_rate_at


def test_the_rate_rises_to_its_peak_and_falls_to_nearly_zero() -> None:
    rates = [learning_rate_at(s, peak=1.0, warmup_steps=3, total_steps=7) for s in range(7)]

    assert rates == pytest.approx([0.25, 0.5, 0.75, 1.0, 0.75, 0.5, 0.25])


def test_without_warm_up_the_first_step_has_the_peak_rate() -> None:
    assert learning_rate_at(0, peak=2.0, warmup_steps=0, total_steps=4) == 2.0


def test_clipping_gives_the_norm_before_and_scales_to_the_limit() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([3.0, 4.0])

    norm = clip_gradients([parameter], 1.0)

    assert norm == pytest.approx(5.0)
    assert parameter.grad.tolist() == pytest.approx([0.6, 0.8], abs=1e-5)


def test_the_first_adam_step_moves_by_the_rate() -> None:
    # Bias correction makes the first step rate * g / (|g| + eps), by hand 0.1 * 0.5 / 0.50001.
    parameter = nn.Parameter(torch.tensor([1.0]))
    optimizer = GuardedOptimizer(build_optimizer([parameter], learning_rate=9.0))
    parameter.grad = torch.tensor([0.5])

    optimizer.step(0.1)

    assert parameter.item() == pytest.approx(1.0 - 0.1 * 0.5 / 0.50001, abs=1e-7)
    assert parameter.grad is None


def test_a_gradient_that_is_not_finite_skips_the_step_and_is_counted() -> None:
    parameter = nn.Parameter(torch.tensor([1.0]))
    optimizer = GuardedOptimizer(build_optimizer([parameter], learning_rate=0.1))
    parameter.grad = torch.tensor([math.inf])

    optimizer.step(0.1)

    assert parameter.item() == 1.0
    assert optimizer.counters() == {"skipped": 1, "skipped_in_a_row": 1}


def test_too_many_skips_in_a_row_end_the_run() -> None:
    parameter = nn.Parameter(torch.tensor([1.0]))
    optimizer = GuardedOptimizer(
        build_optimizer([parameter], learning_rate=0.1), max_skips_in_a_row=2
    )
    for gradient in (math.nan, 1.0, math.nan):
        parameter.grad = torch.tensor([gradient])
        optimizer.step(0.1)
    parameter.grad = torch.tensor([math.nan])

    with pytest.raises(RunError, match="not finite in 2 steps in a row"):
        optimizer.step(0.1)
