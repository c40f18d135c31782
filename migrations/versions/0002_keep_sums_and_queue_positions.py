"""Keep sums beside judgments, and where each annotator is in the queue.

Fills in what follows from a row itself. What follows from judgments (`comparisons.judged` and its
counts, the sums) is filled in by `app.migrate.upgrade`, which rebuilds every project's sums.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COUNTS = ("size", "target", "judged", "n_first", "n_second", "n_tie", "n_both_bad")
LISTS = {
    "ix_comparisons_judged": "judged > 0",
    "ix_comparisons_contested": "contested",
    "ix_comparisons_gold": "kind = 'gold'",
}
DAY_SUMS = (
    "judged", "counted", "preferred", "tie", "both_bad", "ranking", "sided", "first_side", "shared",
)  # fmt: skip


def upgrade() -> None:
    for name in COUNTS:
        op.add_column(
            "comparisons", sa.Column(name, sa.Integer(), nullable=False, server_default="0")
        )
    contested = sa.Column("contested", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("comparisons", contested)
    op.add_column("comparisons", sa.Column("restricted_to", sa.String(length=80), nullable=True))
    op.add_column("comparisons", sa.Column("gold_verdict", sa.String(length=20), nullable=True))
    op.add_column("comparisons", sa.Column("gold_position", sa.Integer(), nullable=True))
    op.execute(
        "UPDATE comparisons SET"
        " size = (SELECT count(*) FROM comparison_completions c"
        " WHERE c.comparison_id = comparisons.id),"
        " target = CASE WHEN kind = 'gold' THEN 0 ELSE coalesce(overlap,"
        " (SELECT p.overlap FROM projects p WHERE p.id = comparisons.project_id)) END"
    )
    for name, condition in LISTS.items():
        _index(name, condition)
    op.create_index("ix_comparisons_project", "comparisons", ["project_id", "priority", "id"])
    op.add_column(
        "memberships", sa.Column("groups", sa.JSON(), nullable=False, server_default="[]")
    )
    op.drop_index("ix_assignments_lease", table_name="assignments")
    leased = sa.text("state = 'leased'")
    op.create_index(
        "ix_assignments_leased",
        "assignments",
        ["project_id", "lease_expires_at"],
        sqlite_where=leased,
        postgresql_where=leased,
    )
    op.drop_index("ix_judgments_annotator", table_name="judgments")
    op.create_index(
        "ix_judgments_annotator", "judgments", ["annotator_id", "project_id", "received_at"]
    )
    _create_tables()
    # No token could be made before this revision.
    op.drop_index("ix_api_tokens_annotator_id", table_name="api_tokens")
    op.drop_table("api_tokens")
    _create_api_tokens(
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.UniqueConstraint("id", name=op.f("uq_api_tokens_id")),
    )


def downgrade() -> None:
    op.drop_index("ix_api_tokens_annotator_id", table_name="api_tokens")
    op.drop_table("api_tokens")
    _create_api_tokens()
    for name in ("attempts", "project_contents", "vote_counts"):
        op.drop_table(name)
    for name in ("annotator_days", "queue_positions"):
        op.drop_index(f"ix_{name}_annotator_id", table_name=name)
        op.drop_table(name)
    op.drop_index("ix_judgments_annotator", table_name="judgments")
    op.create_index("ix_judgments_annotator", "judgments", ["annotator_id", "project_id"])
    op.drop_index("ix_assignments_leased", table_name="assignments")
    op.create_index("ix_assignments_lease", "assignments", ["state", "lease_expires_at"])
    op.drop_column("memberships", "groups")
    for name in ("ix_comparisons_project", *LISTS):
        op.drop_index(name, table_name="comparisons")
    added = ("contested", "restricted_to", "gold_verdict", "gold_position")
    for name in (*COUNTS, *added):
        op.drop_column("comparisons", name)


def _index(name: str, condition: str) -> None:
    where = sa.text(condition)
    op.create_index(
        name,
        "comparisons",
        ["project_id", "priority", "id"],
        sqlite_where=where,
        postgresql_where=where,
    )


def _create_tables() -> None:
    op.create_table(
        "queue_positions",
        *_of_project_and_annotator("queue_positions"),
        sa.Column("issued", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=True),
        sa.Column("block_start", sa.Uuid(), nullable=True),
        sa.Column("block_end", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("project_id", "annotator_id", name=op.f("pk_queue_positions")),
    )
    op.create_index("ix_queue_positions_annotator_id", "queue_positions", ["annotator_id"])
    op.create_table(
        "annotator_days",
        *_of_project_and_annotator("annotator_days"),
        sa.Column("day", sa.Date(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in DAY_SUMS),
        sa.Column("credit", sa.BigInteger(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "project_id", "annotator_id", "day", name=op.f("pk_annotator_days")
        ),
    )
    op.create_index("ix_annotator_days_annotator_id", "annotator_days", ["annotator_id"])
    labels = ("n_first", "n_second", "n_tie", "n_both_bad")
    op.create_table(
        "vote_counts",
        _of_project("vote_counts"),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("prompt_group", sa.SmallInteger(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in labels),
        sa.Column("comparisons", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "prompt_group", *labels, name=op.f("pk_vote_counts")),
    )
    op.create_table(
        "project_contents",
        _of_project("project_contents"),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("prompts", sa.Integer(), nullable=False),
        sa.Column("completions", sa.Integer(), nullable=False),
        sa.Column("demonstrations", sa.Integer(), nullable=False),
        sa.Column("comparisons", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_project_contents")),
    )
    op.create_table(
        "attempts",
        sa.Column("bucket", sa.String(length=100), nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", "window", name=op.f("pk_attempts")),
    )


def _of_project(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["project_id"], ["projects.id"], name=op.f(f"fk_{table}_project_id_projects")
    )


def _of_project_and_annotator(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("annotator_id", sa.Uuid(), nullable=False),
        _of_project(table),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["annotators.id"], name=op.f(f"fk_{table}_annotator_id_annotators")
        ),
    )


def _create_api_tokens(*more: sa.schema.SchemaItem) -> None:
    op.create_table(
        "api_tokens",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("annotator_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["annotators.id"], name=op.f("fk_api_tokens_annotator_id_annotators")
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_api_tokens")),
        *more,
    )
    op.create_index("ix_api_tokens_annotator_id", "api_tokens", ["annotator_id"])
