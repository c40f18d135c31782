from prefloop.generated import comparable


def row(*texts: str) -> dict[str, object]:
    completions = [{"text": text, "source": "run/ppo", "tokens": 3} for text in texts]
    return {"prompt": [{"role": "user", "content": "Why?"}], "completions": completions}


def test_only_different_completions_with_words_are_compared() -> None:
    found = comparable([row("tea", " tea ", "rain", "", "sun"), row("tea", "tea"), row("a", "b")])

    assert [record.line for record in found.records] == [1, 3]
    texts = [completion["text"] for completion in found.records[0].value["completions"]]
    assert texts == ["tea", "rain", "sun"]
    assert (found.dropped, found.left_out) == (3, 1)
