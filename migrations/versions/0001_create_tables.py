"""Create all tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "annotators",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("password_hash", sa.String(length=300), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind = 'person' OR password_hash IS NULL",
            name=op.f("ck_annotators_only_people_sign_in"),
        ),
        sa.CheckConstraint(
            "kind IN ('person', 'imported', 'simulated', 'model')", name=op.f("ck_annotators_kind")
        ),
        sa.CheckConstraint(
            "role IN ('annotator', 'reviewer', 'admin')", name=op.f("ck_annotators_role")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotators")),
        sa.UniqueConstraint("name", name=op.f("uq_annotators_name")),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("overlap", sa.Integer(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("overlap >= 1", name=op.f("ck_projects_overlap_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("slug", name=op.f("uq_projects_slug")),
    )
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
    )
    op.create_index(
        op.f("ix_api_tokens_annotator_id"), "api_tokens", ["annotator_id"], unique=False
    )
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("annotator_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(length=100), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["annotator_id"],
            ["annotators.id"],
            name=op.f("fk_audit_entries_annotator_id_annotators"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
        sa.UniqueConstraint("previous_hash", name=op.f("uq_audit_entries_previous_hash")),
    )
    op.create_index("ix_audit_happened", "audit_entries", ["happened_at"], unique=False)
    op.create_table(
        "exports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("exported_by", sa.Uuid(), nullable=True),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("filters", sa.JSON(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["exported_by"], ["annotators.id"], name=op.f("fk_exports_exported_by_annotators")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_exports_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
    )
    op.create_index(op.f("ix_exports_project_id"), "exports", ["project_id"], unique=False)
    op.create_table(
        "guideline_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("markdown", sa.Text(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_guideline_versions_project_id_projects")
        ),
        sa.ForeignKeyConstraint(
            ["published_by"],
            ["annotators.id"],
            name=op.f("fk_guideline_versions_published_by_annotators"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guideline_versions")),
        sa.UniqueConstraint(
            "project_id", "version", name=op.f("uq_guideline_versions_project_id_version")
        ),
    )
    op.create_table(
        "invitations",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.Column("annotator_id", sa.Uuid(), nullable=True),
        sa.Column("invited_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["annotators.id"], name=op.f("fk_invitations_annotator_id_annotators")
        ),
        sa.ForeignKeyConstraint(
            ["invited_by"], ["annotators.id"], name=op.f("fk_invitations_invited_by_annotators")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_invitations_project_id_projects")
        ),
        sa.ForeignKeyConstraint(
            ["used_by"], ["annotators.id"], name=op.f("fk_invitations_used_by_annotators")
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_invitations")),
    )
    op.create_index(
        op.f("ix_invitations_annotator_id"), "invitations", ["annotator_id"], unique=False
    )
    op.create_index(op.f("ix_invitations_project_id"), "invitations", ["project_id"], unique=False)
    op.create_table(
        "memberships",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("annotator_id", sa.Uuid(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["annotators.id"], name=op.f("fk_memberships_annotator_id_annotators")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_memberships_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("project_id", "annotator_id", name=op.f("pk_memberships")),
    )
    op.create_index(
        op.f("ix_memberships_annotator_id"), "memberships", ["annotator_id"], unique=False
    )
    op.create_table(
        "prompts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("messages", sa.JSON(), nullable=False),
        sa.Column("split_key", sa.String(length=64), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_prompts_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prompts")),
    )
    op.create_index(
        "ix_prompts_project_split", "prompts", ["project_id", "split_key"], unique=False
    )
    op.create_table(
        "sign_in_sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("annotator_id", sa.Uuid(), nullable=False),
        sa.Column("csrf_token", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["annotator_id"],
            ["annotators.id"],
            name=op.f("fk_sign_in_sessions_annotator_id_annotators"),
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sign_in_sessions")),
    )
    op.create_index(
        op.f("ix_sign_in_sessions_annotator_id"), "sign_in_sessions", ["annotator_id"], unique=False
    )
    op.create_table(
        "comparisons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("prompt_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("overlap", sa.Integer(), nullable=True),
        sa.Column("open_slots", sa.Integer(), nullable=False),
        sa.Column("sampling_probability", sa.Double(), nullable=True),
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('normal', 'gold')", name=op.f("ck_comparisons_kind")),
        sa.CheckConstraint(
            "overlap IS NULL OR overlap >= 1", name=op.f("ck_comparisons_overlap_positive")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_comparisons_project_id_projects")
        ),
        sa.ForeignKeyConstraint(
            ["prompt_id"], ["prompts.id"], name=op.f("fk_comparisons_prompt_id_prompts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparisons")),
    )
    op.create_index(op.f("ix_comparisons_prompt_id"), "comparisons", ["prompt_id"], unique=False)
    op.create_index(
        "ix_comparisons_queue",
        "comparisons",
        ["project_id", "priority", "id"],
        unique=False,
        sqlite_where=sa.text("open_slots > 0"),
        postgresql_where=sa.text("open_slots > 0"),
    )
    op.create_table(
        "completions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("prompt_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["prompt_id"], ["prompts.id"], name=op.f("fk_completions_prompt_id_prompts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_completions")),
    )
    op.create_index(op.f("ix_completions_prompt_id"), "completions", ["prompt_id"], unique=False)
    op.create_table(
        "demonstrations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("prompt_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["prompt_id"], ["prompts.id"], name=op.f("fk_demonstrations_prompt_id_prompts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_demonstrations")),
    )
    op.create_index(
        op.f("ix_demonstrations_prompt_id"), "demonstrations", ["prompt_id"], unique=False
    )
    op.create_table(
        "guideline_readings",
        sa.Column("guideline_version_id", sa.Uuid(), nullable=False),
        sa.Column("annotator_id", sa.Uuid(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["annotator_id"],
            ["annotators.id"],
            name=op.f("fk_guideline_readings_annotator_id_annotators"),
        ),
        sa.ForeignKeyConstraint(
            ["guideline_version_id"],
            ["guideline_versions.id"],
            name=op.f("fk_guideline_readings_guideline_version_id_guideline_versions"),
        ),
        sa.PrimaryKeyConstraint(
            "guideline_version_id", "annotator_id", name=op.f("pk_guideline_readings")
        ),
    )
    op.create_index(
        op.f("ix_guideline_readings_annotator_id"),
        "guideline_readings",
        ["annotator_id"],
        unique=False,
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("export_id", sa.Uuid(), nullable=True),
        sa.Column("stage", sa.String(length=20), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("stage IN ('sft', 'rm', 'ppo', 'dpo')", name=op.f("ck_runs_stage")),
        sa.ForeignKeyConstraint(
            ["export_id"], ["exports.id"], name=op.f("fk_runs_export_id_exports")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_runs_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_index(op.f("ix_runs_export_id"), "runs", ["export_id"], unique=False)
    op.create_index(op.f("ix_runs_project_id"), "runs", ["project_id"], unique=False)
    op.create_table(
        "assignments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("comparison_id", sa.Uuid(), nullable=False),
        sa.Column("annotator_id", sa.Uuid(), nullable=False),
        sa.Column("repeat", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("shown_order", sa.JSON(), nullable=False),
        sa.Column("guideline_version_id", sa.Uuid(), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('normal', 'gold', 'repeat')", name=op.f("ck_assignments_kind")
        ),
        sa.CheckConstraint(
            "state IN ('leased', 'judged', 'skipped', 'expired')", name=op.f("ck_assignments_state")
        ),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["annotators.id"], name=op.f("fk_assignments_annotator_id_annotators")
        ),
        sa.ForeignKeyConstraint(
            ["comparison_id"],
            ["comparisons.id"],
            name=op.f("fk_assignments_comparison_id_comparisons"),
        ),
        sa.ForeignKeyConstraint(
            ["guideline_version_id"],
            ["guideline_versions.id"],
            name=op.f("fk_assignments_guideline_version_id_guideline_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_assignments_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignments")),
        sa.UniqueConstraint(
            "comparison_id",
            "annotator_id",
            "repeat",
            name=op.f("uq_assignments_comparison_id_annotator_id_repeat"),
        ),
    )
    op.create_index(
        "ix_assignments_annotator",
        "assignments",
        ["annotator_id", "project_id", "state"],
        unique=False,
    )
    op.create_index(
        "ix_assignments_lease", "assignments", ["state", "lease_expires_at"], unique=False
    )
    op.create_table(
        "comparison_completions",
        sa.Column("comparison_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("completion_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["comparison_id"],
            ["comparisons.id"],
            name=op.f("fk_comparison_completions_comparison_id_comparisons"),
        ),
        sa.ForeignKeyConstraint(
            ["completion_id"],
            ["completions.id"],
            name=op.f("fk_comparison_completions_completion_id_completions"),
        ),
        sa.PrimaryKeyConstraint(
            "comparison_id", "position", name=op.f("pk_comparison_completions")
        ),
        sa.UniqueConstraint(
            "comparison_id",
            "completion_id",
            name=op.f("uq_comparison_completions_comparison_id_completion_id"),
        ),
    )
    op.create_index(
        op.f("ix_comparison_completions_completion_id"),
        "comparison_completions",
        ["completion_id"],
        unique=False,
    )
    op.create_table(
        "flags",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("comparison_id", sa.Uuid(), nullable=False),
        sa.Column("annotator_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("flagged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["annotators.id"], name=op.f("fk_flags_annotator_id_annotators")
        ),
        sa.ForeignKeyConstraint(
            ["comparison_id"], ["comparisons.id"], name=op.f("fk_flags_comparison_id_comparisons")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_flags_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flags")),
    )
    op.create_index(op.f("ix_flags_annotator_id"), "flags", ["annotator_id"], unique=False)
    op.create_index(op.f("ix_flags_comparison_id"), "flags", ["comparison_id"], unique=False)
    op.create_index(op.f("ix_flags_project_id"), "flags", ["project_id"], unique=False)
    op.create_table(
        "judgments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("comparison_id", sa.Uuid(), nullable=False),
        sa.Column("annotator_id", sa.Uuid(), nullable=False),
        sa.Column("assignment_id", sa.Uuid(), nullable=True),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("preferred_id", sa.Uuid(), nullable=True),
        sa.Column("strength", sa.Integer(), nullable=True),
        sa.Column("ranking", sa.JSON(), nullable=True),
        sa.Column("rationale", sa.Text(), nullable=True),
        sa.Column("reason_codes", sa.JSON(), nullable=False),
        sa.Column("shown_order", sa.JSON(), nullable=False),
        sa.Column("layout", sa.String(length=20), nullable=False),
        sa.Column("guideline_version_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("sampling_probability", sa.Double(), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("active_ms", sa.Integer(), nullable=True),
        sa.Column("wall_ms", sa.Integer(), nullable=True),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=100), nullable=False),
        sa.Column("supersedes_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "(verdict = 'preferred') = (preferred_id IS NOT NULL)",
            name=op.f("ck_judgments_preferred"),
        ),
        sa.CheckConstraint("kind IN ('normal', 'gold', 'repeat')", name=op.f("ck_judgments_kind")),
        sa.CheckConstraint(
            "verdict IN ('preferred', 'tie', 'both_bad', 'ranking')",
            name=op.f("ck_judgments_verdict"),
        ),
        sa.CheckConstraint(
            "strength IS NULL OR strength BETWEEN 1 AND 3", name=op.f("ck_judgments_strength")
        ),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["annotators.id"], name=op.f("fk_judgments_annotator_id_annotators")
        ),
        sa.ForeignKeyConstraint(
            ["assignment_id"],
            ["assignments.id"],
            name=op.f("fk_judgments_assignment_id_assignments"),
        ),
        sa.ForeignKeyConstraint(
            ["comparison_id"],
            ["comparisons.id"],
            name=op.f("fk_judgments_comparison_id_comparisons"),
        ),
        sa.ForeignKeyConstraint(
            ["guideline_version_id"],
            ["guideline_versions.id"],
            name=op.f("fk_judgments_guideline_version_id_guideline_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["preferred_id"], ["completions.id"], name=op.f("fk_judgments_preferred_id_completions")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_judgments_project_id_projects")
        ),
        sa.ForeignKeyConstraint(
            ["supersedes_id"], ["judgments.id"], name=op.f("fk_judgments_supersedes_id_judgments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judgments")),
        sa.UniqueConstraint(
            "annotator_id",
            "idempotency_key",
            name=op.f("uq_judgments_annotator_id_idempotency_key"),
        ),
        sa.UniqueConstraint("supersedes_id", name=op.f("uq_judgments_supersedes_id")),
    )
    op.create_index(
        "ix_judgments_annotator", "judgments", ["annotator_id", "project_id"], unique=False
    )
    op.create_index(
        op.f("ix_judgments_assignment_id"), "judgments", ["assignment_id"], unique=False
    )
    op.create_index(
        "ix_judgments_comparison", "judgments", ["comparison_id", "annotator_id"], unique=False
    )
    op.create_index(
        "ix_judgments_project", "judgments", ["project_id", "received_at", "id"], unique=False
    )
    op.create_table(
        "skips",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("comparison_id", sa.Uuid(), nullable=False),
        sa.Column("annotator_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("skipped_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["annotators.id"], name=op.f("fk_skips_annotator_id_annotators")
        ),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignments.id"], name=op.f("fk_skips_assignment_id_assignments")
        ),
        sa.ForeignKeyConstraint(
            ["comparison_id"], ["comparisons.id"], name=op.f("fk_skips_comparison_id_comparisons")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_skips_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_skips")),
        sa.UniqueConstraint("assignment_id", name=op.f("uq_skips_assignment_id")),
    )
    op.create_index(op.f("ix_skips_annotator_id"), "skips", ["annotator_id"], unique=False)
    op.create_index(op.f("ix_skips_comparison_id"), "skips", ["comparison_id"], unique=False)
    op.create_index(op.f("ix_skips_project_id"), "skips", ["project_id"], unique=False)
    op.create_table(
        "preferences",
        sa.Column("judgment_id", sa.Uuid(), nullable=False),
        sa.Column("chosen_id", sa.Uuid(), nullable=False),
        sa.Column("rejected_id", sa.Uuid(), nullable=False),
        sa.Column("comparison_id", sa.Uuid(), nullable=False),
        sa.Column("strength", sa.Integer(), nullable=True),
        sa.CheckConstraint("chosen_id <> rejected_id", name=op.f("ck_preferences_two_completions")),
        sa.ForeignKeyConstraint(
            ["chosen_id"], ["completions.id"], name=op.f("fk_preferences_chosen_id_completions")
        ),
        sa.ForeignKeyConstraint(
            ["comparison_id"],
            ["comparisons.id"],
            name=op.f("fk_preferences_comparison_id_comparisons"),
        ),
        sa.ForeignKeyConstraint(
            ["judgment_id"], ["judgments.id"], name=op.f("fk_preferences_judgment_id_judgments")
        ),
        sa.ForeignKeyConstraint(
            ["rejected_id"], ["completions.id"], name=op.f("fk_preferences_rejected_id_completions")
        ),
        sa.PrimaryKeyConstraint(
            "judgment_id", "chosen_id", "rejected_id", name=op.f("pk_preferences")
        ),
    )
    op.create_index(
        op.f("ix_preferences_comparison_id"), "preferences", ["comparison_id"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_preferences_comparison_id"), table_name="preferences")
    op.drop_table("preferences")
    op.drop_index(op.f("ix_skips_project_id"), table_name="skips")
    op.drop_index(op.f("ix_skips_comparison_id"), table_name="skips")
    op.drop_index(op.f("ix_skips_annotator_id"), table_name="skips")
    op.drop_table("skips")
    op.drop_index("ix_judgments_project", table_name="judgments")
    op.drop_index("ix_judgments_comparison", table_name="judgments")
    op.drop_index(op.f("ix_judgments_assignment_id"), table_name="judgments")
    op.drop_index("ix_judgments_annotator", table_name="judgments")
    op.drop_table("judgments")
    op.drop_index(op.f("ix_flags_project_id"), table_name="flags")
    op.drop_index(op.f("ix_flags_comparison_id"), table_name="flags")
    op.drop_index(op.f("ix_flags_annotator_id"), table_name="flags")
    op.drop_table("flags")
    op.drop_index(
        op.f("ix_comparison_completions_completion_id"), table_name="comparison_completions"
    )
    op.drop_table("comparison_completions")
    op.drop_index("ix_assignments_lease", table_name="assignments")
    op.drop_index("ix_assignments_annotator", table_name="assignments")
    op.drop_table("assignments")
    op.drop_index(op.f("ix_runs_project_id"), table_name="runs")
    op.drop_index(op.f("ix_runs_export_id"), table_name="runs")
    op.drop_table("runs")
    op.drop_index(op.f("ix_guideline_readings_annotator_id"), table_name="guideline_readings")
    op.drop_table("guideline_readings")
    op.drop_index(op.f("ix_demonstrations_prompt_id"), table_name="demonstrations")
    op.drop_table("demonstrations")
    op.drop_index(op.f("ix_completions_prompt_id"), table_name="completions")
    op.drop_table("completions")
    op.drop_index(
        "ix_comparisons_queue",
        table_name="comparisons",
        sqlite_where=sa.text("open_slots > 0"),
        postgresql_where=sa.text("open_slots > 0"),
    )
    op.drop_index(op.f("ix_comparisons_prompt_id"), table_name="comparisons")
    op.drop_table("comparisons")
    op.drop_index(op.f("ix_sign_in_sessions_annotator_id"), table_name="sign_in_sessions")
    op.drop_table("sign_in_sessions")
    op.drop_index("ix_prompts_project_split", table_name="prompts")
    op.drop_table("prompts")
    op.drop_index(op.f("ix_memberships_annotator_id"), table_name="memberships")
    op.drop_table("memberships")
    op.drop_index(op.f("ix_invitations_project_id"), table_name="invitations")
    op.drop_index(op.f("ix_invitations_annotator_id"), table_name="invitations")
    op.drop_table("invitations")
    op.drop_table("guideline_versions")
    op.drop_index(op.f("ix_exports_project_id"), table_name="exports")
    op.drop_table("exports")
    op.drop_index("ix_audit_happened", table_name="audit_entries")
    op.drop_table("audit_entries")
    op.drop_index(op.f("ix_api_tokens_annotator_id"), table_name="api_tokens")
    op.drop_table("api_tokens")
    op.drop_table("projects")
    op.drop_table("annotators")
