"""How commands speak: data to stdout, everything else to stderr, an error as one sentence."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.table import Table

P = ParamSpec("P")
R = TypeVar("R")
stderr = Console(stderr=True, highlight=False)
stdout = Console(highlight=False, markup=False)


def say(text: str) -> None:
    """Progress and diagnostics, for people."""
    stderr.print(text, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def print_table(columns: list[str], rows: Sequence[Sequence[object]]) -> None:
    """An aligned table; columns whose name starts with > are aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            column.removeprefix(">"), justify="right" if column.startswith(">") else "left"
        )
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    stdout.print(table)


def fail(error: Exception) -> NoReturn:
    print(f"prefloop: {error}", file=sys.stderr)
    raise typer.Exit(1)


@contextmanager
def explained() -> Iterator[None]:
    """Errors of the domain end the command with exit code 1 and their one sentence."""
    from pydantic import ValidationError

    from app.errors import PrefloopError

    try:
        yield
    except PrefloopError as error:
        fail(error)
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        fail(ValueError(f"Setting PREFLOOP_{name}: {first['msg']}."))


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Decorates a server-side command so that its errors are explained, and the audit log names the
    user of the operating system who gave it."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        from app.operators import operated_by, operating_system_user

        with explained(), operated_by(operating_system_user()):
            return function(*args, **kwargs)

    return run
