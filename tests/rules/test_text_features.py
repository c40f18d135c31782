"""Length in characters and words, and whether a text is laid out with Markdown."""

import pytest

from app.rules.text_features import TextFeatures, features


def test_words_are_what_blanks_separate_and_characters_are_code_points():
    assert features("Two\n\n wörds 🙂 ") == TextFeatures(characters=14, words=3, markdown=False)
    assert features("") == TextFeatures(characters=0, words=0, markdown=False)


@pytest.mark.parametrize(
    "text",
    [
        "# Heading", "so:\n- one\n- two", "1. first", "2) second", "very **bold** words",
        "call `f(x)`", "```python\nx\n```", "| a | b |",
    ],
)  # fmt: skip
def test_notation_of_markdown_is_seen(text):
    assert features(text).markdown


@pytest.mark.parametrize(
    "text",
    [
        "plain", "a #hashtag", "2 * 3 * 4", "2 ** 3", "- ", "well - no", "in 1999. Then", "it's `",
        "a | b", "#",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_not(text):
    assert not features(text).markdown
