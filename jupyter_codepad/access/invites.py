"""Share links: each gives one role in one room to whoever holds its code."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ..errors import Conflict, Forbidden, Invalid, NotFound
from ..storage.tables import InviteRecord, utc_now
from .roles import Role
from .tokens import hash_secret, new_id

DEAD_LINK = "This link does not work. Ask the person who sent it for a new one."
CODE_BYTES = 16


class InviteManager:
    """The rules of share links: making, counting, ending and exchanging them.

    Every method works inside the caller's transaction, so that a use is counted exactly when the
    person it let in is recorded. A code is made from the link's id with a secret of this server
    (HMAC-SHA256, 128 bits): those who may invite can look at it again, while the database holds its
    hash only.

    ``secret``: at least 32 random bytes, kept outside of the database; ``links_per_room_limit``:
    the most links of a room that can be open at the same time.
    """

    def __init__(self, *, secret: bytes, links_per_room_limit: int) -> None:
        self._secret = secret
        self._limit = links_per_room_limit

    def code(self, record: InviteRecord) -> str | None:
        """The code of a link that works (22 characters), None for one that was made elsewhere."""
        code = self._code(record.id)
        right = hmac.compare_digest(hash_secret(code), record.code_hash)
        return code if right and usable(record, utc_now()) else None

    def _code(self, invite_id: str) -> str:
        digest = hmac.digest(self._secret, b"invite:" + invite_id.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:CODE_BYTES]).decode().rstrip("=")

    async def create(
        self,
        tx: AsyncSession,
        room_id: str,
        role: Role,
        *,
        giver: Role,
        label: str = "",
        ttl: timedelta | None = None,
        max_uses: int | None = None,
        password_hash: str | None = None,
        lobby: bool | None = None,
        main: bool = False,
    ) -> InviteRecord:
        """Make a link; ``giver`` is the role of whoever makes it.

        Raises ``Invalid`` for a role that no link may give, ``Forbidden`` for one that ``giver``
        may not, and ``Conflict`` at the limit.
        """
        if not role.can_be_invited:
            raise Invalid("role_not_invitable", f"A link cannot make somebody {role.value}.")
        if not giver.may_give(role):
            raise Forbidden("role_too_high", f"You cannot invite somebody as {role.value}.")
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
        invite_id, now = new_id(), utc_now()
        record = InviteRecord(
            id=invite_id,
            room_id=room_id,
            code_hash=hash_secret(self._code(invite_id)),
            role=role.value,
            label=label,
            created_at=now,
            expires_at=now + ttl if ttl else None,
            max_uses=max_uses,
            uses=0,
            main=main,
            password_hash=password_hash,
            lobby=lobby,
        )
        tx.add(record)
        return record

    async def main_of(self, tx: AsyncSession, room_id: str) -> InviteRecord | None:
        """The main link of a room, if it has one that was not revoked."""
        query = select(InviteRecord).where(
            InviteRecord.room_id == room_id,
            InviteRecord.main.is_(True),
            InviteRecord.revoked_at.is_(None),
        )
        return await tx.scalar(query.limit(1))

    async def all_of(self, tx: AsyncSession, room_id: str) -> list[InviteRecord]:
        """All links of a room, newest first."""
        query = select(InviteRecord).where(InviteRecord.room_id == room_id)
        return list(await tx.scalars(query.order_by(InviteRecord.created_at.desc())))

    async def get(self, tx: AsyncSession, room_id: str, invite_id: str) -> InviteRecord:
        """One link. Raises ``NotFound`` for an ``invite_id`` that is not of this room."""
        record = await tx.get(InviteRecord, invite_id)
        if record is None or record.room_id != room_id:
            raise NotFound("invite_not_found", "This room has no such link.")
        return record

    async def revoke(self, tx: AsyncSession, room_id: str, invite_id: str | None = None) -> None:
        """End one link, or all links of the room; people who came by it stay.

        Raises ``NotFound`` for an ``invite_id`` that is not of this room.
        """
        if invite_id is not None:
            await self.get(tx, room_id, invite_id)
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
