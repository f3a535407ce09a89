"""Languages on the room page: chosen for everybody, followed by the editor, asking for input."""

from __future__ import annotations

import shutil

import pytest
from playwright.async_api import Browser, expect

from tests.browser.test_room import join, same_text, saved, violations
from tests.support.server import JupyterServer

pytestmark = pytest.mark.browser

CPP = """#include <iostream>
#include <string>
int main() {
    std::string name;
    std::cout << "Name? " << std::flush;
    std::getline(std::cin, name);
    std::cout << "Hello, " << name << "!" << std::endl;
}
"""


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


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
async def test_a_program_asks_and_the_second_person_answers(
    server: JupyterServer, chromium: Browser
) -> None:
    room = await server.room(language="cpp", starter_text=CPP)
    code = await server.invite(room["id"])
    ada, bob = await join(chromium, server, code, "Ada"), await join(chromium, server, code, "Bob")
    olga = await join(chromium, server, await server.invite(room["id"], "observer"), "Olga")
    await ada.page.get_by_test_id("run").click()
    await expect(ada.page.get_by_test_id("stdin-field")).to_be_focused()
    await expect(ada.page.get_by_test_id("run-entry")).to_contain_text("Name?")
    await olga.page.set_viewport_size({"width": 360, "height": 740})
    await olga.page.get_by_test_id("tab-asks").click()
    await expect(olga.page.get_by_test_id("tab-asks")).to_have_count(0)
    await expect(olga.page.get_by_test_id("stdin-field")).to_be_disabled()
    await expect(olga.page.get_by_test_id("stdin")).to_contain_text("Only those who may run code")
    field = bob.page.get_by_test_id("stdin-field")
    await expect(field).not_to_be_focused()
    await field.fill("Grace")
    await field.press("Enter")
    for window in (ada, bob, olga):
        entry = window.page.get_by_test_id("run-entry")
        await expect(entry).to_have_attribute("data-status", "ok")
        await expect(entry).to_contain_text("Hello, Grace!")
        await expect(entry.get_by_test_id("answered-by")).to_contain_text("Bob")
        await expect(window.page.get_by_test_id("stdin-field")).to_have_count(0)

    await bob.page.get_by_test_id("stdin-toggle").click()
    await bob.page.get_by_test_id("stdin-text").fill("Linus\n")
    await bob.page.get_by_test_id("run").click()
    entry = ada.page.get_by_test_id("run-entry").nth(1)
    await expect(entry).to_have_attribute("data-status", "ok")
    await expect(entry).to_contain_text("Hello, Linus!")
    for window in (ada, bob, olga):
        assert window.problems == []
        await window.context.close()
