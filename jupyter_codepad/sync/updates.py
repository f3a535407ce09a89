"""What is in an update of Yjs (the first version of its format), and whether it may be there.

yrs, which applies them, believes what it is given: a value nested deep enough ends the process.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from .protocol import ProtocolError, Reader

Id = tuple[int, int]

CLOCK_LIMIT = 2**31
VALUE_DEPTH_LIMIT = 128

ROOTS = frozenset({"source", "cells", "meta", "state", "codepad"})
"""What a pad consists of; whatever else somebody writes would be seen by nobody and stay."""

ORIGIN, RIGHT_ORIGIN, PARENT_SUB = 0x80, 0x40, 0x20
GC, DELETED, JSON, BINARY, STRING, EMBED, FORMAT, TYPE, ANY, SUBDOCUMENT, SKIP = range(11)
CHARACTERS = frozenset({DELETED, STRING, FORMAT})
ARRAY, MAP, TEXT, XML_ELEMENT, XML_FRAGMENT, _, XML_TEXT = range(7)
FLOATS = {123: (">d", 8), 124: (">f", 4)}


class Block(NamedTuple):
    """A run of things that one client has put in; ``parent`` is None where a neighbour tells it."""

    clock: int
    end: int
    origin: Id | None = None
    right: Id | None = None
    parent: Id | str | None = None
    is_type: bool = False


class Contents(NamedTuple):
    """What is in an update; ``objects``: whether some of it is not characters or their marks."""

    blocks: dict[int, list[Block]]
    deleted: list[tuple[int, int]]
    objects: bool


def read_state(state: bytes) -> dict[int, int]:
    """A state vector: how many things of each client are known. Raises ``ProtocolError``."""
    reader = Reader(state)
    return {reader.var_uint(): reader.var_uint() for _ in range(reader.count())}


def read_update(update: bytes, *, trusted: bool) -> Contents:
    """What is in an update. Raises ``ProtocolError``.

    Who is not trusted cannot write what no pad consists of.
    """
    return _UpdateReader(update, trusted=trusted).contents()


class _UpdateReader(Reader):
    def __init__(self, update: bytes, *, trusted: bool) -> None:
        super().__init__(update)
        self._trusted = trusted
        self._objects = False
        self._read: dict[int, Callable[[], int]] = {
            DELETED: self.var_uint,
            JSON: lambda: self._skip(self.var_string, self.count()),
            BINARY: self._binary,
            STRING: lambda: length_of(self.var_string()),
            EMBED: lambda: self._one(self.var_string),
            FORMAT: lambda: self._skip(self.var_string, 2) // 2,
            TYPE: self._type,
            ANY: lambda: self._skip(self._value, self.count()),
            SUBDOCUMENT: self._subdocument,
        }

    def contents(self) -> Contents:
        blocks: dict[int, list[Block]] = {}
        for _ in range(self.count()):
            number, client, clock = self.count(), self.var_uint(), self.var_uint()
            if client in blocks:
                raise ProtocolError("the update names somebody twice")
            blocks[client] = run = []
            for _ in range(number):
                info = self.byte()
                if info == SKIP:
                    clock = bounded(clock + self.var_uint())
                    continue
                block = self._block(info, clock)
                clock = bounded(block.end)
                run.append(block)
        deleted = []
        for _ in range(self.count()):
            client = self.var_uint()
            for _ in range(self.count()):
                deleted.append((client, bounded(self.var_uint() + self.var_uint())))
        self.end()
        return Contents(blocks, deleted, self._objects)

    def _block(self, info: int, clock: int) -> Block:
        if info == GC:
            return Block(clock, clock + self.var_uint())
        kind = info & 31
        origin = (self.var_uint(), self.var_uint()) if info & ORIGIN else None
        right = (self.var_uint(), self.var_uint()) if info & RIGHT_ORIGIN else None
        parent: Id | str | None = None
        if origin is None and right is None:
            parent = self._parent()
            if info & PARENT_SUB:
                self.var_string()
        self._objects = self._objects or kind not in CHARACTERS
        read = self._read.get(kind)
        length = read() if read is not None else 0
        if length <= 0:
            raise ProtocolError("the update has something of an unknown kind in it, or nothing")
        return Block(clock, clock + length, origin, right, parent, kind == TYPE)

    def _parent(self) -> Id | str:
        if self.var_uint() != 1:
            return (self.var_uint(), self.var_uint())
        name = self.var_string()
        if not self._trusted and name not in ROOTS:
            raise ProtocolError("the update is about something that no pad has")
        return name

    def _type(self) -> int:
        kind = self.var_uint()
        if kind == XML_ELEMENT:
            self.var_string()
        if kind not in (ARRAY, MAP, TEXT):
            self._only_trusted()
        return 1 if kind in (ARRAY, MAP, TEXT, XML_ELEMENT, XML_FRAGMENT, XML_TEXT) else 0

    def _subdocument(self) -> int:
        self.var_string()
        self._value()
        self._only_trusted()
        return 1

    def _binary(self) -> int:
        self.var_bytes()
        self._only_trusted()
        return 1

    def _one(self, read: Callable[[], Any]) -> int:
        read()
        return 1

    def _skip(self, read: Callable[[], Any], times: int) -> int:
        for _ in range(times):
            read()
        return times

    def _value(self, depth: int = 0) -> None:
        """Something as JSON has it."""
        kind = self.byte()
        if kind not in (117, 118):
            self._scalar(kind)
            return
        if depth >= VALUE_DEPTH_LIMIT:
            raise ProtocolError("the update is nested too deep")
        for _ in range(self.count()):
            if kind == 118:
                self.var_string()
            self._value(depth + 1)

    def _scalar(self, kind: int) -> None:
        if kind == 119:
            self.var_string()
        elif kind == 125:
            self.var_int()
        elif kind in FLOATS:
            form, size = FLOATS[kind]
            if not math.isfinite(struct.unpack(form, self.take(size))[0]):
                self._only_trusted()
        elif kind == 122:
            self.take(8)
        elif kind == 116:
            self.var_bytes()
            self._only_trusted()
        elif kind not in (120, 121, 126, 127):
            raise ProtocolError("the update has a value of an unknown kind in it")

    def _only_trusted(self) -> None:
        """Something that JSON does not know: a file with it could not be written."""
        if not self._trusted:
            raise ProtocolError("the update has something in it that no pad can have")


def bounded(clock: int) -> int:
    """A clock; one that nobody can have come to is refused."""
    if clock >= CLOCK_LIMIT:
        raise ProtocolError("a number in the update is too large")
    return clock


def length_of(text: str) -> int:
    """How long JavaScript says that a text is."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
