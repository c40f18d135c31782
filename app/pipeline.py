"""Statements sent to PostgreSQL together, in one message, through libpq's pipeline mode.

psycopg's own pipeline makes a cursor for each statement, and after each looks whether an answer has
come: that took longer than PostgreSQL takes to run them. Here all are sent, then all answers are
read. psycopg converts values and rows. A connection prepares each statement once; values go as text
of no type, because every statement itself says what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from itertools import count
from typing import Any

from psycopg import Connection, IsolationLevel, OperationalError
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.waiting import Ready, Wait

Sent = tuple[str, Sequence[Any]]
"""A statement with its values as `$1` and so on, and the values."""


class Pipeline:
    """One connection of psycopg's."""

    def __init__(self, driver: Connection[Any]) -> None:
        # At a rollback psycopg has PostgreSQL forget all statements, where it prepares some itself.
        assert driver.prepare_threshold is None, "only a pipeline prepares statements"
        self._driver = driver
        self._line = driver.pgconn
        self._converter = Transformer(driver)
        self._names: dict[str, bytes] = {}
        """What PostgreSQL has prepared, by its text."""
        self._number = count()

    def ask(self, statements: Sequence[Sent], *, commit: bool = False) -> list[PGresult]:
        """Run these in their order, and a BEGIN before them where a transaction is to begin, and
        after them the COMMIT that is asked for. After one that fails none is run. Raises what
        psycopg raises."""
        begins = (
            self._line.transaction_status == TransactionStatus.IDLE and not self._driver.autocommit
        )
        before = [(self._begin(), ())] if begins else []
        after = [("COMMIT", ())] if commit else []
        sent: list[Sent] = [*before, *statements, *after]
        # What cannot be converted is found before anything is sent.
        converted = [
            (text, self._converter.dump_sequence(values, [PyFormat.TEXT] * len(values)))
            for text, values in sent
        ]
        self._line.enter_pipeline_mode()
        try:
            results = self._exchange(converted)
        except BaseException:
            # What is still under way belongs to nobody: the connection is of no use any more.
            self._line.finish()
            raise
        self._line.exit_pipeline_mode()
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise error_from_result(result)
        return results[len(before) : len(results) - len(after)]

    def rows(self, result: PGresult, make_row: Callable[[Sequence[Any]], Any]) -> list[Any]:
        self._converter.set_pgresult(result)
        return self._converter.load_rows(0, result.ntuples, make_row)

    def _begin(self) -> str:
        level = self._driver.isolation_level
        if level is None:
            return "BEGIN"
        return f"BEGIN ISOLATION LEVEL {IsolationLevel(level).name.replace('_', ' ')}"

    def _exchange(self, statements: Sequence[Sent]) -> list[PGresult]:
        """Gives the answer of each statement, and that of one that cannot be prepared."""
        new: dict[int, tuple[str, bytes]] = {}
        """What is prepared, by the place of its answer."""
        place = 0
        for text, values in statements:
            name = self._names.get(text)
            if name is None:
                name = b"prefloop_%d" % next(self._number)
                self._line.send_prepare(name, text.encode())
                new[place] = text, name
                place += 1
            self._line.send_query_prepared(name, values)
            place += 1
        self._line.pipeline_sync()
        answers: list[PGresult] = self._driver.wait(self._read(place + 1))
        for at, (text, name) in new.items():
            if answers[at].status == ExecStatus.COMMAND_OK:
                self._names[text] = name
        # The last one only says that there are no more.
        return [
            answer
            for at, answer in enumerate(answers[:-1])
            if at not in new or answer.status != ExecStatus.COMMAND_OK
        ]

    def _read(self, expected: int) -> Generator[Wait, Ready | int, list[PGresult]]:
        """Sends what waits to be sent, and gives so many answers."""
        line = self._line
        while line.flush():
            if (yield Wait.RW) & Ready.R:
                line.consume_input()
        answers: list[PGresult] = []
        while len(answers) < expected:
            while line.is_busy():
                yield Wait.R
                line.consume_input()
            answer = line.get_result()
            if answer is not None:
                answers.append(answer)
            elif line.status == ConnStatus.BAD:
                raise OperationalError("the connection to the server was lost")
        return answers
