"""Somebody who looks at a project's statistics while others judge, and what must hold then."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress

from helpers.load_site import SLUG
from helpers.load_stored import Stored

from app.db import Database, utc_now
from app.errors import StorageUnavailable
from app.rules.contributions import FIRST_OF_MORE
from app.services import full_tallies, projects, queue, statistics

PAUSE = 0.5


async def look_again_and_again(url: str, finished: asyncio.Event) -> None:
    """Fold what is pending every half second; a database that is down is asked again."""
    with closing(_Looking(url)) as looking:
        while not finished.is_set():
            with suppress(StorageUnavailable):
                await asyncio.to_thread(looking.fold)
            await asyncio.sleep(PAUSE)


class _Looking:
    def __init__(self, url: str) -> None:
        self.database = Database(url)

    def fold(self) -> None:
        with self.database.reading() as session:
            key = projects.by_slug(session, SLUG).id
        statistics.fold(self.database, key, now=utc_now())

    def close(self) -> None:
        self.database.dispose()


def wrong_statistics(url: str, stored: Stored) -> Iterator[str]:
    """What `prefloop db check --sums` finds; and the folded state holds every judgment, and has the
    patterns of the votes, which plain SQL has counted."""
    with closing(_Looking(url)) as looking:
        database = looking.database
        with database.reading() as session:
            project = projects.by_slug(session, SLUG)
            key = project.id
            yield from statistics.check(session, key)
            yield from full_tallies.check(session, project, queue.policy_of(project))
        found = statistics.read(database, key, now=utc_now())
    if (found.judgments, found.waiting) != (len(stored.judgments), 0):
        yield f"{found.judgments} judgments are folded of {len(stored.judgments)}"
    expected: Counter[tuple[int, ...]] = Counter()
    for row in stored.votes:
        labels = (row["n_first"], row["n_second"], row["n_tie"], row["n_both_bad"])
        expected[row["prompt_group"], *labels] += row["comparisons"]
    kept: Counter[tuple[int, ...]] = Counter()
    for (counted, part, *graded), (n,) in found.sums.rows("all").items():
        if counted == FIRST_OF_MORE:
            continue
        # From the first is much better, over a tie, to the second is; then without a strength.
        first, second = sum(graded[:3]) + graded[7], sum(graded[4:7]) + graded[8]
        kept[part, first, second, graded[3], graded[9]] += n
    if kept != {key: n for key, n in expected.items() if n}:
        yield f"patterns: folded {kept}, counted {expected}"
