"""Who is connected to which room right now, and the way to tell or cut them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .models import ParticipantModel


class Connection(Protocol):
    """An open socket of one participant."""

    def notify(self, message: dict[str, object]) -> None:
        """Send a message about the room, where the client understands it."""

    def cut(self, code: int, reason: str) -> None:
        """End this way into the room with a WebSocket code and words for the person."""


class Presence:
    """Counts the open sockets of each participant.

    A person is online in a room while they have at least one. ``on_change`` is called with the
    room's id whenever somebody comes or goes.
    """

    def __init__(self) -> None:
        self._rooms: dict[str, dict[str, set[Connection]]] = {}
        self.on_change: Callable[[str], None] = lambda room_id: None

    def connect(self, room_id: str, participant_id: str, connection: Connection) -> None:
        """Note a new socket."""
        people = self._rooms.setdefault(room_id, {})
        arrived = participant_id not in people
        people.setdefault(participant_id, set()).add(connection)
        if arrived:
            self.on_change(room_id)

    def disconnect(self, room_id: str, participant_id: str, connection: Connection) -> None:
        """Forget a socket; unknown ones are ignored."""
        people = self._rooms.get(room_id, {})
        sockets = people.get(participant_id)
        if sockets is None:
            return
        sockets.discard(connection)
        if not sockets:
            del people[participant_id]
            if not people:
                del self._rooms[room_id]
            self.on_change(room_id)

    def online(self, room_id: str) -> frozenset[str]:
        """Ids of the participants who are connected."""
        return frozenset(self._rooms.get(room_id, ()))

    def connections(self, room_id: str, participant_id: str | None = None) -> list[Connection]:
        """The open sockets of a room, or of one person in it."""
        people = self._rooms.get(room_id, {})
        if participant_id is not None:
            return list(people.get(participant_id, ()))
        return [connection for sockets in people.values() for connection in sockets]

    def cut(self, room_id: str, code: int, reason: str, participant_id: str | None = None) -> None:
        """Cut all sockets of a room, or of one person in it."""
        for connection in self.connections(room_id, participant_id):
            connection.cut(code, reason)

    def announce(self, room_id: str, participants: list[ParticipantModel]) -> None:
        """Tell everybody in a room who is in it; each learns which of them they are themselves."""
        for participant_id, sockets in list(self._rooms.get(room_id, {}).items()):
            people = [
                person.model_copy(update={"you": person.id == participant_id}).model_dump(
                    mode="json"
                )
                for person in participants
            ]
            for connection in list(sockets):
                connection.notify({"type": "participants", "participants": people})
