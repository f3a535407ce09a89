"""What a room page may say of itself in awareness, so that no other client trips over it.

JupyterLab hands the relative positions of carets to Yjs as they come; one of an unexpected shape
throws in the middle of its editor's update and leaves the editor behind the document for good.
"""

from __future__ import annotations

from typing import Any

CURSORS_LIMIT = 20
CELL_ID_LIMIT = 64
PARTICIPANT_ID_LENGTH = 12
TEXT_NAMES = frozenset({"source"})


def page_state(state: dict[str, Any]) -> dict[str, Any]:
    """The part of a state that is known and well-formed.

    ``cursors``, ``typing``, ``active`` (a number that grows while the person does something),
    ``viewport`` (what they see first, ``{position, cell}``) and ``following`` (a participant's id).
    """
    kept: dict[str, Any] = {}
    active = _natural(state.get("active"))
    if active is not None:
        kept["active"] = active
    viewport = state.get("viewport")
    if isinstance(viewport, dict):
        kept["viewport"] = {
            "position": _position(viewport.get("position")),
            "cell": _name(viewport.get("cell"), CELL_ID_LIMIT),
        }
    following = _name(state.get("following"), PARTICIPANT_ID_LENGTH)
    if following is not None:
        kept["following"] = following
    if isinstance(state.get("typing"), bool):
        kept["typing"] = state["typing"]
    cursors = state.get("cursors")
    if isinstance(cursors, list):
        read = [_cursor(cursor) for cursor in cursors[:CURSORS_LIMIT]]
        kept["cursors"] = [cursor for cursor in read if cursor is not None]
    return kept


def _cursor(cursor: Any) -> dict[str, Any] | None:
    if not isinstance(cursor, dict):
        return None
    anchor, head = _position(cursor.get("anchor")), _position(cursor.get("head"))
    if anchor is None or head is None:
        return None
    return {
        "anchor": anchor,
        "head": head,
        "primary": cursor.get("primary") is True,
        "empty": cursor.get("empty") is True,
    }


def _position(position: Any) -> dict[str, Any] | None:
    """A Yjs relative position with all four of its fields, or None when it is none."""
    if not isinstance(position, dict):
        return None
    item, kind, name = _id(position.get("item")), _id(position.get("type")), position.get("tname")
    name = name if isinstance(name, str) and name in TEXT_NAMES else None
    if item is None and kind is None and name is None:
        return None
    assoc = position.get("assoc")
    return {
        "type": kind,
        "tname": name,
        "item": item,
        "assoc": assoc if assoc in (-1, 0) else 0,
    }


def _name(value: Any, limit: int) -> str | None:
    return value if isinstance(value, str) and len(value) <= limit else None


def _id(value: Any) -> dict[str, int] | None:
    if not isinstance(value, dict):
        return None
    client, clock = _natural(value.get("client")), _natural(value.get("clock"))
    return None if client is None or clock is None else {"client": client, "clock": clock}


def _natural(value: Any) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value < 2**53 else None
