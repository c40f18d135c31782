"""A trigger that refuses to put an audit entry in the place of another.

SQLite's `INSERT OR REPLACE` removes the entry that is in the way without a word to the trigger that
refuses removals. PostgreSQL has no such statement: `ON CONFLICT DO UPDATE` is an update there.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER audit_entries_refuse_replacement BEFORE INSERT ON audit_entries"
            " WHEN EXISTS (SELECT 1 FROM audit_entries WHERE id = NEW.id)"
            " OR EXISTS (SELECT 1 FROM audit_entries WHERE previous_hash = NEW.previous_hash)"
            " BEGIN SELECT RAISE(ABORT, 'audit entries are never changed or removed'); END"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER audit_entries_refuse_replacement")
