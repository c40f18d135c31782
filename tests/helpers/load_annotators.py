"""Simulated annotators: each works on real servers over HTTP, with a habit of its own.

A verdict is sent with one idempotency key until it is acknowledged or refused, as the page's outbox
does, to whichever server answers. What each of them does follows from its seed; when it does it
does not. Everybody lives out their habit with the first comparison, then as chance decides.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum

from helpers.load_doors import Door, Task
from helpers.load_http import Answer, Call, Client, Fault, NoAnswer
from helpers.load_ledger import Hold, Ledger, Outcome, Sent

OBVIOUS = "(obviously)"
"""In the text that everybody prefers, where there is one."""


class Habit(StrEnum):
    DILIGENT = "judges what it gets"
    SLOW = "thinks longer than a lease, with the page in front of it"
    VANISHING = "walks away from some comparisons, and comes back when the lease is over"
    DOUBLE = "sends a verdict twice, at once or one after the other"
    RETRYING = "loses the connection and sends again"
    LATE = "sends some verdicts after the lease has ended"
    TABS = "works in two tabs"
    SKIPPING = "skips some comparisons"
    RETURNING = "signs in again in the middle"
    GONE = "takes one comparison and never comes back"


@dataclass(frozen=True)
class Field:
    """Where everybody works."""

    ports: Sequence[int]
    lease_seconds: float
    ledger: Ledger
    finished: asyncio.Event
    """Set when no comparison wants another judgment: who finds nothing left goes home."""


class SignedOut(Exception):
    """No sign-in link is left to come in with."""


class Simulated:
    """One annotator: a way in, and one or two tabs that share it."""

    def __init__(
        self, field: Field, annotator_id: str, door: Door, habit: Habit, seed: int
    ) -> None:
        self._field = field
        self._ledger = field.ledger
        self._annotator_id = annotator_id
        self._door = door
        self._habit = habit
        self._rng = random.Random(seed)
        self._tasks = 0
        # What goes wrong with the first tries; None is somebody who does not wait for the answer.
        self._bad_luck_due: list[Fault | None] = [None, Fault.CUT, Fault.LOST]

    async def work(self, start: asyncio.Barrier | None = None) -> None:
        """Judge until everything is judged; not before everybody is here who waits for `start`."""
        with closing(Client()) as client:
            await self._enter(client)
        if start is not None:
            await start.wait()
        tabs = 2 if self._habit is Habit.TABS else 1
        # Both tabs hold the first comparison before either judges it.
        opened = asyncio.Barrier(tabs)
        async with asyncio.TaskGroup() as group:
            for _ in range(tabs):
                group.create_task(self._work_in_tab(opened))

    async def _work_in_tab(self, opened: asyncio.Barrier) -> None:
        with closing(Client()) as client:
            task = await self._ask(client)
            await opened.wait()
            while True:
                if task is None:
                    task = await self._ask(client)
                if task is not None and self._habit is Habit.GONE:
                    self._ledger.events["gone for good"] += 1
                    return
                if task is not None:
                    task = await self._do(client, task)
                elif self._field.finished.is_set():
                    return
                else:
                    await asyncio.sleep(self._rng.uniform(0.3, 0.6))

    async def _do(self, client: Client, task: Task) -> Task | None:
        """Deal with a comparison as the habit says; the next one where the answer held it."""
        # In the end nobody waits for anybody.
        self._tasks += 1
        is_odd_moment = self._tasks == 1 or self._rng.random() < 0.25
        is_odd_moment = is_odd_moment and not self._field.finished.is_set()
        await asyncio.sleep(self._rng.uniform(0, 0.1))
        match self._habit:
            case Habit.VANISHING if is_odd_moment:
                await self._outlast_the_lease("vanished")
                return None
            case Habit.LATE if is_odd_moment:
                await self._outlast_the_lease("waited too long")
            case Habit.SLOW if is_odd_moment:
                await self._think(client, task)
            case Habit.SKIPPING if is_odd_moment:
                return await self._skip(client, task)
            case Habit.RETURNING if is_odd_moment and self._door.can_reenter:
                await self._enter(client)
                self._ledger.events["signed in again"] += 1
            case _:
                pass
        sent = self._decide(task)
        if self._habit is Habit.DOUBLE:
            return await self._deliver_twice(client, sent)
        answer = await self._deliver(client, sent)
        # Half of the time the page is reloaded, as somebody does who does not trust it.
        return self._door.task_in(answer) if self._rng.random() < 0.5 else None

    async def _outlast_the_lease(self, event: str) -> None:
        self._ledger.events[event] += 1
        await asyncio.sleep(self._field.lease_seconds + self._rng.uniform(0.1, 0.6))

    async def _think(self, client: Client, task: Task) -> None:
        """Longer than a lease, while the page says that it is still being looked at."""
        for _ in range(5):
            await asyncio.sleep(self._field.lease_seconds / 4)
            asked = time.time()
            answer = await self._answered(client, self._door.heartbeat(task.assignment_id))
            self._ledger.events[f"heartbeat {answer.status}"] += 1
            if answer.status in (200, 204):
                self._ledger.events["kept on lease"] += 1
                self._note_hold(task.assignment_id, asked)
            elif answer.status != 409:
                self._problem("heartbeat refused", answer)

    def _decide(self, task: Task) -> Sent:
        obvious = [side for side, text in task.seen.items() if OBVIOUS in text]
        verdict = self._rng.choice(obvious or [*task.seen, *task.seen, "tie", "both_bad"])
        sent = Sent(
            annotator_id=self._annotator_id,
            assignment_id=_plain(task.assignment_id),
            key=f"{self._rng.getrandbits(128):032x}",
            verdict=verdict,
            strength=self._rng.choice([1, 2, 3]) if verdict in task.seen else None,
            seen=task.seen,
        )
        self._ledger.sent.append(sent)
        return sent

    async def _deliver_twice(self, client: Client, sent: Sent) -> Task | None:
        if self._rng.random() < 0.5:
            self._ledger.events["sent again after its answer"] += 1
            await self._deliver(client, sent)
            return self._door.task_in(await self._deliver(client, sent))
        self._ledger.events["sent twice at once"] += 1
        with closing(Client()) as other:
            answers = await asyncio.gather(self._deliver(client, sent), self._deliver(other, sent))
        return self._door.task_in(answers[0])

    async def _deliver(self, client: Client, sent: Sent) -> Answer:
        """Send a verdict until the server says that it is stored, or that it never will be."""
        while True:
            sent.tries += 1
            sent.first_try = sent.first_try or time.time()
            fault, seconds = self._bad_luck()
            answer = await self._try(client, self._door.judgment(sent), fault, seconds)
            if answer is None:
                continue
            if answer.status < 300:
                self._note_acknowledged(sent, is_new=self._door.says_new(answer))
            elif sent.outcome is Outcome.ACKNOWLEDGED:
                self._problem("a verdict that had been acknowledged was refused", answer)
            else:
                sent.outcome = Outcome.REFUSED
                # Only a second tab can find that a comparison has another verdict already.
                if answer.status != 409 or self._habit is not Habit.TABS:
                    self._problem("verdict refused", answer)
                else:
                    self._ledger.events["refused in another tab"] += 1
            return answer

    def _note_acknowledged(self, sent: Sent, *, is_new: bool | None) -> None:
        if is_new:
            sent.created += 1
        elif is_new is False and sent.outcome is Outcome.UNKNOWN and sent.tries > 1:
            self._ledger.events["stored without an answer"] += self._habit is Habit.RETRYING
        self._ledger.acknowledge(sent)

    def _bad_luck(self) -> tuple[Fault | None, float]:
        """What goes wrong with a try, and how many seconds its answer is waited for."""
        if self._habit is not Habit.RETRYING:
            return None, 30
        if self._bad_luck_due:
            fault = self._bad_luck_due.pop()
        elif self._rng.random() < 0.4:
            return None, 30
        else:
            fault = self._rng.choice([Fault.CUT, Fault.LOST, None])
        self._ledger.events[fault.name.lower() if fault else "impatient"] += 1
        return fault, 30 if fault else self._rng.uniform(0.005, 0.1)

    async def _skip(self, client: Client, task: Task) -> Task | None:
        answer = await self._answered(client, self._door.skip(task.assignment_id))
        if answer.status < 300:
            self._ledger.events["skipped"] += 1
            self._ledger.skipped.add(_plain(task.assignment_id))
        else:
            self._problem("skip refused", answer)
        return self._door.task_in(answer)

    async def _ask(self, client: Client) -> Task | None:
        answer = await self._answered(client, self._door.next_comparison())
        if answer.status not in (200, 204):
            self._problem("no comparison was given", answer)
        return self._door.task_in(answer)

    async def _enter(self, client: Client) -> None:
        if not await self._door.enter(lambda call: self._answered(client, call)):
            raise SignedOut(self._annotator_id)
        self._ledger.events["signed in"] += 1

    async def _answered(self, client: Client, call: Call) -> Answer:
        while True:
            answer = await self._try(client, call)
            if answer is not None:
                return answer

    async def _try(
        self, client: Client, call: Call, fault: Fault | None = None, seconds: float = 30
    ) -> Answer | None:
        """One request to any of the servers; None, after a pause, where it has to be sent again."""
        port, asked = self._rng.choice(self._field.ports), time.time()
        try:
            answer = await client.request(port, call, fault=fault, seconds=seconds)
        except NoAnswer:
            self._ledger.unanswered[self._annotator_id].append(Hold(asked, time.time(), call.path))
            self._ledger.events["no answer"] += 1
            await asyncio.sleep(self._rng.uniform(0.02, 0.2))
            return None
        self._ledger.statuses[answer.status] += 1
        self._door.notice(answer)
        if (task := self._door.task_in(answer)) is not None:
            self._note_hold(task.assignment_id, asked)
        if answer.status in (429, 503):
            await asyncio.sleep(self._rng.uniform(0.1, 0.5))
            return None
        if answer.status >= 500:
            self._problem("an error page", answer)
            await asyncio.sleep(0.2)
            return None
        return answer

    def _note_hold(self, assignment_id: str, asked: float) -> None:
        self._ledger.holds[_plain(assignment_id)].append(Hold(asked, time.time()))

    def _problem(self, what: str, answer: Answer) -> None:
        words = re.sub(r"<[^>]+>|\s+", " ", answer.text)[-300:].strip()
        self._ledger.problems.append(f"{self._habit.name}: {what}: {answer.status} {words}")


def _plain(key: str) -> str:
    return key.replace("-", "")
