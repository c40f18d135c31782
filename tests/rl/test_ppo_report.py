"""What a PPO run says of itself, from evaluations made up by hand."""

import math

import pytest
import torch

from rl.evaluate import Evaluated, PolicyEvaluation, mean_interval
from rl.ppo_report import make_result, slope, verdict, warnings
from rl.samples import repeated_share


def evaluated(scores, tokens, *, prompts=12, eos_rate=0.9, repeated=0.01):
    evaluation = PolicyEvaluation(
        completions=len(scores),
        prompts=prompts,
        score_mean=sum(scores) / len(scores),
        score_std=1.0,
        kl_per_completion=2.0,
        completion_tokens_mean=sum(tokens) / len(tokens),
        eos_rate=eos_rate,
        repeated_share=repeated,
    )
    return Evaluated(evaluation, scores, tokens)


def result(tmp_path, before, after):
    return make_result(tmp_path, updates=3, over_budget=False, before=before, after=after)


FLAT = [0.0, 1.0] * 12
TOKENS = [10.0, 20.0] * 12


def test_interval_of_single_rows_is_that_of_the_sample_mean():
    # Values 1, 2, 3 have sample variance 1, so a standard error of 1 / sqrt(3).
    low, high = mean_interval(torch.tensor([1.0, 2.0, 3.0]).double(), torch.arange(3))
    half = 1.96 / math.sqrt(3)
    assert (low, high) == pytest.approx((2 - half, 2 + half))


def test_equal_rows_of_a_cluster_count_once():
    values, clusters = torch.tensor([1.0, 2.0, 3.0]).double(), torch.arange(3)
    repeated = mean_interval(values.repeat(4), clusters.repeat(4))
    assert repeated == pytest.approx(mean_interval(values, clusters))


def test_the_interval_of_one_cluster_is_undefined(tmp_path):
    low, high = mean_interval(torch.tensor([1.0, 2.0]).double(), torch.zeros(2).long())
    assert math.isnan(low)
    assert math.isnan(high)
    one = evaluated(FLAT, TOKENS, prompts=1)
    assert "interval undefined with one prompt" in verdict(result(tmp_path, one, one))


def test_a_gain_on_every_prompt_is_a_rise_without_warnings(tmp_path):
    found = result(tmp_path, evaluated(FLAT, TOKENS), evaluated([s + 0.5 for s in FLAT], TOKENS))
    assert found.score_gain == pytest.approx(0.5)
    assert verdict(found).startswith("The score rose: 0.500 before, 1.000 after")
    assert "24 completions of 12 held-out prompts" in verdict(found)
    assert "too few" not in verdict(found)
    assert warnings(found) == []


def test_length_is_credited_with_what_the_references_line_predicts(tmp_path):
    # The reference gains 1 score in 10 tokens; 5 more tokens predict 0.5, all of the gain.
    assert slope(TOKENS, FLAT) == pytest.approx(0.1)
    found = result(
        tmp_path,
        evaluated(FLAT, TOKENS),
        evaluated([s + 0.5 for s in FLAT], [t + 5 for t in TOKENS]),
    )
    assert found.score_gain_of_length == pytest.approx(0.5)
    assert warnings(found) == [
        "Completions became 33% longer. On the reference's completions, length alone predicts "
        "+0.500 of the score's +0.500."
    ]


def test_cut_and_repeating_completions_and_few_prompts_are_named(tmp_path):
    run = result(
        tmp_path,
        evaluated(FLAT, TOKENS, prompts=4),
        evaluated(FLAT, TOKENS, prompts=4, eos_rate=0.25, repeated=0.125),
    )
    found = warnings(run)
    assert len(found) == 2
    assert "These prompts are too few to say" in verdict(run)
    assert "Only 25% of the completions end by themselves (90% before)" in found[0]
    assert "12.5% of their runs of three tokens were written before, 1.0%" in found[1]


def test_equal_lengths_have_no_slope():
    assert slope([5.0, 5.0], [0.0, 1.0]) == 0


def test_repeated_runs_of_three_tokens_by_hand():
    # Runs 1 2 3, 2 3 1, 3 1 2, 1 2 3: one of four was there before.
    assert repeated_share([1, 2, 3, 1, 2, 3]) == 0.25
    assert repeated_share([1, 2, 3]) == 0
    assert repeated_share([7]) == 0
