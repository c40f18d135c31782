"""Lines of JSON from a stream that nobody vouches for."""

import io
import tracemalloc

import pytest

from app.services import imports
from app.services.import_files import Record, json_lines


def read(content: bytes, **options) -> list[tuple[int, object, str | None]]:
    records = json_lines(io.BytesIO(content), **options)
    return [(record.line, record.value, record.problem) for record in records]


def test_blank_lines_are_passed_over_and_still_counted():
    assert read(b"1\n\n  \r\n2") == [(1, 1, None), (4, 2, None)]


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_may_have_as_many_bytes_as_the_limit_and_no_more(end):
    fits, too_long = b'"' + b"x" * 8 + b'"', b'"' + b"x" * 9 + b'"'

    assert read(fits + end, longest=10) == [(1, "x" * 8, None)]
    (refused,) = read(too_long + end, longest=10)
    assert refused[2] == "the line has more than 10 bytes; split it"


def test_what_follows_a_line_that_is_too_long_keeps_its_number():
    content = b"x" * 1000 + b"\n" + b"2\n" + b"y" * 55 + b"\n4\n"

    assert [(line, value) for line, value, problem in read(content, longest=10) if not problem] == [
        (2, 2),
        (4, 4),
    ]


def test_an_endless_line_is_never_held_in_memory():
    class Endless(io.RawIOBase):
        sent = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            if self.sent >= 50_000_000:
                return 0
            buffer[:] = b"x" * len(buffer)
            self.sent += len(buffer)
            return len(buffer)

    stream = io.BufferedReader(Endless(), 65_536)
    tracemalloc.start()
    (record,) = json_lines(stream, longest=100_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert record.problem is not None
    assert peak < 1_000_000


def test_a_batch_of_long_lines_is_smaller_than_one_of_short_lines(monkeypatch):
    monkeypatch.setattr(imports, "BATCH_BYTES", 100)
    short = [Record(i, i, size=1) for i in range(30)]
    long = [Record(i, i, size=60) for i in range(5)]

    assert [len(batch) for batch in imports._batches(short, 20)] == [20, 10]
    assert [len(batch) for batch in imports._batches(long, 20)] == [2, 2, 1]
