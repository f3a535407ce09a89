"""Carries out plans on a real server, many at once, and looks whether anything went wrong."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import nbformat

from jupyter_codepad.sync import history
from jupyter_codepad.sync.content import built
from tests.randomized.plan import Actor, Plan, Step
from tests.randomized.players import Node, Player, PycrdtPlayer, YjsPlayer
from tests.support.server import JupyterServer, Person
from tests.support.sync_client import SyncClient

DEADLINE_SECONDS = 40.0
ASK_SECONDS = 2.0
TALK_SECONDS = 0.05
"""At most so long after people have begun to type their last words the server ends."""
RESULTS = Path(__file__).parents[2] / "test-results" / "plans"
OPTIONS = [
    "--CodepadApp.save_delay_seconds=0.1",
    "--CodepadApp.save_share=1",
    "--CodepadApp.cleanup_delay_seconds=0.2",
    "--YDocExtension.document_save_delay=0.1",
    "--YDocExtension.document_cleanup_delay=0.2",
    "--YDocExtension.file_poll_interval=0.2",
]


async def until_true(condition: Callable[[], Awaitable[object]], what: Callable[[], str]) -> None:
    """Wait until a condition holds that takes asking."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE_SECONDS
    while not await condition():
        if loop.time() > deadline:
            raise AssertionError(f"not within {DEADLINE_SECONDS} s: {what()}")
        await asyncio.sleep(0.02)


@dataclass
class Word:
    """Something that was typed, and what should have become of it.

    ``foreign``: somebody else has erased it; ``reborn``: its owner has brought it back by undo;
    ``doubtful``: nobody can know whether it should be there, only that it is not there twice;
    ``refused``: its owner might not write.
    """

    owner: int
    present: bool = True
    foreign: bool = False
    reborn: bool = False
    doubtful: bool = False
    refused: bool = False
    cell: str = ""

    def expected(self) -> tuple[int, int]:
        """How often it may be there: at least, at most."""
        if self.doubtful or (self.foreign and self.reborn):
            return 0, 1
        there = int(self.present and not self.foreign)
        return there, there


@dataclass
class Someone:
    """An actor on the stage."""

    actor: Actor
    person: Person
    player: Player
    may_edit: bool
    pending: list[tuple[str, str, bool]] = field(default_factory=list)
    """Word, what was done to it, and whether it may have been sent: all since the last save."""

    def line_was_open(self) -> None:
        """What was pending may have been sent."""
        self.pending = [(word, done, True) for word, done, _ in self.pending]


class Act:
    """One plan, in a room of its own on a server that it shares with others."""

    def __init__(self, plan: Plan, server: JupyterServer, node: Node) -> None:
        self.plan = plan
        self.server = server
        self.node = node
        self.people: list[Someone] = []
        self.kind = "notebook" if plan.kind == "notebook" else "file"
        self.words: dict[str, Word] = {}
        self.dropped: set[str] = set()
        self.conflicts = 0
        self.forgotten = False
        self._opened = 0
        self._codes: dict[str, str] = {}
        self._asked = 0.0
        self._looks: list[dict[str, Any]] = []

    async def gather(self) -> None:
        """Make the room, and let everybody in."""
        if self.plan.kind == "notebook":
            notebook = nbformat.v4.new_notebook()
            notebook["cells"] = [nbformat.v4.new_code_cell("start\n", id=f"c{n}") for n in (0, 1)]
            file = self.server.root_dir / f"plan-{self.plan.seed}.ipynb"
            nbformat.write(notebook, file)
            self.room = await self.server.room(source_path=file.name)
        else:
            self.room = await self.server.room(starter_text="start\n")
        self.file = self.server.pad_file(self.room)
        form = "json" if self.kind == "notebook" else "text"
        path = str(self.file.relative_to(self.server.root_dir))
        self.key, _ = await self.server.host.lab_key(path, form, self.kind)
        for number, actor in enumerate(self.plan.actors):
            person = self.server.host
            if actor.road == "page":
                person = await self._guest(f"Person {number}", actor.role)
            player = await self._player(actor, person)
            await player.act("come")
            self.people.append(Someone(actor, person, player, actor.role != "observer"))

    async def _guest(self, name: str, role: str) -> Person:
        if role not in self._codes:
            self._codes[role] = await self.server.invite(self.room["id"], role)
        return await self.server.person().join(self._codes[role], name)

    async def _newcomer(self) -> SyncClient:
        return await self.server.host.document(room_id=self.room["id"]).connect()

    async def _player(self, actor: Actor, person: Person) -> Player:
        if actor.road == "lab":
            return PycrdtPlayer(person.lab_socket(self.key), self.kind == "notebook")
        if actor.engine == "pycrdt":
            return PycrdtPlayer(person.document(), self.kind == "notebook")
        self._opened += 1
        name = f"{self.plan.seed}.{self._opened}"
        return await YjsPlayer.open(self.node, person.document(), name, self.kind == "notebook")

    # -- steps ------------------------------------------------------------------------------------

    async def up(self, steps: list[Step]) -> None:
        """The server is there."""
        for someone in self.people:
            if (await someone.player.look())["trying"]:
                someone.line_was_open()
        for step in steps:
            await self._step(step, up=True)
            await asyncio.sleep(0)

    async def down(self, steps: list[Step]) -> None:
        """The server is not there."""
        for someone in self.people:
            await until_true(partial(self._is_away, someone), lambda: "everybody cut")
        for step in steps:
            await self._step(step, up=False)

    async def _is_away(self, someone: Someone) -> bool:
        return not (await someone.player.look())["connected"]

    async def _step(self, step: Step, *, up: bool) -> None:
        someone = self.people[step.who]
        if step.do in {"leave", "cut", "come"}:
            await someone.player.act(step.do)
            if step.do == "come":
                someone.line_was_open()
        elif step.do == "bounce":
            await someone.player.act("cut")
            await someone.player.act("come")
            someone.line_was_open()
        elif step.do == "wait":
            await self._saved(someone)
        elif step.do == "outside":
            await self._outside(f"out{step.word}", step.place, up=up)
        elif step.do == "role":
            await self._change_role(step.who)
        elif step.do == "drop_cell":
            before = await someone.player.look()
            _, _, after = await someone.player.act("drop_cell", place=step.place)
            if someone.may_edit:
                left = {cell for cell, _ in after["cells"]}
                self.dropped |= {cell for cell, _ in before["cells"]} - left
        else:
            await self._edit(step, up=up)

    async def _edit(self, step: Step, *, up: bool) -> None:
        someone = self.people[step.who]
        word = step.word if not step.do.startswith("erase") else await self._found(step)
        if not word:
            return
        before, after, look = await someone.player.act(step.do, word, step.place)
        came = list((Counter(after) - Counter(before)).elements())
        gone = list((Counter(before) - Counter(after)).elements())
        if step.do == "type":
            self.words[word] = Word(step.who, present=False, refused=not someone.may_edit)
        if step.do in {"undo", "redo"}:
            for touched in (*came, *gone):
                owner = self.words[touched].owner if touched in self.words else None
                assert owner == step.who, f"undo has touched {touched!r}"
        if someone.may_edit:
            self._note(step, came, gone, look)
            sent = bool(up and look["trying"])
            someone.pending += [(touched, step.do, sent) for touched in (*came, *gone)]

    async def _found(self, step: Step) -> str:
        """A word to erase: one's own, or somebody else's."""
        there = (await self.people[step.who].player.act("look"))[0]
        own = step.do == "erase"
        known = [word for word in there if word in self.words]
        found = [word for word in known if (self.words[word].owner == step.who) is own]
        return found[int(step.place * len(found))] if found else ""

    def _note(self, step: Step, came: list[str], gone: list[str], look: dict[str, Any]) -> None:
        for touched in came:
            self.words[touched].present = True
            self.words[touched].reborn |= step.do != "type"
            self.words[touched].cell = _cell_of(look, touched)
        for touched in gone:
            if self.words[touched].owner == step.who:
                self.words[touched].present = False
            else:
                self.words[touched].foreign = True

    async def _saved(self, someone: Someone) -> None:
        async def saved_or_away() -> bool:
            look = await someone.player.look()
            return bool(look["saved"] or not look["trying"])

        await until_true(saved_or_away, lambda: "an acknowledgement")
        if (await someone.player.look())["saved"]:
            someone.pending.clear()

    async def _change_role(self, who: int) -> None:
        """Make a member an observer or the other way round; what they have not sent is refused."""
        someone = self.people[who]
        if someone.actor.road != "page":
            return
        if someone.may_edit:
            await self._saved(someone)
            for word, done, maybe_sent in someone.pending:
                if done == "type" and not maybe_sent:
                    self.words[word].present, self.words[word].refused = False, True
                else:
                    self.words[word].doubtful = True
            someone.pending.clear()
        people = await self.server.host.api("GET", f"rooms/{self.room['id']}/participants")
        name = f"Person {who}"
        found = next(p for p in people.json()["participants"] if p["name"] == name)
        wish = {"role": "observer" if someone.may_edit else "member"}
        path = f"rooms/{self.room['id']}/participants/{found['id']}"
        answer = await self.server.host.api("PATCH", path, wish)
        assert answer.status_code == 200, answer.text
        someone.may_edit = not someone.may_edit
        if someone.may_edit:  # what was refused before does not come back, as on the room page
            await self._fresh(someone)

    async def _fresh(self, someone: Someone) -> None:
        await someone.player.close()
        someone.player = await self._player(someone.actor, someone.person)
        await someone.player.act("come")

    # -- the file ---------------------------------------------------------------------------------

    async def _outside(self, word: str, place: float, *, up: bool) -> None:
        """Another program adds a line to the file."""
        if up and not await self._quiet():
            return
        if up:
            await until_true(self._whole_text, lambda: "a file that nobody writes")
        text = await self._whole_text()
        if not text:
            return
        self.words[word] = Word(-1)
        if self.kind == "notebook":
            notebook = nbformat.reads(text, 4)
            cell = notebook["cells"][int(place * len(notebook["cells"]))]
            cell["source"] = _with_line(cell["source"], word, place)
            self.words[word].cell = cell["id"]
            content = nbformat.writes(notebook)
        else:
            content = _with_line(text, word, place)
        new = self.file.with_name(f"{word}.tmp")
        new.write_text(content)
        os.replace(new, self.file)

    async def _whole_text(self) -> str:
        """What another program reads; nothing while the file is written.

        Jupyter writes in place: after a kill a file may be cut short until the server comes back.
        """
        text = self.file.read_text()
        if self.kind == "notebook":
            try:
                nbformat.reads(text, 4)
            except nbformat.reader.NotJSONError:
                return ""
        return text

    async def _quiet(self) -> bool:
        """Wait until the file is what everybody sees, or there is something to choose."""
        newcomer = await self._newcomer()
        try:

            async def same() -> bool:
                if await self._chooses_now():
                    return True
                looks = [await s.player.look() for s in self.people if s.may_edit]
                here = [look for look in looks if look["trying"]]
                seen = _shown(newcomer, self.kind)
                return (
                    all(look["saved"] and _of(look, self.kind) == seen for look in here)
                    and self._on_disk() == seen
                )

            await until_true(same, lambda: "a quiet moment")
            return await self._conflict() is None  # else nothing is saved
        finally:
            await newcomer.disconnect()

    def _on_disk(self) -> Any:
        text = self.file.read_text()
        if self.kind != "notebook":
            return text
        try:
            return [[c["id"], c["source"]] for c in nbformat.reads(text, 4)["cells"]]
        except nbformat.reader.NotJSONError:  # it is just being written
            return None

    async def _chooses_now(self) -> dict[str, Any] | None:
        """What there is to choose, asked for only every now and then."""
        now = asyncio.get_running_loop().time()
        if now < self._asked + ASK_SECONDS:
            return None
        self._asked = now
        return await self._conflict()

    async def _conflict(self) -> dict[str, Any] | None:
        answer = await self.server.host.api("GET", f"rooms/{self.room['id']}/conflict")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] | None = answer.json()["conflict"]
        return found

    # -- the end ----------------------------------------------------------------------------------

    async def check(self) -> None:
        """Everybody comes; then all is where it should be, once."""
        for someone in self.people:
            if someone.may_edit:
                await someone.player.act("come")
            else:
                await self._fresh(someone)
        newcomer = await self._newcomer()
        await until_true(partial(self._agree, newcomer), partial(self._disagreement, newcomer))
        seen = _shown(newcomer, self.kind)
        await until_true(partial(self._log_is, newcomer), lambda: "the log")
        for someone in self.people:
            look = await someone.player.look()
            assert look["end"] is None, f"somebody was cut: {look['end']}"
            await someone.player.close()
        self.check_words(seen)

    async def _agree(self, newcomer: SyncClient) -> bool:
        found = await self._chooses_now()
        if found is not None:
            self.conflicts += 1
            body = {"id": found["id"], "keep": "both"}
            answer = await self.server.host.api("POST", f"rooms/{self.room['id']}/conflict", body)
            assert answer.status_code in {200, 409}, answer.text
            return False
        seen = _shown(newcomer, self.kind)
        self._looks = [await someone.player.look() for someone in self.people]
        for look in self._looks:
            if not (look["connected"] and look["saved"]) or _of(look, self.kind) != seen:
                return False
        return bool(self._on_disk() == seen)

    def _disagreement(self, newcomer: SyncClient) -> str:
        seen = _shown(newcomer, self.kind)
        apart = [
            {**look, "same": _of(look, self.kind) == seen, "text": "", "cells": []}
            for look in self._looks
        ]
        return f"everybody has {seen}; the file has {self._on_disk()}; {apart}"

    async def _log_is(self, newcomer: SyncClient) -> bool:
        """Whether the log, replayed from empty and loaded, is what the newcomer sees."""
        log = next(self.server.home.rglob("updates.sqlite"))
        connection = sqlite3.connect(f"file:{log}?mode=ro", uri=True)
        try:
            row = connection.execute(
                "SELECT id FROM documents WHERE name = ?", (self.key,)
            ).fetchone()
            if row is None:
                return False
            ways = [
                history.updates(connection, row[0]),
                [content for _, content in history.past(connection, row[0])],
            ]
        finally:
            connection.close()
        if not all(ways):
            return False
        seen = built(self.kind, [newcomer.ydoc.get_update()]).get()
        return all(built(self.kind, way).get() == seen for way in ways)

    def check_words(self, seen: Any) -> None:
        """Each word as often as it should be."""
        texts = [seen] if isinstance(seen, str) else [source for _, source in seen]
        found = Counter(word for text in texts for word in text.split())
        wrong = []
        for name, word in self.words.items():
            least, most = word.expected()
            if word.cell in self.dropped:
                least = 0
            if self.forgotten and not word.refused and (word.foreign or not word.present):
                least, most = 0, 1  # nobody can know any more that it was erased
            if self.conflicts and not word.refused:  # to keep both sides brings back some of it
                most = max(most, found[name])
            if not least <= found[name] <= most:
                wrong.append(f"{name!r} is there {found[name]} times, not {least}..{most}: {word}")
        if self.kind == "file" and found["start"] != 1 and not self.conflicts:
            wrong.append(f"'start' is there {found['start']} times, and nobody erases it")
        strange = set(found) - set(self.words) - {"start"}
        assert not wrong and not strange, "\n".join(
            [*wrong, *strange, f"{self.conflicts} conflicts", str(seen)]
        )


def _with_line(text: str, line: str, place: float) -> str:
    lines = text.splitlines(True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    lines.insert(int(place * (len(lines) + 1)), f"{line}\n")
    return "".join(lines)


def _cell_of(look: dict[str, Any], word: str) -> str:
    return next((str(cell) for cell, source in look["cells"] if word in source.split()), "")


def _of(look: dict[str, Any], kind: str) -> Any:
    return look["cells"] if kind == "notebook" else look["text"]


def _shown(client: SyncClient, kind: str) -> Any:
    if kind != "notebook":
        return str(client.text)
    return [[cell["id"], str(cell["source"])] for cell in client.cells()]


# -- many plans on one server ---------------------------------------------------------------------


@dataclass
class Outcome:
    """What became of plans: what went wrong by seed, and how many ended with a choice."""

    failures: dict[int, str] = field(default_factory=dict)
    conflicts: int = 0


class Performance:
    """Plans whose parts end alike, carried out together on one server."""

    def __init__(self, plans: list[Plan], home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.outcome = Outcome()
        self._plans = plans
        self._server = JupyterServer(home, options=OPTIONS)
        self._node = Node(home)
        self._acts = [Act(plan, self._server, self._node) for plan in plans]
        self._rng = random.Random(plans[0].seed)

    async def run(self) -> Outcome:
        """Carry them out."""
        await self._node.start()
        try:
            await self._server.start()
            await self._all(Act.gather)
            for number, part in enumerate(self._plans[0].parts):
                await self._all(lambda act, n=number: act.up(act.plan.parts[n].steps))  # type: ignore[misc]
                if part.end:
                    await self._end(number, part.end)
            await self._all(Act.check)
            self.outcome.conflicts = sum(bool(act.conflicts) for act in self._acts)
            self._read_log()
        finally:
            await self._server.close()
            await self._node.stop()
        return self.outcome

    async def _end(self, number: int, end: str) -> None:
        """The server ends while everybody is talking, and comes back."""
        words = self._all(lambda act: act.up(act.plan.parts[number].last_words))
        talking = asyncio.create_task(words)
        await asyncio.sleep(self._rng.random() * TALK_SECONDS)
        await (self._server.kill9() if end == "kill" else self._server.stop())
        await talking
        if end == "forget":
            for file in self._server.home.rglob("updates.sqlite*"):
                file.unlink()
            for act in self._acts:
                act.forgotten = True
        await self._all(lambda act: act.down(act.plan.parts[number].down))
        await self._server.start()

    async def _all(self, do: Callable[[Act], Awaitable[None]]) -> None:
        """Have all do something; who fails does nothing more."""
        failures = self.outcome.failures
        standing = [act for act in self._acts if act.plan.seed not in failures]
        results = await asyncio.gather(*(do(act) for act in standing), return_exceptions=True)
        for act, result in zip(standing, results, strict=True):
            if isinstance(result, BaseException):
                failures[act.plan.seed] = f"{type(result).__name__}: {result}"

    def _read_log(self) -> None:
        log = self._server.log
        for word in ("Traceback", "could not take its turn"):
            if word in log:
                self.outcome.failures[-1] = log[max(0, log.index(word) - 500) :][:4000]


async def perform(plans: list[Plan], home: Path) -> Outcome:
    """Carry out plans whose parts end alike, together on one server."""
    return await Performance(plans, home).run()


def kept(plans: list[Plan], outcome: Outcome) -> str:
    """Keep the plans that have failed as files; returns what went wrong, and where they are."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    lines = []
    by_seed = {plan.seed: plan for plan in plans}
    for seed, what in outcome.failures.items():
        if seed in by_seed:
            file = RESULTS / f"{seed}.json"
            file.write_text(by_seed[seed].as_json())
            lines.append(f"{file}:")
        lines.append(what)
    return "\n".join(lines)
