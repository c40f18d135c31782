"""Who has seen what others judged of a comparison: they no longer decide on it blind.

What leaves the server as an export or through the API is not followed.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models.accounts import Annotator
from app.models.adjudications import JudgmentReading
from app.upserts import insert_into


def seen(
    session: Session, reader: Annotator, comparisons: Collection[UUID]
) -> dict[UUID, datetime]:
    """When this person first saw the judgments of each of these comparisons that they saw."""
    rows = session.execute(
        select(JudgmentReading.comparison_id, JudgmentReading.read_at).where(
            JudgmentReading.reader_id == reader.id,
            JudgmentReading.comparison_id.in_(comparisons),
        )
    )
    return dict(rows.all())


def note(
    session: Session, reader: Annotator, comparisons: Collection[UUID], *, now: datetime
) -> None:
    """Write down that they see them now; who saw them before has seen them then."""
    rows = [
        {"comparison_id": comparison, "reader_id": reader.id, "read_at": now}
        for comparison in sorted(comparisons)
    ]
    if rows:
        insert = insert_into(session.get_bind().dialect.name, JudgmentReading)
        session.execute(insert.on_conflict_do_nothing(), rows)
