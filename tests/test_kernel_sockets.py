"""Jupyter's own kernel sockets on a server of ours: what they send is not held back."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from tests.support.server import JupyterServer

PIDFD_GETFD = 438


async def test_small_frames_are_sent_at_once(server: JupyterServer) -> None:
    host = server.host
    answer = await host.http.post(f"{server.url}api/kernels", json={"name": "python3"})
    kernel = f"api/kernels/{answer.json()['id']}"
    try:
        url = f"{server.ws_url}{kernel}/channels?session_id={uuid4().hex}"
        line = await websocket_connect(HTTPRequest(url, headers=host.headers))
        assert line.protocol is not None and line.protocol.stream is not None
        here = line.protocol.stream.socket.getsockname()
        assert server.process is not None
        at_once = [
            each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            for each in sockets_of(server.process.pid)
            if peer(each) == here
        ]
        assert at_once == [1]
        line.close()
    finally:
        await host.http.delete(server.url + kernel)


def sockets_of(pid: int) -> Iterator[socket.socket]:
    """The sockets of a child process, each as a descriptor of ours (pidfd_getfd(2))."""
    process = os.pidfd_open(pid)
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # it is closed by now
                if not os.readlink(entry).startswith("socket:"):
                    continue
            copied = ctypes.CDLL(None).syscall(PIDFD_GETFD, process, int(entry.name), 0)
            if copied >= 0:
                with socket.socket(fileno=copied) as found:
                    yield found
    finally:
        os.close(process)


def peer(one: socket.socket) -> object:
    """Who is at the other end, or None."""
    try:
        return one.getpeername()
    except OSError:
        return None
