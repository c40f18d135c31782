"""What statistics look at in a text: how long it is, and whether it is laid out.

Words are what blanks separate. In a script without blanks they are too few, for every annotator
alike: paces are comparable within a project, not between scripts.
"""

import re
from dataclasses import dataclass

_MARKDOWN = re.compile(
    r"^ {0,3}(?:#{1,6} +\S|[-*+] +\S|\d{1,3}[.)] +\S|```|~~~|\|.*\|)|\*\*\S[^*\n]*\*\*|`[^`\n]+`",
    re.MULTILINE,
)


@dataclass(frozen=True)
class TextFeatures:
    characters: int
    words: int
    markdown: bool
    """Has a heading, a list, bold text, code or a table in the notation of Markdown."""


def words(text: str) -> int:
    return len(text.split())


def features(text: str) -> TextFeatures:
    return TextFeatures(len(text), words(text), _MARKDOWN.search(text) is not None)
