"""Two versions of one file: the dialog in the room page and in JupyterLab."""

from __future__ import annotations

import os

import pytest
from playwright.async_api import Browser, expect

from tests.browser.test_room import join, same_text, saved, text_of, violations, write
from tests.support.browser import Window
from tests.support.server import JupyterServer
from tests.support.sync_client import until
from tests.sync.test_reconnect import touch

pytestmark = pytest.mark.browser


async def test_two_people_see_two_versions_and_one_of_them_chooses(
    chromium: Browser, slow: JupyterServer
) -> None:
    room = await slow.room(starter_text="one\ntwo\nthree\n")
    code = await slow.invite(room["id"])
    ada, bob = [await join(chromium, slow, code, name) for name in ("Ada", "Bob")]
    await write(ada.page, "one\nHERE\nthree\n")
    await saved(ada.page)
    await same_text(ada.page, bob.page)
    touch(slow.pad_file(room), "one\nOUTSIDE\nthree\n")
    for window in (ada, bob):
        dialog = window.page.get_by_test_id("conflict-dialog")
        await expect(dialog).to_be_visible()
        for side, word in (("mine", "HERE"), ("theirs", "OUTSIDE")):
            await expect(dialog.get_by_test_id(f"conflict-{side}")).to_be_visible()
            await expect(dialog.get_by_test_id(f"conflict-{side}")).to_contain_text(word)
    assert await violations(ada.page) == []
    if folder := os.environ.get("CODEPAD_SCREENSHOTS"):
        await ada.page.screenshot(path=f"{folder}/conflict.png")
    # Bob decides later, and goes on typing; a note stays.
    await bob.page.keyboard.press("Escape")
    await expect(bob.page.get_by_test_id("conflict-note")).to_be_visible()
    await ada.page.get_by_test_id("keep-both").click()
    await expect(ada.page.get_by_test_id("conflict-dialog")).to_have_count(0)
    await expect(bob.page.get_by_test_id("conflict-note")).to_have_count(0)
    await expect(bob.page.get_by_test_id("toast")).to_contain_text("one version")
    assert await same_text(ada.page, bob.page) == "one\nHERE\nOUTSIDE\nthree\n"
    assert ada.problems == bob.problems == []


async def test_jupyterlab_asks_about_a_file_of_no_room(
    chromium: Browser, slow: JupyterServer
) -> None:
    file = slow.root_dir / "plain.py"
    file.write_text("one\ntwo\nthree\n")
    window = await Window.open(chromium)
    page = window.page
    await page.goto(f"{slow.url}lab/tree/plain.py?token={slow.token}")
    await page.wait_for_selector(".cm-content")
    await until_text(window, "two")
    await page.locator(".cm-line", has_text="two").dblclick()
    await page.keyboard.type("HERE")
    client = await slow.host.lab_document("plain.py")
    await until(lambda: "HERE" in str(client.text), "the text")
    touch(file, "one\nOUTSIDE\nthree\n")
    await expect(page.get_by_test_id("conflict")).to_be_visible()
    await expect(page.get_by_test_id("conflict-theirs")).to_contain_text("OUTSIDE")
    if folder := os.environ.get("CODEPAD_SCREENSHOTS"):
        await page.screenshot(path=f"{folder}/conflict-lab.png")
    await page.get_by_test_id("keep-theirs").click()
    await expect(page.get_by_test_id("conflict")).to_have_count(0)
    await until(lambda: str(client.text) == "one\nOUTSIDE\nthree\n", "the text")


async def until_text(window: Window, word: str) -> None:
    """Wait until an editor shows a word."""
    await expect(window.page.locator(".cm-content").first).to_contain_text(word)
    assert await text_of(window.page)
