"""Remember with each API token the role that its owner had when it was made.

Of tokens that are there already nobody knows it; they are bound to their owner's role as it is now.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_tokens", sa.Column("role", sa.String(20), nullable=True))
    op.execute(
        "UPDATE api_tokens SET role = (SELECT annotators.role FROM annotators"
        " WHERE annotators.id = api_tokens.annotator_id)"
    )
    with op.batch_alter_table("api_tokens") as batch:
        batch.alter_column("role", existing_type=sa.String(20), nullable=False)
        batch.create_check_constraint(
            op.f("ck_api_tokens_role"), "role IN ('annotator', 'reviewer', 'admin')"
        )


def downgrade() -> None:
    with op.batch_alter_table("api_tokens") as batch:
        batch.drop_constraint(op.f("ck_api_tokens_role"), type_="check")
        batch.drop_column("role")
