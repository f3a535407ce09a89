"""jupyter-codepad: share a room, not your server."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from .app import CodepadApp  # noqa: PLC0415 - the version must be readable without Jupyter

    return [{"module": "jupyter_codepad", "app": CodepadApp}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "jupyter-codepad"}]
