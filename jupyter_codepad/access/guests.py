"""Guest sessions: what a guest's cookie stands for, in exactly one room."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ..storage.tables import GuestSessionRecord, ParticipantRecord, utc_now
from .tokens import hash_secret, new_session_token


def name_cookie(port: int) -> str:
    """The name of the cookie that remembers how a guest called themselves."""
    return f"codepad-{port}-name"


def cookie_name(port: int, room_id: str) -> str:
    """The name of a guest's cookie: one for each room, and for each port (cookies ignore ports)."""
    return f"codepad-{port}-{room_id}"


class GuestSessionManager:
    """Opens, finds and ends guest sessions, inside the caller's transaction.

    A session token is opaque, 256 random bits, stored as its hash, valid for one room only.
    """

    async def create(
        self, tx: AsyncSession, participant: ParticipantRecord, expires_at: datetime
    ) -> str:
        """Open a session for a guest until ``expires_at``; returns the token for the cookie."""
        token = new_session_token()
        tx.add(
            GuestSessionRecord(
                token_hash=hash_secret(token),
                room_id=participant.room_id,
                participant_id=participant.id,
                expires_at=expires_at,
            )
        )
        return token

    async def find(self, tx: AsyncSession, token: str, room_id: str) -> ParticipantRecord | None:
        """The guest behind a token, or None when it is not valid for this room now."""
        query = self._behind(token, room_id).where(
            GuestSessionRecord.revoked_at.is_(None), GuestSessionRecord.expires_at > utc_now()
        )
        found: ParticipantRecord | None = await tx.scalar(query)
        return found

    async def find_former(
        self, tx: AsyncSession, token: str, room_id: str
    ) -> ParticipantRecord | None:
        """Whose token this is or was: it proves who comes back, and opens nothing."""
        found: ParticipantRecord | None = await tx.scalar(self._behind(token, room_id))
        return found

    def _behind(self, token: str, room_id: str) -> Select[ParticipantRecord]:
        return (
            select(ParticipantRecord)
            .join(
                GuestSessionRecord,
                GuestSessionRecord.participant_id == ParticipantRecord.id,
            )
            .where(
                GuestSessionRecord.token_hash == hash_secret(token),
                GuestSessionRecord.room_id == room_id,
                ParticipantRecord.room_id == room_id,
            )
        )

    async def extend(self, tx: AsyncSession, room_id: str, expires_at: datetime) -> None:
        """Let all open sessions of a room end at ``expires_at``."""
        await tx.execute(
            update(GuestSessionRecord)
            .where(GuestSessionRecord.room_id == room_id, GuestSessionRecord.revoked_at.is_(None))
            .values(expires_at=expires_at)
        )

    async def revoke(self, tx: AsyncSession, participant_id: str) -> None:
        """End all sessions of one guest."""
        await tx.execute(
            update(GuestSessionRecord)
            .where(
                GuestSessionRecord.participant_id == participant_id,
                GuestSessionRecord.revoked_at.is_(None),
            )
            .values(revoked_at=utc_now())
        )
