"""Measures what a person feels, in real Chromium windows on a real server of its own.

Prints: time until the pad can be edited, on the room page and in JupyterLab; from a key in one
window to the letter in another; from Run in one window to the output in another; keys again while
programs print as much as they can (``--floods``: only these), in a code file on two room pages and
in a notebook on a room page and in JupyterLab. Times are in milliseconds. Read ratios: the
machine's other work is in every figure.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.async_api import Browser, Page

from tests.support.browser import Window, open_chromium
from tests.support.server import JupyterServer
from tests.support.sync_client import SyncClient

KEYS = 200
RUNS = 40
LOADS = 5
FLOOD_RUNS = 20
FLOODS = {
    "10,000 lines": (
        "import time\nfor i in range(10_000):\n    print('line', i)\n    time.sleep(0.0006)"
    ),
    "10,000 lines at once": "for i in range(10_000): print('line', i)",
    "100 MB": "for _ in range(1600): print('x' * 65_536)",
    "progress bars": "for i in range(1_000_000): print(f'\\r{i} ' + '#' * 60, end='')",
    "cursor moves": "print('\\x1b[A\\x1b[K' * 3_000_000)",
}

CLOCK = "performance.timeOrigin + performance.now()"
WATCH_TEXT = f"""place => {{
  window.seen = [];
  const content = document.querySelectorAll('.cm-content')[place];
  window.watching?.disconnect();
  window.watching = new MutationObserver(() => {{
    const count = (content.textContent.match(/k/g) || []).length;
    while (window.seen.length < count) window.seen.push({CLOCK});
  }});
  window.watching.observe(content, {{childList: true, subtree: true, characterData: true}});
}}"""
NOTE_KEYS = f"""place => {{
  window.pressed = [];
  if (window.noting) return;
  window.noting = true;
  document.querySelectorAll('.cm-content')[place].addEventListener('keydown', e => {{
    if (e.key === 'k') window.pressed.push({CLOCK});
  }}, true);
}}"""
NO_KEYS = "place => !document.querySelectorAll('.cm-content')[place].textContent.includes('k')"
WATCH_OUTPUT = f"""() => {{
  window.shown = {{}};
  const output = document.querySelector('[data-testid=output]');
  new MutationObserver(() => {{
    for (const [mark] of output.textContent.matchAll(/mark-\\d+/g)) window.shown[mark] ??= {CLOCK};
  }}).observe(output, {{childList: true, subtree: true, characterData: true}});
}}"""


def p95_of(values: list[float]) -> float:
    """The 95th percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]


def summary(values: list[float]) -> str:
    """Median and 95th percentile."""
    p95 = p95_of(values)
    return f"p50 {statistics.median(values):7.1f}   p95 {p95:7.1f}   n {len(values)}"


async def until_true(page: Page, expression: str, place: int = 0) -> None:
    """Wait for something in a page, whose policy allows no evaluation from within."""
    while not await page.evaluate(expression, place):  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def join(browser: Browser, server: JupyterServer, room_id: str, name: str) -> Page:
    """A guest in a window of their own."""
    window = await Window.open(browser)
    await window.page.goto(f"{server.url}codepad/join/{await server.invite(room_id)}")
    await window.page.get_by_label("Your name").fill(name)
    await window.page.keyboard.press("Enter")
    await window.page.wait_for_selector("html[data-codepad-editable]")
    return window.page


async def editable(browser: Browser, server: JupyterServer) -> None:
    """The room page beside JupyterLab, each with an empty cache, turn by turn."""
    room = await server.room()
    page_times, lab_times = [], []
    for number in range(LOADS):
        page = await join(browser, server, room["id"], f"Guest {number}")
        mark = "performance.getEntriesByName('codepad-editable')[0].startTime"
        page_times.append(await page.evaluate(mark))
        await page.context.close()
        window = await Window.open(browser)
        url = f"{server.url}lab/tree/{room['pad_path']}?token={server.token}&reset"
        await window.page.goto(url, wait_until="commit")
        await window.page.wait_for_selector(".jp-FileEditor .cm-content", timeout=60_000)
        lab_times.append(await window.page.evaluate("performance.now()"))
        await window.context.close()
    ratio = statistics.median(lab_times) / statistics.median(page_times)
    print(f"editable, room page         {summary(page_times)}")
    print(f"editable, JupyterLab        {summary(lab_times)}   {ratio:.1f} times as long")


@dataclass(frozen=True)
class Screen:
    """A page, and which of its editors people type in."""

    page: Page
    place: int = 0


async def keys(ada: Screen, bob: Screen, what: str = "key to the other screen") -> float:
    """From a key at Ada's to the letter at Bob's; returns the 95th percentile."""
    await ada.page.locator(".cm-content").nth(ada.place).click()
    await ada.page.keyboard.press("Control+a")
    await ada.page.keyboard.press("Delete")
    await until_true(bob.page, NO_KEYS, bob.place)
    await bob.page.evaluate(WATCH_TEXT, bob.place)
    await ada.page.evaluate(NOTE_KEYS, ada.place)
    for _ in range(KEYS):
        await ada.page.keyboard.press("k", delay=20)
    await until_true(bob.page, f"window.seen.length >= {KEYS}")
    pressed = await ada.page.evaluate("window.pressed")
    seen = await bob.page.evaluate("window.seen")
    delays = [b - a for a, b in zip(pressed, seen, strict=True)]
    print(f"{what:50}{summary(delays)}", flush=True)
    return p95_of(delays)


@dataclass(frozen=True)
class Program:
    """What floods: the text of a pad or of a cell, which the server runs as it is wished for."""

    server: JupyterServer
    room_id: str
    pad: SyncClient
    wish: dict[str, str]

    async def floods(self, what: str, code: str, screens: tuple[Screen, Screen]) -> None:
        """Keys while nothing runs, and then while the code does, again and again."""
        quiet = await keys(*screens, f"{what}: before")
        # What runs is what is there when it is accepted; then people type something else.
        text = self.pad.cells()[0]["source"] if self.wish else self.pad.text
        text.clear()
        text += code
        await pad_is_saved(self.pad)
        path = f"rooms/{self.room_id}/runs"
        answers = [await self.server.host.api("POST", path, self.wish) for _ in range(FLOOD_RUNS)]
        p95 = await keys(*screens, f"{what}: meanwhile")
        print(f"{'':50}{p95 / quiet:.2f} times the p95")
        for answer in answers:
            await self.server.host.api("POST", f"{path}/{answer.json()['id']}/interrupt")


async def notebook_floods(browser: Browser, server: JupyterServer) -> None:
    """The same in the second cell of a notebook while the first one runs."""
    cells: list[dict[str, object]] = [
        {"cell_type": "code", "id": name, "metadata": {}, "execution_count": None, "outputs": []}
        for name in ("flood", "typing")
    ]
    content = {
        "cells": [{**cell, "source": "#"} for cell in cells],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (server.root_dir / "floods.ipynb").write_text(json.dumps(content))
    room = await server.room(source_path="floods.ipynb")
    lab = await Window.open(browser)
    await lab.page.goto(f"{server.url}lab/tree/{room['pad_path']}?token={server.token}&reset")
    await lab.page.locator(".jp-Notebook .cm-content").nth(1).wait_for(timeout=60_000)
    page = await join(browser, server, room["id"], "Bob")
    await page.locator("[data-testid=cell] .cm-content").nth(1).wait_for()
    bob, ada = Screen(page, 1), Screen(lab.page, 1)
    pad = await server.host.document(room_id=room["id"]).connect()
    ways = {"page to JupyterLab": (bob, ada), "JupyterLab to page": (ada, bob)}
    program = Program(server, room["id"], pad, {"cell_id": "flood"})
    for what in ("10,000 lines", "10,000 lines at once", "100 MB"):
        for way, screens in ways.items():
            await program.floods(f"{what}, {way}", FLOODS[what], screens)


async def pad_is_saved(pad: SyncClient) -> None:
    """Wait until what was typed is on the server's disk."""
    while not pad.durable:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def runs(ada: Page, bob: Page) -> None:
    """From Run at Ada's to the output at Bob's, with the kernel warm."""
    await bob.evaluate(WATCH_OUTPUT)
    times = []
    for number in range(RUNS):
        await ada.locator(".cm-content").click()
        await ada.keyboard.press("Control+a")
        await ada.keyboard.insert_text(f"print('mark' + '-{number}')")
        await ada.wait_for_selector("[data-testid=status-badge][data-status=saved]")
        clicked = await ada.evaluate(
            f"() => {{ const t = {CLOCK};"
            " document.querySelector('[data-testid=run]').click(); return t; }"
        )
        await until_true(bob, f"!!window.shown['mark-{number}']")
        shown = await bob.evaluate(f"window.shown['mark-{number}']")
        times.append(shown - clicked)
        await ada.wait_for_selector("[data-testid=kernel][data-status=idle]")
    print(f"first run                   {times[0]:.1f}")
    print(f"run to the other screen     {summary(times[1:])}")


async def main() -> None:
    only_floods = "--floods" in sys.argv
    with tempfile.TemporaryDirectory(prefix="codepad-measure-") as home:
        server = JupyterServer(Path(home), options=["--CodepadApp.warm_kernels=True"])
        try:
            await server.start()
            async with open_chromium() as browser:
                if not only_floods:
                    await editable(browser, server)
                room = await server.room(starter_text="")
                ada = await join(browser, server, room["id"], "Ada")
                bob = await join(browser, server, room["id"], "Bob")
                screens = Screen(ada), Screen(bob)
                if not only_floods:
                    await keys(*screens)
                    await runs(ada, bob)
                pad = await server.host.document(room_id=room["id"]).connect()
                program = Program(server, room["id"], pad, {})
                for what, code in FLOODS.items():
                    await program.floods(what, code, screens)
                await ada.context.close()
                await bob.context.close()
                await notebook_floods(browser, server)
        finally:
            await server.close()


if __name__ == "__main__":
    asyncio.run(main())
