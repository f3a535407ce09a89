"""Frames: what is written can be read, and junk is an error, never anything else."""

from __future__ import annotations

import random

import pytest
from pycrdt import Decoder

from jupyter_codepad.sync.protocol import (
    AwarenessEntry,
    ProtocolError,
    Reader,
    awareness_frame,
    event_frame,
    read_awareness,
    sync_frame,
    var_uint,
)


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**31, 2**32, 2**53 - 1])
def test_numbers_are_encoded_as_lib0_does(number: int) -> None:
    assert Reader(var_uint(number)).var_uint() == number
    assert Decoder(var_uint(number)).read_var_uint() == number


def test_awareness_survives_names_in_every_script() -> None:
    entries = [
        AwarenessEntry(7, 3, {"user": {"name": "Žofie 漢字 🦊"}}),
        AwarenessEntry(8, 1, None),
    ]
    reader = Reader(awareness_frame(entries))
    assert reader.var_uint() == 1
    assert read_awareness(reader.var_bytes(), 10) == entries


def test_too_many_awareness_entries_are_refused() -> None:
    frame = awareness_frame([AwarenessEntry(n, 1, {}) for n in range(11)])
    with pytest.raises(ProtocolError, match="too many"):
        read_awareness(Reader(frame[1:]).var_bytes(), 10)


def test_deep_json_is_refused_and_not_a_crash() -> None:
    deep = ("[" * 200_000).encode()
    frame = var_uint(1) + var_uint(5) + var_uint(1) + var_uint(len(deep)) + deep
    with pytest.raises(ProtocolError):
        read_awareness(frame, 10)


@pytest.mark.parametrize("seed", range(300))
def test_damaged_frames_are_protocol_errors_or_readable(seed: int) -> None:
    rng = random.Random(seed)
    frames = (
        sync_frame(2, rng.randbytes(30)),  # type: ignore[arg-type]
        awareness_frame([AwarenessEntry(5, 2, {"user": {"name": "Ada"}})]),
        event_frame('{"type":"room"}'),
    )
    frame = bytearray(rng.choice(frames))
    for _ in range(rng.randint(1, 4)):
        frame[rng.randrange(len(frame))] = rng.randrange(256)
    data = bytes(frame[: rng.randint(0, len(frame))])
    try:
        reader = Reader(data)
        reader.var_uint()
        read_awareness(reader.var_bytes(), 10)
    except ProtocolError:
        pass
