"""What a program writes, as text for people."""

from __future__ import annotations

import codecs
import os


class StreamText:
    """Makes text of the bytes of one stream, as they come.

    A line's end as some print it on a terminal becomes a newline. ``hidden``: a folder's path that
    is left out wherever it appears, also when it comes in two pieces; empty: none is.
    """

    def __init__(self, hidden: str = "") -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._hidden = hidden
        self._held = ""

    def take(self, data: bytes, *, last: bool = False) -> str:
        """The text of what has come; what may belong to what comes next is held back."""
        text = self._held + self._decoder.decode(data, last)
        kept = len(text) if last else len(text) - self._unfinished(text)
        text, self._held = text[:kept], text[kept:]
        text = text.replace("\r\n", "\n")
        return text.replace(self._hidden, "") if self._hidden else text

    def settle(self) -> str:
        """What is held back and can be seen: nothing seems to come next."""
        text, self._held = self._held, ""
        if text.endswith("\r"):
            text, self._held = text[:-1], "\r"
        return text

    def _unfinished(self, text: str) -> int:
        """How many characters at the end may be the beginning of what is replaced."""
        if text.endswith("\r"):
            return 1
        for length in range(min(len(text), len(self._hidden) - 1), 0, -1):
            if text.endswith(self._hidden[:length]):
                return length
        return 0


def hidden_folder(room: str) -> str:
    """What of the place of the room's folder is nobody's business.

    Where the machine's file system is shared, everything of a sandbox lies below one folder, whose
    name says nothing to people; without it paths are as in a file system of its own.
    """
    folder = os.path.dirname(room)
    return "" if folder == "/" else folder
