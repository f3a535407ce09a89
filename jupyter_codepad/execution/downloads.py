"""The output of a run as text, to keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def output_text(outputs: Iterable[Mapping[str, Any]]) -> str:
    """All that was printed, shown as text, or went wrong, in this order, with its colours."""
    return "".join(_text(output) for output in outputs)


def _text(output: Mapping[str, Any]) -> str:
    kind = output.get("output_type")
    if kind == "stream":
        return _joined(output.get("text"))
    if kind == "error":
        traceback = output.get("traceback")
        return _line("\n".join(map(str, traceback)) if isinstance(traceback, list) else "")
    data = output.get("data")
    return _line(_joined(data.get("text/plain"))) if isinstance(data, Mapping) else ""


def _joined(text: Any) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else str(text or "")


def _line(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"
