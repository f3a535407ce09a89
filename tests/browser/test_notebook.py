"""A notebook on the room page: edited by two, run, and watched by who comes late."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.test_room import join, ready, saved, violations
from tests.execution.test_runs import Screen, screen
from tests.support.browser import Window
from tests.support.files import notebook_in
from tests.support.server import JupyterServer
from tests.support.sync_client import until

pytestmark = pytest.mark.browser

PLOT = """import sys, time
import matplotlib.pyplot as plt
from tqdm import tqdm
for _ in tqdm(range(20), desc="steps"):
    time.sleep(0.02)
plt.plot([1, 3, 2])
plt.show()
"""
ASKS = """import getpass
name = input('Name? ')
print('Hello,', name)
word = getpass.getpass()
print(len(word), 'characters')
"""
CELLS = 100
LONG = """import time
for i in range(12):
    print("tick", i, flush=True)
    time.sleep(0.1)
input("Go on? ")
print("at " + "last")
"""


async def answer(server: JupyterServer, room_id: str, runs: Screen) -> None:
    """Answer what asks in a room, without any browser."""

    def asking() -> list[str]:
        return [run["id"] for run in runs.runs if run.get("input")]

    await until(asking, "a question")
    path = f"rooms/{room_id}/runs/{asking()[0]}/input"
    assert (await server.host.api("POST", path, {"text": ""})).status_code == 202


def cells(page: Page) -> Locator:
    return page.get_by_test_id("cell")


async def test_two_people_edit_the_cells(server: JupyterServer, chromium: Browser) -> None:
    room = await server.room(pad_type="notebook", starter_text="x = 1")
    code = await server.invite(room["id"])
    ada, bob = await join(chromium, server, code, "Ada"), await join(chromium, server, code, "Bob")
    page = ada.page
    await page.locator(".cm-content").click()
    await page.keyboard.press("Escape")
    await page.keyboard.press("b")
    await page.keyboard.press("Enter")
    await page.keyboard.type("y = 2")
    await page.keyboard.press("Escape")
    await page.keyboard.press("b")
    await page.keyboard.press("m")
    await page.keyboard.press("Enter")
    await page.keyboard.type("# Title of $e^x$")
    await page.keyboard.press("Control+Enter")
    await expect(bob.page.get_by_test_id("markdown").locator("h1")).to_contain_text("Title of")
    await expect(bob.page.locator("math")).to_have_count(1)
    await expect(cells(page).nth(2)).to_be_focused()

    # Bob types on in a cell while Ada moves it.
    await bob.page.locator(".cm-content").nth(1).click()
    await bob.page.keyboard.press("End")
    words = " + ".join(str(n) for n in range(20))
    typing = asyncio.create_task(bob.page.keyboard.type(f" + {words}", delay=8))
    for _ in range(6):
        for tool in ("move-up", "move-down"):
            moved = cells(page).filter(has_text="y = 2").get_by_test_id(tool)
            await moved.dispatch_event("click")
            await saved(page)
    await typing
    await expect(bob.page.locator(".cm-content:focus")).to_have_count(1)
    await expect(cells(page).nth(1)).to_contain_text(f"y = 2 + {words}")
    await saved(bob.page)

    await cells(page).nth(0).focus()
    await page.keyboard.press("d")
    await page.keyboard.press("d")
    await expect(cells(bob.page)).to_have_count(2)
    await page.get_by_test_id("toast-action").click()
    await expect(cells(bob.page)).to_have_count(3)
    await expect(cells(bob.page).first).to_contain_text("x = 1")
    await saved(page)
    file = server.pad_file(room)

    def saved_cells() -> list[str]:
        cells = notebook_in(file)["cells"]
        return [f"{cell['cell_type']}: {''.join(cell['source'])}" for cell in cells]

    wanted = ["code: x = 1", f"code: y = 2 + {words}", "markdown: # Title of $e^x$"]
    await until(lambda: saved_cells() == wanted, "the file")
    assert await violations(page) == []
    for window in (ada, bob):
        assert window.problems == []
        await window.context.close()


async def test_a_plot_a_progress_bar_and_an_error_that_ends_run_all(
    server: JupyterServer, chromium: Browser
) -> None:
    room = await server.room(pad_type="notebook", starter_text=PLOT)
    code = await server.invite(room["id"])
    ada = await join(chromium, server, code, "Ada")
    bob = await join(chromium, server, code, "Bob", color_scheme="dark")
    await ada.page.get_by_test_id("add-code").click()
    for text in ("1 / 0", "print('never ' + 'printed')"):
        await ada.page.keyboard.press("Enter")
        await ada.page.keyboard.type(text)
        await ada.page.keyboard.press("Escape")
        await ada.page.keyboard.press("b")
    await ada.page.get_by_test_id("run-all").click()
    for window in (ada, bob):
        first, second, third = (cells(window.page).nth(n) for n in range(3))
        await expect(first.locator("img.cp-out-image")).to_be_visible()
        bar = first.locator("pre.cp-out-stderr")
        await expect(bar).to_contain_text("20/20")
        assert (await bar.inner_text()).count("steps") == 1
        await expect(first.get_by_test_id("prompt")).to_have_text("[1]")
        await expect(second).to_contain_text("ZeroDivisionError")
        await expect(third).not_to_have_attribute("data-running", "true")
        await expect(third).not_to_contain_text("never printed")
        assert await violations(window.page) == []
    await bob.page.set_viewport_size({"width": 360, "height": 740})
    assert await violations(bob.page) == []
    box = bob.page.get_by_test_id("notebook")
    assert await box.evaluate("box => [box.scrollWidth, box.clientWidth]") == [360, 360]
    await ada.page.get_by_test_id("clear-outputs").click()
    await expect(bob.page.get_by_test_id("cell-output").locator("img, pre")).to_have_count(0)
    for window in (ada, bob):
        assert window.problems == []
        await window.context.close()


async def test_a_run_survives_all_browsers_and_is_there_for_who_comes_late(
    server: JupyterServer, chromium: Browser
) -> None:
    room = await server.room(pad_type="notebook", starter_text=LONG)
    code = await server.invite(room["id"])
    ada, bob = await join(chromium, server, code, "Ada"), await join(chromium, server, code, "Bob")
    await ada.page.get_by_test_id("run-cell").click()
    await expect(bob.page.get_by_test_id("cell")).to_contain_text("tick 1")
    for window in (ada, bob):
        assert window.problems == []
        await window.context.close()
    late = await join(chromium, server, code, "Late")
    await expect(late.page.get_by_test_id("prompt")).to_have_text("[*]")
    await late.page.get_by_label("Go on?").fill("yes")
    await late.page.get_by_test_id("stdin-send").click()
    await expect(late.page.get_by_test_id("cell")).to_contain_text("at last")
    await expect(late.page.get_by_test_id("prompt")).to_have_text("[1]")
    await expect(late.page.get_by_test_id("cell")).to_contain_text("tick 11")
    assert late.problems == []
    await late.context.close()


async def test_a_cell_asks_for_input(server: JupyterServer, chromium: Browser) -> None:
    room = await server.room(pad_type="notebook", starter_text=ASKS)
    code = await server.invite(room["id"])
    ada, bob = await join(chromium, server, code, "Ada"), await join(chromium, server, code, "Bob")
    await ada.page.get_by_test_id("run-cell").click()
    await expect(ada.page.get_by_test_id("stdin-field")).to_be_focused()
    await expect(bob.page.get_by_label("Name?")).not_to_be_focused()
    await bob.page.get_by_label("Name?").fill("Grace")
    await bob.page.get_by_test_id("stdin-send").click()
    for window in (ada, bob):
        await expect(cells(window.page).first).to_contain_text("Hello, Grace")
    await expect(ada.page.get_by_label("Password:")).to_have_attribute("type", "password")
    await bob.page.get_by_label("Password:").fill("hunter2")
    assert await violations(ada.page) == []
    await bob.page.keyboard.press("Enter")
    for window in (ada, bob):
        await expect(cells(window.page).first).to_contain_text("7 characters")
        await expect(cells(window.page).first).to_contain_text("answered by Bob")
        await expect(window.page.get_by_test_id("stdin-field")).to_have_count(0)
        assert "hunter2" not in await window.page.content()
        assert window.problems == []
        await window.context.close()
    file = server.pad_file(room)
    await until(lambda: "7 characters" in file.read_text(), "the file")
    for document, known in (("pad", b"characters"), ("runs", b"Bob")):
        shared = await server.host.document(document, room_id=room["id"]).connect()
        assert known in shared.ydoc.get_update() and b"hunter2" not in shared.ydoc.get_update()
    assert "hunter2" not in file.read_text() + server.log


async def test_all_of_a_hundred_cells_run_though_nobody_looks(
    server: JupyterServer, chromium: Browser
) -> None:
    sources = [f"print('cell', {n} + 1)" for n in range(CELLS)]
    sources[4] = "input()"
    cell: dict[str, Any] = {
        "cell_type": "code",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [{**cell, "id": f"c{n}", "source": source} for n, source in enumerate(sources)],
    }
    (server.root_dir / "hundred.ipynb").write_text(json.dumps(notebook))
    room = await server.room(source_path="hundred.ipynb")
    code = await server.invite(room["id"])
    ada = await join(chromium, server, code, "Ada")
    await expect(cells(ada.page)).to_have_count(CELLS)
    await ada.page.get_by_test_id("run-all").click()
    await expect(cells(ada.page).nth(3)).to_contain_text("cell 4")
    await expect(ada.page.get_by_test_id("prompt").nth(CELLS - 1)).to_have_text("[*]")
    assert ada.problems == []
    await ada.context.close()
    runs = await screen(server.host, room["id"])
    await answer(server, room["id"], runs)
    late = await join(chromium, server, code, "Late")
    await expect(cells(late.page).last).to_contain_text(f"cell {CELLS}")
    prompts = [f"[{n + 1}]" for n in range(CELLS)]
    await expect(late.page.get_by_test_id("prompt")).to_have_text(prompts)
    assert late.problems == []
    await late.context.close()


async def test_files_do_not_load_what_notebooks_need(
    server: JupyterServer, chromium: Browser
) -> None:
    sizes: dict[str, dict[str, int]] = {"file": {}, "notebook": {}}
    for kind, found in sizes.items():
        room = await server.room(pad_type=kind, starter_text="# Title")
        window = await Window.open(chromium)

        async def measure(response: object, found: dict[str, int] = found) -> None:
            url, headers = response.url, response.headers  # type: ignore[attr-defined]
            if url.endswith(".js"):
                found[url] = int(headers["content-length"])

        window.page.on("response", measure)
        await window.page.goto(f"{server.url}codepad/join/{await server.invite(room['id'])}")
        await window.page.get_by_label("Your name").fill("Ada")
        await window.page.keyboard.press("Enter")
        await ready(window.page)
        if kind == "notebook":
            await cells(window.page).first.focus()
            await window.page.keyboard.press("m")
            await window.page.keyboard.press("Control+Enter")
            await expect(window.page.locator("h1").last).to_contain_text("Title")
        assert window.problems == []
        await window.context.close()
    assert sum(sizes["file"].values()) <= 350 * 1024
    assert sum(sizes["notebook"].values()) <= 1200 * 1024
    assert len(sizes["notebook"]) > len(sizes["file"])
