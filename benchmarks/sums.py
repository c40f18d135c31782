"""The sums that the server keeps beside its judgments, for made-up ones.

`app/services/tallies.py` computes the same from all rows, and the tests compare the two; at a
million comparisons that takes minutes, and this takes none.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from app.rules.tallies import CREDIT
from benchmarks.bulk import Columns

FIRST, SECOND, TIE, BOTH_BAD = range(4)


class Sums:
    """Takes one chunk of comparisons after another, then gives the rows of the sums' tables."""

    def __init__(self, project_id: str, annotators: list[str], days: int) -> None:
        self._project_id, self._annotators = project_id, annotators
        self._days: dict[str, np.ndarray] = {}
        self._shape = (len(annotators), days)
        self._votes: Counter[tuple[int, ...]] = Counter()
        self._comparisons = 0

    def add(
        self,
        *,
        who: np.ndarray,
        day: np.ndarray,
        verdict: np.ndarray,
        side: np.ndarray,
        same: np.ndarray,
        others: int,
        prompts: list[str],
        counts: np.ndarray,
    ) -> None:
        """who … same: one element a judgment, `side` 0 where A was preferred, `same` how many of
        the `others` gave the same verdict. prompts, counts: one a comparison, counts (n, 4)."""
        preferred = (verdict == FIRST) | (verdict == SECOND)
        for name, amount in {
            "judged": np.ones(who.size),
            "preferred": preferred,
            "tie": verdict == TIE,
            "both_bad": verdict == BOTH_BAD,
            "first_side": preferred & (side == 0),
            "credit": np.rint(CREDIT * same / others),
        }.items():
            flat = np.bincount(who * self._shape[1] + day, amount, self._shape[0] * self._shape[1])
            self._days[name] = self._days.get(name, 0) + flat.reshape(self._shape).astype(int)
        groups = [int(prompt[:2], 16) for prompt in prompts]
        self._votes.update(zip(groups, *counts.T.tolist(), strict=True))
        self._comparisons += len(prompts)

    def tables(self, first_day: np.datetime64) -> dict[str, Columns]:
        annotator, day = np.nonzero(self._days["judged"])
        found = {name: sums[annotator, day].tolist() for name, sums in self._days.items()}
        votes = list(self._votes.items())
        return {
            "annotator_days": {
                "project_id": self._project_id,
                "annotator_id": [self._annotators[i] for i in annotator.tolist()],
                "day": [str(first_day.astype("datetime64[D]") + i) for i in day.tolist()],
                **found,
                "counted": found["judged"],
                "shared": found["judged"],
                "sided": found["preferred"],
                "ranking": 0,
                "skipped": 0,
            },
            "vote_counts": {
                "project_id": self._project_id,
                "prompt_group": [key[0] for key, _ in votes],
                "n_first": [key[1 + FIRST] for key, _ in votes],
                "n_second": [key[1 + SECOND] for key, _ in votes],
                "n_tie": [key[1 + TIE] for key, _ in votes],
                "n_both_bad": [key[1 + BOTH_BAD] for key, _ in votes],
                "comparisons": [n for _, n in votes],
            },
            "project_contents": {
                "project_id": [self._project_id],
                "prompts": self._comparisons,
                "completions": 2 * self._comparisons,
                "demonstrations": 0,
                "comparisons": self._comparisons,
            },
        }
