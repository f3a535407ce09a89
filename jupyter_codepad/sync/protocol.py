"""The frames on a document's socket.

The stock part is y-protocols' ``sync`` and ``awareness`` (github.com/yjs/y-protocols): a frame is a
variable-length unsigned integer naming its kind, then the kind's own content. Ours are kinds 100
(``ACK``) and 101 (``EVENT``), sent only to clients that ask for them.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

MAX_SHIFT = 49
MAX_NUMBER = 2**53 - 1
"""JavaScript knows no larger ones: other clients would trip over them."""

STATE_DEPTH_LIMIT = 64
BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


class Kind(IntEnum):
    """The first number of a frame."""

    SYNC = 0
    AWARENESS = 1
    JUPYTER = 2  # jupyter-collaboration's own text messages (manual save)
    QUERY_AWARENESS = 3
    ACK = 100
    EVENT = 101


class SyncStep(IntEnum):
    """The second number of a ``SYNC`` frame."""

    STATE = 0  # "this is what I have", a state vector
    MISSING = 1  # the answer: an update with all that the other lacks
    UPDATE = 2


class ProtocolError(ValueError):
    """A frame that cannot be read."""


@dataclass(frozen=True)
class AwarenessEntry:
    """What one client says about itself; ``state`` None means that it is gone."""

    client_id: int
    clock: int
    state: dict[str, Any] | None


class Reader:
    """Reads lib0's encoding; every fault is a ``ProtocolError``."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._at

    def byte(self) -> int:
        """One byte."""
        if self._at >= len(self._data):
            raise ProtocolError("the frame ends too early")
        self._at += 1
        return self._data[self._at - 1]

    def var_uint(self) -> int:
        """A variable-length unsigned integer of at most 53 bits."""
        data, at = self._data, self._at
        value = shift = 0
        try:
            while True:
                byte = data[at]
                at += 1
                if byte < 128:
                    break
                value |= (byte & 127) << shift
                shift += 7
                if shift > MAX_SHIFT:
                    raise ProtocolError("a number in the frame is too long")
        except IndexError:
            raise ProtocolError("the frame ends in the middle of a number") from None
        self._at = at
        value |= byte << shift
        if value > MAX_NUMBER:
            raise ProtocolError("a number in the frame is too large")
        return value

    def count(self) -> int:
        """How many things follow: no more than there are bytes for."""
        count = self.var_uint()
        if count > self.left:
            raise ProtocolError("the frame announces more than it holds")
        return count

    def var_int(self) -> None:
        """Pass over a variable-length signed integer of at most 53 bits."""
        byte = self.byte()
        value, shift = byte & 63, 6
        while byte >= 128:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
        if value > MAX_NUMBER or shift > MAX_SHIFT + 7:
            raise ProtocolError("a number in the frame is too large")

    def take(self, length: int) -> bytes:
        """So many bytes."""
        end = self._at + length
        if end > len(self._data):
            raise ProtocolError("the frame is shorter than it says")
        chunk = self._data[self._at : end]
        self._at = end
        return chunk

    def var_bytes(self) -> bytes:
        """Bytes after their length."""
        return self.take(self.var_uint())

    def end(self) -> None:
        """Nothing may be left."""
        if self._at < len(self._data):
            raise ProtocolError("the frame is longer than it says")

    def var_string(self) -> str:
        """UTF-8 text after its length in bytes."""
        return decoded(self.var_bytes())


def decoded(text: bytes) -> str:
    """UTF-8. Raises ``ProtocolError``."""
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError("text in the frame is not UTF-8") from error


def var_uint(value: int) -> bytes:
    """Encode an unsigned integer, seven bits a byte, lowest first."""
    out = bytearray()
    while value > 127:
        out.append(128 | (value & 127))
        value >>= 7
    out.append(value)
    return bytes(out)


def var_bytes(data: bytes) -> bytes:
    """Encode bytes after their length."""
    return var_uint(len(data)) + data


def sync_frame(step: SyncStep, content: bytes) -> bytes:
    """A ``SYNC`` frame."""
    return bytes((Kind.SYNC, step)) + var_bytes(content)


def ack_frame(count: int) -> bytes:
    """An ``ACK`` frame: so many of this connection's updates are on disk."""
    return bytes((Kind.ACK,)) + var_uint(count)


def event_frame(message: str) -> bytes:
    """An ``EVENT`` frame: news about the room, JSON already."""
    return bytes((Kind.EVENT,)) + var_bytes(message.encode())


def awareness_frame(entries: list[AwarenessEntry]) -> bytes:
    """An ``AWARENESS`` frame; with no entries it only says that the line is alive."""
    out = [var_uint(len(entries))]
    for entry in entries:
        out.append(var_uint(entry.client_id))
        out.append(var_uint(entry.clock))
        out.append(var_bytes(json.dumps(entry.state, separators=(",", ":")).encode()))
    return bytes((Kind.AWARENESS,)) + var_bytes(b"".join(out))


KEEP_ALIVE = awareness_frame([])


def read_awareness(content: bytes, limit: int) -> list[AwarenessEntry]:
    """The entries of an awareness update, at most ``limit`` of them."""
    reader = Reader(content)
    count = reader.var_uint()
    if count > limit:
        raise ProtocolError("too many awareness entries in one frame")
    entries = []
    for _ in range(count):
        client_id, clock = reader.var_uint(), reader.var_uint()
        state = _read_state(reader.var_string())
        if state is not None and not isinstance(state, dict):
            raise ProtocolError("an awareness state is not an object")
        entries.append(AwarenessEntry(client_id, clock, state))
    return entries


def _read_state(text: str) -> Any:
    """JSON as JavaScript reads it, and flat enough to be written again anywhere."""
    if text.count("[") + text.count("{") > STATE_DEPTH_LIMIT:
        depth = deepest = 0
        for found in BRACKETS.finditer(text):
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
            deepest = max(deepest, depth)
        if deepest > STATE_DEPTH_LIMIT:
            raise ProtocolError("an awareness state is nested too deep")
    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("an awareness state is not JSON") from error


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number
