"""Seeded bytes of people who mean no good, from junk to updates with something wrong in them.

Three levels: what goes over the wire after a real upgrade, frames of ours in sound WebSocket
frames, and Yjs updates made from real ones. The same ``random.Random`` gives the same bytes.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pycrdt import Array, Doc, Map, Text

from jupyter_codepad.sync.protocol import Kind, SyncStep, var_bytes, var_uint

FIN, MASKED = 0x80, 0x80
NUMBERS = (0, 1, 2, 127, 128, 300, 2**14, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 - 1, 2**53)
HUGE = (2**55, 2**63 - 1, 2**63, 2**64 - 1, 2**70)
SUBPROTOCOL_JUNK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
Make = Callable[[random.Random, "World"], bytes]


@dataclass
class World:
    """What a hostile client knows: a document, as far as it was told."""

    whole: bytes
    state: bytes
    client: int


@dataclass(frozen=True)
class Attack:
    """Bytes to send; ``closes``: nobody could read them, so the server has to hang up."""

    name: str
    chunks: tuple[bytes, ...]
    closes: bool = False
    reads: bool = True
    upgrade: bytes | None = None

    @property
    def wire(self) -> bytes:
        """All of it in one piece."""
        return b"".join(self.chunks)


def frame(
    payload: bytes,
    opcode: int = 2,
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\0" * 4,
) -> bytes:
    """A WebSocket frame of a client; ``mask`` None: against the rules, or of the server."""
    first = (FIN if fin else 0) | rsv << 4 | opcode
    masked = MASKED if mask is not None else 0
    size = len(payload)
    if size < 126:
        head = bytes((first, masked | size))
    elif size < 65536:
        head = bytes((first, masked | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, masked | 127)) + size.to_bytes(8, "big")
    if mask is None:
        return head + payload
    if mask == b"\0" * 4:
        return head + mask + payload
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def announced(size: int, payload: bytes = b"", opcode: int = 2) -> bytes:
    """The beginning of a frame that says it is so long."""
    return bytes((FIN | opcode, MASKED | 127)) + size.to_bytes(8, "big") + b"\0" * 4 + payload


def sync(step: int, content: bytes) -> bytes:
    """A sync frame of ours, with any step."""
    return bytes((Kind.SYNC,)) + var_uint(step) + var_bytes(content)


# -- the wire -------------------------------------------------------------------------------------


def wire_attack(rng: random.Random, world: World) -> Attack:
    """Something wrong with the WebSocket."""
    good = frame(sync(SyncStep.STATE, world.state), mask=rng.randbytes(4))
    small = rng.randbytes(rng.randint(0, 125))
    makes: list[Callable[[], Attack]] = [
        lambda: Attack("opcode", (frame(small, rng.choice((3, 4, 5, 6, 7, 11, 12, 15))),), True),
        lambda: Attack("reserved", (frame(small, rsv=rng.randint(1, 7)),), True),
        lambda: Attack("unmasked", (frame(small, mask=None),), True),
        lambda: Attack("text", (frame(b"hello", 1),), True),
        lambda: Attack("huge", (announced(rng.choice((2**63, 2**64 - 1, 2**40)), small),), True),
        lambda: Attack("long control", (announced(126, b"x" * 126, rng.choice((8, 9, 10))),), True),
        lambda: Attack("control in parts", (frame(small, 9, fin=False),), True),
        lambda: Attack("nothing to continue", (frame(small, 0),), True),
        lambda: Attack("begun twice", (frame(small, fin=False), frame(small, fin=False)), True),
        lambda: Attack(
            "parts without end", (frame(b"", fin=False), *[frame(b"", 0, fin=False)] * 5000), True
        ),
        lambda: Attack(
            "bytes in parts", (frame(b"\0", fin=False), *[frame(b"\0", 0, fin=False)] * 3000)
        ),
        lambda: Attack("pings", (frame(small, 9) * rng.randint(1, 3000),)),
        lambda: Attack("pings without reading", (frame(b"x" * 125, 9) * 4000,), reads=False),
        lambda: Attack("too many pings", (frame(small, 9) * 20_000,), True, reads=False),
        lambda: Attack("pongs", (frame(small, 10) * rng.randint(1, 3000),)),
        lambda: Attack("half", (good[: rng.randint(1, len(good) - 1)],)),
        lambda: Attack("drops", tuple(good[at : at + 1] for at in range(len(good)))),
        lambda: Attack(
            "close", (frame(rng.randbytes(rng.choice((0, 1, 2, 50))), 8), good * 3), True
        ),
        lambda: Attack("after close", (frame(b"\x03\xe8", 8), rng.randbytes(5000)), True),
        lambda: Attack("too large", (announced(2**21, b"x" * 2**16), *[b"x" * 2**16] * 3), True),
        lambda: Attack("junk", (rng.randbytes(rng.randint(1, 3000)),)),
        lambda: Attack("another protocol", (SUBPROTOCOL_JUNK,), True),
        lambda: mutated_wire(rng, good * 3),
    ]
    return rng.choice(makes)()


def mutated_wire(rng: random.Random, wire: bytes) -> Attack:
    """Sound frames with some bytes changed, cut anywhere."""
    data = damaged(rng, wire)
    cuts = sorted(rng.randint(0, len(data)) for _ in range(rng.randint(0, 6)))
    places = [0, *cuts, len(data)]
    return Attack("damaged", tuple(data[a:b] for a, b in pairwise(places)))


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Flipped bits, bytes put in, taken out, doubled, cut off."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if not out:
            break
        at = rng.randrange(len(out))
        kind = rng.randrange(7)
        if kind == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        elif kind == 2:
            out[at:at] = rng.randbytes(rng.randint(1, 8))
        elif kind == 3:
            del out[at : at + rng.randint(1, 8)]
        elif kind == 4:
            del out[at:]
        elif kind == 5:
            size = rng.randint(1, 40)
            out[at:at] = out[at : at + size]
        else:
            out[at : at + 1] = var_uint(rng.choice(NUMBERS + HUGE))
    return bytes(out)


UPGRADE_LINES = (
    b"GET {path} HTTP/1.1",
    b"Host: {host}",
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    b"Sec-WebSocket-Version: 13",
)


def upgrade_attack(rng: random.Random, request: bytes) -> Attack:
    """Something wrong with the HTTP request that opens the socket."""
    head = request.removesuffix(b"\r\n\r\n")
    makes: list[Callable[[], bytes]] = [
        lambda: damaged(rng, request),
        lambda: rng.randbytes(rng.randint(1, 2000)) + b"\r\n\r\n",
        lambda: head + b"\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        lambda: head + b"\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        lambda: request.replace(b": 13", b": " + rng.choice((b"12", b"-1", b"x" * 500, b""))),
        lambda: request.replace(b"AAAA", rng.choice((b"\xff\xfe", b"", b"====", b"A" * 5000)), 1),
        lambda: request[: rng.randint(1, len(request) - 1)],
        lambda: (
            head
            + b"\r\nContent-Length: "
            + rng.choice((b"-1", b"1", b"x", b"9" * 30))
            + b"\r\n\r\n"
        ),
        lambda: head + b"\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        lambda: request + frame(rng.randbytes(50)),
        lambda: request.replace(b"GET", rng.choice((b"POST", b"PUT", b"\0", b"G" * 9000)), 1),
    ]
    return Attack("upgrade", (), upgrade=rng.choice(makes)())


# -- frames of ours -------------------------------------------------------------------------------


def odd_number(rng: random.Random) -> bytes:
    """A variable-length number: any, too large, or without an end."""
    if rng.random() < 0.1:
        return b"\xff" * rng.randint(1, 30)
    return var_uint(rng.choice(NUMBERS + HUGE) if rng.random() < 0.5 else rng.randrange(300))


STATES = (
    b"NaN",
    b'{"x":NaN}',
    b'{"x":-Infinity,"cursors":[]}',
    b'{"x":1e999}',
    b'{"x":' + b"9" * 5000 + b"}",
    b"null",
    b"[]",
    b"{",
    b'{"user":{"name":"Host","color":"#123456"}}',
    b'{"user":"x","cursors":{},"typing":1,"active":1e300,"viewport":[]}',
    b'{"cursors":[{"anchor":{"item":{"client":1.5}},"head":null}]}',
    rb'{"following":"\ud800","viewport":{"cell":"\udfff"}}',
    b'{"a":"\xff\xfe"}',
    b'{"x":' * 5000 + b"1" + b"}" * 5000,
    b'{"x":' + b"[" * 100_000,
    b'{"x":' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"cursors":['
    + b",".join([b'{"anchor":{"tname":"source"},"head":{"tname":"source"}}'] * 500)
    + b"]}",
)


def awareness(rng: random.Random, world: World) -> bytes:
    """What somebody says of themselves, or of others."""
    entries = b""
    number = rng.choice((1, 1, 1, 2, 70))
    for _ in range(number):
        who = rng.choice((world.client, rng.choice(NUMBERS), rng.getrandbits(53), 2**55))
        clock = rng.choice((0, 1, 5, 2**31, 2**52, 2**53 - 1, 2**55))
        entries += var_uint(who) + var_uint(clock) + var_bytes(rng.choice(STATES))
    said = rng.choice((number, number, 0, number + 1, 2**31, 2**53))
    return bytes((Kind.AWARENESS,)) + var_bytes(var_uint(said) + entries)


def state_vector(rng: random.Random, world: World) -> bytes:
    """What somebody says they know."""
    kind = rng.randrange(6)
    if kind == 0:
        return damaged(rng, world.state)
    if kind == 1:
        return var_uint(rng.choice(NUMBERS)) + b"\1\2"
    if kind == 2:
        return rng.randbytes(rng.randint(0, 60))
    if kind == 3:
        number = rng.randint(1, 3000)
        pairs = (var_uint(rng.getrandbits(50)) + odd_number(rng) for _ in range(number))
        return var_uint(number) + b"".join(pairs)
    if kind == 4:
        return var_uint(1) + var_uint(rng.choice(NUMBERS)) + var_uint(rng.choice(NUMBERS))
    return world.state


def message(rng: random.Random, world: World) -> bytes:
    """Any frame."""
    save = bytes((Kind.JUPYTER,)) + var_bytes(rng.choice((b"save", b"\xff", b"x" * 500)))
    makes: list[Callable[[], bytes]] = [
        lambda: sync(SyncStep.STATE, state_vector(rng, world)),
        lambda: sync(rng.choice((3, 4, 127, 2**40)), b"x"),
        lambda: (
            bytes((Kind.SYNC, rng.randrange(3)))
            + odd_number(rng)
            + rng.randbytes(rng.randrange(20))
        ),
        lambda: awareness(rng, world),
        lambda: awareness(rng, world),
        lambda: bytes((Kind.QUERY_AWARENESS,)),
        lambda: save + odd_number(rng),
        lambda: odd_number(rng) + rng.randbytes(rng.randrange(30)),
        lambda: rng.randbytes(rng.randrange(60)),
        lambda: damaged(rng, sync(SyncStep.UPDATE, world.whole)),
    ]
    return rng.choice(makes)()


# -- updates --------------------------------------------------------------------------------------


CELL_PARTS = (
    "source",
    "metadata",
    "outputs",
    "id",
    "cell_type",
    "attachments",
    "execution_count",
)


def edits(rng: random.Random, world: World) -> list[bytes]:
    """What somebody sends who has the document and edits it, in any way that pycrdt can."""
    ydoc: Doc[Any] = Doc()
    ydoc.apply_update(world.whole)
    made: list[bytes] = []
    watching = ydoc.observe(lambda event: made.append(event.update))
    text = ydoc.get("source", type=Text)
    cells = ydoc.get("cells", type=Array)
    others = [ydoc.get(name, type=Map) for name in ("state", "meta", "codepad", "else")]

    def nowhere() -> int:
        return rng.randint(0, len(text)) if str(text).isascii() else 0

    def odd_cell() -> None:
        cell = cells[rng.randrange(len(cells))] if len(cells) else None
        if isinstance(cell, Map):
            name = rng.choice(CELL_PARTS)
            cell[name] = odd_value(rng)

    def odd_key() -> None:
        names = ("path", "dirty", "nbformat", "9" * 6000, "x")
        rng.choice(others)[rng.choice(names)] = odd_value(rng)

    def delete() -> None:
        at = nowhere()
        del text[max(0, at - rng.randint(1, 9)) : at]

    makes: list[Callable[[], Any]] = [
        lambda: text.insert(nowhere(), rng.choice(("h", "hostile\n", "é🦊", "x" * 2000))),
        lambda: text.insert_embed(nowhere(), {"image": "x"}),
        lambda: text.format(0, len(text), {"bold": rng.choice((True, None, {"a": [1]}))}),
        lambda: cells.append(odd_value(rng)),
        lambda: cells.append(Map({"cell_type": "code", "source": Text("h"), "id": "x"})),
        others[1].clear,
        delete,
        odd_key,
        odd_cell,
    ]
    for _ in range(rng.randint(1, 5)):
        try:
            rng.choice(makes)()
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # yrs loses count among objects in a text
                raise
            break
    ydoc.unobserve(watching)
    return made


def odd_value(rng: random.Random) -> Any:
    """Something that has no business there."""
    return rng.choice(
        (
            None,
            1.5,
            float("nan"),
            float("inf"),
            "text",
            b"bytes",
            True,
            [1, [2, [3]]],
            {"trusted": True},
            Map({"a": Map({"b": Array([1])})}),
            Array([Text("x"), 1, {}]),
            Array([{"output_type": "stream"}, Map({"output_type": "display_data", "data": 1})]),
            Text("type"),
            Doc(),
        )
    )


def nested_values(rng: random.Random) -> bytes:
    """A value in a value in a value, deep enough to use up a stack."""
    depth = rng.choice((100, 127, 128, 129, 1000, 200_000))
    opening = rng.choice((b"\x75\x01", b"\x76\x01\x01k", b"\x75\x02\x7e"))
    return one_thing(rng, 8, b"\x01" + opening * depth + b"\x7e")


def one_thing(rng: random.Random, kind: int, content: bytes) -> bytes:
    """An update with one thing of somebody new in it."""
    root = rng.choice((b"source", b"cells", b"meta", b"else", b"", b"\xff"))
    head = var_uint(1) + var_uint(rng.getrandbits(50)) + var_uint(0)
    return b"\x01" + head + bytes((kind,)) + b"\x01" + var_bytes(root) + content + b"\x00"


def nested_types(rng: random.Random) -> bytes:
    """A map in a map in a map."""
    who, depth = rng.getrandbits(50), rng.choice((10, 63, 64, 65, 1000, 40_000))
    head = b"\x01" + var_uint(depth + 1) + var_uint(who) + b"\x00"
    first = b"\x27\x01\x04meta\x01k\x01"
    inner = (b"\x27\x00" + var_uint(who) + var_uint(at) + b"\x01k\x01" for at in range(depth))
    return head + first + b"".join(inner) + b"\x00"


def without_ground(rng: random.Random) -> bytes:
    """What builds on something that never comes."""
    who, where = rng.getrandbits(50), rng.getrandbits(50)
    clock = rng.choice((0, 5, 2**31 - 10, 2**31, 2**32 - 2))
    text = b"x" * rng.choice((1, 100, 50_000))
    info = rng.choice((b"\x84", b"\x44", b"\xc4"))
    near = (var_uint(where) + var_uint(rng.randrange(500))) * (2 if info == b"\xc4" else 1)
    return b"\x01\x01" + var_uint(who) + var_uint(clock) + info + near + var_bytes(text) + b"\x00"


def ranges(rng: random.Random, world: World) -> bytes:
    """Deletions of what never was, and of everything."""
    number = rng.choice((1, 3, 2000))
    pairs = (odd_number(rng) + odd_number(rng) for _ in range(number))
    who = rng.choice((world.client, rng.getrandbits(50)))
    return b"\x00\x01" + var_uint(who) + var_uint(rng.choice((number, 2**31))) + b"".join(pairs)


def odd_content(rng: random.Random) -> bytes:
    """Each kind of content, with something wrong in it."""
    kind = rng.randrange(32)
    contents = (
        odd_number(rng),
        odd_number(rng) + rng.randbytes(rng.randrange(30)),
        var_bytes(rng.randbytes(10)),
        b"\x01" + var_bytes(b'{"a":' * 3000),
        b"\x01\x7b" + struct.pack(">d", float("nan")),
        b"\x01\x7d" + b"\xff" * 12,
        var_bytes(b"guid") + b"\x76\x00",
        rng.choice((b"\x03", b"\x05", b"\x07\x00", b"\x0f")) + var_bytes(b"p"),
        b"\x00",
    )
    return one_thing(rng, kind, rng.choice(contents))


def circle(rng: random.Random) -> bytes:
    """Things that build on each other, or on themselves."""
    one, two = rng.getrandbits(50), rng.getrandbits(50)
    if rng.random() < 0.5:
        return b"\x01\x01" + var_uint(one) + b"\x00\x84" + var_uint(one) + b"\x00\x01x\x00"
    first = b"\x01" + var_uint(one) + b"\x00\x84" + var_uint(two) + b"\x00\x01x"
    return (
        b"\x02" + first + b"\x01" + var_uint(two) + b"\x00\x84" + var_uint(one) + b"\x00\x01y\x00"
    )


def many_authors(rng: random.Random) -> bytes:
    """As many people as there is room for, all at one place."""
    number = rng.choice((10, 199, 201, 3000))
    start = rng.getrandbits(40)
    people = (b"\x01" + var_uint(start + n) + b"\x00\x04\x01\x06source\x01h" for n in range(number))
    return var_uint(number) + b"".join(people) + b"\x00"


def updates(rng: random.Random, world: World) -> list[bytes]:
    """Updates: sound ones, damaged ones, and some that only look sound."""
    makes: list[Callable[[], list[bytes]]] = [
        lambda: edits(rng, world),
        lambda: [damaged(rng, update) for update in edits(rng, world)],
        lambda: [damaged(rng, world.whole)],
        lambda: shuffled(rng, edits(rng, world)),
        lambda: edits(rng, world)[-1:] * 50,
        lambda: [nested_values(rng)],
        lambda: [nested_types(rng)],
        lambda: [without_ground(rng) for _ in range(rng.choice((1, 30)))],
        lambda: [ranges(rng, world)],
        lambda: [odd_content(rng)],
        lambda: [circle(rng)],
        lambda: [many_authors(rng)],
        lambda: [var_uint(rng.choice(NUMBERS)) + rng.randbytes(rng.randrange(40))],
        lambda: [b"\x01" + var_uint(rng.choice(NUMBERS)) + b"\x05\x00"],
    ]
    return rng.choice(makes)()


def shuffled(rng: random.Random, made: list[bytes]) -> list[bytes]:
    """The same in another order."""
    return rng.sample(made, len(made))


def frames(rng: random.Random, world: World) -> list[bytes]:
    """Frames of ours to send one after another."""
    if rng.random() < 0.45:
        return [message(rng, world) for _ in range(rng.choice((1, 1, 3)))]
    step = rng.choice((SyncStep.UPDATE, SyncStep.UPDATE, SyncStep.MISSING))
    hello = [sync(SyncStep.STATE, world.state)] if rng.random() < 0.5 else []
    return hello + [sync(step, update) for update in updates(rng, world)]


def attack(rng: random.Random, world: World) -> Attack:
    """Any attack on a socket that is open."""
    if rng.random() < 0.25:
        return wire_attack(rng, world)
    if rng.random() < 0.05:
        ask = frame(sync(SyncStep.STATE, b"\0"))
        return Attack("asks without reading", (ask * 2500,), reads=False)
    mask = b"\0\0\0\0" if rng.random() < 0.8 else rng.randbytes(4)
    return Attack("frames", tuple(frame(one, mask=mask) for one in frames(rng, world)))
