"""Who is connected to which room right now, since when, and the way to tell or cut them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from ..storage.tables import utc_now
from .access import Access


class Connection(Protocol):
    """An open socket of one participant."""

    document_name: str
    """What it is on."""

    def notify(self, message: str) -> None:
        """Send news of the room (JSON), where the client asked for them."""

    def access_changed(self, access: Access) -> None:
        """What this participant is or may do in the room is different from now on."""

    def cut(self, code: int, reason: str) -> None:
        """End this way into the room with a WebSocket code and words for the person."""


@dataclass
class Here:
    """One person who is here: their sockets, since when, and when they last did something."""

    since: datetime
    last_active: datetime
    connections: set[Connection] = field(default_factory=set)

    @property
    def document(self) -> str | None:
        """What they look at: the pad, unless they have only something else open."""
        names = {connection.document_name for connection in self.connections}
        return "pad" if "pad" in names else min(names, default=None)


class Presence:
    """Counts the open sockets of each participant.

    A person is online in a room while they have at least one. ``on_change`` is called with the
    room's id, the person's, and whether they came (else they went).
    """

    def __init__(self) -> None:
        self._rooms: dict[str, dict[str, Here]] = {}
        self.on_change: Callable[[str, str, bool], None] = lambda room_id, person, came: None

    def connect(self, room_id: str, participant_id: str, connection: Connection) -> None:
        """Note a new socket."""
        people = self._rooms.setdefault(room_id, {})
        here = people.get(participant_id)
        arrived = here is None
        if here is None:
            now = utc_now()
            here = people[participant_id] = Here(since=now, last_active=now)
        here.connections.add(connection)
        if arrived:
            self.on_change(room_id, participant_id, True)

    def disconnect(self, room_id: str, participant_id: str, connection: Connection) -> None:
        """Forget a socket; unknown ones are ignored."""
        people = self._rooms.get(room_id, {})
        here = people.get(participant_id)
        if here is None or connection not in here.connections:
            return
        here.connections.discard(connection)
        if not here.connections:
            del people[participant_id]
            if not people:
                del self._rooms[room_id]
            self.on_change(room_id, participant_id, False)

    def active(self, room_id: str, participant_id: str) -> None:
        """Note that somebody did something just now."""
        here = self._rooms.get(room_id, {}).get(participant_id)
        if here is not None:
            here.last_active = utc_now()

    def here(self, room_id: str, participant_id: str) -> Here | None:
        """Somebody's presence, or None when they are not connected."""
        return self._rooms.get(room_id, {}).get(participant_id)

    def online(self, room_id: str) -> frozenset[str]:
        """Ids of the participants who are connected."""
        return frozenset(self._rooms.get(room_id, ()))

    def idle(self, room_id: str, after: timedelta) -> frozenset[str]:
        """Ids of those who are connected and did nothing for a while."""
        border = utc_now() - after
        people = self._rooms.get(room_id, {})
        return frozenset(pid for pid, here in people.items() if here.last_active < border)

    def rooms(self) -> list[str]:
        """Ids of the rooms in which somebody is."""
        return list(self._rooms)

    def connections(self, room_id: str, participant_id: str | None = None) -> list[Connection]:
        """The open sockets of a room, or of one person in it."""
        return [connection for _, connection in self.sockets(room_id, participant_id)]

    def sockets(
        self, room_id: str, participant_id: str | None = None
    ) -> Iterator[tuple[str, Connection]]:
        """The open sockets of a room with whose each is; others may come and go meanwhile."""
        for person, here in list(self._rooms.get(room_id, {}).items()):
            if participant_id in (None, person):
                for connection in list(here.connections):
                    yield person, connection

    def cut(self, room_id: str, code: int, reason: str, participant_id: str | None = None) -> None:
        """Cut all sockets of a room, or of one person in it."""
        for connection in self.connections(room_id, participant_id):
            connection.cut(code, reason)
