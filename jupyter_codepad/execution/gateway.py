"""The remote rung: kernels on other machines, behind a Kernel Gateway or Enterprise Gateway.

The gateway is the one that jupyter-server's ``GatewayClient`` is configured for: its address, its
token, its certificates. What is spoken is the REST and WebSocket protocol of Jupyter's kernels.
What keeps code in its place is what the gateway starts kernels in.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_server.gateway.gateway_client import GatewayClient, gateway_request
from jupyter_server.utils import url_path_join
from tornado.escape import json_decode, url_escape
from tornado.httpclient import HTTPError as HTTPClientError
from tornado.httpclient import HTTPRequest
from tornado.web import HTTPError
from tornado.websocket import WebSocketClientConnection, websocket_connect

from .probe import targets
from .processes import KernelEnded, KernelProcess
from .rungs import MIB, Rung
from .starts import KernelStart

MESSAGE_LIMIT_BYTES = 4 * MIB
WAITING_MESSAGES = 32
TEST_SECONDS = 60.0
TEST_KERNEL = "python3"
LOST = "The connection to the gateway was lost."
GONE = frozenset({"dead", "restarting"})
"""States in which what the kernel knew is gone."""
TROUBLE = (HTTPError, HTTPClientError, OSError, asyncio.TimeoutError)
PROBE = """
def codepad_probe(wish):
    import os
    def fails(path):
        try: open(path, "rb").read(1)
        except OSError: return True
        return False
    print(fails(wish["secret"]) and fails("/proc/%%d/environ" %% wish["pid"]))
codepad_probe(%r)
"""


class RemoteRung(Rung):
    """Kernels of a gateway."""

    name = "remote"
    has_toolchains = False
    promises = (
        "Code runs on the machines of the gateway, not on this one.",
        "No file, process or variable of this server is there.",
    )
    gaps = (
        "What code reaches there, the network above all, is decided by the gateway.",
        "The limits of memory, processes and disk are the gateway's.",
        "Languages without a kernel of their own cannot be run, and files of the room are not "
        "there.",
        "When this server is killed, the gateway ends its kernels only by its own idle limit.",
    )

    async def test(self) -> str:
        if not GatewayClient.instance().gateway_enabled:
            return "no gateway is configured (GatewayClient.url)"
        process = RemoteProcess()
        try:
            return await asyncio.wait_for(_try(process), TEST_SECONDS)
        except (*TROUBLE, KernelEnded) as error:
            words = error.log_message if isinstance(error, HTTPError) else str(error)
            return f"the gateway does not answer as it should ({words or type(error).__name__})"
        finally:
            process.kill()
            await process.wait()
            await process.close()

    def process(self) -> KernelProcess:
        return RemoteProcess()


async def _try(process: RemoteProcess) -> str:
    with targets() as wish:
        await process.start(KernelStart(argv=(), gateway_kernel=TEST_KERNEL), "")
        client = await process.connect(None)
        asked = client.execute(PROBE % ({key: wish[key] for key in ("secret", "pid")},))
        said = ""
        while True:
            message = await client.iopub_channel.get_msg()
            if message["parent_header"].get("msg_id") != asked:
                continue
            if message["msg_type"] == "stream":
                said += message["content"]["text"]
            elif message["content"].get("execution_state") == "idle":
                break
    if said.strip() == "True":
        return ""
    return "its kernels can read this server's files: they run on this machine, kept in nothing"


class RemoteProcess(KernelProcess):
    """One kernel of the gateway."""

    def __init__(self) -> None:
        self._url = ""
        self._kernel_id = ""
        self._client: RemoteClient | None = None
        self._words: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._killed = False

    async def start(self, start: KernelStart, key: str) -> None:
        if start.gateway_kernel is None:
            raise KernelEnded("This language cannot be run on this server's gateway.")
        gateway = GatewayClient.instance()
        url = url_path_join(gateway.url or "", gateway.kernels_endpoint)
        body = json.dumps({"name": start.gateway_kernel, "env": dict(start.environment)})
        try:
            answer = await gateway_request(url, method="POST", body=body)
        except TROUBLE as error:
            raise KernelEnded("The gateway did not start a kernel.") from error
        self._kernel_id = str(json_decode(answer.body)["id"])
        self._url = url_path_join(url, url_escape(self._kernel_id))

    async def connect(self, context: zmq.asyncio.Context | None) -> AsyncKernelClient:
        gateway = GatewayClient.instance()
        url = url_path_join(gateway.ws_url or "", gateway.kernels_endpoint)
        url = url_path_join(url, url_escape(self._kernel_id), "channels")
        request = HTTPRequest(url, **gateway.load_connection_args())
        try:
            socket = await websocket_connect(request, max_message_size=MESSAGE_LIMIT_BYTES)
        except TROUBLE as error:
            raise KernelEnded("The gateway's kernel cannot be reached.") from error
        self._client = client = RemoteClient(socket)
        self._own(client.read(self._end))
        return client

    @property
    def room_path(self) -> Path | None:
        return None

    async def wait(self) -> str:
        if not self._kernel_id:
            return "The kernel was never started."
        return await asyncio.shield(self._words)

    def interrupt(self) -> None:
        self._own(self._post_interrupt())

    async def _post_interrupt(self) -> None:
        with suppress(*TROUBLE):
            await gateway_request(f"{self._url}/interrupt", method="POST", body="{}")

    def kill(self) -> None:
        if self._kernel_id and not self._killed:
            self._killed = True
            self._own(self._delete())

    async def _delete(self) -> None:
        with suppress(*TROUBLE):
            await gateway_request(self._url, method="DELETE")
        self._end("The kernel was ended.")

    def _end(self, words: str) -> None:
        if not self._words.done():
            self._words.set_result(words)

    def _own(self, work: Awaitable[None]) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        if not self._killed:
            self.kill()  # a kernel that the gateway has started again
        if self._client is not None:
            self._client.stop_channels()
        for task in list(self._tasks):
            if task is not asyncio.current_task():
                with suppress(asyncio.CancelledError):
                    await task


class RemoteChannel:
    """One of the five channels that a kernel's WebSocket carries; holds few messages.

    To whoever reads it, it is its own ``socket`` and ``session``, with messages that are whole.
    """

    def __init__(self, name: str, send: Callable[[str], None]) -> None:
        self.socket = self.session = self
        self._name = name
        self._send = send
        self._waiting = asyncio.Queue[dict[str, Any]](WAITING_MESSAGES)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message of a ``Session``."""
        self._send(json.dumps({**message, "channel": self._name, "buffers": []}, default=str))

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:  # noqa: ASYNC109
        """The next message."""
        return await asyncio.wait_for(self._waiting.get(), timeout)

    async def recv_multipart(self) -> list[dict[str, Any]]:
        """The next message, as the only one of its parts."""
        return [await self._waiting.get()]

    def feed_identities(self, parts: list[Any]) -> tuple[list[bytes], list[Any]]:
        """Whom a message was for, which here is nobody else, and its other parts."""
        return [], parts

    def deserialize(self, parts: list[dict[str, Any]]) -> dict[str, Any]:
        """The message that its parts make."""
        return parts[0]

    async def put(self, message: dict[str, Any]) -> None:
        """Add a message, or wait until there is a place: then the gateway waits too."""
        await self._waiting.put(message)


class RemoteClient(AsyncKernelClient):
    """Says what a kernel's client says, over a WebSocket."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        super().__init__()
        self._socket = socket
        names = ("shell", "iopub", "stdin", "control")
        self._channels = {name: RemoteChannel(name, self._send) for name in names}
        self._shell_channel = self._channels["shell"]
        self._iopub_channel = self._channels["iopub"]
        self._stdin_channel = self._channels["stdin"]
        self._control_channel = self._channels["control"]

    def _send(self, text: str) -> None:
        self._socket.write_message(text)

    def start_channels(self, *_: Any, **__: Any) -> None:
        """All channels are one socket, which is open."""

    def stop_channels(self) -> None:
        """Close the socket."""
        self._socket.close()

    async def read(self, end: Callable[[str], None]) -> None:
        """Hand messages to their channels until the socket closes or the kernel is no more."""
        while (text := await self._socket.read_message()) is not None:
            try:
                message = json_decode(text)
                channel = self._channels[message["channel"]]
                state = message["content"].get("execution_state")
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # nobody's
            if state in GONE:
                end("The kernel has ended.")
                return
            await channel.put(message)
        end(LOST)
