"""Keep the last fit of a model that needs every judgment of a project."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_fits",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.String(40), nullable=False),
        sa.Column("fitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("judgments", sa.Integer(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_model_fits_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("project_id", "model", name=op.f("pk_model_fits")),
    )


def downgrade() -> None:
    op.drop_table("model_fits")
