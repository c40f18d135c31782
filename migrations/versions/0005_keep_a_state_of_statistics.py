"""Keep the state of a project's statistics, and which judgments it does not hold yet.

`app.migrate.upgrade` builds the state of every project afterwards.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pending_judgments",
        sa.Column("judgment_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("comparison_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["judgment_id"],
            ["judgments.id"],
            name=op.f("fk_pending_judgments_judgment_id_judgments"),
        ),
        sa.PrimaryKeyConstraint("judgment_id", name=op.f("pk_pending_judgments")),
    )
    op.create_index(
        "ix_pending_judgments_project", "pending_judgments", ["project_id", "comparison_id"]
    )
    op.create_table(
        "project_sums",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("folded", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_project_sums_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_project_sums")),
    )


def downgrade() -> None:
    op.drop_table("project_sums")
    op.drop_index("ix_pending_judgments_project", table_name="pending_judgments")
    op.drop_table("pending_judgments")
