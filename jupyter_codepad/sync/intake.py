"""Intake: what clients want to bring into a document, looked through before it is applied.

What builds on something that never comes would be kept by yrs for ever, without being part of the
document; what is nested deep enough would end the process when it is deleted.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from functools import lru_cache
from heapq import heappop, heappush
from typing import Any

from pycrdt import Doc

from .protocol import ProtocolError, Reader, decoded
from .updates import (
    CLOCK_LIMIT,
    ORIGIN,
    Block,
    Contents,
    Id,
    bounded,
    length_of,
    read_state,
    read_update,
)

AUTHORS_LIMIT = 200
BLOCKS_LIMIT = 20_000
"""Of one update: each author's part may be compared with all that others have at the same place."""

TYPE_DEPTH_LIMIT = 64
SHALLOW = 8
"""Things at most so deep are not remembered, but for those that others can be put into."""

NUMBER = rb"([\x80-\xff]{0,7}[\x00-\x7f])"
TYPED = re.compile(
    rb"\x01\x01"
    + NUMBER * 2
    + rb"(?:[\x44\x84]"
    + NUMBER * 2
    + rb"|\xc4"
    + NUMBER * 4
    + rb")(.+)\x00",
    re.DOTALL,
)
"""One string beside another: what typing is, nearly always."""

RUBBED_OUT = re.compile(rb"\x00\x01" + NUMBER + rb"\x01" + NUMBER * 2)
"""One run of characters is deleted."""


OTHERS = "the update is written in the name of somebody else"

RUN_CHARACTERS = 1024
"""Of longer texts the document hears at once."""


class Fit(IntEnum):
    """What becomes of an update: true where it can be applied."""

    NOT_YET = 0
    """It builds on what is not in the document."""
    WHOLE = 1
    GOES_ON = 2
    """It is about plain text that is known to be nothing else; who observes has nothing to do."""


def _anybody(clients: set[int]) -> bool:
    return True


class Intake:
    """Looks through what clients want to bring into a document.

    ``flush``: applies what has been let in before.
    """

    def __init__(self, ydoc: Doc[Any], flush: Callable[[], None]) -> None:
        self._ydoc = ydoc
        self._flush = flush
        self._next: dict[int, int] | None = None
        self._nesting: Nesting | None = None
        self._runs: dict[int, tuple[int, int]] = {}
        self._tried: list[tuple[int, int, int]] = []
        self._objects = False

    def forget(self) -> None:
        """Something has changed the document that was not let in here."""
        self._next = None
        self._tried.clear()

    def note(self, update: bytes) -> None:
        """The server has changed the document itself."""
        self._next = None
        if self._nesting is not None:
            self._nesting.learn(update)

    def applied(self, *, in_text_only: bool) -> None:
        """All that was let in has been applied; whether characters came into nothing but texts."""
        for who, start, end in self._tried if in_text_only else ():
            self._extend(who, start, end)
        self._tried.clear()

    def fits(
        self,
        update: bytes,
        writes_as: int | None = None,
        *,
        trusted: bool,
        may_write: Callable[[set[int]], bool] = _anybody,
    ) -> Fit:
        """Whether an update can be applied now, all of it; it is taken as applied then.

        ``may_write``: whether they may go on writing as these Yjs clients; that they may write as
        ``writes_as`` is known. Raises ``ProtocolError`` for an update that cannot be read or must
        not be applied.
        """
        state = self._state()
        if self._nesting is None or self._nesting.flat:
            typed = _typed(update, state)
            if typed is not None:
                who, start, end, near = typed
                if who != writes_as and not may_write({who}):
                    raise ProtocolError(OTHERS)
                state[who] = end
                return self._place(who, start, end, near)
            deleted = _rubbed_out(update, state)
            if deleted is not None:
                return Fit.GOES_ON if self._within_run(*deleted) else Fit.WHOLE
        contents = read_update(update, trusted=trusted)
        number = sum(map(len, contents.blocks.values()))
        if len(contents.blocks) > AUTHORS_LIMIT or (number > BLOCKS_LIMIT and not trusted):
            raise ProtocolError("the update has too many parts")
        nesting = self._nesting_of(contents)
        settling = _Settling(state, contents, nesting)
        if not settling.whole():
            return Fit.NOT_YET
        new = {who for who, clock in settling.reached.items() if clock > state.get(who, 0)}
        if not may_write(new):
            raise ProtocolError(OTHERS)
        state.update(settling.reached)
        self._objects = self._objects or contents.objects
        return Fit.WHOLE

    def objects_came(self) -> bool:
        """Whether something else than characters was let in since this was last asked."""
        came, self._objects = self._objects, False
        return came

    def _place(self, who: int, start: int, end: int, near: Id | None) -> Fit:
        """Remember where characters were put: beside such as are in a text they are in it, too."""
        if near is None:
            return Fit.WHOLE
        if self._within_run(near[0], near[1], near[1] + 1):
            self._extend(who, start, end)
            return Fit.GOES_ON
        self._tried.append((who, start, end))
        return Fit.WHOLE

    def _within_run(self, who: int, start: int, end: int) -> bool:
        run = self._runs.get(who)
        return run is not None and run[0] <= start and end <= run[1]

    def _extend(self, who: int, start: int, end: int) -> None:
        run = self._runs.get(who)
        self._runs[who] = (run[0] if run is not None and run[1] == start else start, end)

    @property
    def known(self) -> dict[int, int]:
        """How far each client is known, with all that was let in."""
        return self._state()

    def _state(self) -> dict[int, int]:
        if self._next is None:
            self._flush()
            self._next = read_state(self._ydoc.get_state())
        return self._next

    def _nesting_of(self, contents: Contents) -> Nesting | None:
        """Who is inside of whom, looked up once something is put into something."""
        if self._nesting is None and any(
            block.is_type or isinstance(block.parent, tuple)
            for blocks in contents.blocks.values()
            for block in blocks
        ):
            self._flush()
            self._nesting = Nesting()
            self._nesting.learn(self._ydoc.get_update())
        return self._nesting


def check_whole(update: bytes, *, trusted: bool) -> None:
    """Raise ``ProtocolError`` unless an update is a document by itself."""
    if not _Settling({}, read_update(update, trusted=trusted), Nesting()).whole():
        raise ProtocolError("the document is not whole")


class _Settling:
    """Goes through an update in the order in which it can be applied.

    ``state``: how far each client is known before, and ``others`` whom it does not name.
    """

    def __init__(
        self,
        state: dict[int, int],
        contents: Contents,
        nesting: Nesting | None,
        *,
        others: int = 0,
    ) -> None:
        self.reached: dict[int, int] = {}
        self._state = state
        self._others = others
        self._contents = contents
        self._nesting = nesting
        self._places = dict.fromkeys(contents.blocks, 0)
        self._waiting: dict[int, list[Id]] = {}

    def whole(self) -> bool:
        """Whether nothing is missing; ``reached`` is how far its clients are known then."""
        ready = list(self._contents.blocks)
        while ready:
            client = ready.pop()
            if not self._advance(client):
                return False
            waiters = self._waiting.get(client, [])
            while waiters and waiters[0][0] < self.reached[client]:
                ready.append(heappop(waiters)[1])
        return not any(self._waiting.values()) and all(
            end <= self._known(client) for client, end in self._contents.deleted
        )

    def _known(self, client: int) -> int:
        known = self.reached.get(client)
        return known if known is not None else self._state.get(client, self._others)

    def _advance(self, client: int) -> bool:
        """Go on with a client, until it waits for another; False when that never comes."""
        blocks = self._contents.blocks[client]
        known = self._known(client)
        for place in range(self._places[client], len(blocks)):
            block = blocks[place]
            if block.clock > known:
                return False
            self.reached[client] = known
            missing = self._missing(block)
            if missing is not None:
                if missing[0] == client or missing[0] not in self._contents.blocks:
                    return False
                self._places[client] = place
                heappush(self._waiting.setdefault(missing[0], []), (missing[1], client))
                return True
            if self._nesting is not None and self._nesting.place(client, block) > TYPE_DEPTH_LIMIT:
                raise ProtocolError("the update is nested too deep")
            known = max(known, block.end)
        self.reached[client] = known
        return True

    def _missing(self, block: Block) -> Id | None:
        """Something that a block builds on and that is not there."""
        for near in (block.origin, block.right, block.parent):
            if isinstance(near, tuple) and near[1] >= self._known(near[0]):
                return near
        return None


class Nesting:
    """How deep the things of a document are: yrs goes into them by recursion.

    A child of a root is at depth 1. All types are known, of other things only those that are deeper
    than ``SHALLOW``; nobody else's neighbours can be.
    """

    def __init__(self) -> None:
        self._types: dict[Id, int] = {}
        self._deep: dict[int, list[tuple[int, int]]] = {}

    @property
    def flat(self) -> bool:
        """Whether there is nothing that is deeper than ``SHALLOW``."""
        return not self._deep

    def learn(self, update: bytes) -> None:
        """Note what is in an update that is in the document already."""
        with suppress(ProtocolError):  # something that only another version of Yjs knows
            contents = read_update(update, trusted=True)
            begun = {who: blocks[0].clock for who, blocks in contents.blocks.items() if blocks}
            _Settling(begun, contents, self, others=CLOCK_LIMIT).whole()

    def place(self, client: int, block: Block) -> int:
        """Note where a block is: how deep."""
        if isinstance(block.parent, str):
            depth = 1
        elif block.parent is not None:
            depth = self._types.get(block.parent, SHALLOW) + 1
        else:
            depth = max(self._depth(block.origin), self._depth(block.right))
        if block.is_type:
            self._types[client, block.clock] = depth
        elif depth > SHALLOW:
            self._deep.setdefault(client, []).append((block.clock, depth))
        return depth

    def _depth(self, near: Id | None) -> int:
        if near is None:
            return 0
        known = self._types.get(near)
        if known is not None:
            return known
        deep = self._deep.get(near[0])
        if deep is None:
            return SHALLOW
        before = bisect_right(deep, (near[1], TYPE_DEPTH_LIMIT)) - 1
        return max(SHALLOW, deep[before][1]) if before >= 0 else SHALLOW


def _typed(update: bytes, state: dict[int, int]) -> tuple[int, int, int, Id | None] | None:
    """Read what people do all the time at one go: who has typed, from and to which clock.

    Last comes the left neighbour, of a short text that consists of nothing but ASCII characters.
    """
    typed = TYPED.fullmatch(update)
    if typed is None:
        return None
    client, clock, one, at_one, left, at_left, right, at_right, text = typed.groups()
    who, start = _client(client), _number(clock)
    near = (_client(left or one), _number(at_left or at_one))
    length = _text_length(text)
    if not length or state.get(who) != start:  # whoever is new is looked at closely
        return None
    if near[1] >= state.get(near[0], 0):
        return None
    if right is not None and _number(at_right) >= state.get(_client(right), 0):
        return None
    plain = length <= RUN_CHARACTERS and text.isascii() and update[typed.end(2)] & ORIGIN
    return who, start, bounded(start + length), near if plain else None


def _rubbed_out(update: bytes, state: dict[int, int]) -> tuple[int, int, int] | None:
    """Read what people do often: whose characters are deleted, from and to which clock."""
    deleted = RUBBED_OUT.fullmatch(update)
    if deleted is None:
        return None
    who, start, length = map(_number, deleted.groups())
    return (who, start, start + length) if start + length <= state.get(who, 0) else None


def _number(encoded: bytes) -> int:
    """A number that is known to be whole."""
    value = shift = 0
    for byte in encoded:
        value |= (byte & 127) << shift
        shift += 7
    return value


_client = lru_cache(maxsize=10_000)(_number)
"""The same few are named again and again."""


def _text_length(text: bytes) -> int:
    """The length of a string that is all of ``text``; 0 when it is not."""
    size = text[0]
    if size < 128 and len(text) == size + 1 and text.isascii():
        return size
    reader = Reader(text)
    size = reader.var_uint()
    if size != reader.left:
        return 0
    content = reader.take(size)
    return size if content.isascii() else length_of(decoded(content))
