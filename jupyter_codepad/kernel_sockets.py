"""JupyterLab's kernel sockets without Nagle's delay: most of an execute request was waiting."""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.websocket import KernelWebsocketHandler


def prompt(stock: Any) -> type[Any] | None:
    """A handler to put in a stock one's place, or None where it may stay as it is."""
    if isinstance(stock, type) and issubclass(stock, KernelWebsocketHandler):
        return type(f"Prompt{stock.__name__}", (PromptKernelSocket, stock), {})
    return None


class PromptKernelSocket:
    """Mixed into the handler of a kernel's socket."""

    async def open(self, *args: Any, **kwargs: Any) -> None:
        """Send small frames at once, instead of waiting for the answer to the one before."""
        self.set_nodelay(True)  # type: ignore[attr-defined]
        await super().open(*args, **kwargs)  # type: ignore[misc]
