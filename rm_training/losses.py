"""Reward-model losses: pure functions of scores. `B` pairs; every result is one number a pair."""

from torch import Tensor
from torch.nn.functional import logsigmoid


def bradley_terry_loss(
    chosen_scores: Tensor, rejected_scores: Tensor, weights: Tensor, probability: Tensor
) -> Tensor:
    """Weighted cross-entropy of P(chosen better) = sigmoid(difference) with a soft label, (B,).

    probability 1 is the hard label -log sigmoid(difference); at q the optimum is logit(q).
    """
    difference = chosen_scores - rejected_scores
    for_chosen, for_rejected = logsigmoid(difference), logsigmoid(-difference)
    return -weights * (probability * for_chosen + (1 - probability) * for_rejected)


def centring_penalty(chosen_scores: Tensor, rejected_scores: Tensor) -> Tensor:
    """(chosen + rejected)^2, (B,): keeps the scores of each prompt near 0 (arXiv 2312.09244).

    Bradley-Terry is blind to a constant per prompt, which would reach PPO as a prompt's offset.
    """
    return (chosen_scores + rejected_scores) ** 2
