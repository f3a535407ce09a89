"""Rooms, participants, invites, guest sessions, runs.

Revision: 0001, after: nothing
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

moment = sa.DateTime(timezone=True)


def room_id() -> sa.Column[str]:
    return sa.Column(
        "room_id",
        sa.String(12),
        sa.ForeignKey("rooms.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    )


def upgrade() -> None:
    op.create_table(
        "rooms",
        sa.Column("id", sa.String(12), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False, index=True),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("language", sa.String(32), nullable=False),
        sa.Column("pad_type", sa.String(16), nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("pad_path", sa.Text, nullable=False),
        sa.Column("pad_file_id", sa.String(64), nullable=False, index=True),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("closed_at", moment),
    )
    op.create_table(
        "invites",
        sa.Column("id", sa.String(12), primary_key=True),
        room_id(),
        sa.Column("code_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("label", sa.String(120), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment),
        sa.Column("max_uses", sa.Integer),
        sa.Column("uses", sa.Integer, nullable=False),
        sa.Column("revoked_at", moment),
    )
    op.create_table(
        "participants",
        sa.Column("id", sa.String(12), primary_key=True),
        room_id(),
        sa.Column("username", sa.String(255)),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("color", sa.String(7), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("invite_id", sa.String(12), sa.ForeignKey("invites.id", ondelete="SET NULL")),
        sa.Column("joined_at", moment, nullable=False),
        sa.Column("left_at", moment),
        sa.Index("ix_participants_room_username", "room_id", "username", unique=True),
        sa.Index("ix_participants_room_name", "room_id", "name", unique=True),
    )
    op.create_table(
        "guest_sessions",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        room_id(),
        sa.Column(
            "participant_id",
            sa.String(12),
            sa.ForeignKey("participants.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("revoked_at", moment),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(12), primary_key=True),
        room_id(),
        sa.Column("participant_id", sa.String(12), nullable=False),
        sa.Column("participant_name", sa.String(64), nullable=False),
        sa.Column("document", sa.String(255), nullable=False),
        sa.Column("cell_id", sa.String(64)),
        sa.Column("status", sa.String(16), nullable=False, index=True),
        sa.Column("queued_at", moment, nullable=False),
        sa.Column("started_at", moment),
        sa.Column("ended_at", moment),
        sa.Column("duration_ms", sa.Integer),
        sa.Column("execution_count", sa.Integer),
        sa.Column("message", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for table in ("runs", "guest_sessions", "participants", "invites", "rooms"):
        op.drop_table(table)
