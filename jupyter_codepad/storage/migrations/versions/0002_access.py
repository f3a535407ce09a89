"""Prepared and locked rooms, restrictions, passwords of links, the lobby, the activity log.

Revision: 0002, after: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

moment = sa.DateTime(timezone=True)


def off(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())


def upgrade() -> None:
    with op.batch_alter_table("rooms") as rooms:
        rooms.add_column(off("prepared"))
        rooms.add_column(sa.Column("opens_at", moment))
        rooms.add_column(off("locked"))
        rooms.add_column(off("lobby"))
        rooms.add_column(sa.Column("restrictions", sa.JSON, nullable=False, server_default="{}"))
    with op.batch_alter_table("invites") as invites:
        invites.add_column(off("main"))
        invites.add_column(sa.Column("password_hash", sa.Text))
        invites.add_column(sa.Column("lobby", sa.Boolean))
    with op.batch_alter_table("participants") as people:
        people.add_column(sa.Column("standing", sa.String(16), nullable=False, server_default="in"))
        people.add_column(sa.Column("name_key", sa.String(128)))
        people.add_column(sa.Column("hand_raised_at", moment))
        people.drop_index("ix_participants_room_name")
    _fill_name_keys()
    with op.batch_alter_table("participants") as people:
        people.alter_column("name_key", existing_type=sa.String(128), nullable=False)
        people.create_index("ix_participants_room_name_key", ["room_id", "name_key"], unique=True)
    op.create_table(
        "activity",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column(
            "room_id",
            sa.String(12),
            sa.ForeignKey("rooms.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("at", moment, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("actor_id", sa.String(12)),
        sa.Column("actor", sa.String(255)),
        sa.Column("subject_id", sa.String(12)),
        sa.Column("subject", sa.String(255)),
        sa.Column("detail", sa.JSON, nullable=False),
    )


def _fill_name_keys() -> None:
    """Give everybody the key of their name; of two that are alike the later gets a number."""
    columns = ("id", "room_id", "name", "name_key")
    people = sa.table("participants", *(sa.column(name) for name in columns))
    connection = op.get_bind()
    taken: set[tuple[str, str]] = set()
    for row in connection.execute(sa.select(people.c.id, people.c.room_id, people.c.name)).all():
        key = base = row.name.casefold()
        number = 1
        while (row.room_id, key) in taken:
            number += 1
            key = f"{base} ({number})"
        taken.add((row.room_id, key))
        connection.execute(people.update().where(people.c.id == row.id).values(name_key=key))


def downgrade() -> None:
    op.drop_table("activity")
    with op.batch_alter_table("participants") as people:
        people.drop_index("ix_participants_room_name_key")
        people.create_index("ix_participants_room_name", ["room_id", "name"], unique=True)
        for column in ("standing", "name_key", "hand_raised_at"):
            people.drop_column(column)
    with op.batch_alter_table("invites") as invites:
        for column in ("main", "password_hash", "lobby"):
            invites.drop_column(column)
    with op.batch_alter_table("rooms") as rooms:
        for column in ("prepared", "opens_at", "locked", "lobby", "restrictions"):
            rooms.drop_column(column)
