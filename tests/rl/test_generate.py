"""The sampler: greedy equality with Hugging Face, frequencies, independence of the batch."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from transformers import LlamaConfig, LlamaForCausalLM

from rl.generate import (
    CachedGenerator,
    Stream,
    choose_tokens,
    generate_completions,
    uniforms,
)
from training.distributed import Distributed
from training.errors import TrainingError

EOS, PAD = 2, 0


def make_policy(vocabulary=50, **settings):
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        initializer_range=0.3,
        **settings,
    )
    return LlamaForCausalLM(config).eval()


def generator(policy, pad=PAD):
    return CachedGenerator(policy=policy, dist=Distributed.start(), eos_id=EOS, pad_id=pad)


def streams(count, seed=0):
    return [Stream(seed, 1, index, 0) for index in range(count)]


def random_prompts(count):
    torch.manual_seed(4)
    return [torch.randint(3, 50, (2 + k % 7,)).tolist() for k in range(count)]


def test_greedy_completions_equal_hugging_face_generate():
    policy, prompts = make_policy(), random_prompts(24)
    samples = generator(policy).sample(prompts, streams(24), max_new_tokens=30, temperature=0)
    for prompt, found in zip(prompts, samples.completion_tokens(), strict=True):
        whole = policy.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=30,
            do_sample=False,
            eos_token_id=EOS,
            pad_token_id=PAD,
        )
        assert found == whole[0, len(prompt) :].tolist()
    assert 0 < samples.finished.sum() < 24  # Some rows leave the batch early, others never.


def test_sampled_frequencies_follow_the_temperature_whatever_generation_config_says():
    policy = make_policy(vocabulary=5)
    policy.generation_config.top_k, policy.generation_config.temperature = 1, 0.1
    prompt, count, temperature = [3, 4, 1], 8000, 1.7
    samples = generator(policy).sample(
        [prompt] * count, streams(count), max_new_tokens=1, temperature=temperature
    )
    logits = policy(torch.tensor([prompt])).logits[0, -1].double()
    expected = (logits / temperature).softmax(-1).detach().numpy() * count
    observed = np.bincount(samples.completion_ids[:, 0].numpy(), minlength=5)
    assert observed.min() > 20
    assert stats.chisquare(observed, expected).pvalue > 0.001


def test_a_completion_does_not_depend_on_the_others_in_its_batch():
    policy, prompts, names = make_policy(), random_prompts(20), streams(20)
    together = generator(policy).sample(prompts, names, max_new_tokens=12, temperature=1.0)
    backwards = generator(policy).sample(
        prompts[::-1], names[::-1], max_new_tokens=12, temperature=1.0
    )
    assert backwards.completion_tokens()[::-1] == together.completion_tokens()
    for row in (0, 7):
        alone = generator(policy).sample(
            [prompts[row]], [names[row]], max_new_tokens=12, temperature=1.0
        )
        assert alone.completion_tokens() == [together.completion_tokens()[row]]


def test_a_prompt_may_hold_the_padding_and_the_end_token():
    policy = make_policy()
    prompts = [[5, PAD, EOS, 7], [9, 8, 7, 6, 5, 4, 3]]
    found = [
        generator(policy, pad).sample(prompts, streams(2), max_new_tokens=8, temperature=1.0)
        for pad in (PAD, 49)
    ]
    assert found[0].completion_tokens() == found[1].completion_tokens()
    assert found[0].prompt_tokens() == prompts


def test_the_mask_counts_the_end_token_and_nothing_behind_it():
    samples = generator(make_policy(vocabulary=6)).sample(
        [[3, 4]] * 40, streams(40), max_new_tokens=9, temperature=1.0
    )
    reasons = samples.finish_reasons
    assert {"stop", "length"} == set(reasons)
    for tokens, reason in zip(samples.completion_tokens(), reasons, strict=True):
        if reason == "stop":
            assert tokens.index(EOS) == len(tokens) - 1
        else:
            assert len(tokens) == 9
            assert EOS not in tokens
    behind = samples.completion_ids[~samples.completion_mask]
    assert behind.tolist() == [PAD] * len(behind)


def test_random_numbers_are_named_by_seed_step_prompt_and_sample():
    base = Stream(1, 2, 3, 4)
    changed = [base._replace(**{name: 9}) for name in Stream._fields]
    numbers = uniforms([base, base, *changed], 5)
    assert torch.equal(numbers[0], numbers[1])
    assert len({tuple(row.tolist()) for row in numbers}) == 1 + len(changed)
    assert torch.equal(uniforms([base], 3)[0], numbers[0, :3])


def test_inverting_the_distribution_by_hand():
    # Probabilities 0.5, 0.25, 0.25: the uniform number falls into one of three parts.
    logits = torch.tensor([[math.log(2), 0.0, 0.0, -math.inf]]).repeat(5, 1)
    uniform = torch.tensor([0.0, 0.49, 0.51, 0.76, 1 - 2**-53], dtype=torch.float64)
    assert choose_tokens(logits, uniform, 1.0).tolist() == [0, 0, 1, 2, 2]


def test_logits_that_are_not_finite_are_refused():
    with pytest.raises(TrainingError, match="logits that are not finite"):
        choose_tokens(torch.full((1, 4), math.nan), torch.zeros(1, dtype=torch.float64), 1.0)


def test_generated_rows_hold_each_prompt_with_its_completions(policy_folder):
    prompts = [[{"role": "user", "content": text}] for text in ("rain", "small boat")]
    arguments = {"samples_per_prompt": 3, "max_new_tokens": 5, "temperature": 1.0}
    rows = list(generate_completions(policy_folder, prompts, seed=7, **arguments))
    assert [row["prompt"] for row in rows] == prompts
    assert [len(row["completions"]) for row in rows] == [3, 3]
    assert all(c["tokens"] == 5 or c["finish_reason"] == "stop" for c in rows[0]["completions"])
    assert rows == list(generate_completions(policy_folder, prompts, seed=7, **arguments))
    assert rows != list(generate_completions(policy_folder, prompts, seed=8, **arguments))


def test_a_prompt_longer_than_the_model_is_refused(policy_folder):
    prompts = [[{"role": "user", "content": "rain " * 600}]]
    arguments = {"samples_per_prompt": 1, "max_new_tokens": 5, "temperature": 1.0, "seed": 0}
    with pytest.raises(TrainingError, match=r"Prompt 1 has .* more than the model's 512"):
        next(generate_completions(policy_folder, prompts, **arguments))
