"""How large a shared document is, for the limits of guests."""

from __future__ import annotations

from typing import Any

from jupyter_ydoc.yunicode import YUnicode
from pycrdt import Text

STATE_FACTOR = 4


def size_of(document: Any) -> int:
    """What a shared document's limit is held against: its text, or all that a notebook is.

    What makes up a text besides its characters may be some times as large.
    """
    state = len(document.ydoc.get_update())
    if isinstance(document, YUnicode):
        return max(len(document.ydoc.get("source", type=Text)), state // STATE_FACTOR)
    return state
