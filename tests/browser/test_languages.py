"""Languages on the room page: chosen for everybody, followed by the editor, asking for input."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.browser.test_room import join, same_text, saved, violations
from tests.support.server import JupyterServer

pytestmark = pytest.mark.browser


async def test_another_language_is_seen_by_all_and_the_editor_follows(
    server: JupyterServer, chromium: Browser
) -> None:
    room = await server.room(starter_text="twice(2)\n")
    code = await server.invite(room["id"])
    ada, bob = await join(chromium, server, code, "Ada"), await join(chromium, server, code, "Bob")
    olga = await join(chromium, server, await server.invite(room["id"], "observer"), "Olga")
    for window in (ada, bob, olga):
        await expect(window.page.get_by_test_id("language")).to_have_text("Python")
    await expect(olga.page.get_by_test_id("language-menu")).to_have_count(0)

    await ada.page.locator(".cm-line").first.click()
    await ada.page.keyboard.press("Control+/")
    assert await same_text(ada.page, bob.page) == "# twice(2)\n"
    await ada.page.keyboard.press("Control+/")
    await ada.page.get_by_test_id("language-menu").click()
    await ada.page.keyboard.type("javas")
    await ada.page.keyboard.press("Enter")
    await ada.page.get_by_test_id("language-keep").click()
    for window in (ada, bob, olga):
        await expect(window.page.get_by_test_id("language")).to_have_text("JavaScript")
    await expect(bob.page.get_by_test_id("toast")).to_contain_text("JavaScript")
    assert await same_text(ada.page, bob.page) == "twice(2)\n"

    await bob.page.locator(".cm-line").first.click()
    await bob.page.keyboard.press("Control+/")
    assert await same_text(ada.page, bob.page) == "// twice(2)\n"
    await bob.page.keyboard.press("Control+/")
    await bob.page.keyboard.press("Control+End")
    await bob.page.keyboard.type("function f() {\n")
    assert (await same_text(ada.page, bob.page)) == "twice(2)\nfunction f() {\n  \n}"
    await saved(bob.page)

    await ada.page.get_by_test_id("language-menu").click()
    assert await violations(ada.page) == []
    await ada.page.keyboard.press("Home")
    await ada.page.keyboard.press("Enter")
    await ada.page.get_by_test_id("language-starter").click()
    await expect(olga.page.get_by_test_id("language")).to_have_text("Python")
    await expect(olga.page.locator(".cm-content")).to_contain_text("print")
    await expect(bob.page.locator(".cm-content")).not_to_contain_text("twice")
    for window in (ada, bob, olga):
        assert window.problems == []
        await window.context.close()
