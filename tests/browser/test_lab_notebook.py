"""A room's notebook in JupyterLab: run by the room, for everybody; other notebooks as ever."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.browser.test_notebook import answer
from tests.browser.test_room import join
from tests.execution.test_runs import screen
from tests.support.lab import LabProfile, cell, panel, prompt, run
from tests.support.server import JupyterServer
from tests.support.sync_client import SyncClient, until

pytestmark = pytest.mark.browser

KERNEL = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
PRINTS = "print('from lab', 6 * 7)"
MOVES = """import time
from IPython.display import clear_output, display
print('gone')
clear_output()
shown = display('first', display_id=True)
for percent in (10, 50, 100):
    print(f'{percent} %', end='\\r')
    time.sleep(0.1)
print('done ')
time.sleep(0.1)
shown.update('second')"""
SLEEPS = "import time\nprint('started')\ntime.sleep(120)"
FAILS = "1 / 0"
NEVER = "print('never')"
SLOW = "print('slow begins')\ninput()\nprint('slow is over')"
LAST = "print('nobody', 'looks')"
ASKS = "name = input('Name? ')\nprint('Hello,', name)"


def write_notebook(server: JupyterServer, name: str, *sources: str) -> str:
    """A notebook of the host's own, of format 4.4: its cells have no ids."""
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": source,
        }
        for source in sources
    ]
    notebook = {"nbformat": 4, "nbformat_minor": 4, "metadata": KERNEL, "cells": cells}
    (server.root_dir / name).write_text(json.dumps(notebook))
    return name


async def kernels(server: JupyterServer) -> list[Any]:
    """What Jupyter itself knows of kernels and sessions."""
    http = server.host.http
    answers = [await http.get(f"{server.url}api/{name}") for name in ("kernels", "sessions")]
    return [one for answer in answers for one in answer.json()]


async def test_cells_run_in_the_room_for_everybody(  # noqa: PLR0915 - one long story
    server: JupyterServer, chromium: Browser, lab: LabProfile
) -> None:
    path = write_notebook(
        server, "lesson.ipynb", PRINTS, MOVES, SLEEPS, FAILS, NEVER, SLOW, LAST, ASKS
    )
    room = await server.room(source_path=path)
    window = await lab.open(room["pad_path"])
    page = window.page
    guest = await join(chromium, server, await server.invite(room["id"]), "Ada")
    theirs = guest.page.get_by_test_id("cell")
    name = panel(page).locator(".jp-KernelName")
    await expect(name).to_contain_text("Room kernel")

    await run(page, 0)
    await expect(theirs.nth(0)).to_contain_text("from lab 42")
    await expect(cell(page, 0).locator(".jp-OutputArea")).to_have_text("from lab 42")
    await expect(prompt(page, 0)).to_have_text("[1]:")

    await run(page, 1)
    output = cell(page, 1).locator(".jp-OutputArea")
    await expect(prompt(page, 1)).to_have_text("[2]:")
    await expect(output).to_have_text(re.compile(r"^\s*'second'\s*done\s*$"))
    await expect(theirs.nth(1)).to_contain_text(re.compile(r"'second'\s*done"))

    await run(page, 2)
    await expect(theirs.nth(2)).to_contain_text("started")
    await expect(theirs.nth(2).locator(".cp-prompt")).to_have_text("[*]")
    await expect(prompt(page, 2)).to_have_text("[*]:")
    status = page.locator("#jp-main-statusbar")
    await expect(status).to_contain_text("Room kernel | Busy")
    await page.keyboard.press("Escape")
    await page.keyboard.press("i")
    await page.keyboard.press("i")
    await expect(cell(page, 2)).to_contain_text("KeyboardInterrupt")
    await expect(cell(page, 2).get_by_test_id("cell-run")).to_contain_text("stopped by Host")
    await expect(status).to_contain_text("Room kernel | Idle")

    await cell(page, 3).locator(".jp-InputPrompt").click()
    await page.keyboard.press("Shift+ArrowDown")
    await page.keyboard.press("Control+Enter")
    await expect(cell(page, 3)).to_contain_text("ZeroDivisionError")
    await run(page, 0)
    await expect(prompt(page, 0)).to_have_text("[5]:")
    await expect(prompt(page, 4)).to_have_text("[ ]:")

    await panel(page).locator(".jp-KernelName button, .jp-KernelName jp-button").first.click()
    await expect(page.locator(".Toastify__toast", has_text="run in its room")).to_be_visible()
    await panel(page).locator('[data-jp-item-name="restart"] jp-button').click()
    await run(page, 0)
    await expect(prompt(page, 0)).to_have_text("[1]:")
    await expect(page.locator(".jp-Dialog")).to_have_count(0)
    assert await kernels(server) == []

    await run(page, 7)
    field = cell(page, 7).get_by_label("Name?")
    await expect(field).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(cell(page, 7)).to_be_focused()
    await theirs.nth(7).get_by_label("Name?").fill("Ada L.")
    await theirs.nth(7).get_by_test_id("stdin-send").click()
    await expect(cell(page, 7).locator(".jp-OutputArea")).to_contain_text("Hello, Ada L.")
    await expect(cell(page, 7).get_by_test_id("cell-run")).to_have_text("answered by Ada (guest)")
    await run(page, 7)
    await expect(field).to_be_focused()
    await page.keyboard.type("Grace")
    await page.keyboard.press("Enter")
    await expect(theirs.nth(7)).to_contain_text("Hello, Grace")
    await expect(cell(page, 7)).to_be_focused()

    await cell(page, 5).locator(".jp-InputPrompt").click()
    await page.keyboard.press("Shift+ArrowDown")
    await page.keyboard.press("Control+Enter")
    await expect(theirs.nth(5)).to_contain_text("slow begins")
    await expect(theirs.nth(6).locator(".cp-prompt")).to_have_text("[*]")
    assert window.problems == []
    await page.close()
    await guest.context.close()
    await answer(server, room["id"], await screen(server.host, room["id"]))
    page = (await lab.open(room["pad_path"])).page
    await expect(cell(page, 5)).to_contain_text("slow is over")
    await expect(prompt(page, 5)).to_have_text("[4]:")
    await expect(cell(page, 6)).to_contain_text("nobody looks")
    assert await kernels(server) == []
    assert guest.problems == []


async def test_a_notebook_is_shared_from_the_file_browser_and_stays_the_host_s(
    server: JupyterServer, lab: LabProfile
) -> None:
    path = write_notebook(server, "mine.ipynb", "import os\nprint(os.getcwd())")
    page = (await lab.open(path)).page
    await run(page, 0)  # before it has a kernel
    await expect(cell(page, 0).locator(".jp-OutputArea")).to_have_text(str(server.root_dir))
    assert len(await kernels(server)) == 2  # a kernel and its session

    await page.locator(".jp-DirListing-item", has_text="mine.ipynb").click(button="right")
    await page.locator(".lm-Menu-itemLabel", has_text="Share in a Codepad Room…").click()
    await expect(page.get_by_test_id("new-room-title")).to_have_value("mine")
    await page.locator(".jp-Dialog .cp-create").click()
    await expect(panel(page).locator(".jp-KernelName")).to_contain_text("Room kernel")
    await run(page, 0)
    await expect(prompt(page, 0)).to_have_text("[1]:")
    await expect(cell(page, 0).locator(".jp-OutputArea")).not_to_contain_text(str(server.root_dir))
    await expect(page.locator(".jp-Dialog")).to_have_count(0)
    running = await kernels(server)
    assert len(running) == 2 and {one.get("path", path) for one in running} == {path}
    await server.host.http.delete(f"{server.url}api/kernels/{running[0]['id']}")


async def test_of_a_long_output_the_end_is_shown_and_all_is_kept(
    server: JupyterServer, lab: LabProfile
) -> None:
    path = write_notebook(server, "long.ipynb", "for i in range(60_000): print('line', i)", PRINTS)
    room = await server.room(source_path=path)
    page = (await lab.open(room["pad_path"])).page
    await expect(panel(page).locator(".jp-KernelName")).to_contain_text("Room kernel")
    await run(page, 0)
    shown = cell(page, 0).locator(".jp-OutputArea")
    await expect(shown).to_contain_text("line 59999")
    whole = "".join(f"line {i}\n" for i in range(60_000))
    rest = re.compile(rf"^… {len(whole) - 200_000:,}".rsplit(",", 1)[0])
    await expect(shown).to_contain_text(rest)
    kept = await server.host.document(room_id=room["id"]).connect()
    output = kept.cells()[0]["outputs"][0]
    assert "".join(output.to_py()["text"]) == whole
    await page.get_by_role("menuitem", name="Edit", exact=True).click()
    await page.get_by_role("menuitem", name="Clear Cell Output", exact=True).click()
    await until(lambda: len(kept.cells()[0]["outputs"]) == 0, "everybody's output to be cleared")
    await expect(shown.locator(".jp-OutputArea-child")).to_have_count(0)

    source = kept.cells()[0]["source"]
    source.clear()
    source += "for i in range(1500): print('line', i)"
    await expect(cell(page, 0).locator(".cm-content")).to_contain_text("1500")
    typist = asyncio.create_task(types_on(kept))
    await run(page, 0)
    await expect(shown).to_contain_text("line 1499")
    await expect(shown).to_contain_text("line 0\n")  # all of it, although somebody types
    assert not typist.done()
    typist.cancel()
    await kept.disconnect()


async def types_on(client: SyncClient) -> None:
    """Somebody who types all the time, in the second cell."""
    while True:
        client.cells()[1]["source"] += "#"
        await asyncio.sleep(0.1)
