"""Fits of small projects, for as long as their judgments stay the same.

Each process of a server has its own. What is found here is what a new fit would give: a state of
the project's sums names the judgments, and a page reads it after all pending ones were folded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from threading import Lock
from uuid import UUID

from app.rules.project_statistics import ProjectStatistics
from app.services.kept_fits import Fits, SourceFits

MOST = 60
"""Fits that are kept; the one that was asked for longest ago goes first."""
Fit = tuple[Fits, SourceFits]
Recall = Callable[[tuple[str, ...], Callable[[], Fit]], Fit]
"""What is known of the figures, else what the function gives."""


def make_anew(_: tuple[str, ...], make: Callable[[], Fit]) -> Fit:
    return make()


class FitMemory:
    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[tuple[UUID, tuple[str, ...]], tuple[str, Fit]] = OrderedDict()

    def of(self, project_id: UUID, statistics: ProjectStatistics) -> Recall:
        """Of the judgments that these statistics hold. Where some are waiting everything is made
        anew, since fits are made of all."""
        if statistics.state is None or statistics.waiting:
            return make_anew
        return partial(self._recall, project_id, statistics.state)

    def _recall(
        self, project_id: UUID, state: str, figures: tuple[str, ...], make: Callable[[], Fit]
    ) -> Fit:
        key = (project_id, figures)
        with self._lock:
            known = self._kept.get(key)
            if known is not None and known[0] == state:
                self._kept.move_to_end(key)
                return known[1]
        # Outside of the lock: who asks for other fits does not wait for these.
        made = make()
        with self._lock:
            self._kept[key] = (state, made)
            self._kept.move_to_end(key)
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)
        return made
