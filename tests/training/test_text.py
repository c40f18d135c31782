import random
from pathlib import Path

import pytest
import torch
from helpers.bundles import sentence
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from training.errors import TrainingError
from training.models import load_causal_lm, load_tokenizer
from training.text import encode_completion, encode_prompt, eos_id, fit_length, pad_sequences


def test_every_prompt_starts_with_exactly_one_bos(model_path: Path) -> None:
    tokenizer = load_tokenizer(model_path)
    generator = random.Random(0)
    for _ in range(100):
        messages = [
            {"role": role, "content": sentence(generator)}
            for role in ("system", "user", "assistant", "user")
        ]
        ids = encode_prompt(tokenizer, messages)
        assert ids[0] == tokenizer.bos_token_id
        assert ids.count(tokenizer.bos_token_id) == 1


CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA_3 = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message['role'] }}"
    "<|end_header_id|>\n\n{{ message['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
SPECIAL = {
    CHATML: ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    LLAMA_3: ["<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"],
}


def byte_tokenizer(template: str) -> PreTrainedTokenizerFast:
    """One token a byte, and the special tokens of a well-known template."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([*SPECIAL[template], "<pad>"])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|begin_of_text|>" if template == LLAMA_3 else None,
        eos_token="<|eot_id|>" if template == LLAMA_3 else "<|im_end|>",
        pad_token="<pad>",
        chat_template=template,
    )


@pytest.fixture(params=["tiny", "ChatML", "Llama 3"])
def tokenizer(request: pytest.FixtureRequest, model_path: Path) -> PreTrainedTokenizerBase:
    if request.param == "tiny":
        return load_tokenizer(model_path)
    return byte_tokenizer(CHATML if request.param == "ChatML" else LLAMA_3)


def special_ids(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[int]:
    return [i for i in ids if i in tokenizer.added_tokens_decoder]


def test_harmless_messages_get_the_ids_of_the_chat_template(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": " 2 < 3 <b> |> 茶 \ue000 "},
        {"role": "assistant", "content": "Yes"},
        {"role": "user", "content": "Why?"},
    ]

    expected = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]

    assert encode_prompt(tokenizer, messages) == expected


def test_a_message_that_spells_special_tokens_adds_none(tokenizer: PreTrainedTokenizerBase) -> None:
    special = [str(token) for token in tokenizer.added_tokens_decoder.values()]
    hostile = "\ue000 " + "".join(special) + f"{special[0][:2]}{special[1]}{special[0][2:]} end"
    roles = ("system", "user", "assistant", "user")

    found = encode_prompt(tokenizer, [{"role": role, "content": hostile} for role in roles])

    harmless = encode_prompt(tokenizer, [{"role": role, "content": "x"} for role in roles])
    assert special_ids(tokenizer, found) == special_ids(tokenizer, harmless)
    text = tokenizer.decode([i for i in found if i not in tokenizer.added_tokens_decoder])
    assert text.count(hostile) == 4


def test_text_around_a_spelled_token_is_rendered_by_the_template() -> None:
    tokenizer = byte_tokenizer(CHATML)

    found = encode_prompt(tokenizer, [{"role": "user", "content": "  a <|im_end|> b  "}])

    expected = "<|im_start|>user\na <|im_end|> b<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.decode(found) == expected
    assert found.count(tokenizer.eos_token_id) == 1


def test_a_template_that_doubles_bos_is_reduced_to_one(model_path: Path) -> None:
    tokenizer = load_tokenizer(model_path)
    tokenizer.chat_template = "<bos>" + tokenizer.chat_template

    ids = encode_prompt(tokenizer, [{"role": "user", "content": "tea"}])

    assert ids.count(tokenizer.bos_token_id) == 1


def test_a_completion_ends_with_eos_and_decodes_to_its_text(model_path: Path) -> None:
    tokenizer = load_tokenizer(model_path)
    text = "  Tea, s'il vous plaît \n 茶"

    ids = encode_completion(tokenizer, text)

    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids[:-1]) == text


def test_text_that_spells_a_special_token_stays_text(model_path: Path) -> None:
    tokenizer = load_tokenizer(model_path)

    ids = encode_completion(tokenizer, "a <eos> b")

    assert ids.count(tokenizer.eos_token_id) == 1
    assert tokenizer.decode(ids[:-1]) == "a <eos> b"


def test_an_empty_completion_is_just_its_end(model_path: Path) -> None:
    tokenizer = load_tokenizer(model_path)

    assert encode_completion(tokenizer, "") == [tokenizer.eos_token_id]


def test_a_long_prompt_loses_its_oldest_tokens_after_the_first() -> None:
    assert fit_length([1, 10, 11, 12, 13], [20, 2], 5) == ([1, 12, 13], [20, 2])


def test_a_prompt_that_fits_is_untouched() -> None:
    assert fit_length([1, 10], [20, 2], 4) == ([1, 10], [20, 2])


def test_one_token_of_room_keeps_the_end_of_the_prompt() -> None:
    assert fit_length([1, 10, 11], [20, 2], 3) == ([11], [20, 2])


def test_a_completion_that_does_not_fit_gives_nothing() -> None:
    assert fit_length([1], [20, 21, 2], 3) is None


def test_padding_that_is_the_end_token_is_refused(model_path: Path) -> None:
    tokenizer = load_tokenizer(model_path)
    tokenizer.pad_token = tokenizer.eos_token

    with pytest.raises(TrainingError, match="padding needs its own id"):
        eos_id(tokenizer)


def test_positions_count_real_tokens_on_either_side() -> None:
    left = pad_sequences([[5, 6], [7, 8, 9]], 0, side="left")
    right = pad_sequences([[5, 6], [7, 8, 9]], 0, side="right")

    assert left.input_ids.tolist() == [[0, 5, 6], [7, 8, 9]]
    assert left.attention_mask.tolist() == [[0, 1, 1], [1, 1, 1]]
    assert left.position_ids.tolist() == [[0, 0, 1], [0, 1, 2]]
    assert right.input_ids.tolist() == [[5, 6, 0], [7, 8, 9]]
    assert right.position_ids.tolist() == [[0, 1, 1], [0, 1, 2]]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("amount", [0, 1, 7])
@pytest.mark.parametrize("pad_id", [0, 40])
def test_logprobs_do_not_depend_on_padding(
    model_path: Path, side: str, amount: int, pad_id: int
) -> None:
    # The row holds the pad ids themselves, which a mask made from ids would hide.
    row = [1, 4, 40, 41, 0, 42, 5, 43, 44, 2]
    model = load_causal_lm(model_path, load_tokenizer(model_path))

    found = _logprobs(model, row, [row, [7] * (len(row) + amount)], pad_id, side)

    torch.testing.assert_close(found, _logprobs(model, row, [row], 0, "right"), atol=1e-5, rtol=0)


@torch.no_grad()
def _logprobs(
    model: torch.nn.Module, row: list[int], rows: list[list[int]], pad_id: int, side: str
) -> torch.Tensor:
    batch = pad_sequences(rows, pad_id, side=side)
    logits = model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        position_ids=batch.position_ids,
    ).logits[0]
    real = logits[batch.attention_mask[0].bool()]
    return real[:-1].log_softmax(-1).gather(1, torch.tensor(row[1:])[:, None])
