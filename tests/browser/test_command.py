"""The host's command in real browsers: lobby, roles, rights, following, removing, time, links."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.browser.test_room import join, ready, text_of, violations, write
from tests.support.browser import Window
from tests.support.lab import LabProfile
from tests.support.server import JupyterServer

pytestmark = pytest.mark.browser


async def host_page(
    browser: Browser, server: JupyterServer, room_id: str, **options: Any
) -> Window:
    """The owner of the server on the room page."""
    window = await Window.open(browser, **options)
    await window.page.goto(f"{server.url}codepad/rooms/{room_id}?token={server.token}")
    await ready(window.page)
    return window


async def knock(browser: Browser, server: JupyterServer, code: str, name: str) -> Window:
    """Somebody at a link who may have to wait."""
    window = await Window.open(browser)
    await window.page.goto(f"{server.url}codepad/join/{code}")
    await window.page.get_by_label("Your name").fill(name)
    await window.page.get_by_role("button", name="Join the room").click()
    return window


async def test_lobby_role_follow_and_kick_with_three_people(  # noqa: PLR0915 - one long story
    server: JupyterServer, chromium: Browser
) -> None:
    lines = "".join(f"line_{number} = {number}\n" for number in range(300))
    room = await server.room(title="Interview", starter_text=lines, lobby=True)
    code = await server.invite(room["id"], "candidate")
    host = await host_page(chromium, server, room["id"])
    await host.page.get_by_test_id("toggle-people").click()

    ada = await knock(chromium, server, code, "Ada")
    bob = await knock(chromium, server, code, "Bob")
    for window in (ada, bob):
        lobby = window.page.get_by_test_id("lobby-page")
        await expect(lobby).to_contain_text("You are in the lobby")
        assert "line_1" not in await window.page.content()
    waiting = host.page.get_by_test_id("waiting")
    await expect(waiting).to_have_count(2)
    await expect(host.page.get_by_test_id("toast")).to_contain_text("wants to join")
    await host.page.get_by_role("button", name="Admit Ada").click()
    await ready(ada.page)
    await host.page.get_by_role("button", name="Deny Bob").click()
    await expect(bob.page.get_by_test_id("lobby-page")).to_contain_text("did not let you in")
    await expect(waiting).to_have_count(0)

    bob = await knock(chromium, server, code, "Robert")
    await host.page.get_by_role("button", name="Admit Robert").click()
    await ready(bob.page)

    # Roles and rights, on the open page.
    row = host.page.locator('[data-testid=person][data-name="Ada"]')
    await row.get_by_test_id("person-menu").click()
    await row.get_by_test_id("person-role").select_option("observer")
    await expect(ada.page.get_by_test_id("observer-note")).to_contain_text("You are watching")
    await expect(ada.page.get_by_test_id("run")).to_be_disabled()
    await expect(ada.page.locator(".cm-content")).to_have_attribute("contenteditable", "false")
    await row.get_by_test_id("person-menu").click()
    await row.get_by_test_id("person-role").select_option("candidate")
    await expect(ada.page.get_by_test_id("run")).to_be_enabled()
    await expect(ada.page.locator(".cm-content")).to_have_attribute("contenteditable", "true")
    await host.page.get_by_test_id("room-menu").click()
    await host.page.get_by_test_id("may-candidate-run").uncheck()
    await expect(ada.page.get_by_test_id("run")).to_be_disabled()
    await host.page.get_by_test_id("freeze").click()
    note = ada.page.get_by_test_id("observer-note")
    await expect(note).to_contain_text("paused editing for candidates")
    await host.page.get_by_test_id("freeze").click()
    await expect(note).to_have_count(0)
    await host.page.get_by_test_id("dialog-close").click()
    await ada.page.locator(".cm-content").click()
    await ada.page.keyboard.press("Control+Home")
    await ada.page.keyboard.type("# typed after the freeze\n")
    await expect(bob.page.locator(".cm-content")).to_contain_text("typed after the freeze")
    caret = bob.page.locator('[data-testid=remote-caret][data-name="Ada (guest)"]')
    await expect(caret).to_have_count(1)

    # Following: the host sees what Ada sees, and Ada sees that.
    await row.get_by_test_id("person-follow").click()
    await expect(host.page.get_by_test_id("following-bar")).to_contain_text("You follow Ada")
    await expect(ada.page.get_by_test_id("followers")).to_contain_text("Host follows you")
    await ada.page.locator(".cm-scroller").evaluate("e => { e.scrollTop = e.scrollHeight / 2; }")
    await expect(host.page.locator(".cm-content")).to_contain_text("line_150")
    await ada.page.locator(".cm-scroller").evaluate("e => { e.scrollTop = e.scrollHeight; }")
    await expect(host.page.locator(".cm-content")).to_contain_text("line_299")
    await host.page.locator(".cm-scroller").hover()
    await host.page.mouse.wheel(0, -3000)
    await expect(host.page.get_by_test_id("following-bar")).to_have_count(0)
    await expect(ada.page.get_by_test_id("followers")).to_have_count(0)

    # Removing: at once, with words.
    await row.get_by_test_id("person-menu").click()
    await row.get_by_test_id("person-remove").click()
    await row.get_by_test_id("person-ban").click()
    await expect(ada.page.get_by_test_id("end-screen")).to_contain_text("removed you")
    await expect(row).to_have_count(0)
    await ada.page.goto(f"{server.url}codepad/join/{code}")
    await ada.page.get_by_label("Your name").fill("Somebody else")
    await ada.page.get_by_role("button", name="Join the room").click()
    await expect(ada.page.get_by_role("alert")).to_contain_text("does not let you")
    await expect(bob.page.get_by_test_id("status-badge")).to_have_attribute("data-status", "saved")
    assert host.problems == [] and bob.problems == []
    for window in (host, ada, bob):
        await window.context.close()


async def test_raised_hands_names_and_the_end_of_the_room(
    server: JupyterServer, chromium: Browser
) -> None:
    room = await server.room(title="Class")
    host = await host_page(chromium, server, room["id"])
    ada = await join(chromium, server, await server.invite(room["id"]), "Ada")
    for window in (host, ada):
        await window.page.get_by_test_id("toggle-people").click()
    await ada.page.get_by_test_id("raise-hand").click()
    await expect(host.page.get_by_test_id("hand")).to_be_visible()
    await ada.page.get_by_test_id("rename-me").click()
    await ada.page.get_by_test_id("own-name").fill("Host")
    await ada.page.get_by_test_id("own-name-save").click()
    row = host.page.locator('[data-testid=person][data-name="Host (2)"]')
    await expect(row).to_contain_text("guest")
    await row.get_by_test_id("person-menu").click()
    await row.get_by_test_id("person-lower-hand").click()
    await expect(ada.page.get_by_test_id("raise-hand")).to_have_attribute("aria-pressed", "false")
    await host.page.get_by_test_id("room-menu").click()
    await host.page.get_by_test_id("end-room").click()
    await host.page.get_by_test_id("end-room-confirm").click()
    for window in (host, ada):
        await expect(window.page.get_by_test_id("end-screen")).to_contain_text("closed this room")
        assert window.problems == []
        await window.context.close()


async def test_people_are_warned_before_the_end_and_get_more_time(
    server: JupyterServer, chromium: Browser
) -> None:
    room = await server.room(expires_in_hours=9.9 / 60)
    host = await host_page(chromium, server, room["id"])
    ada = await join(chromium, server, await server.invite(room["id"]), "Ada")
    warning = ada.page.get_by_test_id("time-warning")
    await expect(warning).to_have_text("This room ends in 10 minutes.")
    await server.host.api("PATCH", f"rooms/{room['id']}", {"expires_in_hours": 50 / 3600})
    await expect(warning).to_have_attribute("data-level", "now")
    await expect(ada.page.get_by_test_id("time-more")).to_have_count(0)
    await host.page.get_by_test_id("time-more").click()
    await expect(warning).to_have_count(0)
    for window in (host, ada):
        assert window.problems == []
        await window.context.close()


async def test_links_with_a_password_and_a_qr_code(
    server: JupyterServer, chromium: Browser
) -> None:
    room = await server.room(title="Class")
    host = await host_page(chromium, server, room["id"])
    page = host.page
    await page.get_by_test_id("copy-link").click()
    await page.get_by_test_id("all-links").click()
    await page.get_by_test_id("rotate").click()
    qr = page.get_by_test_id("qr")
    await expect(qr).to_be_visible()
    assert await qr.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    first = await page.get_by_test_id("main-link").input_value()
    await page.get_by_test_id("rotate").click()
    await expect(page.get_by_test_id("main-link")).not_to_have_value(first)
    await page.get_by_test_id("link-password").fill("open sesame")
    await page.get_by_test_id("link-role").select_option("observer")
    await page.get_by_test_id("link-create").click()
    link = await page.get_by_test_id("link-field").input_value()

    ada = await Window.open(chromium)
    await ada.page.goto(first)
    await expect(ada.page.get_by_role("alert")).to_contain_text("does not work")
    await ada.page.goto(link)
    await ada.page.get_by_label("Your name").fill("Ada")
    await ada.page.get_by_label("Password").fill("wrong")
    await ada.page.get_by_role("button", name="Join the room").click()
    await expect(ada.page.get_by_role("alert")).to_contain_text("not the password")
    await expect(ada.page.get_by_label("Your name")).to_have_value("Ada")
    await ada.page.get_by_label("Password").fill("open sesame")
    await ada.page.get_by_role("button", name="Join the room").click()
    await ready(ada.page)
    await expect(ada.page.get_by_test_id("observer-note")).to_be_visible()

    item = page.get_by_test_id("link-item").filter(has_text="with a password")
    await item.get_by_test_id("revoke").click()
    await item.get_by_test_id("revoke-people").check()
    await item.get_by_test_id("revoke-confirm").click()
    await expect(ada.page.get_by_test_id("end-screen")).to_contain_text("removed you")
    assert host.problems == []
    for window in (host, ada):
        await window.context.close()


async def test_what_was_typed_while_editing_was_paused_can_be_copied(
    server: JupyterServer, chromium: Browser
) -> None:
    """A keystroke that crosses the host's click on the wire is not taken, and not lost either."""
    room = await server.room(starter_text="")
    ada = await join(chromium, server, await server.invite(room["id"]), "Ada")
    await write(ada.page, "kept = 1\n")
    await expect(ada.page.get_by_test_id("status-badge")).to_have_attribute("data-status", "saved")
    await ada.context.set_offline(True)
    await expect(ada.page.get_by_test_id("status-badge")).to_have_attribute(
        "data-status", "offline"
    )
    await ada.page.keyboard.insert_text("typed_offline = 2\n")
    await server.host.api("PATCH", f"rooms/{room['id']}", {"restrictions": {"member": ["edit"]}})
    await ada.context.set_offline(False)
    end = ada.page.get_by_test_id("end-screen")
    await expect(end).to_contain_text("not taken")
    await expect(end.get_by_label("Your text")).to_have_value("kept = 1\ntyped_offline = 2\n")
    await end.get_by_role("button", name="Enter again").click()
    await ready(ada.page)
    assert await text_of(ada.page) == "kept = 1\n"
    await expect(ada.page.get_by_test_id("observer-note")).to_contain_text("paused editing")
    await ada.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everything_of_the_host_can_be_used_by_everybody(
    server: JupyterServer, chromium: Browser, scheme: str
) -> None:
    """No fault that axe knows, in the panels and dialogs, in both themes."""
    room = await server.room(title="Class", lobby=True)
    code = await server.invite(room["id"])
    host = await host_page(chromium, server, room["id"], color_scheme=scheme)
    await join(chromium, server, await server.invite(room["id"], lobby=False), "Ada")
    bob = await knock(chromium, server, code, "Bob")
    await expect(bob.page.get_by_test_id("lobby-page")).to_be_visible()
    assert await violations(bob.page) == []
    page = host.page
    await page.get_by_test_id("toggle-people").click()
    row = page.locator('[data-testid=person][data-name="Ada"]')
    await row.get_by_test_id("person-menu").click()
    await expect(page.get_by_test_id("lobby")).to_be_visible()
    assert await violations(page) == []
    await page.keyboard.press("Escape")
    await expect(row.get_by_test_id("person-menu")).to_be_focused()
    await page.get_by_test_id("room-menu").click()
    await page.get_by_test_id("activity").click()
    await expect(page.get_by_test_id("activity-list")).to_contain_text("Room created")
    assert await violations(page) == []
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("room-dialog")).to_have_count(0)
    await page.get_by_test_id("copy-link").click()
    await page.get_by_test_id("all-links").click()
    await page.get_by_test_id("rotate").click()
    await expect(page.get_by_test_id("qr")).to_be_visible()
    assert await violations(page) == []
    for window in (host, bob):
        await window.context.close()


async def test_the_host_s_panels_fit_a_phone(server: JupyterServer, chromium: Browser) -> None:
    room = await server.room(title="A room with a rather long title", lobby=True)
    phone = {"viewport": {"width": 360, "height": 740}}
    host = await host_page(chromium, server, room["id"], **phone)
    page = host.page
    await knock(chromium, server, await server.invite(room["id"]), "Bob")
    await page.get_by_test_id("tab-people").click()
    await expect(page.get_by_test_id("admit")).to_be_visible()
    for opened in ("", "room-menu"):
        if opened:
            await page.get_by_test_id(opened).click()
            await expect(page.get_by_test_id("room-dialog")).to_be_visible()
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, opened
    await host.context.close()


async def test_jupyterlab_admits_from_the_lobby(
    server: JupyterServer, chromium: Browser, lab: LabProfile
) -> None:
    room = await server.room(title="Lab room", lobby=True)
    page = (await lab.open()).page
    await page.get_by_role("tab", name="Codepad").click()
    item = page.locator(f'[data-room-id="{room["id"]}"]')
    await expect(item).to_be_visible()
    ada = await knock(chromium, server, await server.invite(room["id"], "candidate"), "Ada")
    toast = page.locator(".Toastify__toast").filter(has_text="Ada wants to join")
    await expect(toast).to_be_visible()
    await toast.get_by_role("button", name="Admit").click()
    await ready(ada.page)
    await item.get_by_test_id("room-people").click()
    row = item.locator('[data-testid=person][data-name="Ada"]')
    await row.get_by_test_id("person-menu").click()
    await row.get_by_test_id("person-role").select_option("observer")
    await expect(ada.page.get_by_test_id("observer-note")).to_contain_text("You are watching")
    await item.get_by_test_id("room-settings").click()
    await page.get_by_test_id("room-locked").click()  # it is checked when the server has said so
    await expect(page.get_by_test_id("room-locked")).to_be_checked()
    await page.get_by_test_id("dialog-close").click()
    late = await knock(chromium, server, await server.invite(room["id"]), "Late")
    await expect(late.page.get_by_role("alert")).to_contain_text(re.compile("locked"))
    await item.get_by_test_id("room-links").click()
    await page.get_by_test_id("rotate").click()
    qr = page.get_by_test_id("qr")
    assert await qr.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    for window in (ada, late):
        await window.context.close()
