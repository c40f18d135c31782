"""One progress bar for every stage, on stderr: a bar on a terminal, else a line now and then."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINES = 10


class StageProgress:
    """`with StageProgress("SFT", total) as progress: progress.advance({"loss": 1.2})`.

    Silent with enabled=False, which is what every process but rank 0 passes.
    """

    def __init__(self, title: str, total: int, *, start: int = 0, enabled: bool = True) -> None:
        self._title, self._total, self._done = title, total, start
        self._enabled = enabled
        self._started = time.monotonic()
        self._bar: Progress | None = None
        if enabled and sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[numbers]}"),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(title, total=total, completed=start, numbers="")

    def __enter__(self) -> "StageProgress":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, numbers: Mapping[str, float]) -> None:
        """One step is done; the numbers are shown beside it."""
        self._done += 1
        shown = "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, numbers=shown)
        elif self._enabled and self._is_line_due():
            seconds = time.monotonic() - self._started
            sys.stderr.write(
                f"{self._title}: {self._done}/{self._total}  {shown}  ({seconds:.0f} s)\n"
            )
            sys.stderr.flush()

    def _is_line_due(self) -> bool:
        every = max(1, self._total // LINES)
        return self._done % every == 0 or self._done == self._total
