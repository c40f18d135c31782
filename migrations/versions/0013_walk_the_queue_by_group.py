"""Index open comparisons by the group that may judge them, gold ones by id, and keep where an
annotator is among the gold."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_comparisons_walk", ["project_id", "restricted_to", "priority", "id"], "open_slots > 0"),
    ("ix_comparisons_gold_round", ["project_id", "id"], "kind = 'gold'"),
)


def upgrade() -> None:
    for name, columns, condition in INDEXES:
        where = sa.text(condition)
        op.create_index(name, "comparisons", columns, sqlite_where=where, postgresql_where=where)
    with op.batch_alter_table("queue_positions") as table:
        table.add_column(sa.Column("gold_after", sa.Uuid(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("queue_positions") as table:
        table.drop_column("gold_after")
    for name, _, _ in reversed(INDEXES):
        op.drop_index(name, table_name="comparisons")
