"""What nobody may see in a room's pad, taken out before anything of it is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jupyter_ydoc.ynotebook import YNotebook
from jupyter_ydoc.yunicode import YUnicode
from pycrdt import Map, Text


class Tidy:
    """Keeps a document clean once people write in it who are not trusted.

    Called, it takes out what came in since the last time.
    """

    def __init__(self, document: Any) -> None:
        self._document = document
        self._due: set[Callable[[], None]] = set()
        self.on = False

    def start(self, *, now: bool) -> None:
        """Keep it clean from now on, and clean what is there already if it is loaded (``now``)."""
        self.on = True
        if now and isinstance(self._document, YNotebook):
            self._remove_trust()

    def later(self, what: Callable[[], None]) -> None:
        """Have something done before anything is sent; a document cannot be changed just now."""
        self._due.add(what)

    def changed(self, target: str, event: Any) -> None:
        """Note what a change may have brought in."""
        if not self.on:
            return
        if target == "source" and isinstance(self._document, YUnicode):
            if any(not isinstance(d.get("insert", ""), str) for d in event.delta):
                self._due.add(self._remove_embeds)
        elif target == "cells" and any(part.path[-1:] != ["source"] for part in event):
            self._due.add(self._remove_trust)

    def __call__(self) -> None:
        while self._due:
            self._due.pop()()

    def _remove_trust(self) -> None:
        """Trust no cell of a room: JupyterLab would run what anybody has put into its output.

        A cell stays untrusted for the host too, because its output can be written by a guest later.
        """
        with self._document.ydoc.transaction():
            for cell in self._document.ycells:
                metadata = cell.get("metadata")
                if isinstance(metadata, Map):
                    if "trusted" in metadata:
                        del metadata["trusted"]
                elif isinstance(metadata, dict) and "trusted" in metadata:
                    cell["metadata"] = Map({k: v for k, v in metadata.items() if k != "trusted"})

    def _remove_embeds(self) -> None:
        """Take objects out of a text: no editor of code can show one, and some break on it."""
        text = self._document.ydoc.get("source", type=Text)
        position = 0
        with self._document.ydoc.transaction():
            for value, _attributes in text.diff():
                if isinstance(value, str):
                    position += len(value.encode())
                else:
                    del text[position : position + 1]
