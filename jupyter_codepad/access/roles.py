"""Roles and what each may do: the one table that every door asks."""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    """One thing a participant may do in a room."""

    VIEW = "view"
    EDIT = "edit"
    RUN = "run"
    INVITE = "invite"
    MANAGE = "manage"


class Role(StrEnum):
    """What a participant is in a room; a role answers questions, it is never compared by rank."""

    HOST = "host"
    MEMBER = "member"
    OBSERVER = "observer"

    @property
    def permissions(self) -> frozenset[Permission]:
        """Everything this role may do."""
        return ROLE_PERMISSIONS[self]

    @property
    def can_be_invited(self) -> bool:
        """Whether a link may give this role."""
        return self is not Role.HOST


ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.HOST: frozenset(Permission),
    Role.MEMBER: frozenset({Permission.VIEW, Permission.EDIT, Permission.RUN}),
    Role.OBSERVER: frozenset({Permission.VIEW}),
}
