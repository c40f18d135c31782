"""Rows, masks and padding: what the models see of a rollout, against one row at a time."""

import pytest
import torch
from transformers import GPT2Config, GPT2ForTokenClassification, GPT2LMHeadModel

from rl.generate import CachedGenerator, Stream
from rl.losses import completion_logprobs
from rl.rollouts import Sampling, collect, draw_streams, roll_out, sample, score_samples
from rl.samples import completion_logits, completion_values, microbatches
from rl.value import start_value_model, value_head
from training.distributed import Distributed
from training.text import pad_sequences

PROMPTS = [[1, 4, 40, 50, 5], [1, 4, 60, 5], [1, 4, 70, 0, 2, 71, 72, 5]]
SAMPLING = Sampling(max_new_tokens=9, temperature=0.7, microbatch_size=4)


def make_samples(roles, count=12):
    streams = draw_streams(0, 1, count, len(PROMPTS))
    return sample(roles, roles.policy, PROMPTS, streams, SAMPLING)


def slow_logprobs(policy, prompt, completion, temperature):
    """Token t from row P - 1 + t of a forward pass over one row without padding."""
    logits = policy(torch.tensor([prompt + completion])).logits[0].double() / temperature
    table = logits.log_softmax(-1)
    return [table[len(prompt) - 1 + t, token].item() for t, token in enumerate(completion)]


def test_logprobs_are_read_from_row_p_minus_1_plus_t(roles):
    samples = make_samples(roles)
    with torch.no_grad():
        found = completion_logprobs(
            completion_logits(roles.policy, samples), samples.completion_ids, temperature=0.7
        )
        for row, (prompt, completion) in enumerate(
            zip(samples.prompt_tokens(), samples.completion_tokens(), strict=True)
        ):
            expected = slow_logprobs(roles.policy, prompt, completion, 0.7)
            torch.testing.assert_close(
                found[row, : len(completion)], torch.tensor(expected), atol=1e-5, rtol=0
            )


def test_entropy_is_that_of_the_distribution_that_was_sampled_from(roles):
    samples = make_samples(roles)
    [parts] = microbatches(samples.lengths, len(samples), 5)
    found = collect(roles, roles.policy, samples, parts, temperature=0.7).entropy
    prompt, completion = samples.prompt_tokens()[0], samples.completion_tokens()[0]
    with torch.no_grad():
        logits = roles.policy(torch.tensor([prompt + completion])).logits[0].double() / 0.7
    expected = torch.distributions.Categorical(logits=logits[len(prompt) - 1 : -1]).entropy()
    torch.testing.assert_close(found[0, : len(completion)].double(), expected, atol=1e-4, rtol=0)
    # A warmer distribution has clearly more entropy, so the temperature is part of the number.
    warmer = torch.distributions.Categorical(logits=logits[len(prompt) - 1 : -1] * 0.7).entropy()
    assert (warmer - expected).abs().max() > 1e-3


def test_values_are_read_before_the_token_is_emitted(roles):
    samples = make_samples(roles)
    torch.nn.init.normal_(value_head(roles.value_model).weight)
    with torch.no_grad():
        found = completion_values(roles.value_model, samples)
        for row, (prompt, completion) in enumerate(
            zip(samples.prompt_tokens(), samples.completion_tokens(), strict=True)
        ):
            # The state before the last token does not hold it: leaving it out changes nothing.
            alone = roles.value_model(torch.tensor([(prompt + completion)[:-1]])).logits[0, :, 0]
            expected = alone[len(prompt) - 1 :]
            torch.testing.assert_close(found[row, : len(completion)], expected, atol=1e-5, rtol=0)


GPT2 = GPT2Config(
    vocab_size=80,
    n_embd=32,
    n_layer=2,
    n_head=2,
    n_positions=64,
    num_labels=1,
    classifier_dropout=0.0,
    initializer_range=0.3,
    bos_token_id=1,
    eos_token_id=2,
)


@pytest.mark.parametrize("read", [completion_logits, completion_values])
def test_learned_positions_count_from_the_first_real_token(read):
    # Llama's rotary positions are relative, so left padding cannot show a mistake there.
    torch.manual_seed(0)
    policy = GPT2LMHeadModel(GPT2).eval()
    model = policy if read is completion_logits else GPT2ForTokenClassification(GPT2).eval()
    generator = CachedGenerator(policy=policy, dist=Distributed.start(), eos_id=2, pad_id=0)
    streams = [Stream(0, 1, row, 0) for row in range(3)]

    def sampled(prompts, names):
        return generator.sample(prompts, names, max_new_tokens=9, temperature=1.0)

    together = sampled(PROMPTS, streams)
    with torch.no_grad():
        wide = read(model, together)
        for row, prompt in enumerate(PROMPTS):
            alone = sampled([prompt], [streams[row]])
            assert alone.completion_tokens()[0] == together.completion_tokens()[row]
            expected = read(model, alone)[0]
            torch.testing.assert_close(wide[row, : len(expected)], expected, atol=1e-4, rtol=0)


def test_more_padding_and_other_pad_ids_change_no_number(roles):
    samples = make_samples(roles)
    [parts] = microbatches(samples.lengths, len(samples), 4)
    expected = collect(roles, roles.policy, samples, parts, temperature=0.7)
    rows = len(samples)
    left, right = torch.full((rows, 7), 33), torch.full((rows, 5), 33)
    padded = type(samples)(
        torch.cat([left, samples.input_ids, right], 1),
        torch.cat([left * 0, samples.attention_mask, right * 0], 1),
        torch.cat([samples.completion_mask, torch.zeros(rows, 5, dtype=torch.bool)], 1),
        samples.finished,
    )
    with torch.no_grad():
        logits = completion_logits(roles.policy, padded)
        wide = completion_logprobs(logits, padded.completion_ids, temperature=0.7)
    width = samples.completion_mask.shape[1]
    kept = torch.where(samples.completion_mask, wide[:, :width], 0.0)
    torch.testing.assert_close(kept, expected.logprobs, atol=1e-5, rtol=0)
    found = collect(roles, roles.policy, padded, parts, temperature=0.7)
    torch.testing.assert_close(found.logprobs[:, :width], expected.logprobs, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.scores, expected.scores, atol=1e-5, rtol=0)


def test_microbatch_size_changes_no_number(roles):
    samples = make_samples(roles)
    found = []
    for size in (1, 2, 8):
        [parts] = microbatches(samples.lengths, len(samples), size)
        found.append(collect(roles, roles.policy, samples, parts, temperature=0.7))
    for name in ("logprobs", "ref_logprobs", "values", "entropy", "scores"):
        for other in found[1:]:
            torch.testing.assert_close(
                getattr(other, name), getattr(found[0], name), atol=1e-6, rtol=1e-6
            )


def test_kl_is_exactly_zero_before_training_at_a_temperature_other_than_one(roles):
    rollout = roll_out(roles, roles.policy, PROMPTS, draw_streams(0, 1, 12, 3), SAMPLING)
    assert torch.equal(rollout.logprobs, rollout.ref_logprobs)
    assert rollout.logprobs.abs().sum() > 0


def test_scores_are_those_of_the_ids_alone_with_cut_completions_closed(roles):
    samples = make_samples(roles)
    assert not samples.finished.all()
    found = score_samples(roles, samples)
    for row, ids in enumerate(
        [a + b for a, b in zip(samples.prompt_tokens(), samples.completion_tokens(), strict=True)]
    ):
        closed = ids if samples.finished[row] else [*ids, roles.eos_id]
        batch = pad_sequences([closed], roles.pad_id)
        alone = roles.reward_model.score(batch.input_ids, batch.attention_mask, batch.position_ids)
        torch.testing.assert_close(found[row], alone[0], atol=1e-5, rtol=0)


def test_minibatches_hold_each_row_once_and_sort_only_inside():
    lengths = torch.tensor([5, 3, 9, 1, 7, 7, 2, 8])
    minibatches = microbatches(lengths, 4, 3)
    assert [[rows.tolist() for rows in parts] for parts in minibatches] == [
        [[3, 1, 0], [2]],
        [[6, 4, 5], [7]],
    ]


def test_prompts_are_drawn_in_turn_without_repeats_inside_an_epoch():
    drawn = [s.prompt_index for step in range(5) for s in draw_streams(3, step, 4, 10)]
    assert sorted(drawn[:10]) == sorted(drawn[10:20]) == list(range(10))
    assert drawn[:10] != drawn[10:20]
    names = [stream for step in range(5) for stream in draw_streams(3, step, 4, 2)]
    assert len(set(names)) == 20


def test_value_model_starts_at_zero_on_the_reward_models_trunk(roles):
    value_model = start_value_model(roles.reward_model)
    trunk = roles.reward_model.model.base_model.state_dict()
    for name, weight in value_model.base_model.state_dict().items():
        assert torch.equal(weight, trunk[name])
    samples = make_samples(roles)
    assert completion_values(value_model, samples).abs().max() == 0
