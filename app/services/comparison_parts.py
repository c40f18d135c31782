"""All comparisons of a project in parts, for what has to look at every one.

They come in the order of an index that holds them all, each part from where the one before ended.
In the order of their ids alone SQLite would look at the whole project for every part.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Select, Uuid, bindparam, literal_column, select, tuple_
from sqlalchemy.orm import Session

from app.models.projects import Comparison
from app.prepared import Rows, run

LOWEST = -(2**31)
"""Of all priorities that the column can hold."""


def part(*columns: Any, size: int) -> Select[Any]:
    """So many comparisons after a place; `walk` takes it. It may be given further conditions."""
    place = tuple_(bindparam("priority", type_=Integer), bindparam("after", type_=Uuid()))
    return (
        select(Comparison.id, Comparison.priority, *columns)
        .where(
            Comparison.project_id == bindparam("project_id"),
            tuple_(Comparison.priority, Comparison.id) > place,
        )
        .order_by(Comparison.priority, Comparison.id)
        .limit(literal_column(str(size)))
    )


def walk(session: Session, statement: Select[Any], project_id: UUID) -> Iterator[Rows]:
    """One part after the other, of a `part`."""
    priority, after = LOWEST, UUID(int=0)
    while rows := run(session, statement, project_id=project_id, priority=priority, after=after):
        yield rows
        priority, after = rows[-1].priority, rows[-1].id
