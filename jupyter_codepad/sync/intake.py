"""Intake: what clients want to bring into a document, looked through before it is applied.

What builds on something that never comes would be kept by yrs for ever, without being part of the
document; what is nested deep enough would end the process when it is deleted.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush
from typing import Any

from pycrdt import Doc

from .protocol import ProtocolError, Reader, decoded
from .updates import CLOCK_LIMIT, Block, Contents, Id, bounded, length_of, read_state, read_update

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

    def forget(self) -> None:
        """Something has changed the document that was not let in here."""
        self._next = None

    def note(self, update: bytes) -> None:
        """The server has changed the document itself."""
        self._next = None
        if self._nesting is not None:
            self._nesting.learn(update)

    def fits(
        self,
        update: bytes,
        writes_as: int | None = None,
        *,
        trusted: bool,
        may_write: Callable[[set[int]], bool] = _anybody,
    ) -> bool:
        """Whether an update can be applied now, all of it; it is taken as applied then.

        ``may_write``: whether they may go on writing as these Yjs clients; that they may write as
        ``writes_as`` is known. False when it builds on what is not in the document. Raises
        ``ProtocolError`` for an update that cannot be read or must not be applied.
        """
        state = self._state()
        if self._nesting is None or self._nesting.flat:
            simple = _simple(update, state)
            if simple is not None:
                who, clock = simple
                if clock and who != writes_as and not may_write({who}):
                    raise ProtocolError(OTHERS)
                if clock:
                    state[who] = clock
                return True
        contents = read_update(update, trusted=trusted)
        number = sum(map(len, contents.blocks.values()))
        if len(contents.blocks) > AUTHORS_LIMIT or (number > BLOCKS_LIMIT and not trusted):
            raise ProtocolError("the update has too many parts")
        nesting = self._nesting_of(contents)
        settling = _Settling(state, contents, nesting)
        if not settling.whole():
            return False
        new = {who for who, clock in settling.reached.items() if clock > state.get(who, 0)}
        if not may_write(new):
            raise ProtocolError(OTHERS)
        state.update(settling.reached)
        return True

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


def _simple(update: bytes, state: dict[int, int]) -> Id | None:
    """Read what people do all the time at one go: who has come to which clock (0: no further)."""
    typed = TYPED.fullmatch(update)
    if typed is not None:
        client, clock, *near, text = typed.groups()
        length = _text_length(text)
        who, at, *ids = (_number(number) for number in (client, clock, *near) if number)
        known = all(place < state.get(by, 0) for by, place in zip(ids[::2], ids[1::2], strict=True))
        if not length or not known or state.get(who) != at:  # whoever is new is looked at closely
            return None
        return who, bounded(at + length)
    deleted = RUBBED_OUT.fullmatch(update)
    if deleted is None:
        return None
    who, start, length = map(_number, deleted.groups())
    return (who, 0) if start + length <= state.get(who, 0) else None


def _number(encoded: bytes) -> int:
    """A number that is known to be whole."""
    value = shift = 0
    for byte in encoded:
        value |= (byte & 127) << shift
        shift += 7
    return value


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
