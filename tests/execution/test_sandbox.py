"""Attacks from inside a room's kernel; each must fail, and each shows that it was really tried."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jupyter_codepad.execution import seccomp
from jupyter_codepad.execution.kernels import KernelDied, RoomKernel
from jupyter_codepad.execution.sandbox import MIB, Sandbox, launched
from tests.support.sync_client import until

LOG = logging.getLogger("tests.sandbox")


def make_sandbox(**options: Any) -> Sandbox:
    return Sandbox(log=LOG, **options)


@asynccontextmanager
async def kernel(
    folder: Path | None = None, sandbox: Sandbox | None = None
) -> AsyncIterator[RoomKernel]:
    box = sandbox or make_sandbox()
    status = await box.probe()
    assert status.available, status.reason
    made = RoomKernel(sandbox=box, folder=folder, log=LOG)
    await made.start()
    try:
        yield made
    finally:
        await made.shutdown()


async def run(made: RoomKernel, code: str) -> str:
    """Run code and return what it printed; an error in it fails the test."""
    out: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "stream":
            out.append(content["text"])
        elif message["msg_type"] == "error":
            out.append(f"{content['ename']}: {content['evalue']}")

    await made.execute(code, hear)
    return "".join(out)


async def attempt(made: RoomKernel, action: str) -> str:
    """Try something; returns the name of the exception, or ``succeeded``."""
    indented = "\n".join("    " + line for line in action.splitlines())
    code = f"try:\n{indented}\n    print('succeeded')\nexcept BaseException as e:\n"
    return (await run(made, code + "    print(type(e).__name__)")).strip()


async def test_ordinary_code_works() -> None:
    async with kernel() as made:
        code = "import os\nopen('f', 'w').write('x')\nprint(os.listdir('.'), 6 * 7)"
        assert await run(made, code) == "['f'] 42\n"
        shell = "import subprocess\nprint(subprocess.check_output(['id', '-un'], text=True))"
        assert (await run(made, shell)).strip() == "coder"


async def test_the_kernel_is_nobody(tmp_path: Path) -> None:
    async with kernel() as made:
        assert int(await run(made, "import os; print(os.getuid())")) != 0
        for action in ("os.setuid(0)", "os.setgroups([])", "os.chown('/usr', 0, 0)"):
            assert await attempt(made, f"import os\n{action}") in {"PermissionError", "OSError"}
        status = await run(made, "print(open('/proc/self/status').read())")
    assert "CapEff:\t0000000000000000" in status
    assert "CapPrm:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


async def test_token_and_environment_of_the_server_are_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JUPYTER_TOKEN", "hunter2-token")
    monkeypatch.setenv("GEMINI_API_KEY", "hunter2-key")
    code = (
        "import glob, os\n"
        "found = [repr(dict(os.environ))]\n"
        "for path in glob.glob('/proc/*/environ') + glob.glob('/proc/*/cmdline'):\n"
        "    try: found.append(open(path, errors='replace').read())\n"
        "    except OSError: pass\n"
        "print(len(found), 'hunter2' in ''.join(found))"
    )
    async with kernel() as made:
        count, seen = (await run(made, code)).split()
    assert int(count) > 2 and seen == "False"


async def test_files_of_the_host_are_not_there(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    secret.chmod(0o644)
    for folder in [tmp_path, *list(tmp_path.parents)[:3]]:
        folder.chmod(0o755)
    places = [secret, "/etc/shadow", "/root/.ssh", "/var/log", Path.home() / ".bashrc", "/work"]
    async with kernel() as made:
        for place in places:
            answer = await run(made, f"import os; print(os.path.exists({str(place)!r}))")
            # Folders on the way to the interpreter exist, empty of everything else.
            if answer.strip() == "True":
                inside = await run(made, f"print(os.listdir({str(place)!r}))")
                assert set(json.loads(inside.replace("'", '"'))) <= {".venv", ".pyenv", "main"} | {
                    part for folder in (sys.prefix, sys.base_prefix) for part in Path(folder).parts
                }
        assert (await run(made, "print(os.listdir('/etc'))")).count("shadow") == 0


async def test_writing_outside_of_the_room_is_not_possible() -> None:
    async with kernel() as made:
        for place in ("/usr/x", "/etc/x", "/x", f"{sys.prefix}/x", "/proc/sys/kernel/core_pattern"):
            assert await attempt(made, f"open({place!r}, 'w').write('x')") in {
                "PermissionError",
                "OSError",
                "FileNotFoundError",
            }


async def test_the_rooms_files_are_copies_and_links_are_not_followed(tmp_path: Path) -> None:
    room, other = tmp_path / "room", tmp_path / "other-room"
    room.mkdir()
    other.mkdir()
    (other / "answer.txt").write_text("hidden tests")
    (room / "main.py").write_text("shared")
    (room / "lib").mkdir()
    (room / "lib" / "helper.py").write_text("helper")
    (room / "link.txt").symlink_to(other / "answer.txt")
    (room / "folder").symlink_to(other)
    (room / "passwd").symlink_to("/etc/shadow")
    os.mkfifo(room / "pipe")
    async with kernel(room) as made:
        seen = await run(made, "import os; print(sorted(os.listdir('.')), os.listdir('lib'))")
        assert seen == "['lib', 'main.py'] ['helper.py']\n"
        await run(made, "open('main.py', 'w').write('changed'); os.symlink('/etc/passwd', 'out')")
        assert await run(made, "print(open('main.py').read())") == "changed\n"
    assert (room / "main.py").read_text() == "shared"
    assert not (room / "out").exists() and not (room / "out").is_symlink()


async def test_a_room_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "room").symlink_to(tmp_path / "elsewhere")
    box = make_sandbox()
    await box.probe()
    with pytest.raises(KernelDied):
        await RoomKernel(sandbox=box, folder=tmp_path / "room", log=LOG).start()


async def test_nothing_stays_open_when_a_kernel_cannot_start(tmp_path: Path) -> None:
    box = make_sandbox()
    await box.probe()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(KernelDied):
            await RoomKernel(sandbox=box, folder=tmp_path / "missing", log=LOG).start()
    assert len(os.listdir("/proc/self/fd")) <= before


async def test_two_rooms_do_not_see_each_other(tmp_path: Path) -> None:
    box = make_sandbox()
    async with kernel(sandbox=box) as one, kernel(sandbox=box) as other:
        await run(one, "open('/tmp/mark', 'w').write('one'); open('/room/mark', 'w').write('one')")
        await run(one, "open('/dev/shm/mark', 'w').write('one')")
        code = (
            "import os\nprint(os.path.exists('/tmp/mark'), os.path.exists('/room/mark'),"
            " os.path.exists('/dev/shm/mark'))"
        )
        assert await run(other, code) == "False False False\n"
        pids = await run(other, "print([p for p in os.listdir('/proc') if p.isdigit()])")
        assert pids.count(",") < 8
        if box.as_root:
            uids = {await run(k, "import os; print(os.getuid())") for k in (one, other)}
            assert len(uids) == 2


@pytest.fixture
def listener() -> Iterator[tuple[int, list[Any]]]:
    """A server on loopback, and the connections that it got."""
    got: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.settimeout(30)

        def serve() -> None:
            try:
                while True:
                    connection, address = server.accept()
                    connection.close()
                    got.append(address)
            except OSError:
                return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield port, got
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


async def test_there_is_no_network(listener: tuple[int, list[Any]]) -> None:
    port, got = listener
    with socket.create_connection(("127.0.0.1", port)):
        pass
    await until(lambda: len(got) == 1, "the control connection")
    async with kernel() as made:
        for host in ("127.0.0.1", "localhost", "10.0.0.1", "8.8.8.8"):
            action = f"import socket\nsocket.create_connection(({host!r}, {port}), 2)"
            assert await attempt(made, action) in {"ConnectionRefusedError", "OSError"}
        lookup = "import socket\nsocket.getaddrinfo('example.com', 80)"
        assert await attempt(made, lookup) == "gaierror"
        interfaces = await run(made, "import socket; print(len(socket.if_nameindex()))")
    assert int(interfaces) == 1 and len(got) == 1


async def test_abstract_sockets_of_the_host_are_out_of_reach() -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0codepad-test-abstract")
        server.listen()
        with socket.socket(socket.AF_UNIX) as control:
            control.connect("\0codepad-test-abstract")
        async with kernel() as made:
            action = (
                "import socket\ns = socket.socket(socket.AF_UNIX)\n"
                "s.connect('\\0codepad-test-abstract')"
            )
            assert await attempt(made, action) == "ConnectionRefusedError"


async def test_the_servers_processes_cannot_be_reached() -> None:
    async with kernel() as made:
        code = (
            "import os, signal\nresult = set()\n"
            f"for pid in [{os.getpid()}, {os.getppid()}]:\n"
            "    try: os.kill(pid, signal.SIGTERM); result.add('killed')\n"
            "    except ProcessLookupError: result.add('no such process')\n"
            "print(result)"
        )
        assert await run(made, code) == "{'no such process'}\n"
        assert int(await run(made, "print(os.getpid())")) < 20


DENIED = {
    "memfd_create": "os.memfd_create('x')",
    "unshare": "import ctypes\nif ctypes.CDLL(None, use_errno=True).unshare(0x10000000):\n"
    "    raise PermissionError",
    "mount": "import ctypes\nif ctypes.CDLL(None, use_errno=True).mount(b'a', b'/tmp', b'tmpfs', 0,"
    " None):\n    raise PermissionError",
    "ptrace": "import ctypes\nif ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0) != 0:\n"
    "    raise PermissionError",
    "shmget": "import ctypes\nif ctypes.CDLL(None, use_errno=True).shmget(0, 4096, 0o1600) == -1:\n"
    "    raise PermissionError",
    "clone": "import ctypes\nSYS = 56 if os.uname().machine == 'x86_64' else 220\n"
    "r = ctypes.CDLL(None, use_errno=True).syscall(SYS, 0x10000000 | 17, 0, 0, 0, 0)\n"
    "if r == 0: os._exit(0)\nif r == -1: raise PermissionError",
    "tiocsti": "import fcntl, pty\na, b = pty.openpty()\nfcntl.ioctl(b, 0x5412, b'x')",
}


@pytest.mark.parametrize("name", DENIED)
async def test_dangerous_system_calls_are_denied(name: str) -> None:
    async with kernel() as made:
        answer = await attempt(made, "import os\n" + DENIED[name])
        assert answer == "PermissionError", answer


def test_a_filter_exists_for_the_processors_we_know_and_no_other() -> None:
    for machine in ("x86_64", "aarch64"):
        rules = seccomp.program(machine)
        assert rules is not None and len(rules) % 8 == 0 and len(rules) // 8 < 4096
    assert seccomp.program("pdp11") is None


async def test_a_fork_bomb_stays_small() -> None:
    async with kernel() as made:
        code = (
            "import os, time\ncount = 0\ntry:\n    while count < 500:\n"
            "        if os.fork() == 0:\n            time.sleep(60)\n            os._exit(0)\n"
            "        count += 1\nexcept BlockingIOError:\n    pass\nprint(count)"
        )
        assert 5 < int(await run(made, code)) < 64


async def test_eight_gigabytes_in_one_process_are_refused() -> None:
    async with kernel() as made:
        action = "x = bytearray(8 * 1024**3)"
        assert await attempt(made, action) == "MemoryError"
        assert await run(made, "print('still here')") == "still here\n"


async def test_memory_spread_over_processes_ends_the_kernel() -> None:
    async with kernel() as made:
        code = (
            "import os, time\nfor _ in range(40):\n    if os.fork() == 0:\n"
            "        x = b'x' * 200_000_000\n        time.sleep(60)\n        os._exit(0)\n"
            "time.sleep(60)"
        )
        with pytest.raises(KernelDied, match="used more than 512 MB"):
            await run(made, code)


@pytest.mark.parametrize("place", ["/room", "/tmp", "/dev/shm", "/home/coder", "/run/codepad"])
async def test_disks_are_small(place: str) -> None:
    async with kernel() as made:
        code = (
            "size = 0\ntry:\n    for i in range(2000):\n"
            f"        with open(f'{place}/fill{{i}}', 'wb') as f:\n"
            "            size += f.write(b'x' * 1_000_000)\n"
            "except OSError as e:\n    print(e.errno, size)"
        )
        number, size = (await run(made, code)).split()
    assert int(number) == 28 and int(size) <= 64 * MIB  # 28: no space left on device


async def test_more_files_than_fit_are_left_out(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"{number:03}").write_text("x")
    async with kernel(tmp_path) as made:
        assert await run(made, "import os; print(len(os.listdir('.')))") == "200\n"
    (tmp_path / "000").write_bytes(b"x" * 40 * MIB)
    async with kernel(tmp_path) as made:
        assert await run(made, "import os; print(len(os.listdir('.')))") == "0\n"


async def test_hidden_folders_inside_of_visible_ones_are_empty(tmp_path: Path) -> None:
    inside = Path(sys.prefix) / "share" / "codepad-test-hidden"
    inside.mkdir(parents=True, exist_ok=True)
    try:
        (inside / "key").write_text("secret")
        async with kernel() as made:
            assert await run(made, f"import os; print(os.listdir({str(inside)!r}))") == "['key']\n"
        async with kernel(sandbox=make_sandbox(hidden=(inside,))) as made:
            assert await run(made, f"import os; print(os.listdir({str(inside)!r}))") == "[]\n"
    finally:
        shutil.rmtree(inside)


def processes_named(mark: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark in path.read_bytes().decode(errors="replace"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


async def test_nothing_is_left_behind() -> None:
    async with kernel() as made:
        await run(
            made,
            "import subprocess\nfor _ in range(3):\n"
            "    subprocess.Popen(['sleep', '98765'], start_new_session=True)",
        )
        await until(lambda: len(processes_named("98765")) >= 3, "the sleepers")
    await until(lambda: processes_named("98765") == [], "their end")


async def test_kernels_die_with_the_server() -> None:
    code = (
        "import asyncio, logging\n"
        "from jupyter_codepad.execution.kernels import RoomKernel\n"
        "from jupyter_codepad.execution.sandbox import Sandbox\n"
        "async def main():\n"
        "    log = logging.getLogger()\n"
        "    box = Sandbox(log=log)\n"
        "    await box.probe()\n"
        "    kernel = RoomKernel(sandbox=box, folder=None, log=log)\n"
        "    await kernel.start()\n"
        "    print(kernel._process.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert server.stdout is not None
    pid = int(await asyncio.to_thread(server.stdout.readline))
    assert Path(f"/proc/{pid}").exists()
    server.kill()
    server.wait()
    server.stdout.close()
    await until(lambda: not Path(f"/proc/{pid}").exists(), "the end of the kernel")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")
async def test_the_sandbox_of_an_ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other way to build it: user namespaces, with a Python that everybody may read."""
    python = shutil.which("python3", path="/usr/bin:/bin")
    assert python is not None, "this test needs the system's own python3"
    monkeypatch.setattr("jupyter_codepad.execution.sandbox.interpreter_folders", lambda: [])
    box = make_sandbox()
    box.__class__ = type("Ordinary", (Sandbox,), {"as_root": property(lambda self: False)})
    code = (
        "import os\n"
        "try: open('/etc/shadow').read(); print('read')\n"
        "except OSError: print('refused')\n"
        "print(os.getuid(), sorted(os.listdir('/room')))\n"
        "os.system('unshare -U true 2>/dev/null && echo escaped')\n"
    )
    made = box.launch([python, "-I", "-c", code])
    with launched(made):
        done = subprocess.run(
            made.argv,
            pass_fds=made.descriptors,
            env={},
            user=65534,
            group=65534,
            extra_groups=[],
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
        )
    os.close(made.info_read)
    assert done.stdout == "refused\n1000 []\n", done.stderr


async def test_where_bubblewrap_is_missing_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    status = await make_sandbox().probe()
    assert not status.available and status.name == "none"
    assert status.reason is not None and "bubblewrap is not installed" in status.reason


async def test_a_bubblewrap_that_isolates_nothing_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text('#!/bin/bash\nwhile [ "$1" != "--" ]; do shift; done\nshift\nexec "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    status = await make_sandbox().probe()
    assert not status.available and status.reason is not None
    assert "holes" in status.reason or "does not work" in status.reason
