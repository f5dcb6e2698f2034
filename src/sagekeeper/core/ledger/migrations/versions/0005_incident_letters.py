"""Letters about incidents, decided before they are sent"""

import sqlalchemy as sa
from alembic import op

from sagekeeper.core.ledger.models import UtcTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "incident_letters",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("decided_at", UtcTime(timezone=True), nullable=False),
        sa.Column("recipients", sa.JSON(), nullable=False),
        sa.Column("channels", sa.Boolean(), nullable=False),
        sa.Column("members", sa.JSON(), nullable=False),
        sa.Column("done_at", UtcTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index(op.f("ix_incident_letters_done_at"), "incident_letters", ["done_at"], unique=False)


def downgrade() -> None:
    op.drop_table("incident_letters")
