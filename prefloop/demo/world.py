"""The demo's world: prompts, drafts of answers, and the hidden true utility of any text.

The utility is what the simulated annotators look at. It is known to the simulator alone: neither
the database, nor a bundle, nor a trainer ever sees it.
"""

import random
import re
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

import yaml

SENTENCE = re.compile(r"[^.!?]+[.!?]")
GOOD_LENGTH = 45
"""Words beyond which an answer is too long."""


@dataclass(frozen=True)
class Ask:
    text: str
    topic: str


@dataclass(frozen=True)
class World:
    """The sentences of `phrases.yaml` and what they are worth."""

    phrases: dict[str, Any]

    @classmethod
    def load(cls) -> "World":
        return cls(
            yaml.safe_load(files("prefloop.demo").joinpath("phrases.yaml").read_text("utf-8"))
        )

    @cached_property
    def asks(self) -> list[Ask]:
        """Every prompt of the world, in a fixed order."""
        return [
            Ask(f"{ask} It is {people}.", topic)
            for topic, entry in self.phrases["topics"].items()
            for ask in entry["asks"]
            for people in self.phrases["people"]
        ]

    def draft(self, ask: Ask, rng: random.Random) -> str:
        """A draft of an answer, of mixed quality on purpose."""
        topics = self.phrases["topics"]
        here = topics[ask.topic]
        sentences: list[str] = []
        if rng.random() < 0.5:
            sentences.append(rng.choice(self.phrases["openers" if rng.random() < 0.6 else "curt"]))
        for _ in range(rng.choice([1, 1, 2])):
            source = here if rng.random() < 0.92 else topics[rng.choice(list(topics))]
            sentences.append(rng.choice(source["concrete" if rng.random() < 0.5 else "vague"]))
        if rng.random() < 0.4:
            sentences.append(rng.choice(here["reasons"]))
        if rng.random() < 0.45:
            sentences.append(rng.choice(self.phrases["filler"]))
        if rng.random() < 0.15:
            sentences.append(rng.choice(sentences))
        if rng.random() < 0.3:
            sentences.append(rng.choice(self.phrases["closers"]))
        return " ".join(sentences)

    @cached_property
    def _worth(self) -> dict[str, tuple[str, str | None]]:
        """What each known sentence is: its kind and, where it has one, its topic."""
        worth: dict[str, tuple[str, str | None]] = {
            sentence: (kind, None)
            for kind in ("openers", "curt", "filler", "closers")
            for sentence in self.phrases[kind]
        }
        for topic, entry in self.phrases["topics"].items():
            for kind in ("concrete", "reasons", "vague"):
                worth |= dict.fromkeys(entry[kind], (kind, topic))
        return worth

    def knows(self, text: str) -> bool:
        """True where every sentence of the text is one of this world's."""
        return all(sentence.strip() in self._worth for sentence in SENTENCE.findall(text))

    def utility(self, ask: Ask, text: str) -> float:
        """How much a reader really likes `text` as an answer, higher is better.

        The sum over sentences of what each gives (on topic and off), with the second and later
        sentence of a kind worth half, less for repetition, for words that form no sentence of this
        world, for length and for an end that is cut off.
        """
        sentences = [found.strip() for found in SENTENCE.findall(text)]
        rest = SENTENCE.sub("", text).strip()
        total, seen, kinds = 0.0, set[str](), dict[str, int]()
        for sentence in sentences:
            kind, topic = self._worth.get(sentence, ("unknown", None))
            value = VALUES[kind] if topic in (None, ask.topic) else OFF_TOPIC
            if sentence in seen:
                value = REPEATED
            elif value > 0:
                value *= 0.5 ** kinds.get(kind, 0)
                kinds[kind] = kinds.get(kind, 0) + 1
            seen.add(sentence)
            total += value
        too_long = max(0, len(text.split()) - GOOD_LENGTH)
        return total - 0.05 * too_long - (CUT_OFF if rest or not sentences else 0.0)


VALUES = {
    "concrete": 1.6,
    "reasons": 0.8,
    "openers": 0.2,
    "closers": 0.3,
    "vague": -0.4,
    "filler": -0.7,
    "curt": -0.9,
    "unknown": -0.8,
}
OFF_TOPIC = -0.6
REPEATED = -0.8
CUT_OFF = 1.0
