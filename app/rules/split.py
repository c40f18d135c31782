"""Which of train, validation and test a prompt belongs to: decided by its text alone, for ever.

A prompt's split key is a hash of its text without case, punctuation, spacing and the value of its
numbers, so prompts that differ only there share a split. Nothing depends on other prompts, so no
prompt moves as data grows.
"""

import hashlib
import re
import unicodedata

from app.rules.identity import Messages

SPLITS = ("train", "validation", "test")
SALT = "prefloop-split-1"
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
RULE = (
    "sha256(salt + split_key) as a fraction of 2^256: below 0.8 train, below 0.9 validation, "
    "else test; split_key is a hash of the prompt's text without case, punctuation, spacing and "
    "the value of its numbers"
)


def normalised(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.findall(r"\w+", re.sub(r"\d+", "0", folded)))


def split_key(messages: Messages) -> str:
    text = "\n".join(f"{m['role']}: {normalised(m['content'])}" for m in messages)
    return hashlib.sha256(text.encode()).hexdigest()


def group_split_key(group: str) -> str:
    """The key of prompts that an import names as one group. Numbers tell groups apart."""
    return hashlib.sha256(f"group: {' '.join(group.casefold().split())}".encode()).hexdigest()


def split_of(key: str) -> str:
    digest = hashlib.sha256((SALT + key).encode()).digest()
    fraction = int.from_bytes(digest, "big") / 2**256
    if fraction < SHARES["train"]:
        return "train"
    return "validation" if fraction < SHARES["train"] + SHARES["validation"] else "test"
