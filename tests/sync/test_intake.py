"""What is let into a document: exactly what yrs can apply whole."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text, merge_updates

from jupyter_codepad.sync.intake import Intake, check_whole
from jupyter_codepad.sync.protocol import ProtocolError
from jupyter_codepad.sync.updates import read_state, read_update


class Author:
    """Somebody who edits all that a pad consists of."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.ydoc: Doc[Any] = Doc()
        self.text = self.ydoc.get("source", type=Text)
        self.cells: Array[Any] = self.ydoc.get("cells", type=Array)
        self.made: list[bytes] = []
        self.hears = False
        self.ydoc.observe(self._changed)

    def _changed(self, event: Any) -> None:
        if not self.hears:
            self.made.append(event.update)

    def hear(self, update: bytes) -> None:
        """Take in what somebody else has done."""
        self.hears = True
        self.ydoc.apply_update(update)
        self.hears = False

    def edit(self) -> None:
        """Do something that people do."""
        rng, text = self.rng, self.text
        at = rng.randint(0, len(text)) if str(text).isascii() else len(text)
        kind = rng.randrange(6)
        if kind < 3:
            rare = rng.random() < 0.03
            text.insert(at, "é🦊" if rare else rng.choice(("a", "words ")))
        elif kind == 3 and str(text).isascii():
            del text[max(0, at - 3) : at]
        elif kind == 4:
            cell = {"source": Text("x"), "metadata": Map({"a": 1}), "outputs": Array(), "n": 1.5}
            self.cells.append(Map(cell))
        elif kind == 5 and len(self.cells):
            self.cells[rng.randrange(len(self.cells))]["source"].insert(0, "y")


@pytest.mark.parametrize("seed", range(40))
def test_what_fits_is_applied_whole_and_the_rest_is_known_to_be_missing(seed: int) -> None:
    rng = random.Random(seed)
    authors = [Author(rng) for _ in range(3)]
    ydoc: Doc[Any] = Doc()
    intake = Intake(ydoc, lambda: None)
    waiting: list[bytes] = []
    for _ in range(60):
        author = rng.choice(authors)
        author.edit()
        if rng.random() < 0.3:
            rng.choice(authors).hear(author.ydoc.get_update())
        waiting += author.made
        author.made.clear()
        if waiting and rng.random() < 0.7:
            update = waiting.pop(rng.randrange(min(3, len(waiting))))
            if intake.fits(update, trusted=False):
                ydoc.apply_update(update)
                assert read_state(ydoc.get_state()) == intake.known
            else:
                waiting.append(update)
    for author in authors:
        rest = author.ydoc.get_update(ydoc.get_state())
        assert intake.fits(rest, trusted=False)
        ydoc.apply_update(rest)
    assert read_state(ydoc.get_state()) == intake.known
    check_whole(ydoc.get_update(), trusted=False)
    everybody = merge_updates(*(author.ydoc.get_update() for author in authors))
    together: Doc[Any] = Doc()
    together.apply_update(everybody)
    assert str(together.get("source", type=Text)) == str(ydoc.get("source", type=Text))


@pytest.mark.parametrize(
    "made",
    [Doc(), b"bytes", float("nan"), float("inf")],
    ids=["document", "bytes", "nan", "infinity"],
)
def test_a_guest_writes_nothing_that_a_file_cannot_hold(made: Any) -> None:
    author = Author(random.Random(0))
    author.cells.append(made)
    with pytest.raises(ProtocolError):
        read_update(author.made[0], trusted=False)
    assert read_update(author.made[0], trusted=True)
