"""Incidents and what people said about them"""

import sqlalchemy as sa
from alembic import op

from sagekeeper.core.ledger.models import Amount, UtcTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    time, amount = UtcTime(timezone=True), Amount(length=40)
    op.create_table(
        "incidents",
        sa.Column("fingerprint", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("cause", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=32), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("resource_kind", sa.String(length=64), nullable=False),
        sa.Column("resource_name", sa.String(length=512), nullable=False),
        sa.Column("owner", sa.String(length=512), nullable=True),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("since", time, nullable=False),
        sa.Column("last_seen", time, nullable=False),
        sa.Column("excess", amount, nullable=False),
        sa.Column("per_day", amount, nullable=False),
        sa.Column("month_excess", amount, nullable=True),
        sa.Column("currency", sa.String(length=8), nullable=False),
        sa.Column("basis", sa.String(length=16), nullable=True),
        sa.Column("certainty", sa.String(length=16), nullable=False),
        sa.Column("decided_by", sa.String(length=255), nullable=True),
        sa.Column("decided_at", time, nullable=True),
        sa.Column("decided_per_day", amount, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("snoozed_until", time, nullable=True),
        sa.Column("told_per_day", amount, nullable=True),
        sa.Column("accepted_per_day", amount, nullable=True),
        sa.Column("accepted_excess", amount, nullable=True),
        sa.Column("accepted_since", time, nullable=True),
        sa.Column("accepted_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("fingerprint"),
    )
    op.create_index(op.f("ix_incidents_kind"), "incidents", ["kind"], unique=False)
    op.create_index(op.f("ix_incidents_state"), "incidents", ["state"], unique=False)
    op.create_table(
        "incident_events",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("fingerprint", sa.String(length=32), nullable=False),
        sa.Column("at", time, nullable=False),
        sa.Column("by", sa.String(length=255), nullable=True),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_incident_events_fingerprint"), "incident_events", ["fingerprint"], unique=False)


def downgrade() -> None:
    op.drop_table("incident_events")
    op.drop_table("incidents")
