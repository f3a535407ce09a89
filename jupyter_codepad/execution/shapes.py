"""Outputs in nbformat's shape: of what a kernel says, only what a browser can be shown safely.

Code in a kernel can send anything as its messages: nothing in them is taken to be what it should.
"""

from __future__ import annotations

import json
import math
from typing import Any

SAFE_MIME_TYPES = frozenset(
    {
        "text/plain",
        "text/html",
        "text/markdown",
        "text/latex",
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/svg+xml",
        "application/json",
    }
)
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_WORDS = "A widget: it works in notebooks of your own, not in rooms."
OTHER_WORDS = "This cannot be shown in rooms: {}"
MIME_CHARACTERS = 100
TRACEBACK_LINES = 200
LINE_CHARACTERS = 4000
TRACEBACK_CHARACTERS = 100_000
JSON_DEPTH = 32
LARGEST_NUMBER = 2**53
MEGABYTE = 1024 * 1024
DISPLAY_ID_CHARACTERS = 100

Message = dict[str, Any]
Output = dict[str, Any]


def clean(text: object, limit: int | None = None) -> str:
    """A text that can be written: no halves of surrogate pairs, at most ``limit`` characters."""
    cut = str(text)[:limit]
    return cut if cut.isascii() else cut.encode("utf-8", "replace").decode()


def display_output(kind: str, content: Message) -> Output:
    """A display or result, with the safe kinds of data only."""
    data = content.get("data")
    shown = {}
    for mime, value in data.items() if isinstance(data, dict) else ():
        if mime in SAFE_MIME_TYPES:
            shown[mime] = plain_json(value) if mime == "application/json" else _text(value)
    if data and isinstance(data, dict) and shown.keys() <= {"text/plain"}:
        words = [shown.get("text/plain"), _instead(data)]
        shown["text/plain"] = "\n".join(filter(None, words))
    output: Output = {
        "output_type": "execute_result" if kind == "execute_result" else "display_data",
        "data": shown,
        "metadata": {},
    }
    if kind == "execute_result":
        output["execution_count"] = count_of(content)
    return output


def _instead(data: Message) -> str:
    """The words for a display of which there is a text at most; empty when that is all of it."""
    if WIDGET_VIEW in data:
        return WIDGET_WORDS
    more = next((mime for mime in data if mime != "text/plain"), None)
    return OTHER_WORDS.format(clean(more, MIME_CHARACTERS)) if more is not None else ""


def display_id_of(content: Message) -> str:
    """What a display can be updated by; empty when it cannot."""
    transient = content.get("transient")
    found = transient.get("display_id") if isinstance(transient, dict) else None
    return clean(found, DISPLAY_ID_CHARACTERS) if isinstance(found, str) else ""


def left_out(message: Message) -> int:
    """How large an output was that the kernel has not sent because of its size; 0: it was sent."""
    metadata = message.get("metadata")
    ours = metadata.get("codepad") if isinstance(metadata, dict) else None
    size = ours.get("left_out") if isinstance(ours, dict) else None
    return size if isinstance(size, int) and 0 < size < LARGEST_NUMBER else 0


def too_large(output: Output, size: int, limit: int) -> Output:
    """What is shown in place of an output of ``size`` bytes."""
    words = f"output of {_megabytes(size)} not shown: a run may have {_megabytes(limit)}"
    return {**output, "data": {"text/plain": words}, "metadata": {}}


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:.1f} MB" if size >= MEGABYTE / 10 else f"{size / 1024:.1f} kB"


def error_output(content: Message) -> Output:
    """A traceback, of bounded length."""
    traceback = content.get("traceback")
    lines = traceback if isinstance(traceback, list) else []
    if len(lines) > TRACEBACK_LINES:
        half = TRACEBACK_LINES // 2
        lines = [*lines[:half], "…", *lines[-half:]]
    shown = [clean(line, LINE_CHARACTERS) for line in lines]
    while shown and sum(map(len, shown)) > TRACEBACK_CHARACTERS:
        del shown[len(shown) // 2]
    return {
        "output_type": "error",
        "ename": clean(content.get("ename", ""), 1000),
        "evalue": clean(content.get("evalue", ""), 10_000),
        "traceback": shown,
    }


def count_of(content: Message) -> int | None:
    """The execution count in a message."""
    count = content.get("execution_count")
    good = isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 2**31
    return count if good else None


def size_of(output: Output) -> int:
    """How much of the limit an output takes, in bytes (nearly)."""
    return len(json.dumps(output))


def plain_json(value: object, depth: int = JSON_DEPTH) -> Any:
    """JSON that a shared document can hold: not too deep, no numbers beyond a browser's."""
    if depth == 0:
        return "…"
    if isinstance(value, dict):
        return {clean(key): plain_json(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [plain_json(item, depth - 1) for item in value]
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if math.isfinite(value) and abs(value) <= LARGEST_NUMBER else str(value)[:400]
    return value if value is None or isinstance(value, bool) else clean(value)


def _text(value: object) -> str:
    """A piece of text, which nbformat also has as a list of lines."""
    if isinstance(value, list):
        return "".join(clean(part) for part in value)
    return clean(value)
