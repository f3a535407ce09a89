"""A member's payloads against the room page and the host's JupyterLab: none runs, none tells."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from jupyter_ydoc import YNotebook
from playwright.async_api import Page, Request, expect
from pycrdt import Map

from tests.browser import payloads
from tests.support.browser import Window
from tests.support.lab import open_lab
from tests.support.server import JupyterServer, Person
from tests.support.sync_client import SyncClient
from tests.support.trap import Trap, is_foreign, open_trap

pytestmark = pytest.mark.browser

PAYLOADS = payloads.cells()

SETTLED = """async () => {
  const frames = [document];
  for (const frame of document.querySelectorAll('.jp-Notebook iframe, .cp-out-html')) {
    if (frame.contentDocument) frames.push(frame.contentDocument);
  }
  for (const inner of frames) {
    for (const link of inner.querySelectorAll('.jp-Notebook a, .cp-cell a, body[tabindex] a')) {
      if (!/^https?:/.test(link.protocol)) link.click();
    }
    // Not those of forms: Playwright waits for ever for a submission that the policy has stopped.
    const buttons = inner.querySelectorAll('.jp-OutputArea button:not(form *)');
    for (const button of buttons) button.click();
  }
  // An image that fails after all others have had their turn, and two drawings of the page.
  const image = new Image();
  await new Promise(done => { image.onerror = image.onload = done; image.src = 'data:,x'; });
  for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
}"""


class Stage:
    """One room with a notebook, open on the room page and in JupyterLab, and a hostile member."""

    loop: asyncio.AbstractEventLoop
    server: JupyterServer
    trap: Trap
    room: dict[str, Any]
    mallory: SyncClient
    windows: dict[str, Window]
    requests: list[Request]
    count = 0

    def __init__(self, home: Any) -> None:
        self.server = JupyterServer(home)
        self.windows = {}
        self.requests = []

    async def set_up(self, stack: AsyncExitStack) -> None:
        """Start everything."""
        await self.server.start()
        stack.push_async_callback(self.server.close)
        (self.server.root_dir / "evil.js").write_text(payloads.SCRIPT)
        self.trap = await stack.enter_async_context(open_trap())
        self.room = await self.server.room(pad_type="notebook", starter_text="x = 1")
        member: Person = await self.server.guest(self.room["id"], "Mallory")
        self.mallory = await member.document().connect()
        await self.lab(str(self.room["pad_path"]))
        await self.page(await self.server.invite(self.room["id"]), "Ada")

    async def watch(self, name: str) -> Page:
        window = await Window.open(self.trap.browser)
        window.context.on("request", self.note)
        self.windows[name] = window
        return window.page

    def note(self, request: Request) -> None:
        """Remember a request of any page or frame."""
        self.requests.append(request)

    async def lab(self, path: str) -> Page:
        """The host's JupyterLab with a file open."""
        page = await self.watch("lab")
        await open_lab(self.windows["lab"], self.server, path)
        return page

    async def page(self, code: str, name: str) -> Page:
        """The room page of somebody who comes by a link."""
        page = await self.watch("room")
        await page.goto(f"{self.server.url}codepad/join/{code}")
        await page.get_by_label("Your name").fill(name)
        await page.get_by_role("button", name="Join the room").click()
        await page.wait_for_selector("html[data-codepad-editable]")
        return page

    def write(self, cells: list[dict[str, Any]]) -> str:
        """Put cells in place of all, with a last one that says when all of them are shown."""
        self.count += 1
        mark = f"shown-{self.count}"
        stream = {"output_type": "stream", "name": "stdout", "text": f"{mark}\n"}
        document = YNotebook(self.mallory.ydoc)
        with self.mallory.ydoc.transaction():
            before = len(document.ycells)
            for n, cell in enumerate([*cells, payloads.code([stream])]):
                known = {"id": f"c{self.count}-{n}", **cell}
                document.ycells.append(document.create_ycell(known))
            del document.ycells[:before]
        return mark

    async def nothing_happened(self) -> None:
        """No script ran in any frame, nobody was led away, nothing reached another host."""
        for name, window in self.windows.items():
            await window.page.evaluate(SETTLED)
            assert len(window.context.pages) == 1, f"{name}: a window was opened"
            assert window.page.url.startswith(self.server.url), name
            for frame in window.page.frames:
                assert await frame.evaluate("window.hacked") is None, (name, frame.url)
        assert self.trap.caught == []
        home = self.server.url
        left = [r.url for r in self.requests if is_foreign(r, home) and r.failure != "csp"]
        assert left == []
        assert self.server.token not in json.dumps(str(self.mallory.cells()))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One stage for all payloads: each test writes its own over the last one's."""
    made = Stage(tmp_path_factory.mktemp("payloads"))
    made.loop = asyncio.new_event_loop()
    stack = AsyncExitStack()
    try:
        made.loop.run_until_complete(made.set_up(stack))
        yield made
    finally:
        made.loop.run_until_complete(stack.aclose())
        made.loop.close()


def run(stage: Stage, work: Coroutine[Any, Any, None]) -> None:
    stage.loop.run_until_complete(work)


async def fire(stage: Stage, cells: list[dict[str, Any]]) -> None:
    mark = stage.write(cells)
    for window in stage.windows.values():
        await expect(window.page.get_by_text(mark).first).to_be_visible()
    await stage.nothing_happened()


def test_there_are_enough() -> None:
    assert len(PAYLOADS) >= 20


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_payload_in_the_notebook_does_nothing(stage: Stage, name: str) -> None:
    run(stage, fire(stage, PAYLOADS[name]))


def test_what_a_run_prints_does_nothing(stage: Stage) -> None:
    async def scene() -> None:
        data = {"text/html": "".join(payloads.HTML.values()), "image/svg+xml": payloads.SVG}
        shows = [{"text/html": data["text/html"]}, {"image/svg+xml": data["image/svg+xml"]}]
        shows += [{"application/javascript": payloads.SCRIPT}]
        source = "from IPython.display import publish_display_data as show\n" + "".join(
            f"show({each!r}, {{'isolated': True}})\nshow({each!r})\n" for each in shows
        )
        cell_to_run = payloads.code([], id="run-me", source=source + "print('ran ' + 'all')")
        await fire(stage, [cell_to_run])
        room = stage.windows["room"].page
        cell = room.get_by_test_id("cell").first
        await cell.locator(".cm-content").click()
        await room.keyboard.press("Shift+Enter")
        for window in stage.windows.values():
            await expect(window.page.get_by_text("ran all").first).to_be_visible()
        await stage.nothing_happened()

    run(stage, scene())


def test_payloads_in_the_notebooks_metadata_do_nothing(stage: Stage) -> None:
    async def scene() -> None:
        meta = stage.mallory.ydoc.get("meta", type=Map)
        with stage.mallory.ydoc.transaction():
            for key, value in payloads.notebook_metadata().items():
                meta["metadata"][key] = value
        await fire(stage, PAYLOADS["mime: widget"] + PAYLOADS["mime: remote widget"])

    run(stage, scene())


def test_names_titles_and_file_names_do_nothing(stage: Stage) -> None:
    async def scene() -> None:
        name = "<img src=x onerror=window.hacked=1>.ipynb"
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        notebook = {"cells": [], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
        cell = payloads.code([], id="a", source="print(1)")
        (stage.server.root_dir / name).write_text(json.dumps({**notebook, "cells": [cell]}))
        room = await stage.server.room(
            pad_type="notebook", source_path=name, title=f"<script>{payloads.SCRIPT}</script>"[:80]
        )
        for window in stage.windows.values():
            await window.context.close()
        stage.windows.clear()
        lab = await stage.lab(str(room["pad_path"]))
        guest = f"<img src=x onerror={'window.hacked=1'}>"
        page = await stage.page(await stage.server.invite(room["id"]), guest)
        other = await stage.server.guest(room["id"], payloads.MARKUP)
        speaker = await other.document().connect()
        speaker.say(
            {"cursors": [], "user": {"name": payloads.SVG, "color": "url(http://evil.example)"}}
        )
        await page.get_by_test_id("toggle-people").click()
        await expect(page.get_by_test_id("people")).to_contain_text(payloads.MARKUP)
        await expect(page.get_by_test_id("people")).to_contain_text(guest)
        item = lab.get_by_test_id("room-item").first
        if not await item.is_visible():
            await lab.locator('li[data-id="jupyter-codepad:panel"]').click()
        await expect(item).to_contain_text("<script>")
        await lab.goto(
            f"{stage.server.url}lab/tree/%3Cimg%20src%3Dx%20onerror%3Dwindow.hacked%3D1%3E.ipynb"
            "?reset"  # else the room's notebook may come back in another tab
        )
        await expect(lab.locator(".jp-Notebook .jp-Cell").first).to_be_visible(timeout=60_000)
        await stage.nothing_happened()

    run(stage, scene())
