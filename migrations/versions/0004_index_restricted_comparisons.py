"""An index of the comparisons that only one group of annotators may judge, by group."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NAME = "ix_comparisons_restricted"


def upgrade() -> None:
    restricted = sa.text("restricted_to IS NOT NULL")
    op.create_index(
        NAME,
        "comparisons",
        ["project_id", "restricted_to"],
        sqlite_where=restricted,
        postgresql_where=restricted,
    )


def downgrade() -> None:
    op.drop_index(NAME, table_name="comparisons")
