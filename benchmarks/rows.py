"""The rows of a large project, made up: pairs of completions, and three judgments of each.

Annotators differ in how much they do, how sharply they see and how often they click at random; a
comparison differs in how far apart its completions are. Agreement, ties and contested comparisons
follow from that. Values are what both databases read: ids as 32 hex digits, times as UTC text,
JSON as text. The same seed gives the same rows.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.bulk import Columns
from benchmarks.sums import BOTH_BAD, FIRST, SECOND, TIE, Sums

ANNOTATORS = 200
OVERLAP = 4
JUDGMENTS_EACH = 3
"""One fewer than the overlap, so that every comparison has one open slot: work for the driver."""
CHUNK = 10_000
"""Comparisons made at a time."""
DAYS = 150
LONGEST_WAIT = 5
"""Days between the day on which a comparison was opened and its judgments, at most."""
FIRST_DAY = np.datetime64("2026-01-05T06:00:00", "us")

VERDICTS = ("preferred", "preferred", "tie", "both_bad")
_WORDS = (
    "the a of to and in is that it for on with as are be this by from at or an which can more most "
    "time water people work world system answer question model reason example result number light "
    "energy history music language family city garden river market engine letter winter summer "
    "because although therefore usually often rarely sometimes quickly carefully simply clearly "
    "small large early late simple common useful different important several another between "
    "makes gives takes shows keeps needs helps turns leads comes begins explains describes means"
)


@dataclass(frozen=True)
class Project:
    """What the rows belong to; these few rows themselves are stored by `seed.py`."""

    id: str
    guideline_version_id: str
    annotators: list[str]


def chunks(project: Project, comparisons: int, seed: int) -> Iterator[dict[str, Columns]]:
    """Table name to columns, for one chunk of comparisons after another, parents first; the sums
    over all of them come last."""
    rng = np.random.default_rng(seed)
    crowd = _Crowd(rng, len(project.annotators))
    lines = sentences(rng)
    sums = Sums(project.id, project.annotators, DAYS + LONGEST_WAIT)
    for start in range(0, comparisons, CHUNK):
        n = min(CHUNK, comparisons - start)
        chunk = _Chunk(rng, project, crowd, lines, start, n, comparisons)
        yield chunk.tables()
        chunk.add_to(sums)
    yield sums.tables(FIRST_DAY)


class _Crowd:
    """How much each annotator does, and how sharply they see."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.log_activity = rng.normal(0.0, 0.7, size)
        self.sharpness = rng.lognormal(0.3, 0.4, size)
        self.careless = np.where(rng.random(size) < 0.05, 0.5, 0.02)
        self.seconds = rng.lognormal(math.log(35), 0.5, size)


class _Chunk:
    def __init__(
        self,
        rng: np.random.Generator,
        project: Project,
        crowd: _Crowd,
        lines: list[str],
        start: int,
        n: int,
        total: int,
    ) -> None:
        self._rng, self._project, self._crowd, self._lines = rng, project, crowd, lines
        self._start, self._n = start, n
        self._prompts, self._comparisons = _ids(rng, n), _ids(rng, n)
        self._first, self._second = _ids(rng, n), _ids(rng, n)
        self._distance = rng.normal(0.0, 2.0, n)
        work = (np.arange(start, start + n) / total * DAYS * 86_400e6).astype("timedelta64[us]")
        self._opened = FIRST_DAY + work

        self._judged = self._judge()

    def tables(self) -> dict[str, Columns]:
        return {
            "prompts": self._prompt_columns(),
            "completions": self._completion_columns(),
            "comparisons": self._comparison_columns(),
            "comparison_completions": {
                "comparison_id": self._comparisons * 2,
                "position": [0] * self._n + [1] * self._n,
                "completion_id": self._first + self._second,
            },
            **self._judgment_tables(),
        }

    def _prompt_columns(self) -> Columns:
        questions = texts(self._rng, self._lines, self._n, 1, 4)
        messages = [
            json.dumps([{"role": "user", "content": f"{text} (question {number})"}])
            for number, text in enumerate(questions, start=self._start)
        ]
        return {
            "id": self._prompts,
            "project_id": self._project.id,
            "messages": messages,
            "split_key": [hashlib.sha256(m.encode()).hexdigest() for m in messages],
            "tags": "[]",
            "created_at": _text(FIRST_DAY),
        }

    def _completion_columns(self) -> Columns:
        return {
            "id": self._first + self._second,
            "prompt_id": self._prompts * 2,
            "text": texts(self._rng, self._lines, 2 * self._n, 3, 9),
            "source": ["policy-a"] * self._n + ["policy-b"] * self._n,
            "created_at": _text(FIRST_DAY),
        }

    def _judge(self) -> _Judged:
        """Who judged what, and how."""
        rng, crowd = self._rng, self._crowd
        keys = crowd.log_activity + rng.gumbel(size=(self._n, len(self._project.annotators)))
        who = np.argpartition(-keys, JUDGMENTS_EACH, axis=1)[:, :JUDGMENTS_EACH].ravel()
        what = np.repeat(np.arange(self._n), JUDGMENTS_EACH)
        waited = rng.uniform(0, 0.9 * LONGEST_WAIT * 86_400e6, who.size).astype("timedelta64[us]")
        received = self._opened[what] + waited
        by_time = np.argsort(received)
        who, what, received = who[by_time], what[by_time], received[by_time]
        seen = self._distance[what] * crowd.sharpness[who] + rng.logistic(size=who.size)
        verdict = np.where(seen > 0, FIRST, SECOND)
        verdict[np.abs(seen) < 0.35] = TIE
        guessed = rng.random(who.size) < crowd.careless[who]
        verdict[guessed] = rng.integers(0, 2, guessed.sum())
        verdict[rng.random(who.size) < 0.02] = BOTH_BAD
        counts = np.zeros((self._n, 4), dtype=int)
        np.add.at(counts, (what, verdict), 1)
        return _Judged(
            who=who,
            what=what,
            received=received,
            verdict=verdict,
            seen=np.abs(seen),
            swapped=rng.random(who.size) < 0.5,
            counts=counts,
        )

    def add_to(self, sums: Sums) -> None:
        judged = self._judged
        sums.add(
            who=judged.who,
            day=(
                judged.received.astype("datetime64[D]") - FIRST_DAY.astype("datetime64[D]")
            ).astype(int),
            verdict=judged.verdict,
            side=(judged.verdict == FIRST) == judged.swapped,
            same=judged.counts[judged.what, judged.verdict] - 1,
            others=JUDGMENTS_EACH - 1,
            prompts=self._prompts,
            counts=judged.counts,
        )

    def _comparison_columns(self) -> Columns:
        counts = self._judged.counts
        return {
            "id": self._comparisons,
            "project_id": self._project.id,
            "prompt_id": self._prompts,
            "kind": "normal",
            "priority": 0,
            "size": 2,
            "target": OVERLAP,
            "open_slots": OVERLAP - JUDGMENTS_EACH,
            "judged": JUDGMENTS_EACH,
            "n_first": counts[:, FIRST].tolist(),
            "n_second": counts[:, SECOND].tolist(),
            "n_tie": counts[:, TIE].tolist(),
            "n_both_bad": counts[:, BOTH_BAD].tolist(),
            "contested": (counts.max(axis=1) < JUDGMENTS_EACH).astype(int).tolist(),
            "tags": "[]",
            "created_at": _text(FIRST_DAY),
        }

    def _judgment_tables(self) -> dict[str, Columns]:
        rng, judged = self._rng, self._judged
        size = judged.who.size
        assignments, judgments = _ids(rng, size), _ids(rng, size)
        comparisons = [self._comparisons[i] for i in judged.what.tolist()]
        annotators = [self._project.annotators[i] for i in judged.who.tolist()]
        pairs = [(self._first[i], self._second[i]) for i in judged.what.tolist()]
        orders = [
            f'["{b}", "{a}"]' if swap else f'["{a}", "{b}"]'
            for (a, b), swap in zip(pairs, judged.swapped.tolist(), strict=True)
        ]
        active = (rng.lognormal(0, 0.6, size) * self._crowd.seconds[judged.who] * 1000).astype(int)
        wall = (active * (1 + rng.exponential(0.3, size))).astype(int)
        issued = _texts(judged.received - (wall * 1000).astype("timedelta64[us]"))
        received = _texts(judged.received)
        verdicts = judged.verdict.tolist()
        strengths = [
            (1 if seen < 1 else 2 if seen < 2.5 else 3) if verdict in (FIRST, SECOND) else None
            for verdict, seen in zip(verdicts, judged.seen.tolist(), strict=True)
        ]
        shared: Columns = {
            "project_id": self._project.id,
            "comparison_id": comparisons,
            "annotator_id": annotators,
            "kind": "normal",
            "shown_order": orders,
            "guideline_version_id": self._project.guideline_version_id,
            "issued_at": issued,
        }
        return {
            "assignments": {
                "id": assignments,
                **shared,
                "repeat": 0,
                "state": "judged",
                "lease_expires_at": _texts(judged.received + np.timedelta64(600, "s")),
            },
            "judgments": {
                "id": judgments,
                **shared,
                "assignment_id": assignments,
                "verdict": [VERDICTS[v] for v in verdicts],
                "preferred_id": [
                    pair[v] if v in (FIRST, SECOND) else None
                    for pair, v in zip(pairs, verdicts, strict=True)
                ],
                "strength": strengths,
                "rationale": self._rationales(size),
                "reason_codes": "[]",
                "layout": "side_by_side",
                "received_at": received,
                "active_ms": active.tolist(),
                "wall_ms": wall.tolist(),
                "late": 0,
                "idempotency_key": judgments,
            },
            "preferences": _preferences(judgments, comparisons, pairs, verdicts, strengths),
        }

    def _rationales(self, size: int) -> list[str | None]:
        """One judgment in twenty says why."""
        chosen = self._rng.integers(0, 20 * len(self._lines), size).tolist()
        return [self._lines[i] if i < len(self._lines) else None for i in chosen]


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """Parallel arrays, one element a judgment in the order of time, unless said otherwise."""

    who: np.ndarray
    what: np.ndarray
    received: np.ndarray
    verdict: np.ndarray
    seen: np.ndarray
    """How far apart the annotator saw the two completions."""
    swapped: np.ndarray
    """Whether the second completion stood on side A."""
    counts: np.ndarray
    """(n, 4): judgments by comparison and verdict."""


def _preferences(
    judgments: list[str],
    comparisons: list[str],
    pairs: list[tuple[str, str]],
    verdicts: list[int],
    strengths: list[int | None],
) -> Columns:
    rows = [
        (judgment, comparison, pair[verdict], pair[1 - verdict], strength)
        for judgment, comparison, pair, verdict, strength in zip(
            judgments, comparisons, pairs, verdicts, strengths, strict=True
        )
        if verdict in (FIRST, SECOND)
    ]
    return {
        "judgment_id": [row[0] for row in rows],
        "comparison_id": [row[1] for row in rows],
        "chosen_id": [row[2] for row in rows],
        "rejected_id": [row[3] for row in rows],
        "strength": [row[4] for row in rows],
    }


def texts(
    rng: np.random.Generator, lines: list[str], count: int, fewest: int, most: int
) -> list[str]:
    """Texts of some lines each; every fourth text has a paragraph a line."""
    lengths = rng.integers(fewest, most, count).tolist()
    picked = rng.integers(0, len(lines), (count, most)).tolist()
    return [
        ("\n\n" if row[-1] % 4 == 0 else " ").join(lines[i] for i in row[:length])
        for row, length in zip(picked, lengths, strict=True)
    ]


def sentences(rng: np.random.Generator) -> list[str]:
    """Two thousand of them, 30 to 90 characters each."""
    words = _WORDS.split()
    lengths = rng.integers(6, 17, 2000).tolist()
    picked = rng.integers(0, len(words), (2000, 17)).tolist()
    return [
        " ".join(words[i] for i in row[:length]).capitalize() + "."
        for row, length in zip(picked, lengths, strict=True)
    ]


def _ids(rng: np.random.Generator, count: int) -> list[str]:
    digits = rng.bytes(16 * count).hex()
    return [digits[i : i + 32] for i in range(0, len(digits), 32)]


def _text(moment: np.datetime64) -> str:
    return str(moment).replace("T", " ")


def _texts(moments: np.ndarray) -> list[str]:
    return [text.replace("T", " ") for text in np.datetime_as_string(moments).tolist()]
