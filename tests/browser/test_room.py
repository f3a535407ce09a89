"""The room page in real browsers: two and three people doing the whole job."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect
from pycrdt import Map

from tests.support.browser import Window
from tests.support.files import notebook_in
from tests.support.lab import LabProfile
from tests.support.server import JupyterServer
from tests.support.sync_client import until

pytestmark = pytest.mark.browser

REPOSITORY = Path(__file__).parents[2]
AXE = REPOSITORY / "labextension/node_modules/axe-core/axe.min.js"


async def text_of(page: Page) -> str:
    """The pad's text as the editor shows it."""
    lines: list[str] = await page.locator(".cm-content .cm-line").evaluate_all(
        "lines => lines.map(line => [...line.childNodes].filter("
        "n => !(n.classList && n.classList.contains('cp-caret'))).map(n => n.textContent).join(''))"
    )
    return "\n".join(lines)


async def join(
    browser: Browser, server: JupyterServer, code: str, name: str, **options: Any
) -> Window:
    """Open a link in a fresh profile, give a name, wait for the editor."""
    window = await Window.open(browser, **options)
    page = window.page
    await page.goto(f"{server.url}codepad/join/{code}")
    await page.get_by_label("Your name").fill(name)
    await page.get_by_role("button", name="Join the room").click()
    await ready(page)
    return window


async def ready(page: Page) -> None:
    await page.wait_for_selector("html[data-codepad-editable]")


async def write(page: Page, code: str) -> None:
    """Replace the whole pad, by keyboard and clipboard event as a person would."""
    await page.locator(".cm-content").click()
    await page.keyboard.press("Control+a")
    await page.keyboard.press("Delete")
    await page.keyboard.insert_text(code)


async def paste(page: Page, text: str) -> None:
    """Paste where the caret is."""
    await page.evaluate(
        "text => { const data = new DataTransfer(); data.setData('text/plain', text);"
        "document.querySelector('.cm-content').dispatchEvent("
        "new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true})); }",
        text,
    )


def badge(page: Page) -> Locator:
    return page.get_by_test_id("status-badge")


async def saved(page: Page) -> None:
    await expect(badge(page)).to_have_attribute("data-status", "saved")


async def same_text(*pages: Page) -> str:
    """Wait until all show the same text, and return it."""
    texts: list[str] = []
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 20
    while loop.time() < deadline:
        texts = [await text_of(page) for page in pages]
        if len(set(texts)) == 1:
            return texts[0]
    raise AssertionError(f"different texts: {texts}")


async def violations(page: Page) -> list[str]:
    """What axe finds wrong on a page."""
    await page.evaluate(AXE.read_text())
    found = await page.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})"
    )
    return [
        f"{rule['id']}: {[node['html'][:200] for node in rule['nodes']]}"
        for rule in found["violations"]
    ]


async def test_two_people_code_together_while_a_third_watches(
    server: JupyterServer, chromium: Browser
) -> None:
    room = await server.room(title="Interview", starter_text="")
    member = await server.invite(room["id"])
    ada = await join(chromium, server, member, "Ada")
    bob = await join(chromium, server, member, "Bob", color_scheme="dark")
    olga = await join(chromium, server, await server.invite(room["id"], "observer"), "Olga")
    pages = ada.page, bob.page, olga.page

    await ada.page.locator(".cm-content").click()
    await ada.page.keyboard.type("def double(x):\nreturn 2 * x\n")
    await expect(bob.page.get_by_test_id("typing")).to_have_text("Ada (guest) is typing…")
    await expect(
        bob.page.locator('[data-testid=remote-caret][data-name="Ada (guest)"]')
    ).to_have_count(1)
    await bob.page.locator(".cm-line").last.click()
    await bob.page.keyboard.press("Control+End")
    await bob.page.keyboard.press("Home")
    await bob.page.keyboard.type("print('from bob', double(21))")
    shown = await same_text(*pages)
    assert shown.startswith("def double(x):\n    return 2 * x\n")
    assert "print('from bob', double(21))" in shown
    await saved(ada.page)
    await saved(bob.page)

    await bob.page.get_by_test_id("run").click()
    for page in pages:
        entry = page.get_by_test_id("run-entry")
        await expect(entry).to_have_attribute("data-status", "ok")
        await expect(entry).to_contain_text("from bob 42")
        await expect(entry).to_contain_text("Bob")
        await expect(entry).to_contain_text(re.compile(r"\d+ m?s"))

    await expect(olga.page.get_by_test_id("run")).to_be_disabled()
    await expect(olga.page.get_by_test_id("stop")).to_be_disabled()
    await olga.page.locator(".cm-content").click()
    await olga.page.keyboard.type("observers cannot write")
    await olga.page.keyboard.press("Shift+Enter")
    assert await same_text(*pages) == shown
    await expect(ada.page.get_by_test_id("run-entry")).to_have_count(1)

    await ada.page.get_by_test_id("toggle-people").click()
    people = ada.page.locator('[data-testid=person][data-online="true"]')
    await expect(people).to_have_count(3)
    for window in (ada, bob, olga):
        assert window.problems == []
        await window.context.close()


async def test_output_streams_to_everybody_and_stop_interrupts(
    server: JupyterServer, chromium: Browser
) -> None:
    room = await server.room(starter_text="")
    code = await server.invite(room["id"])
    ada, bob = await join(chromium, server, code, "Ada"), await join(chromium, server, code, "Bob")
    await write(
        ada.page, "import time\nfor i in range(1000): print('tick', i, flush=True); time.sleep(0.1)"
    )
    await ada.page.keyboard.press("Shift+Enter")
    output = bob.page.get_by_test_id("output")
    await expect(output).to_contain_text("tick 3")
    await bob.page.get_by_test_id("stop").click()
    await expect(ada.page.get_by_test_id("run-entry")).to_have_attribute(
        "data-status", "interrupted"
    )
    await expect(ada.page.get_by_test_id("run-entry")).to_contain_text("stopped by Bob")
    await write(ada.page, "import os\nos.kill(os.getpid(), 9)")
    await ada.page.keyboard.press("Shift+Enter")
    for window in (ada, bob):
        died = window.page.get_by_test_id("run-entry").nth(1)
        await expect(died.get_by_test_id("run-message")).to_contain_text(
            "The next run starts a new"
        )
        await expect(window.page.get_by_test_id("kernel")).to_have_attribute("data-status", "dead")
    await ada.page.reload()
    await ready(ada.page)
    await expect(ada.page.get_by_test_id("output")).to_contain_text("tick 3")
    await expect(ada.page.get_by_test_id("main-file")).to_have_count(0)
    server.pad_file(room).with_name("solve.py").write_text("print('sol' + 'ved')")
    for window in (ada, bob):  # by itself
        await expect(window.page.get_by_test_id("main-file")).to_have_text("main.pysolve.py")
    late = await join(chromium, server, code, "Late")
    await expect(late.page.get_by_test_id("output")).to_contain_text("tick 3")
    await late.page.get_by_test_id("main-file").select_option("solve.py")
    await expect(bob.page.get_by_test_id("toast")).to_have_text("Run starts solve.py now.")
    await expect(ada.page.get_by_test_id("main-file")).to_have_value("solve.py")
    await bob.page.get_by_test_id("run").click()
    third = ada.page.get_by_test_id("run-entry").nth(2)
    await expect(third).to_contain_text("solved")
    await expect(third).to_contain_text("solve.py")
    assert await violations(late.page) == []
    for window in (ada, bob, late):
        assert window.problems == []
        await window.context.close()


async def test_plots_tables_and_hostile_html(server: JupyterServer, chromium: Browser) -> None:
    room = await server.room(starter_text="")
    ada = await join(chromium, server, await server.invite(room["id"]), "Ada")
    requests: list[str] = []
    ada.page.on("request", lambda request: requests.append(request.url))
    html = (
        "<table><tr><td onclick='window.hacked=1'>cell</td></tr></table>"
        "<img src='http://evil.example/x.png' onerror='window.hacked=1'>"
        "<script>window.hacked=1</script><iframe srcdoc='<script>top.hacked=1</script>'></iframe>"
        "<a href='javascript:window.hacked=1'>link</a><a href='https://evil.example/'>out</a>"
        "<form action='/x'><input></form>"
        "<svg onload='window.hacked=1'></svg>"
    )
    await write(
        ada.page,
        "import matplotlib.pyplot as plt\nfrom IPython.display import HTML, SVG, display\n"
        "plt.plot([1, 3, 2]); plt.show()\n"
        f"display(HTML({html!r}))\n"
        'display(SVG(\'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'
        '<script>top.hacked=1</script><circle r="4"/></svg>\'))',
    )
    await ada.page.get_by_test_id("run").click()
    entry = ada.page.get_by_test_id("run-entry")
    await expect(entry).to_have_attribute("data-status", "ok")
    await expect(entry.locator("img.cp-out-image")).to_have_count(2)
    frame = entry.frame_locator("iframe.cp-out-html")
    await expect(frame.locator("td")).to_have_text("cell")
    await frame.get_by_text("link", exact=True).click()
    assert await ada.page.evaluate("window.hacked") is None
    assert await frame.locator("script, iframe, form, input, [onclick], [onerror]").count() == 0
    await expect(entry.locator("iframe")).to_have_attribute("sandbox", "allow-same-origin")
    await expect(entry.locator("iframe")).to_have_attribute("title", "HTML output")
    # As high as its content, and in the page's colours.
    inner = entry.locator("iframe")
    shape = (
        "f => [f.clientHeight, Math.ceil(f.contentDocument.body.getBoundingClientRect().height)]"
    )
    height, content = await inner.evaluate(shape)
    assert height == content > 30
    color = "f => [f, f.contentDocument.body].map(e => getComputedStyle(e).color)"
    light = await inner.evaluate(color)
    await ada.page.get_by_test_id("theme-toggle").click()
    dark = await inner.evaluate(color)
    assert light[0] == light[1] != dark[0] == dark[1]
    async with ada.context.expect_page() as opened:
        await frame.get_by_text("out", exact=True).click()
    assert await (await opened.value).evaluate("window.opener") is None
    assert not [url for url in requests if "evil" in url]
    # The policy complains about what the sanitizer then takes out; nothing else may be wrong.
    assert [p for p in ada.problems if "Content Security Policy" not in p] == []
    await ada.context.close()


async def test_nothing_is_lost_when_the_server_restarts_while_both_type(
    own_server: JupyterServer, chromium: Browser
) -> None:
    server = own_server
    room = await server.room(starter_text="# middle\n")
    code = await server.invite(room["id"])
    ada, bob = await join(chromium, server, code, "Ada"), await join(chromium, server, code, "Bob")
    words = {"Ada": 0, "Bob": 0}
    stop = asyncio.Event()

    async def type_on(window: Window, name: str) -> None:
        # One at the top, one at the end: two at one place may rightly come out letter by letter.
        place = "Control+Home" if name == "Ada" else "Control+End"
        await window.page.locator(".cm-content").click()
        while not stop.is_set():
            await window.page.keyboard.press(place)
            # Not faster than that: input comes first in a browser, and the line's end would wait.
            await window.page.keyboard.type(f"{name}{words[name]}\n", delay=5)
            words[name] += 1

    typing = [asyncio.create_task(type_on(ada, "Ada")), asyncio.create_task(type_on(bob, "Bob"))]
    await until(lambda: min(words.values()) > 10, "some typing")
    await server.kill9()
    before = dict(words)
    await expect(badge(ada.page)).to_have_attribute("data-status", "offline")
    await expect(ada.page.get_by_test_id("banner")).to_be_visible()
    await until(lambda: all(words[n] > before[n] + 5 for n in words), "typing while it is away")
    await server.start()
    for page in (ada.page, bob.page):
        online = re.compile("saved|saving")
        await expect(badge(page)).to_have_attribute("data-status", online)
    after = dict(words)
    await until(lambda: all(words[n] > after[n] + 5 for n in words), "typing after it is back")
    stop.set()
    await asyncio.gather(*typing)
    await saved(ada.page)
    await saved(bob.page)
    pad = server.pad_file(room)
    every = [f"{name}{i}" for name, count in words.items() for i in range(count)]
    await until(
        lambda: sorted(re.findall(r"(?:Ada|Bob)\d+", pad.read_text())) == sorted(every),
        "each word once in the file",
    )
    reader = await server.host.document(room_id=room["id"]).connect()
    assert sorted(re.findall(r"(?:Ada|Bob)\d+", str(reader.text))) == sorted(every)
    for window in (ada, bob):
        # The browser itself reports each failed connection; nothing else may be there.
        assert [p for p in window.problems if "WebSocket connection" not in p] == []
        await window.context.close()


@pytest.mark.parametrize("lost", [False, True], ids=["log kept", "log lost"])
async def test_more_than_one_message_holds_arrives_after_it_was_pasted_offline(
    own_server: JupyterServer, chromium: Browser, *, lost: bool
) -> None:
    server, limit = own_server, 20_000
    await server.stop()
    server.options.append(f"--CodepadApp.message_limit_bytes={limit}")
    await server.start()
    room = await server.room(starter_text="start = 1\n")
    code = await server.invite(room["id"])
    ada = await join(chromium, server, code, "Ada")
    sizes: list[int] = []
    ada.page.on(
        "websocket", lambda line: line.on("framesent", lambda frame: sizes.append(len(frame)))
    )
    await ada.page.locator(".cm-content").click()
    await ada.page.keyboard.press("Control+End")
    await server.stop()
    await expect(badge(ada.page)).to_have_attribute("data-status", "offline")
    if lost:
        for part in server.home.rglob("updates.sqlite*"):
            part.unlink()
    lines = "".join(f"line_{n} = 'é€'\n" for n in range(12_000))
    await paste(ada.page, lines)
    await server.start()
    await expect(badge(ada.page)).to_have_attribute("data-status", "saved")
    assert max(sizes) <= limit < sum(sizes) / 10
    text = "start = 1\n" + lines
    await until(lambda: server.pad_file(room).read_text() == text, "the file")
    reader = await server.host.document(room_id=room["id"]).connect()
    assert str(reader.text) == text
    await ada.context.close()


async def test_a_paste_of_two_megabytes_is_refused_and_nothing_is_lost(
    server: JupyterServer, chromium: Browser
) -> None:
    room = await server.room(starter_text="precious = 1\n")
    ada = await join(chromium, server, await server.invite(room["id"]), "Ada")
    await ada.page.locator(".cm-content").click()
    await paste(ada.page, "x" * 2_000_000)
    await expect(ada.page.get_by_test_id("toast")).to_contain_text("at most 1.0 MB")
    assert await text_of(ada.page) == "precious = 1\n"
    await ada.page.keyboard.press("Control+End")
    await ada.page.keyboard.type("more = 2")
    await saved(ada.page)
    await until(
        lambda: server.pad_file(room).read_text() == "precious = 1\nmore = 2", "the file as typed"
    )
    assert ada.problems == []
    await ada.context.close()


async def test_undo_takes_back_ones_own_typing_only(
    server: JupyterServer, chromium: Browser
) -> None:
    room = await server.room(starter_text="print('here before')\n")
    code = await server.invite(room["id"])
    ada, bob = await join(chromium, server, code, "Ada"), await join(chromium, server, code, "Bob")
    await ada.page.locator(".cm-content").click()
    await ada.page.keyboard.press("Control+End")
    await ada.page.keyboard.type("print('ada')  # her words")
    await same_text(ada.page, bob.page)
    await bob.page.locator(".cm-line").last.click()
    await bob.page.keyboard.press("Home")
    await bob.page.keyboard.type("print('bob'); ")
    await bob.page.keyboard.press("End")
    await bob.page.keyboard.type(" # his words")
    await same_text(ada.page, bob.page)
    await saved(ada.page)
    await ada.page.get_by_test_id("run").click()
    entry = ada.page.get_by_test_id("run-entry")
    await expect(entry).to_contain_text("bob")

    await ada.page.locator(".cm-content").click()
    for _ in range(5):
        await ada.page.keyboard.press("Control+z")
    await expect(bob.page.locator(".cm-content")).not_to_contain_text("ada")
    left = "print('here before')\nprint('bob');  # his words"
    assert await same_text(ada.page, bob.page) == left
    for page in (ada.page, bob.page):
        await expect(page.get_by_test_id("run-entry")).to_contain_text("bob")
    for _ in range(5):
        await ada.page.keyboard.press("Control+y")
    both = await same_text(ada.page, bob.page)
    assert "print('bob'); " in both and "print('ada')  # her words" in both
    for window in (ada, bob):
        assert window.problems == []
        await window.context.close()


async def test_who_may_not_type_any_more_cannot_undo(
    server: JupyterServer, chromium: Browser
) -> None:
    room = await server.room(starter_text="")
    ada = await join(chromium, server, await server.invite(room["id"]), "Ada")
    await ada.page.locator(".cm-content").click()
    await ada.page.keyboard.type("typed")
    await saved(ada.page)
    people = (await server.host.api("GET", f"rooms/{room['id']}/participants")).json()
    [person] = [one for one in people["participants"] if one["name"] == "Ada"]
    path = f"rooms/{room['id']}/participants/{person['id']}"
    await server.host.api("PATCH", path, {"role": "observer"})
    await expect(ada.page.get_by_test_id("observer-note")).to_be_visible()
    await ada.page.keyboard.press("Control+z")
    assert await text_of(ada.page) == "typed"
    await server.host.api("PATCH", path, {"role": "member"})
    await expect(ada.page.get_by_test_id("observer-note")).to_have_count(0)
    await ada.page.locator(".cm-content").click()
    await ada.page.keyboard.press("Control+z")
    await saved(ada.page)
    assert await text_of(ada.page) == ""
    assert ada.problems == []
    await ada.context.close()


async def test_wrong_doors_say_why(server: JupyterServer, chromium: Browser) -> None:
    room, other = await server.room(), await server.room(title="Other")
    ada = await join(chromium, server, await server.invite(room["id"]), "Ada")
    page = ada.page
    await page.goto(f"{server.url}codepad/rooms/{other['id']}")
    await expect(page.get_by_role("alert")).to_contain_text("Open the link")
    await page.goto(f"{server.url}codepad/join/{'x' * 22}")
    await expect(page.get_by_role("alert")).to_contain_text("does not work")
    await page.goto(f"{server.url}codepad/rooms/{room['id']}")
    await ready(page)
    await server.host.api("PATCH", f"rooms/{room['id']}", {"state": "closed"})
    await expect(page.get_by_test_id("end-screen")).to_contain_text("The host has closed this room")
    short = await server.room()
    bob = await join(chromium, server, await server.invite(short["id"]), "Bob")
    await server.host.api("PATCH", f"rooms/{short['id']}", {"expires_in_hours": 1 / 3600})
    await expect(bob.page.get_by_test_id("end-screen")).to_contain_text("time is over")
    await bob.page.reload()
    await expect(bob.page.locator("body")).to_contain_text(re.compile("time is over|Open the link"))
    for window in (ada, bob):
        await window.context.close()


async def test_a_name_with_a_script_is_only_a_name(
    server: JupyterServer, chromium: Browser
) -> None:
    room = await server.room(title="<img src=x onerror=window.hacked=1>")
    code = await server.invite(room["id"])
    name = "<script>window.hacked=1</script>"
    ada, mallory = (
        await join(chromium, server, code, "Ada"),
        await join(chromium, server, code, name),
    )
    await mallory.page.locator(".cm-content").click()
    await mallory.page.keyboard.type("x")
    await ada.page.get_by_test_id("toggle-people").click()
    await expect(ada.page.get_by_test_id("people")).to_contain_text(name)
    await expect(ada.page.locator("[data-testid=remote-caret]")).to_have_attribute(
        "data-name", f"{name} (guest)"
    )
    for window in (ada, mallory):
        assert await window.page.evaluate("window.hacked") is None
        assert window.problems == []
        await window.context.close()


async def test_links_theme_and_leaving(server: JupyterServer, chromium: Browser) -> None:
    room = await server.room()
    code = await server.invite(room["id"])
    ada = await join(
        chromium, server, code, "Ada", permissions=["clipboard-read", "clipboard-write"]
    )
    page = ada.page
    assert "#" not in page.url
    await page.get_by_test_id("copy-link").click()
    await expect(page.get_by_test_id("toast")).to_contain_text("Link copied")
    link = await page.evaluate("navigator.clipboard.readText()")
    assert link == f"{server.url}codepad/join/{code}"
    await expect(page.locator("html")).to_have_attribute("data-theme", "light")
    await page.get_by_test_id("theme-toggle").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await page.reload()
    await ready(page)
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    async with page.expect_response("**/leave"):
        await page.get_by_test_id("leave").click()
    await expect(page.get_by_test_id("end-screen")).to_contain_text("You have left")
    await page.reload()
    await expect(page.get_by_role("alert")).to_contain_text("Open the link")
    assert [p for p in ada.problems if "401" not in p] == []
    await ada.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_pages_are_accessible(
    server: JupyterServer, chromium: Browser, scheme: str
) -> None:
    room = await server.room(starter_text="import math\nprint(math.pi)  # comment\n1 / 0\n")
    code = await server.invite(room["id"])
    window = await Window.open(chromium, color_scheme=scheme, bypass_csp=True)
    await window.page.goto(f"{server.url}codepad/join/{code}")
    assert await violations(window.page) == []
    await window.page.get_by_label("Your name").fill("Ada")
    await window.page.keyboard.press("Enter")
    await ready(window.page)
    await window.page.get_by_test_id("run").click()
    await expect(window.page.get_by_test_id("run-entry")).to_have_attribute("data-status", "error")
    await window.page.get_by_test_id("toggle-people").click()
    assert await violations(window.page) == []
    await window.page.set_viewport_size({"width": 768, "height": 640})
    for part in (".cp-code", ".cp-output", ".cp-side"):
        box = await window.page.locator(part).bounding_box()
        assert box is not None and box["width"] >= 200, part
    await window.page.set_viewport_size({"width": 360, "height": 640})
    for tab in ("output", "people", "code"):
        await window.page.get_by_test_id(f"tab-{tab}").click()
        await expect(window.page.locator(".cp-side")).to_be_visible(visible=tab == "people")
        assert await violations(window.page) == []
        width = await window.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, tab
    await window.context.close()


async def test_the_keyboard_gets_everywhere(server: JupyterServer, chromium: Browser) -> None:
    room = await server.room(starter_text="")
    ada = await join(chromium, server, await server.invite(room["id"]), "Ada")
    await ada.page.locator(".cm-content").click()
    await ada.page.keyboard.type("print(1)")
    await ada.page.keyboard.press("Escape")
    reached = set()
    for _ in range(25):
        await ada.page.keyboard.press("Tab")
        reached.add(
            await ada.page.evaluate(
                "document.activeElement.dataset.testid || document.activeElement.className"
            )
        )
    assert {"run", "restart", "copy-link", "theme-toggle", "leave", "cp-splitter"} <= reached
    await ada.context.close()


async def test_a_notebook_pad_in_two_browsers(server: JupyterServer, chromium: Browser) -> None:
    room = await server.room(pad_type="notebook", starter_text="x = 20")
    code = await server.invite(room["id"])
    ada, bob = await join(chromium, server, code, "Ada"), await join(chromium, server, code, "Bob")
    await ada.page.locator(".cm-content").first.click()
    await ada.page.keyboard.press("Control+End")
    await ada.page.keyboard.type("\nprint(x + 1)")
    await ada.page.keyboard.press("Shift+Enter")
    await expect(bob.page.get_by_test_id("cell").first).to_contain_text("21")
    await expect(bob.page.locator(".cp-prompt").first).to_have_text("[1]")
    await expect(bob.page.get_by_test_id("cell")).to_have_count(2)
    await bob.page.locator(".cm-content").nth(1).click()
    await bob.page.keyboard.type("print(x * 2)")
    await bob.page.keyboard.press("Shift+Enter")
    await expect(ada.page.get_by_test_id("cell").nth(1)).to_contain_text("40")
    file = server.pad_file(room)

    def sources() -> list[str]:
        return ["".join(cell["source"]) for cell in notebook_in(file)["cells"]]

    await until(lambda: sources()[1:] == ["print(x * 2)", ""], "the second cell in the file")
    for window in (ada, bob):
        assert window.problems == []
        await window.context.close()


async def test_the_page_is_light(server: JupyterServer, chromium: Browser) -> None:
    room = await server.room()
    window = await Window.open(chromium)
    scripts: dict[str, int] = {}

    async def measure(response: Any) -> None:
        if response.url.endswith(".js"):
            assert response.headers.get("content-encoding") == "gzip"
            scripts[response.url] = int(response.headers["content-length"])

    window.page.on("response", measure)
    await window.page.goto(f"{server.url}codepad/join/{await server.invite(room['id'])}")
    await window.page.get_by_label("Your name").fill("Ada")
    await window.page.keyboard.press("Enter")
    await ready(window.page)
    assert 0 < sum(scripts.values()) <= 350 * 1024
    await window.context.close()


async def test_the_host_and_a_guest_share_a_room_from_jupyterlab(
    server: JupyterServer, chromium: Browser, lab: LabProfile
) -> None:
    page = (await lab.open()).page
    await page.locator(".jp-LauncherCard", has_text="Codepad Room").click(timeout=60_000)
    await page.get_by_test_id("new-room-title").fill("From Lab")
    await page.get_by_test_id("new-room-starter").fill("print('from lab')\n")
    await page.locator(".jp-Dialog .cp-create").click()
    await expect(page.get_by_test_id("lab-output")).to_be_visible()
    editor = page.locator(".jp-FileEditor .cm-content")
    await expect(editor).to_contain_text("from lab")
    item = page.get_by_test_id("room-item").first
    room_id = await item.get_attribute("data-room-id")
    assert room_id
    guest = await join(chromium, server, await server.invite(room_id), "Ada")
    await guest.page.locator(".cm-content").click()
    await guest.page.keyboard.press("Control+End")
    await guest.page.keyboard.type("print('from the guest')")
    await expect(editor).to_contain_text("from the guest")
    await editor.click()
    await page.keyboard.press("Control+Home")
    await page.keyboard.type("print('host types')\n")
    await expect(guest.page.locator(".cm-content")).to_contain_text("host types")
    await expect(guest.page.locator('[data-testid=remote-caret][data-name="Host"]')).to_have_count(
        1
    )
    await page.get_by_test_id("lab-run").get_by_test_id("run").click()
    for window in (page, guest.page):
        entry = window.get_by_test_id("run-entry").last
        await expect(entry).to_contain_text("from the guest")
        await expect(entry).to_contain_text("Host")
    await expect(item).to_contain_text("2 people here")
    await item.get_by_test_id("room-close").click()
    await expect(guest.page.get_by_test_id("end-screen")).to_contain_text("closed this room")
    await expect(item).to_have_attribute("data-state", "closed")
    assert guest.problems == []


async def test_undo_in_jupyterlab_keeps_a_cell_that_a_guest_has_typed_into(
    server: JupyterServer, chromium: Browser, lab: LabProfile
) -> None:
    room = await server.room(pad_type="notebook", starter_text="x = 1")
    page = (await lab.open(room["pad_path"])).page
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    await cells.first.locator(".cm-content").click()
    await page.keyboard.press("Escape")
    await page.keyboard.press("b")
    await expect(cells).to_have_count(2)
    guest = await join(chromium, server, await server.invite(room["id"]), "Ada")
    await guest.page.locator(".cm-content").nth(1).click()
    await guest.page.keyboard.type("guest = 2")
    await expect(cells.nth(1)).to_contain_text("guest = 2")
    await page.keyboard.press("z")
    await expect(page.locator(".Toastify__toast", has_text="This was not undone")).to_be_visible()
    await expect(cells).to_have_count(2)
    await page.keyboard.press("b")
    await expect(cells).to_have_count(3)
    await page.keyboard.press("z")
    await expect(cells).to_have_count(2)
    await expect(guest.page.get_by_test_id("cell")).to_have_count(2)
    assert await text_of(guest.page) == "x = 1\nguest = 2"


async def test_a_guest_cannot_make_jupyterlab_run_anything(
    server: JupyterServer, lab: LabProfile
) -> None:
    room = await server.room(pad_type="notebook", starter_text="x = 1")
    page = (await lab.open(room["pad_path"])).page
    cell = page.locator(".jp-Notebook .jp-CodeCell")
    mallory = await (await server.guest(room["id"], "Mallory")).document().connect()
    html = "<b>shown</b><img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"
    first = mallory.cells()[0]
    with mallory.ydoc.transaction():
        first["metadata"]["trusted"] = True
        for data in ({"text/html": html}, {"application/javascript": "window.hacked=1"}):
            output = {"output_type": "display_data", "metadata": {}, "data": data}
            first["outputs"].append(Map(output))
    await expect(cell.first.locator(".jp-OutputArea b")).to_have_text("shown")
    mallory.say({"cursors": [{"anchor": {"item": None}, "head": None}]})
    source = first["source"]
    source += "\ny = 2"
    await expect(cell.first.locator(".cm-content")).to_contain_text("y = 2")
    assert await page.evaluate("window.hacked") is None


async def test_the_picture_in_the_readme_is_true(server: JupyterServer, chromium: Browser) -> None:
    """Draws ``docs/images/room.png`` anew when it is missing."""
    target = REPOSITORY / "docs/images/room.png"
    code = (
        "import matplotlib.pyplot as plt\n\n\ndef collatz(n):\n    steps = [n]\n"
        "    while n != 1:\n        n = n // 2 if n % 2 == 0 else 3 * n + 1\n"
        "        steps.append(n)\n    return steps\n\n\n"
        "print(len(collatz(27)), 'steps')\nplt.plot(collatz(27))\nplt.show()\n"
    )
    room = await server.room(title="Interview with Ada", starter_text=code)
    link = await server.invite(room["id"])
    size = {"width": 1280, "height": 720}
    ada = await join(chromium, server, link, "Ada", viewport=size)
    grace = await join(chromium, server, link, "Grace", viewport=size)
    await grace.page.locator(".cm-line").nth(6).click()
    await ada.page.locator(".cm-line").nth(13).click()
    await grace.page.get_by_test_id("run").click()
    entry = ada.page.get_by_test_id("run-entry")
    await expect(entry).to_have_attribute("data-status", "ok")
    await expect(ada.page.locator("img.cp-out-image")).to_be_visible()
    await expect(ada.page.locator("[data-testid=remote-caret]")).to_have_count(1)
    await saved(ada.page)
    picture = await ada.page.screenshot()
    assert len(picture) > 20_000
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(picture)
    for window in (ada, grace):
        await window.context.close()
