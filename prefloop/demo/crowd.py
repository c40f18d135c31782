"""Simulated annotators, who judge through the same services as people and are marked as simulated.

Each one sees the two texts, feels a noisy difference of their true utilities, leans a little to
one side, and answers; how noisy and how biased differs from one to the next.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.db import Database
from app.models.accounts import Annotator, AnnotatorKind, Role
from app.models.projects import Project
from app.services import assignments, guidelines, judgments, projects
from app.services.assignments import AssignmentView
from app.services.judgments import Submission
from prefloop.demo.world import Ask, World

LEASE_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Temper:
    """How one simulated annotator judges."""

    name: str
    noise: float
    """Standard deviation of the logistic noise on the utility difference, in utility units."""
    leans_left: float
    """Added to the left text's utility."""
    likes_length: float
    """Utility for each word more."""
    tie_width: float
    """Differences smaller than this are called a tie."""


TEMPERS = (
    Temper(name="simulated: Ada", noise=1.1, leans_left=0.0, likes_length=0.0, tie_width=0.06),
    Temper(name="simulated: Bruno", noise=1.5, leans_left=0.1, likes_length=0.0, tie_width=0.08),
    Temper(name="simulated: Chidi", noise=1.3, leans_left=0.0, likes_length=0.02, tie_width=0.04),
    Temper(name="simulated: Dana", noise=1.8, leans_left=-0.1, likes_length=0.0, tie_width=0.06),
    Temper(name="simulated: Emil", noise=1.6, leans_left=0.4, likes_length=0.0, tie_width=0.1),
    Temper(name="simulated: Fatou", noise=1.2, leans_left=0.0, likes_length=0.01, tie_width=0.05),
)


class Crowd:
    """The simulated annotators of one project, sharing one virtual clock."""

    def __init__(
        self, database: Database, slug: str, world: World, *, seed: int, start: datetime
    ) -> None:
        self._database, self._slug, self._world = database, slug, world
        self._asks = {ask.text: ask for ask in world.asks}
        self._rng = random.Random(seed)
        self._clock = start
        self._people = self._join()

    def judge_all(self, *, on_judgment: Callable[[], None] = lambda: None) -> int:
        """Judge until nothing is left for anybody; gives the number of judgments."""
        waiting, judged = list(self._people), 0
        while waiting:
            temper, annotator = self._rng.choice(waiting)
            if self._judge_one(temper, annotator):
                judged += 1
                on_judgment()
            else:
                waiting.remove((temper, annotator))
        return judged

    def _join(self) -> list[tuple[Temper, Annotator]]:
        people = []
        with self._database.writing() as session:
            project = projects.by_slug(session, self._slug)
            guideline = guidelines.current(session, project)
            for temper in TEMPERS:
                annotator = Annotator(
                    id=UUID(int=self._rng.getrandbits(128), version=4),
                    name=temper.name,
                    kind=AnnotatorKind.SIMULATED,
                    role=Role.ANNOTATOR,
                    created_at=self._clock,
                )
                session.add(annotator)
                session.flush()
                projects.add_member(session, project, annotator, now=self._clock)
                if guideline is not None:
                    guidelines.confirm_reading(session, guideline, annotator, now=self._clock)
                people.append((temper, annotator))
        return people

    def _judge_one(self, temper: Temper, annotator: Annotator) -> bool:
        with self._database.writing() as session:
            project = session.get_one(Project, projects.by_slug(session, self._slug).id)
            view = assignments.lease_next(
                session, project, annotator, lease_seconds=LEASE_SECONDS, now=self._clock
            )
            if view is None:
                return False
            seconds = self._rng.lognormvariate(2.6, 0.4)
            # Six people work side by side for a few hours a day.
            self._clock += timedelta(seconds=seconds / len(TEMPERS) * 15)
            judgments.submit(
                session,
                annotator,
                view.id,
                self._verdict(temper, view, active_ms=round(seconds * 1000)),
                now=self._clock,
            )
        return True

    def _verdict(self, temper: Temper, view: AssignmentView, *, active_ms: int) -> Submission:
        ask = self._asks[view.messages[-1]["content"]]
        left, right = (self._felt(temper, ask, side.text) for side in view.sides)
        u = self._rng.random()
        # Logistic noise whose standard deviation is `noise`.
        noise = temper.noise * math.sqrt(3) / math.pi * math.log(u / (1 - u))
        difference = left + temper.leans_left - right + noise
        tied = abs(difference) < temper.tie_width
        size = abs(difference)
        return Submission(
            verdict="tie" if tied else view.sides[0 if difference > 0 else 1].label,
            strength=None if tied else 1 if size < 0.8 else 2 if size < 2.0 else 3,
            idempotency_key=f"simulated-{self._rng.getrandbits(64):016x}",
            active_ms=active_ms,
        )

    def _felt(self, temper: Temper, ask: Ask, text: str) -> float:
        return self._world.utility(ask, text) + temper.likes_length * len(text.split())
