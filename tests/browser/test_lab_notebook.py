"""A room's notebook in JupyterLab: run by the room, for everybody; other notebooks as ever."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.test_room import join
from tests.support.browser import Window
from tests.support.server import JupyterServer

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
SLOW = "import time\nprint('slow begins')\ntime.sleep(2)\nprint('slow is over')"


def write_notebook(server: JupyterServer, name: str, *sources: str, ids: bool = False) -> str:
    """A notebook of the host's own; without ids it is of format 4.4."""
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": source,
            **({"id": f"cell-{place}"} if ids else {}),
        }
        for place, source in enumerate(sources)
    ]
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5 if ids else 4,
        "metadata": KERNEL,
        "cells": cells,
    }
    (server.root_dir / name).write_text(json.dumps(notebook))
    return name


async def open_lab(browser: Browser, server: JupyterServer, path: str) -> Window:
    """JupyterLab of the server's owner, with a notebook open."""
    window = await Window.open(browser)
    await window.page.goto(f"{server.url}lab/tree/{path}?token={server.token}&reset")
    await expect(cell(window.page, 0)).to_be_visible(timeout=60_000)
    return window


def panel(page: Page) -> Locator:
    """The notebook in front."""
    return page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")


def cell(page: Page, number: int) -> Locator:
    return panel(page).locator(".jp-Notebook .jp-CodeCell").nth(number)


async def run(page: Page, number: int) -> None:
    """Run a cell as a person does."""
    await cell(page, number).locator(".cm-content").click()
    await page.keyboard.press("Control+Enter")


def prompt(page: Page, number: int) -> Locator:
    return cell(page, number).locator(".jp-InputPrompt")


async def kernels(server: JupyterServer) -> list[Any]:
    """What Jupyter itself knows of kernels and sessions."""
    http = server.host.http
    answers = [await http.get(f"{server.url}api/{name}") for name in ("kernels", "sessions")]
    return [one for answer in answers for one in answer.json()]


async def test_cells_run_in_the_room_for_everybody(  # noqa: PLR0915 - one long story
    server: JupyterServer, chromium: Browser
) -> None:
    path = write_notebook(server, "lesson.ipynb", PRINTS, MOVES, SLEEPS, FAILS, NEVER, SLOW)
    room = await server.room(source_path=path)
    lab = await open_lab(chromium, server, room["pad_path"])
    page = lab.page
    guest = await join(chromium, server, await server.invite(room["id"]), "Ada")
    theirs = guest.page.get_by_test_id("cell")
    name = panel(page).locator(".jp-KernelName")
    await expect(name).to_contain_text("Room kernel")

    await run(page, 0)
    await expect(theirs.nth(0)).to_contain_text("from lab 42", timeout=30_000)
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

    await run(page, 5)
    await expect(theirs.nth(5)).to_contain_text("slow begins")
    await lab.context.close()
    await guest.context.close()
    again = await open_lab(chromium, server, room["pad_path"])
    await expect(cell(again.page, 5)).to_contain_text("slow is over", timeout=20_000)
    await expect(prompt(again.page, 5)).to_have_text("[2]:")
    assert await kernels(server) == []
    assert guest.problems == []
    await again.context.close()


async def test_a_notebook_is_shared_from_the_file_browser_and_stays_the_host_s(
    server: JupyterServer, chromium: Browser
) -> None:
    path = write_notebook(server, "mine.ipynb", "import os\nprint(os.getcwd())", ids=True)
    lab = await open_lab(chromium, server, path)
    page = lab.page
    status = page.locator("#jp-main-statusbar")
    await expect(status).to_contain_text("Python 3 (ipykernel) | Idle", timeout=30_000)
    await run(page, 0)
    await expect(cell(page, 0).locator(".jp-OutputArea")).to_have_text(
        str(server.root_dir), timeout=30_000
    )
    assert len(await kernels(server)) == 2  # a kernel and its session

    await page.locator(".jp-DirListing-item", has_text="mine.ipynb").click(button="right")
    await page.locator(".lm-Menu-itemLabel", has_text="Share in a Codepad Room…").click()
    await expect(page.get_by_test_id("new-room-title")).to_have_value("mine")
    await page.locator(".jp-Dialog .cp-create").click()
    await expect(panel(page).locator(".jp-KernelName")).to_contain_text("Room kernel")
    await run(page, 0)
    await expect(prompt(page, 0)).to_have_text("[1]:", timeout=30_000)
    await expect(cell(page, 0).locator(".jp-OutputArea")).not_to_contain_text(str(server.root_dir))
    await expect(page.locator(".jp-Dialog")).to_have_count(0)
    running = await kernels(server)
    assert len(running) == 2 and {one.get("path", path) for one in running} == {path}
    await server.host.http.delete(f"{server.url}api/kernels/{running[0]['id']}")
    await lab.context.close()
