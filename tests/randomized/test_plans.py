"""Seeded plans of people typing, losing their connection, and servers being killed.

Each plan is a list of steps, the same for the same seed. At the end everybody connects, and then:
every replica == the server == the file on disk, each word that was typed by somebody who may type
is there exactly once, and nothing that an observer sent is there.
"""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass

import pytest
from pycrdt import Doc, Text

from tests.support.server import JupyterServer, Person
from tests.support.sync_client import SyncClient, until

PEOPLE = 3
STEPS = 40
SEEDS = range(12)
KILLING_SEEDS = range(100, 104)


@dataclass
class Typist:
    """Somebody at the pad, and the words they have typed."""

    person: Person
    client: SyncClient
    may_type: bool
    words: list[str]

    def type(self, rng: random.Random, word: str) -> None:
        """Put a word of one's own at the beginning of a line, so that no two words mix."""
        text = str(self.client.text)
        starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.client.type(f"{word}\n", at=rng.choice(starts))
        self.words.append(word)

    def delete_own(self, rng: random.Random) -> None:
        """Delete a whole line that one has typed oneself."""
        if not self.words or not self.may_type:
            return
        word = rng.choice(self.words)
        text = str(self.client.text)
        if f"{word}\n" in text:
            start = len(text[: text.index(f"{word}\n")].encode())
            del self.client.text[start : start + len(word) + 1]
            self.words.remove(word)


async def gather(server: JupyterServer) -> tuple[dict[str, str], list[Typist]]:
    room = await server.room(starter_text="start\n")
    typists = []
    for number in range(PEOPLE + 1):
        role = "observer" if number == PEOPLE else "member"
        person = await server.guest(room["id"], f"Person {number}", role)
        client = await person.document().connect()
        typists.append(Typist(person, client, role == "member", []))
    return room, typists


async def step(
    server: JupyterServer, rng: random.Random, typists: list[Typist], number: int, *, kill: bool
) -> None:
    typist = rng.choice(typists)
    action = rng.choices(
        ["type", "delete", "disconnect", "connect", "pause", "kill"],
        [50, 10, 10, 20, 8, 6 if kill else 0],
    )[0]
    if action == "type":
        typist.type(rng, f"w{typists.index(typist)}x{number}")
    elif action == "delete":
        typist.delete_own(rng)
    elif action == "disconnect":
        await typist.client.disconnect()
    elif action == "connect" and typist.client.closed:
        await typist.client.connect()
    elif action == "pause":
        await until(lambda: typist.client.closed or typist.client.durable, "an acknowledgement")
    elif action == "kill":
        await server.kill9()
        await until(lambda: all(t.client.closed for t in typists), "everybody cut")
        typist.type(rng, f"w{typists.index(typist)}y{number}")
        await server.start()
    await asyncio.sleep(0)


async def check(server: JupyterServer, room: dict[str, str], typists: list[Typist]) -> None:
    for typist in typists:
        if typist.client.closed:
            await typist.client.connect()
    members = [t for t in typists if t.may_type]
    texts = [t.client.text for t in members]
    await until(lambda: len({str(text) for text in texts}) == 1, "the same text everywhere")
    await until(lambda: all(t.client.durable for t in members), "all of it on disk")
    text = str(texts[0])
    expected = sorted(["start", *(word for t in members for word in t.words)])
    assert sorted(text.split()) == expected
    fresh = await (await server.guest(room["id"], "Fresh")).document().connect()
    assert str(fresh.text) == text
    file = server.root_dir / room["pad_path"]
    await until(lambda: file.read_text() == text, "the file")


async def carry_out(server: JupyterServer, seed: int, *, kill: bool) -> None:
    rng = random.Random(seed)
    room, typists = await gather(server)
    for number in range(STEPS):
        await step(server, rng, typists, number, kill=kill)
    await check(server, room, typists)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_plan_of_typing_and_losing_the_line(server: JupyterServer, seed: int) -> None:
    await carry_out(server, seed, kill=False)


@pytest.mark.parametrize("seed", KILLING_SEEDS)
async def test_a_plan_with_killed_servers(own_server: JupyterServer, seed: int) -> None:
    await carry_out(own_server, seed, kill=True)


def test_the_oracle_sees_a_doubled_word() -> None:
    """What the plans would notice: a document rebuilt with another history doubles its text."""
    one: Doc[Text] = Doc()
    other: Doc[Text] = Doc()
    for ydoc in (one, other):
        text = ydoc.get("source", type=Text)
        text += "start\n"
    one.apply_update(other.get_update())
    assert str(one.get("source", type=Text)).split() != ["start"]
