"""JupyterLab as the owner of a server has it open, and the parts of a notebook in it."""

from __future__ import annotations

from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.support.browser import Window
from tests.support.server import JupyterServer

LOADS_MS = 60_000


class LabProfile:
    """A browser profile in which JupyterLab is opened again and again, of one server."""

    server: JupyterServer

    def __init__(self, context: BrowserContext) -> None:
        self.context = context

    async def open(self, path: str = "") -> Window:
        """A fresh page with JupyterLab, and a file open in it."""
        page = await self.context.new_page()
        return await open_lab(Window(self.context, page), self.server, path)

    async def close(self) -> None:
        """Close every page: also what a test has left open."""
        for page in self.context.pages:
            await page.close()


async def open_lab(window: Window, server: JupyterServer, path: str = "") -> Window:
    """Go to JupyterLab with nothing open but a file."""
    where = f"lab/tree/{path}" if path else "lab"
    await window.page.goto(f"{server.url}{where}?token={server.token}&reset")
    if path.endswith(".ipynb"):
        await expect(cell(window.page, 0)).to_be_visible(timeout=LOADS_MS)
    return window


def panel(page: Page) -> Locator:
    """The notebook in front."""
    return page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")


def cell(page: Page, number: int) -> Locator:
    """One of its code cells."""
    return panel(page).locator(".jp-Notebook .jp-CodeCell").nth(number)


def prompt(page: Page, number: int) -> Locator:
    """What says whether it runs, and the how-manieth it was."""
    return cell(page, number).locator(".jp-InputPrompt")


async def run(page: Page, number: int) -> None:
    """Run a cell as a person does."""
    await cell(page, number).locator(".cm-content").click()
    await page.keyboard.press("Control+Enter")
