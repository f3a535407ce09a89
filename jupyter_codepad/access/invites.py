"""Share links: each gives one role in one room to whoever holds its code."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ..errors import Conflict, Invalid, NotFound
from ..storage.tables import InviteRecord, utc_now
from .roles import Role
from .tokens import hash_secret, new_id, new_invite_code

DEAD_LINK = "This link does not work. Ask the person who sent it for a new one."


class InviteManager:
    """The rules of share links: making, counting, ending and exchanging them.

    Every method works inside the caller's transaction, so that a use is counted exactly when the
    person it let in is recorded. Only the hash of a code is stored; the code itself is in the
    answer to its creation and nowhere else.

    ``links_per_room_limit``: the most links of a room that can be open at the same time.
    """

    def __init__(self, *, links_per_room_limit: int) -> None:
        self._limit = links_per_room_limit

    async def create(
        self,
        tx: AsyncSession,
        room_id: str,
        role: Role,
        *,
        label: str = "",
        ttl: timedelta | None = None,
        max_uses: int | None = None,
    ) -> tuple[InviteRecord, str]:
        """Make a link; returns its record and its code (22 characters), which is not kept.

        Raises ``Invalid`` for a role that no link may give and ``Conflict`` at the limit.
        """
        if not role.can_be_invited:
            raise Invalid("role_not_invitable", f"A link cannot make somebody {role.value}.")
        open_links = await tx.scalar(
            select(func.count()).where(
                InviteRecord.room_id == room_id, InviteRecord.revoked_at.is_(None)
            )
        )
        if (open_links or 0) >= self._limit:
            raise Conflict(
                "too_many_invites",
                f"This room already has {self._limit} open links. Revoke some first.",
            )
        code = new_invite_code()
        now = utc_now()
        record = InviteRecord(
            id=new_id(),
            room_id=room_id,
            code_hash=hash_secret(code),
            role=role.value,
            label=label,
            created_at=now,
            expires_at=now + ttl if ttl else None,
            max_uses=max_uses,
            uses=0,
        )
        tx.add(record)
        return record, code

    async def all_of(self, tx: AsyncSession, room_id: str) -> list[InviteRecord]:
        """All links of a room, newest first."""
        query = select(InviteRecord).where(InviteRecord.room_id == room_id)
        return list(await tx.scalars(query.order_by(InviteRecord.created_at.desc())))

    async def revoke(self, tx: AsyncSession, room_id: str, invite_id: str | None = None) -> None:
        """End one link, or all links of the room; people who came by it stay.

        Raises ``NotFound`` for an ``invite_id`` that is not of this room.
        """
        if invite_id is not None:
            record = await tx.get(InviteRecord, invite_id)
            if record is None or record.room_id != room_id:
                raise NotFound("invite_not_found", "This room has no such link.")
        ending = update(InviteRecord).where(
            InviteRecord.room_id == room_id, InviteRecord.revoked_at.is_(None)
        )
        if invite_id is not None:
            ending = ending.where(InviteRecord.id == invite_id)
        await tx.execute(ending.values(revoked_at=utc_now()))

    async def find(self, tx: AsyncSession, code: str) -> InviteRecord:
        """The open link behind a code. Raises ``NotFound``, in the same words for every reason."""
        query = select(InviteRecord).where(InviteRecord.code_hash == hash_secret(code))
        record = await tx.scalar(query)
        if record is None or not usable(record, utc_now()):
            raise NotFound("invite_not_found", DEAD_LINK)
        return record

    async def exchange(self, tx: AsyncSession, record: InviteRecord) -> Role:
        """Count one use of a link and return the role it gives.

        The count is taken by one conditional UPDATE: of two people racing for the last use one gets
        ``NotFound``.
        """
        using = update(InviteRecord).where(
            InviteRecord.id == record.id,
            InviteRecord.revoked_at.is_(None),
            (InviteRecord.max_uses.is_(None)) | (InviteRecord.uses < InviteRecord.max_uses),
        )
        result = await tx.execute(
            using.values(uses=InviteRecord.uses + 1).returning(InviteRecord.id)
        )
        if result.scalar_one_or_none() is None:
            raise NotFound("invite_not_found", DEAD_LINK)
        return Role(record.role)


def usable(record: InviteRecord, now: datetime) -> bool:
    """Whether a link still lets people in."""
    if record.revoked_at is not None:
        return False
    if record.expires_at is not None and record.expires_at <= now:
        return False
    return record.max_uses is None or record.uses < record.max_uses
