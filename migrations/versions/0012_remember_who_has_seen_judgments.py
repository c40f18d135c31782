"""Remember who has seen the judgments of a comparison, and which adjudications were blind."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

READINGS = "judgment_readings"


def upgrade() -> None:
    op.create_table(
        READINGS,
        sa.Column("comparison_id", sa.Uuid(), nullable=False),
        sa.Column("reader_id", sa.Uuid(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["comparison_id"],
            ["comparisons.id"],
            name=op.f("fk_judgment_readings_comparison_id_comparisons"),
        ),
        sa.ForeignKeyConstraint(
            ["reader_id"], ["annotators.id"], name=op.f("fk_judgment_readings_reader_id_annotators")
        ),
        sa.PrimaryKeyConstraint("comparison_id", "reader_id", name=op.f("pk_judgment_readings")),
    )
    op.add_column("adjudications", sa.Column("blind", sa.Boolean(), nullable=True))
    _take_over_readings()


def downgrade() -> None:
    # Not in batch mode, which makes the table anew: its rows name each other.
    op.drop_column("adjudications", "blind")
    op.drop_table(READINGS)


def _take_over_readings() -> None:
    """Those of whole comparisons, which the audit log knows; lists were not written down."""
    connection = op.get_bind()
    entries = sa.table(
        "audit_entries",
        sa.column("action", sa.String()),
        sa.column("annotator_id", sa.Uuid()),
        sa.column("happened_at", sa.DateTime(timezone=True)),
        sa.column("details", sa.JSON()),
    )
    found: dict[tuple[UUID, UUID], datetime] = {}
    for reader, at, details in connection.execute(
        sa.select(entries.c.annotator_id, entries.c.happened_at, entries.c.details).where(
            entries.c.action == "judgments read", entries.c.annotator_id.is_not(None)
        )
    ):
        if "comparison" in details:
            key = (UUID(details["comparison"]), reader)
            found[key] = min(at, found.get(key, at))
    comparisons = sa.table("comparisons", sa.column("id", sa.Uuid()))
    known = set(connection.scalars(sa.select(comparisons.c.id))) if found else set()
    readings = sa.table(
        READINGS,
        sa.column("comparison_id", sa.Uuid()),
        sa.column("reader_id", sa.Uuid()),
        sa.column("read_at", sa.DateTime(timezone=True)),
    )
    rows = [
        {"comparison_id": comparison, "reader_id": reader, "read_at": at}
        for (comparison, reader), at in found.items()
        if comparison in known
    ]
    if rows:
        connection.execute(readings.insert(), rows)
