"""Roles and what each may do: the one table that every door asks."""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    """One thing a participant may do in a room."""

    VIEW = "view"
    EDIT = "edit"
    RUN = "run"
    SUBMIT = "submit"
    ASK = "ask"
    CHAT = "chat"
    GRADE = "grade"
    INVITE = "invite"
    MANAGE = "manage"

    @property
    def needs_open_room(self) -> bool:
        """Whether this is only done while the room is open: its documents freeze with its end."""
        return self in LIVE_PERMISSIONS


class Role(StrEnum):
    """What a participant is in a room; a role answers questions, it is never compared by rank."""

    HOST = "host"
    INTERVIEWER = "interviewer"
    MEMBER = "member"
    CANDIDATE = "candidate"
    OBSERVER = "observer"

    @property
    def permissions(self) -> frozenset[Permission]:
        """Everything this role may do, unless the room has switched it off."""
        return ROLE_PERMISSIONS[self]

    @property
    def can_be_invited(self) -> bool:
        """Whether a link may give this role: a host is always somebody with an account."""
        return self is not Role.HOST

    @property
    def can_be_restricted(self) -> bool:
        """Whether a room may switch permissions of this role off: a host stays in command."""
        return self is not Role.HOST

    @property
    def prepares(self) -> bool:
        """Whether this role is let in before the room is open."""
        return self in (Role.HOST, Role.INTERVIEWER)

    def may_give(self, role: Role) -> bool:
        """Whether somebody in this role may hand out ``role``, by a link or in the lobby."""
        if self is Role.HOST:
            return role.can_be_invited
        return self is Role.INTERVIEWER and role not in (Role.HOST, Role.INTERVIEWER)


LIVE_PERMISSIONS = frozenset(
    {Permission.EDIT, Permission.RUN, Permission.SUBMIT, Permission.ASK, Permission.CHAT}
)

RESTRICTABLE = LIVE_PERMISSIONS
"""What a room can switch off for a role; seeing the room is taken away by removing the person."""

CODING = frozenset({Permission.VIEW, *LIVE_PERMISSIONS})

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.HOST: frozenset(Permission),
    Role.INTERVIEWER: CODING | {Permission.GRADE, Permission.INVITE},
    Role.MEMBER: CODING,
    Role.CANDIDATE: CODING,
    Role.OBSERVER: frozenset({Permission.VIEW, Permission.CHAT}),
}
