"""The self-test of a sandbox on this machine: code inside tries what must not be possible."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .rungs import Launch, LocalRung
from .starts import KernelStart

PROBE_SECONDS = 20.0
PROBE = """
import ctypes, json, os, signal, socket, sys
wish = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def fails(action):
    try: action()
    except OSError: return True
    return False
def refused(result): return result == -1
def read(path): return open(path, "rb").read(1)
def listing(path):
    try: return os.listdir(path)
    except OSError: return []
def unix(name):
    with socket.socket(socket.AF_UNIX) as s: s.connect(name)
def tcp():
    with socket.create_connection(("127.0.0.1", wish["port"]), 1): pass
print(json.dumps({
    "root": os.getuid() != 0,
    "shadow": fails(lambda: read("/etc/shadow")),
    "files of the server": fails(lambda: read(wish["secret"])),
    "writing outside": fails(lambda: open(wish["secret"] + ".new", "w")),
    "network": fails(tcp),
    "sockets": fails(lambda: unix(wish["socket"])),
    "abstract sockets": fails(lambda: unix("\\0" + wish["abstract"])),
    "modes of files": fails(lambda: os.chmod(wish["secret"], 0o777)),
    "working folder": open("probe", "w").write("x") == 1 and os.chmod("probe", 0o700) is None,
    "processes": len([p for p in listing("/proc") if p.isdigit()]) < 10,
    "signals": fails(lambda: os.kill(wish["pid"], 0)),
    "environment of the server": wish["mark"] not in "".join(os.environ) and fails(
        lambda: read("/proc/%d/environ" % wish["pid"])),
    "sysctl": not os.access("/proc/sys/kernel/core_pattern", os.W_OK)
        or fails(lambda: open("/proc/sys/kernel/core_pattern", "a")),
    "mounts": refused(libc.mount(b"x", b"/tmp", b"tmpfs", 0, None)),
    "namespaces": refused(libc.unshare(0x10000000)),
    "tracing": refused(libc.ptrace(16, wish["pid"], 0, 0)),
    "raw sockets": fails(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
}))
"""
MARK = "CODEPAD_PROBE"


async def try_attacks(rung: LocalRung) -> str:
    """Run the probe; returns what is wrong, or nothing."""
    return await asyncio.to_thread(_try, rung)


def _try(rung: LocalRung) -> str:
    with targets() as wish:
        try:
            command = (sys.executable, "-I", "-S", "-c", PROBE, json.dumps(wish))
            made = rung.launch(KernelStart(command))
        except OSError as error:
            return f"it cannot be made ({error.strerror})"
        try:
            done = _run(made)
        except subprocess.TimeoutExpired:
            return "its self-test did not end"
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        return f"it does not work here ({words[-1][:200]})"
    facts = json.loads(done.stdout)
    holes = [name for name, good in facts.items() if not good]
    return f"it has holes here ({', '.join(holes)})" if holes else ""


def _run(made: Launch) -> subprocess.CompletedProcess[bytes]:
    process = subprocess.Popen(  # noqa: S603 - our own sandbox
        made.argv,
        env={"PATH": os.defpath, MARK: "1"},
        pass_fds=made.descriptors,
        stdin=made.stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        start_new_session=True,
    )
    try:
        made.close()
        out, err = process.communicate(timeout=PROBE_SECONDS)
    except subprocess.TimeoutExpired:
        made.abandon()
        process.kill()
        process.communicate()
        raise
    finally:
        made.abandon()
        if made.folder is not None:
            shutil.rmtree(made.folder, ignore_errors=True)
    return subprocess.CompletedProcess(made.argv, process.returncode, out, err)


@contextmanager
def targets() -> Iterator[dict[str, Any]]:
    """Things of this machine that code in a sandbox must not get at."""
    with (
        tempfile.TemporaryDirectory(prefix="codepad-probe-") as folder,
        socket.create_server(("127.0.0.1", 0)) as network,
        socket.socket(socket.AF_UNIX) as path,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        os.chmod(folder, 0o755)  # noqa: S103 - only the sandbox keeps anybody out
        secret = Path(folder, "secret")
        secret.write_text("secret")
        path.bind(f"{folder}/socket")
        os.chmod(f"{folder}/socket", 0o777)  # noqa: S103
        name = Path(folder).name
        abstract.bind(f"\0{name}")
        path.listen()
        abstract.listen()
        yield {
            "port": network.getsockname()[1],
            "secret": str(secret),
            "socket": f"{folder}/socket",
            "abstract": name,
            "pid": os.getpid(),
            "mark": MARK,
        }
