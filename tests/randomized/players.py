"""Players: people of a plan at a document, in this process (pycrdt) or in Node (Yjs)."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from pycrdt import Array, Map, Text, UndoManager

from tests.support.sync_client import SyncClient

FRONTEND = Path(__file__).parents[2] / "labextension"
MINE = "mine"
NOT_TO_UNDO = "not to undo"
FAULTS = frozenset({1002, 1003, 1007, 1009, 1011, 4400, 4413})
"""Close codes that an honest person should never see."""

Words = list[str]
Done = tuple[Words, Words, dict[str, Any]]
"""The words in somebody's document before and after what they did, and how it looks now."""


class Player(Protocol):
    """Somebody with a document of their own, connected or not."""

    async def act(self, do: str, word: str = "", place: float = 0.0) -> Done:
        """Do something."""

    async def look(self) -> dict[str, Any]:
        """How things are: ``text``, ``cells`` (pairs of id and source), ``connected``, ``saved``.

        ``trying``: whether they want to be connected; ``end``: why they never will be again.
        """

    async def close(self) -> None:
        """Go for good."""


class PycrdtPlayer:
    """Somebody at a document of pycrdt."""

    def __init__(self, client: SyncClient, notebook: bool) -> None:
        self.client = client
        ydoc = client.ydoc
        self._notebook = notebook
        self._cells: Array[Any] = ydoc.get("cells", type=Array)
        scope = self._cells if notebook else client.text
        self._undo = UndoManager(scopes=[scope], capture_timeout_millis=0)
        self._undo.include_origin(MINE)
        self._end: int | None = None

    async def act(self, do: str, word: str = "", place: float = 0.0) -> Done:
        if do in {"leave", "cut", "come", "close"}:
            words = self._words()
            await self._line(do)
            return words, self._words(), await self.look()
        before = self._words()
        actions: dict[str, Callable[[], object]] = {
            "type": lambda: self._type(word, place),
            "erase": lambda: self._erase(word, MINE),
            "erase_others": lambda: self._erase(word, NOT_TO_UNDO),
            "undo": self._undo.undo,
            "redo": self._undo.redo,
            "add_cell": lambda: self._add_cell(word, place),
            "drop_cell": lambda: self._drop_cell(place),
            "look": lambda: None,
        }
        actions[do]()
        return before, self._words(), await self.look()

    async def look(self) -> dict[str, Any]:
        assert self.client.fault is None, repr(self.client.fault)
        code = self.client.close_code
        tells_what_is_saved = "/codepad/" in self.client.url  # JupyterLab's socket does not
        if code in FAULTS:
            self._end = code
        return {
            "text": str(self.client.text),
            "cells": [[cell["id"], str(cell["source"])] for cell in self._cells],
            "connected": not self.client.closed,
            "trying": not self.client.closed,
            # JupyterLab's socket tells nobody what is on disk.
            "saved": self.client.durable if tells_what_is_saved else self.client.synced,
            "end": self._end,
        }

    async def close(self) -> None:
        await self.client.disconnect()

    async def _line(self, do: str) -> None:
        if do == "come":
            if self.client.closed:
                await self.client.connect()
        elif do == "cut":
            await self.client.cut()
        else:
            await self.client.disconnect()

    def _texts(self) -> list[Text]:
        return [cell["source"] for cell in self._cells] if self._notebook else [self.client.text]

    def _words(self) -> Words:
        return [word for text in self._texts() for word in str(text).split()]

    def _type(self, word: str, place: float) -> None:
        texts = self._texts()
        if not texts:  # nothing has arrived yet
            return
        target = texts[int(place * len(texts))]
        text = str(target)
        starts = [0, *(match.end() for match in re.finditer("\n", text))]
        at = starts[int(place * 1000 * len(starts)) % len(starts)]
        with self.client.ydoc.transaction(origin=MINE):
            target.insert(len(text[:at].encode()), f"{word}\n")

    def _erase(self, word: str, origin: str) -> None:
        for target in self._texts():
            text = str(target)
            at = text.find(f"{word}\n")
            if at >= 0:
                start = len(text[:at].encode())
                with self.client.ydoc.transaction(origin=origin):
                    del target[start : start + len(word.encode()) + 1]
                return

    def _add_cell(self, cell_id: str, place: float) -> None:
        with self.client.ydoc.transaction(origin=NOT_TO_UNDO):
            self._cells.insert(int(place * (len(self._cells) + 1)), new_cell(cell_id))

    def _drop_cell(self, place: float) -> None:
        if len(self._cells) > 1:
            with self.client.ydoc.transaction(origin=NOT_TO_UNDO):
                del self._cells[int(place * len(self._cells))]


def new_cell(cell_id: str) -> Map[Any]:
    """An empty code cell."""
    return Map(
        {
            "id": cell_id,
            "cell_type": "code",
            "source": Text(""),
            "metadata": Map({}),
            "outputs": Array([]),
            "execution_count": None,
            "execution_state": "idle",
        }
    )


class Node:
    """The program in which people with Yjs live."""

    def __init__(self, folder: Path) -> None:
        self._program = folder / "players.cjs"
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._numbers = itertools.count()
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def start(self) -> Node:
        """Build and start it."""
        subprocess.run(
            [
                FRONTEND / "node_modules/.bin/esbuild",
                FRONTEND / "tests/support/players.ts",
                "--bundle",
                "--platform=node",
                "--log-level=error",
                f"--outfile={self._program}",
            ],
            check=True,
            cwd=FRONTEND,
        )
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            "node", str(self._program), stdin=pipe, stdout=pipe, limit=2**24
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def stop(self) -> None:
        """End it."""
        assert self._process is not None and self._process.stdin is not None
        self._process.kill()
        await self._process.wait()
        self._process.stdin.close()
        assert self._reader is not None
        await self._reader

    async def ask(self, **command: Any) -> dict[str, Any]:
        """Have something done."""
        assert self._process is not None and self._process.stdin is not None
        number = next(self._numbers)
        answer = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._process.stdin.write(json.dumps({"id": number, **command}).encode() + b"\n")
        found: dict[str, Any] = await asyncio.wait_for(answer, 30)
        return found

    async def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        while line := await self._process.stdout.readline():
            answer = json.loads(line)
            self._answers.pop(answer["id"]).set_result(answer)


class YjsPlayer:
    """Somebody at a document of Yjs, with the room page's connection."""

    def __init__(self, node: Node, name: str) -> None:
        self._node = node
        self._name = name

    @classmethod
    async def open(cls, node: Node, client: SyncClient, name: str, notebook: bool) -> YjsPlayer:
        """Where ``client`` would connect."""
        url, cookie = client.url.split("?")[0], client.headers["Cookie"]
        await node.ask(do="open", player=name, url=url, cookie=cookie, notebook=notebook)
        return cls(node, name)

    async def act(self, do: str, word: str = "", place: float = 0.0) -> Done:
        answer = await self._node.ask(player=self._name, do=do, word=word, place=place)
        return answer["before"], answer["after"], answer

    async def look(self) -> dict[str, Any]:
        return await self._node.ask(player=self._name, do="look")

    async def close(self) -> None:
        await self._node.ask(player=self._name, do="close")
