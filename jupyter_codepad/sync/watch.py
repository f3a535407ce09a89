"""What the server itself hears of a document's changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any


class Watch:
    """Observes a jupyter_ydoc document, all of it or its state only.

    To observe a text costs several times what it costs to change it: pycrdt goes through all of it
    to tell what has changed.

    ``changed``: called with what has changed ("state", "source", "cells", …) and pycrdt's event.
    """

    def __init__(self, document: Any, changed: Callable[[str, Any], None]) -> None:
        self._document = document
        self._changed = changed
        self._state: Any = None

    def all(self) -> None:
        """Hear of everything, from now on."""
        self.stop()
        self._document.observe(self._changed)

    def state(self) -> None:
        """Hear only of what is said of the document, from now on."""
        self.stop()
        self._state = self._document.ystate.observe(partial(self._changed, "state"))

    def stop(self) -> None:
        """Hear of nothing any more."""
        self._document.unobserve()
        if self._state is not None:
            self._document.ystate.unobserve(self._state)
            self._state = None
