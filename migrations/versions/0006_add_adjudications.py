"""Add adjudications and guideline candidates, and find contested comparisons by their labels."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SPLIT = "ix_comparisons_split"


def upgrade() -> None:
    op.create_table(
        "adjudications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("comparison_id", sa.Uuid(), nullable=False),
        sa.Column("reviewer_id", sa.Uuid(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("preferred_id", sa.Uuid(), nullable=True),
        sa.Column("cause", sa.String(length=20), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("shown_order", sa.JSON(), nullable=False),
        sa.Column("guideline_version_id", sa.Uuid(), nullable=True),
        sa.Column("adjudicated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("supersedes_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('preferred', 'tie', 'both_bad', 'split')",
            name=op.f("ck_adjudications_outcome"),
        ),
        sa.CheckConstraint(
            "(outcome = 'preferred') = (preferred_id IS NOT NULL)",
            name=op.f("ck_adjudications_preferred"),
        ),
        sa.CheckConstraint(
            "cause IN ('taste', 'underspecified', 'factual', 'safety', 'slip')",
            name=op.f("ck_adjudications_cause"),
        ),
        _foreign_key("adjudications", "project_id", "projects"),
        _foreign_key("adjudications", "comparison_id", "comparisons"),
        _foreign_key("adjudications", "reviewer_id", "annotators"),
        _foreign_key("adjudications", "preferred_id", "completions"),
        _foreign_key("adjudications", "guideline_version_id", "guideline_versions"),
        _foreign_key("adjudications", "supersedes_id", "adjudications"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjudications")),
        sa.UniqueConstraint("supersedes_id", name=op.f("uq_adjudications_supersedes_id")),
    )
    op.create_index(
        "ix_adjudications_project", "adjudications", ["project_id", "adjudicated_at", "id"]
    )
    op.create_index("ix_adjudications_comparison", "adjudications", ["comparison_id"])
    op.create_index("ix_adjudications_reviewer_id", "adjudications", ["reviewer_id"])
    op.create_table(
        "guideline_candidates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("comparison_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("adopted_version_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "status IN ('open', 'adopted', 'dropped')", name=op.f("ck_guideline_candidates_status")
        ),
        sa.CheckConstraint(
            "(status = 'adopted') = (adopted_version_id IS NOT NULL)",
            name=op.f("ck_guideline_candidates_adopted_version"),
        ),
        _foreign_key("guideline_candidates", "project_id", "projects"),
        _foreign_key("guideline_candidates", "comparison_id", "comparisons"),
        _foreign_key("guideline_candidates", "proposed_by", "annotators"),
        _foreign_key("guideline_candidates", "adopted_version_id", "guideline_versions"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guideline_candidates")),
    )
    op.create_index(
        "ix_guideline_candidates_project",
        "guideline_candidates",
        ["project_id", "status", "created_at"],
    )
    op.create_index(
        "ix_guideline_candidates_comparison_id", "guideline_candidates", ["comparison_id"]
    )
    contested = sa.text("contested")
    op.create_index(
        SPLIT,
        "comparisons",
        ["project_id", "n_first", "n_second", "n_tie", "n_both_bad", "id"],
        sqlite_where=contested,
        postgresql_where=contested,
    )


def downgrade() -> None:
    op.drop_index(SPLIT, table_name="comparisons")
    op.drop_table("guideline_candidates")
    op.drop_table("adjudications")


def _foreign_key(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}_{other}")
    )
