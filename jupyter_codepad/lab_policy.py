"""A content security policy on JupyterLab's page, which carries the server's token.

What guests write comes to the host's JupyterLab too: cells, output, names. JupyterLab cleans what
it does not trust, and this is the second wall: what gets past its sanitizer does not run and tells
nobody that it was seen.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

from jupyter_server.base.handlers import AuthenticatedFileHandler
from jupyter_server.files.handlers import FilesHandler
from jupyterlab_server.handlers import LabHandler
from tornado.web import HTTPError

REPORT = re.compile(r"report-uri [^;,]+")
CODE_DESTINATIONS = frozenset({"script", "worker", "sharedworker", "serviceworker"})


class InlineScripts(HTMLParser):
    """Collects the text of a page's inline scripts, exactly as the browser will hash it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=False)
        self.texts: list[str] = []
        self._inside = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a text at a script that has no address."""
        if tag == "script" and "src" not in dict(attrs):
            self._inside = True
            self.texts.append("")

    def handle_data(self, data: str) -> None:
        """Add to the text."""
        if self._inside:
            self.texts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        """End the text."""
        if tag == "script":
            self._inside = False


def lab_policy(html: str, stock: str) -> str:
    """The policy for a page of JupyterLab, besides the one that the server has anyway.

    ``stock``: the server's own, which stays in force; its ``report-uri`` is told of ours too.
    Scripts are the server's files and the inline ones that this page was made with. JupyterLab
    makes validators of its settings from text, hence ``unsafe-eval``; and styles as it goes.
    """
    hashes = [
        base64.b64encode(hashlib.sha256(text.replace("\r\n", "\n").encode()).digest()).decode()
        for text in InlineScripts(html).texts
    ]
    scripts = " ".join(f"'sha256-{value}'" for value in hashes)
    ours = [
        "default-src 'self'",
        f"script-src 'self' 'unsafe-eval' {scripts}".rstrip(),
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "frame-src 'self' blob: data:",
        "object-src 'self' blob:",
        "base-uri 'self'",
        "form-action 'none'",  # JupyterLab's own never leave the page; others would reload it
        *REPORT.findall(stock)[:1],
    ]
    return f"{stock}, {'; '.join(ours)}"


def protected(stock: Any) -> type[Any] | None:
    """A handler to put in a stock one's place, or None where it may stay as it is."""
    if not isinstance(stock, type):
        return None
    if issubclass(stock, LabHandler):
        return type(f"Protected{stock.__name__}", (ProtectedPage, stock), {})
    if issubclass(stock, FilesHandler | AuthenticatedFileHandler):
        return type(f"Protected{stock.__name__}", (ProtectedFiles, stock), {})
    return None


class ProtectedPage:
    """Mixed into a handler of JupyterLab's page."""

    def render_template(self, name: str, **namespace: Any) -> str:
        """Render as JupyterLab does, and send the policy for what came out."""
        html: str = super().render_template(name, **namespace)  # type: ignore[misc]
        stock = self.content_security_policy  # type: ignore[attr-defined]
        self.set_header("Content-Security-Policy", lab_policy(html, stock))  # type: ignore[attr-defined]
        return html


class ProtectedFiles:
    """Mixed into the handler of ``/files/``: people's files are not scripts of the server.

    Otherwise ``script-src 'self'`` would let in what somebody has written into a file.
    """

    async def prepare(self) -> None:
        """Refuse a browser that wants to run a file."""
        if self.request.headers.get("Sec-Fetch-Dest") in CODE_DESTINATIONS:  # type: ignore[attr-defined]
            raise HTTPError(403, "Files are not run as scripts of this server.")
        await super().prepare()  # type: ignore[misc]
