"""One optimisation phase: gradients, steps, early stop and the check of the first ratio."""

import pytest
import torch

from rl.ppo_config import PPOConfig
from rl.ppo_updates import Optimizers, Rates, accumulate_gradients, make_batches, optimise
from rl.rollouts import Sampling, draw_streams, roll_out
from rl.samples import microbatches
from training.errors import TrainingError
from training.optim import GuardedOptimizer, build_optimizer

PROMPTS = [[1, 4, 40, 50, 5], [1, 4, 60, 5], [1, 4, 70, 71, 72, 73, 74, 5]]
SAMPLING = Sampling(max_new_tokens=10, temperature=0.7, microbatch_size=64)


def config(**settings):
    base = {"rollout_batch_size": 16, "temperature": 0.7, "approx_kl_limit": None, "epochs": 1}
    return PPOConfig(**{**base, "minibatch_size": 16, **settings})


def optimizers(roles):
    return Optimizers(
        policy=GuardedOptimizer(build_optimizer(roles.policy.parameters(), learning_rate=1)),
        value=GuardedOptimizer(build_optimizer(roles.value_model.parameters(), learning_rate=1)),
    )


@pytest.fixture
def cut(roles):
    """The same rollout, with random advantages and returns, cut into micro-batches of a size."""
    streams = draw_streams(0, 1, 16, len(PROMPTS))
    rollout = roll_out(roles, roles.policy, PROMPTS, streams, SAMPLING)
    torch.manual_seed(5)
    advantages, returns = torch.randn(2, *rollout.logprobs.shape)

    def batches(minibatch_size, microbatch_size):
        parts = microbatches(rollout.samples.lengths, minibatch_size, microbatch_size)
        return make_batches(rollout, advantages, returns, parts)

    return batches


def gradients(roles):
    parameters = [*roles.policy.parameters(), *roles.value_model.parameters()]
    found = torch.cat([parameter.grad.flatten() for parameter in parameters])
    for parameter in parameters:
        parameter.grad = None
    return found


def test_splitting_a_minibatch_leaves_gradients_and_metrics_equal(roles, cut):
    [whole] = cut(16, 16)
    expected = accumulate_gradients(roles, whole, config(), with_policy=True)
    expected_gradients = gradients(roles)
    assert expected_gradients.abs().max() > 1e-3
    for size in (1, 5):
        [split] = cut(16, size)
        assert len({batch.samples.completion_mask.sum().item() for batch in split}) > 1
        metrics = accumulate_gradients(roles, split, config(), with_policy=True)
        assert metrics == pytest.approx(expected, rel=1e-5, abs=1e-6)
        difference = (gradients(roles) - expected_gradients).norm() / expected_gradients.norm()
        assert difference < 1e-6


def test_every_minibatch_of_every_epoch_is_one_step(roles, cut):
    used = optimizers(roles)
    log = optimise(roles, used, cut(4, 2), config(epochs=3), Rates(policy=1e-3, value=1e-3))
    assert log.metrics()["optimizer_steps"] == 3 * 4
    for guarded in (used.policy, used.value):
        state = guarded.optimizer.state
        assert {int(entry["step"]) for entry in state.values()} == {3 * 4}
        assert guarded.skipped == 0


def test_first_minibatch_has_a_ratio_of_exactly_one(roles, cut):
    # The micro-batches must be those that the rollout was scored in.
    metrics = accumulate_gradients(roles, cut(16, 64)[0], config(), with_policy=True)
    assert metrics["ratio_max"] == 1
    assert metrics["approx_kl"] == 0
    assert metrics["clip_fraction"] == 0


def test_a_huge_step_ends_the_epochs_of_the_rollout(roles, cut):
    used = optimizers(roles)
    log = optimise(
        roles,
        used,
        cut(4, 4),
        config(epochs=2, approx_kl_limit=0.02),
        Rates(policy=1.0, value=1e-3),
    )
    assert log.stopped_early
    assert log.metrics()["optimizer_steps"] == 1
    assert all(parameter.grad is None for parameter in roles.policy.parameters())


def test_a_policy_that_did_not_sample_the_rollout_is_refused(roles, cut):
    batches = cut(16, 16)
    with torch.no_grad():
        roles.policy.model.norm.weight.mul_(1.5)
    with pytest.raises(TrainingError, match="ratio of new to old probabilities reaches"):
        optimise(roles, optimizers(roles), batches, config(), Rates(policy=1e-3, value=1e-3))


def test_without_a_policy_rate_only_the_value_model_moves(roles, cut):
    before = {name: value.clone() for name, value in roles.policy.state_dict().items()}
    value_before = roles.value_model.score.weight.clone()
    optimise(roles, optimizers(roles), cut(16, 16), config(), Rates(policy=None, value=1e-3))
    assert all(torch.equal(v, before[n]) for n, v in roles.policy.state_dict().items())
    assert not torch.equal(roles.value_model.score.weight, value_before)
