"""What is let into a document: exactly what yrs can apply whole."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text, merge_updates

from jupyter_codepad.sync.intake import Fit, Intake, check_whole
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


class Pad:
    """A text pad that tells when anything else than its text has changed."""

    def __init__(self) -> None:
        self.ydoc: Doc[Any] = Doc()
        self.intake = Intake(self.ydoc, lambda: None)
        self.text = self.ydoc.get("source", type=Text)
        self.state = self.ydoc.get("state", type=Map)
        self.state["path"] = "pad.py"
        self.heard: list[Any] = []
        self.state.observe(self.heard.append)

    def take(self, update: bytes) -> Fit:
        """Let an update in as a document does; what it is."""
        fit = self.intake.fits(update, trusted=False)
        self.heard.clear()
        if fit:
            self.ydoc.apply_update(update)
        if fit is Fit.WHOLE:
            objects = self.intake.objects_came()
            self.intake.applied(in_text_only=not self.heard and not objects)
        return fit

    def has_objects(self) -> bool:
        return any(not isinstance(value, str) for value, _ in self.text.diff())


def number(value: int) -> bytes:
    """As Yjs writes it."""
    written = b""
    while value > 127:
        written += bytes((value & 127 | 128,))
        value >>= 7
    return written + bytes((value,))


def beside(who: int, clock: int, left: tuple[int, int], text: str) -> bytes:
    """An update that puts a text to the right of something."""
    ids = b"\x84" + number(left[0]) + number(left[1])
    return (
        b"\x01\x01" + number(who) + number(clock) + ids + number(len(text)) + text.encode() + b"\0"
    )


@pytest.mark.parametrize("seed", range(60))
def test_what_goes_on_is_about_the_text_and_nothing_else(seed: int) -> None:
    """Of it nobody is told before it is sent on: it must not be able to do anything else."""
    rng = random.Random(seed)
    pad = Pad()
    authors = [Author(rng) for _ in range(3)]
    kinds = {fit: 0 for fit in Fit}
    for step in range(150):
        author = rng.choice(authors)
        if rng.random() < 0.3:
            author.hear(pad.ydoc.get_update(author.ydoc.get_state()))
        clock = read_state(author.ydoc.get_state()).get(author.ydoc.client_id, 0)
        kind = rng.randrange(12)
        if kind == 0:
            author.ydoc.get("state", type=Map)["path"] = rng.choice("ab")
        elif kind == 1:
            author.text.insert_embed(rng.randint(0, len(author.text)), {"image": "x"})
        elif kind == 2:
            near = rng.choice([a.ydoc.client_id for a in authors] + [pad.ydoc.client_id])
            update = beside(author.ydoc.client_id, clock, (near, rng.randrange(12)), "evil")
            author.ydoc.apply_update(update)
            author.made.append(update)
        elif kind == 3 and len(author.text):
            del author.text[0:1]
        elif str(author.text).isascii():
            author.text.insert(rng.randint(0, len(author.text)), rng.choice(("a", "words ")))
        for update in author.made:
            fit = pad.take(update)
            kinds[fit] += 1
            if fit is Fit.GOES_ON:
                assert not pad.heard, step
        author.made.clear()
    assert kinds[Fit.WHOLE]


def test_typing_goes_on() -> None:
    pad, ada = Pad(), Author(random.Random(0))
    bob = Author(random.Random(0))
    ada.hear(pad.ydoc.get_update())
    for letter in "hello, here I am":
        ada.text.insert(len(ada.text), letter)
    fits = [pad.take(update) for update in ada.made]
    assert fits == [Fit.WHOLE] * 2 + [Fit.GOES_ON] * (len(fits) - 2)
    bob.hear(pad.ydoc.get_update())
    for letter in "BOB":  # beside what Ada is known to have typed into the text
        bob.text.insert(7, letter)
    assert [pad.take(update) for update in bob.made] == [Fit.WHOLE, Fit.GOES_ON, Fit.GOES_ON]
    ada.made.clear()
    ada.hear(pad.ydoc.get_update())
    del ada.text[len(ada.text) - 2 :]
    assert pad.take(ada.made.pop()) is Fit.GOES_ON
    ada.text.insert(len(ada.text), "é")  # half of an emoji could be a neighbour: looked at closely
    ada.text.insert(len(ada.text), "x")
    assert [pad.take(update) for update in ada.made] == [Fit.WHOLE, Fit.WHOLE]
    assert str(pad.text) == str(ada.text)


def test_what_is_put_beside_the_state_never_goes_on() -> None:
    pad = Pad()
    who, clock = 7, 0
    pad.take(beside(who, clock, (pad.ydoc.client_id, 0), "evil"))
    assert pad.heard
    for clock in range(4, 40, 4):
        assert pad.take(beside(who, clock, (who, clock - 1), "more")) is Fit.WHOLE
        assert pad.heard
