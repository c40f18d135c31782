"""What a list of comparisons asks of an annotator's habits, which only their latest judgments
together tell: circles, and unusual times.

The figures of an annotator's page are made of the same, so a list is as long as its number.
"""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from app.models.projects import Project
from app.rules.pace import OUTLIER, pace_z
from app.services import annotator_habits

HABITS = ("in_triples", "in_circles", "timed", "unusual_time", "unusually_fast")
"""Preferences among three responses that were all compared, and those that go round; of the latest
judgments those whose time is known, is far from what the text explains, and far below."""


def number(session: Session, project: Project, annotator_id: UUID, habit: str) -> Counter[UUID]:
    """How many judgments are of the habit, for each comparison that has any."""
    if habit in ("in_triples", "in_circles"):
        tournaments = annotator_habits.compared(session, project, annotator_id)
        found = annotator_habits.of_triples(tournaments)
        return Counter(found[habit == "in_circles"])
    comparisons, seconds, shown = annotator_habits.timed(session, project, annotator_id)
    if habit == "timed":
        return Counter(comparisons)
    z = pace_z(seconds, shown)
    if z is None:
        return Counter()
    are_such = z < -OUTLIER if habit == "unusually_fast" else np.abs(z) > OUTLIER
    return Counter(key for key, is_such in zip(comparisons, are_such, strict=True) if is_such)
