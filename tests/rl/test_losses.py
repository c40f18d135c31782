"""Log-probabilities, KL and losses against numbers worked out by hand."""

import math

import pytest
import torch

from rl.losses import completion_logprobs, entropy, kl_k1, policy_loss, value_loss

TRUE = torch.tensor([[True]])


def loss_of_ratio(ratio: float, advantage: float) -> tuple[float, float, int]:
    """Loss, its gradient by the log-probability, and how many tokens count as clipped."""
    logprobs = torch.tensor([[math.log(ratio)]], dtype=torch.float64, requires_grad=True)
    old = torch.zeros(1, 1, dtype=torch.float64)
    advantages = torch.full((1, 1), advantage, dtype=torch.float64)
    result = policy_loss(logprobs, old, advantages, TRUE, clip_range=0.2)
    result.loss.backward()
    return result.loss.item(), logprobs.grad.item(), int(result.clipped_tokens)


def test_logprobs_are_log_softmax_of_logits_over_temperature():
    # Over temperature 0.5 the logits are 2 log 3 = log 9, log 1, log 1: probabilities 9, 1, 1 / 11.
    logits = torch.tensor([[[math.log(3), 0.0, 0.0], [0.0, 0.0, math.log(3)]]])
    logprobs = completion_logprobs(logits, torch.tensor([[0, 1]]), temperature=0.5)
    expected = torch.tensor([[math.log(9 / 11), math.log(1 / 11)]])
    torch.testing.assert_close(logprobs, expected, atol=1e-6, rtol=0)


def test_logprobs_of_bfloat16_logits_are_computed_in_float32():
    logits = torch.tensor([[[9.0, 8.9375, 1.0]]], dtype=torch.bfloat16)
    exact = logits.double().log_softmax(-1)[0, 0, 1]
    logprobs = completion_logprobs(logits, torch.tensor([[1]]), temperature=1.0)
    assert logprobs.dtype == torch.float32
    assert logprobs.item() == pytest.approx(exact.item(), abs=1e-6)


def test_chunks_change_neither_logprobs_nor_gradients():
    torch.manual_seed(0)
    ids = torch.randint(0, 11, (3, 7))
    whole = torch.randn(3, 7, 11, requires_grad=True)
    chunked = whole.detach().clone().requires_grad_()
    expected = completion_logprobs(whole, ids, temperature=0.7)
    found = completion_logprobs(chunked, ids, temperature=0.7, chunk_elements=44)
    assert torch.equal(found, expected)
    expected.square().sum().backward()
    found.square().sum().backward()
    assert torch.equal(chunked.grad, whole.grad)


def test_entropy_of_known_distributions():
    # Uniform over 4 has log 4 nats; odds 3 : 1 over temperature 2 are sqrt(3) : 1.
    p = math.sqrt(3) / (1 + math.sqrt(3))
    expected = [math.log(4), -(p * math.log(p) + (1 - p) * math.log(1 - p))]
    never = -1e9
    logits = torch.tensor([[[0.0, 0, 0, 0], [math.log(3), 0, never, never]]])
    for chunk in (2**26, 4):
        found = entropy(logits, temperature=2.0, chunk_elements=chunk)[0].tolist()
        assert found == pytest.approx(expected, abs=1e-6)


def test_kl_estimate_of_one_token():
    # The policy says 1/2, the reference 1/4.
    logprobs, ref_logprobs = torch.tensor([math.log(0.5)]), torch.tensor([math.log(0.25)])
    assert kl_k1(logprobs, ref_logprobs).item() == pytest.approx(math.log(2))


def test_kl_estimates_average_to_the_true_kl_under_the_policy():
    policy, reference = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.2, 0.6])
    true_kl = 0.5 * math.log(2.5) + 0.3 * math.log(1.5) + 0.2 * math.log(1 / 3)
    mean = (policy * kl_k1(policy.log(), reference.log())).sum()
    assert mean.item() == pytest.approx(true_kl, abs=1e-6)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "gradient", "clipped"),
    [
        (1.0, 2.0, -2.0, -2.0, 0),
        (1.1, 2.0, -2.2, -2.2, 0),
        (1.5, 2.0, -2.4, 0.0, 1),  # -2 * 1.2: a good token is pushed no further than 1.2.
        (0.5, 2.0, -1.0, -1.0, 0),
        (0.5, -2.0, 1.6, 0.0, 1),  # 2 * 0.8: a bad token is pushed no further than 0.8.
        (1.5, -2.0, 3.0, 3.0, 0),
    ],
)
def test_policy_loss_of_one_token(ratio, advantage, loss, gradient, clipped):
    assert loss_of_ratio(ratio, advantage) == pytest.approx((loss, gradient, clipped), abs=1e-12)


def test_a_log_ratio_beyond_twenty_stays_finite_and_passes_no_gradient():
    logprobs = torch.tensor([[100.0]], requires_grad=True)
    result = policy_loss(logprobs, torch.zeros(1, 1), torch.tensor([[-1.0]]), TRUE, clip_range=0.2)
    result.loss.backward()
    assert result.loss.item() == pytest.approx(math.exp(20))
    assert result.ratio_max.item() == pytest.approx(math.exp(20))
    assert logprobs.grad.item() == 0


def test_approx_kl_is_k3_of_new_against_old():
    result = policy_loss(
        torch.tensor([[math.log(1.5), math.log(0.5)]]),
        torch.zeros(1, 2),
        torch.ones(1, 2),
        torch.ones(1, 2, dtype=torch.bool),
        clip_range=0.2,
    )
    expected = (0.5 - math.log(1.5)) + (-0.5 - math.log(0.5))
    assert result.approx_kl.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("value", "old", "target", "loss", "gradient"),
    [
        (0.1, 0.0, 1.0, 0.405, -0.9),  # Within the range: half of 0.9 squared.
        (0.5, 0.0, 1.0, 0.32, 0.0),  # Moved 0.5 towards 1: counted as 0.2, half of 0.8 squared.
        (-0.5, 0.0, 1.0, 1.125, -1.5),  # Moved away: its own error is the larger.
        (0.5, 0.0, 0.1, 0.08, 0.4),  # Moved past its return: 0.4 squared beats 0.1 squared.
    ],
)
def test_value_loss_of_one_token(value, old, target, loss, gradient):
    values = torch.tensor([[value]], dtype=torch.float64, requires_grad=True)
    old_values, returns = (torch.tensor([[x]], dtype=torch.float64) for x in (old, target))
    result = value_loss(values, old_values, returns, TRUE, clip_range=0.2)
    result.loss.backward()
    assert (result.loss.item(), values.grad.item()) == pytest.approx((loss, gradient))


def test_value_loss_without_clip_range_is_half_the_squared_error():
    result = value_loss(
        torch.tensor([[3.0]]), torch.zeros(1, 1), torch.tensor([[1.0]]), TRUE, clip_range=None
    )
    assert (result.loss.item(), int(result.clipped_tokens)) == (2.0, 0)


@pytest.mark.parametrize("poison", [1e6, float("nan"), float("inf")])
def test_pads_change_no_loss_no_metric_and_no_gradient(poison):
    torch.manual_seed(1)
    real = torch.randn(4, 2, 3)
    mask = torch.ones(2, 3, dtype=torch.bool)
    bad = torch.full((2, 5), poison)
    padded_mask = torch.cat([mask, torch.zeros(2, 5, dtype=torch.bool)], 1)

    def losses(tensors, mask):
        first = tensors[0].clone().requires_grad_()
        policy = policy_loss(first, *tensors[1:3], mask, clip_range=0.2)
        value = value_loss(first, *tensors[1:3], mask, clip_range=0.2)
        (policy.loss + value.loss).backward()
        return torch.stack([*policy, *value]), first.grad[:, :3]

    expected = losses(list(real), mask)
    found = losses([torch.cat([tensor, bad], 1) for tensor in real], padded_mask)
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1], expected[1])
