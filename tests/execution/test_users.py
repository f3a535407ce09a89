"""User ids of sandboxes: nobody else on the machine has one, also not by another server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from jupyter_codepad.execution import users
from jupyter_codepad.execution.landlock_keeper import landlock_abi
from jupyter_codepad.execution.processes import descendants
from tests.support.box import wait_until
from tests.support.server import END_WITH_US

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has one user id only")

SERVER = """
import asyncio, json, logging, sys
from jupyter_codepad.execution.sandbox import Sandbox
from jupyter_codepad.execution.starts import KernelStart
from jupyter_codepad.execution.users import Users

rung, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sandbox = Sandbox(log=logging.getLogger(), names=(rung,))
[own] = sandbox._ladder
own.users = Users(first, count)
processes = []

async def begin():
    process = own.process()
    try:
        await process.start(KernelStart(("/bin/sleep", "1000")), "key")
    except OSError as error:
        return str(error)
    processes.append(process)
    return process.pid

async def end():
    process = processes.pop()
    process.kill()
    await process.wait()
    await process.close()

async def main():
    while order := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await {"begin": begin, "end": end}[order.strip()]()), flush=True)
    while processes:
        await end()

asyncio.run(main())
"""
"""A server that makes sandboxes when it is told to, and no more of it than that."""


class Server:
    """Such a server, in a process of its own; its users are ``count`` from ``first`` on."""

    def __init__(self, rung: str, first: int, count: int) -> None:
        self.process = subprocess.Popen(
            [*END_WITH_US, sys.executable, "-c", SERVER, rung, str(first), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def heard(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def tell(self, order: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()

    def do(self, order: str) -> Any:
        self.tell(order)
        return self.heard()

    def begin(self) -> int:
        """Make a sandbox; returns its user."""
        return user_in(self.do("begin"))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.communicate(timeout=30)
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()


def user_in(pid: int) -> int:
    """The user that a sandbox with this first process is, as soon as it is somebody."""
    found: set[int] = set()

    def look() -> bool:
        for one in descendants(pid):
            try:
                found.add(Path(f"/proc/{one}").stat().st_uid)
            except OSError:
                continue
        found.discard(0)
        return bool(found)

    wait_until(look, "the sandbox's user")
    [user] = found
    return user


@contextmanager
def two_servers(rung: str, first: int, count: int) -> Iterator[tuple[Server, Server]]:
    if not (shutil.which("bwrap") if rung == "bubblewrap" else landlock_abi()):
        pytest.skip(f"there is no {rung} here")
    with ExitStack() as stack:
        made = [Server(rung, first, count) for _ in range(2)]
        for one in made:
            stack.callback(one.close)
        yield made[0], made[1]


@pytest.mark.parametrize("rung", ["bubblewrap", "landlock"])
def test_a_user_belongs_to_one_sandbox_of_all_servers(rung: str) -> None:
    with two_servers(rung, 720_000, 4) as (one, other):
        one.tell("begin")
        other.tell("begin")  # at the same time
        first, second = user_in(one.heard()), user_in(other.heard())
        taken = [first, second, one.begin(), other.begin()]
        assert sorted(taken) == [720_000, 720_001, 720_002, 720_003]
        assert "in use" in other.do("begin"), "rather none than somebody's"
        one.do("end")
        assert other.begin() == taken[2]
        one.process.kill()
        one.process.wait()
        wait_until(lambda: not users.lives(first), "the end of its sandboxes")
        assert other.begin() == first, "it is nobody's any more"


def test_a_user_who_has_processes_is_given_to_nobody() -> None:
    # Such as those of a server that has been killed, for the moment that they still live.
    sleeper = subprocess.Popen([*END_WITH_US, "sleep", "60"], user=730_000)
    try:
        wait_until(lambda: users.lives(730_000), "the sleeper")
        for _ in range(3):
            uid, held = users.Users(730_000, 2).take()
            os.close(held)
            assert uid == 730_001
    finally:
        sleeper.kill()
        sleeper.wait()
    free = users.hold(730_000)
    assert free is not None
    os.close(free)


def test_a_user_is_taken_before_it_has_processes() -> None:
    _, held = users.Users(735_000, 1).take()
    with pytest.raises(OSError, match="in use"):
        users.Users(735_000, 1).take()
    os.close(held)
    _, held = users.Users(735_000, 1).take()
    os.close(held)


def test_nobody_else_can_keep_us_from_locking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, link, ours = tmp_path / "theirs", tmp_path / "link", tmp_path / "ours"
    theirs.touch()
    os.chown(theirs, 65534, 65534)
    link.symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr(users, "LOCKS", (theirs, link, ours))
    uid, held = users.Users(740_000, 1).take()
    os.close(held)
    assert uid == 740_000 and ours.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "elsewhere").exists()
    monkeypatch.setattr(users, "LOCKS", (theirs, link))
    with pytest.raises(OSError, match="symbolic links"):
        users.Users(740_000, 1).take()
