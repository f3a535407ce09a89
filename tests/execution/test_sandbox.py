"""Attacks from inside a room's kernel, on every rung of the ladder; each shows that it was tried.

Where a rung cannot hold something, the test says so in the words of its documented gaps.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from jupyter_codepad import doctor
from jupyter_codepad.errors import Unavailable
from jupyter_codepad.execution import seccomp
from jupyter_codepad.execution.bubblewrap import BubblewrapProcess
from jupyter_codepad.execution.files import FileLimits, FileSync
from jupyter_codepad.execution.kernels import KernelDied, RoomKernel
from jupyter_codepad.execution.languages import (
    LANGUAGES,
    installed,
    kernel_start,
    toolchain_folders,
)
from jupyter_codepad.execution.offer import LanguageOffer, Standing
from jupyter_codepad.execution.sandbox import DEFAULT_RUNGS, Sandbox
from jupyter_codepad.execution.starts import KernelStart
from tests.execution.test_languages import check, run
from tests.support.box import LOG, Box, processes_named, wait_until, working
from tests.support.sync_client import until

MIB = 1024 * 1024
CSHARP = list(LANGUAGES).index("csharp")
REFUSED = {"PermissionError", "OSError", "FileNotFoundError"}


@pytest.fixture(scope="module", params=DEFAULT_RUNGS)
def rung(request: pytest.FixtureRequest) -> str:
    """Each rung of the ladder."""
    return str(request.param)


@pytest.fixture(scope="module")
def box(rung: str) -> Iterator[Box]:
    """One kernel on each rung, for all tests that leave it as it is."""
    before = {name: os.environ.get(name) for name in ("JUPYTER_TOKEN", "GEMINI_API_KEY")}
    os.environ |= {"JUPYTER_TOKEN": "hunter2-token", "GEMINI_API_KEY": "hunter2-key"}
    made = working(rung, visible=toolchain_folders())
    try:
        yield made
    finally:
        made.close()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture
def own_box(rung: str, request: pytest.FixtureRequest) -> Iterator[Box]:
    """A kernel of this test's own, with the options in its parameter."""
    made = working(rung, **getattr(request, "param", {}))
    yield made
    made.close()


def test_ordinary_code_works(box: Box) -> None:
    code = "import os\nopen('f', 'w').write('x')\nprint(os.listdir('.'), 6 * 7)\nos.remove('f')"
    assert box.run(code) == "['f'] 42\n"
    shell = "import subprocess\nprint(subprocess.check_output('echo $USER', shell=True, text=True))"
    assert box.run(shell).strip() == "coder"


def test_files_go_in_and_come_back_and_links_do_not(box: Box, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "data.csv").write_text("1\n")
    limits = FileLimits(files=50, total_bytes=MIB)
    sync = FileSync(tmp_path, limits, log=LOG, executor=None)
    assert box.wait(sync.bring_in(box.start())) == ""
    code = (
        "import os\nopen('lib/data.csv', 'a').write('2\\n')\nopen('lib/out', 'w').write('out')\n"
        "os.symlink('/etc/passwd', 'lib/link')\nos.symlink('/etc', 'etc')\n"
        "print(open('lib/data.csv').read())"
    )
    assert box.run(code) == "1\n2\n\n"
    written = box.wait(sync.bring_out(box.start()))
    assert {"lib/data.csv", "lib/out"} <= set(written.names)
    assert (tmp_path / "lib" / "data.csv").read_text() == "1\n2\n"
    assert sorted(path.name for path in (tmp_path / "lib").iterdir()) == ["data.csv", "out"]
    assert not (tmp_path / "etc").exists()
    box.run("import shutil\nshutil.rmtree('lib')\nos.remove('etc')")


def test_compilers_and_other_languages_work(box: Box) -> None:
    code = (
        "import subprocess\nopen('a.c', 'w').write('#include <stdio.h>\\nint main(void)"
        '{puts("from C");}\')\n'
        "subprocess.run(['gcc', '-o', 'a.bin', 'a.c'], check=True)\n"
        "for command in (['./a.bin'], ['perl', '-e', 'print \"from Perl\\\\n\"'],"
        " ['node', '-e', 'console.log(\"from JS\")'],"
        " ['bash', '-c', 'echo from Bash | cat']):\n"
        "    print(subprocess.run(command, capture_output=True, text=True).stdout, end='')"
    )
    assert box.run(code) == "from C\nfrom Perl\nfrom JS\nfrom Bash\n"
    if shutil.which("javac", path="/usr/bin"):
        java = "print(subprocess.run(['javac', '-version'], capture_output=True, text=True))"
        assert "returncode=0" in box.run(java)


@pytest.mark.parametrize("rung", DEFAULT_RUNGS[1:], indirect=True)
def test_programs_in_some_languages_do_all_they_should(box: Box) -> None:
    """On the first rung ``test_languages`` runs all that there are."""

    async def check_one(name: str) -> None:
        kernel = RoomKernel(sandbox=box.sandbox, log=LOG, start=kernel_start(name))
        await kernel.start()
        try:
            await check(name, kernel)
        finally:
            await kernel.shutdown()

    async def check_all(*names: str) -> None:
        await asyncio.gather(*(check_one(name) for name in names))

    # What a tool of its own cannot find out without /proc, Rust is told.
    rust = box.name == "bubblewrap-without-proc" and box.do(lambda: installed(LANGUAGES["rust"]))
    box.wait(check_all("c", "javascript", "bash", "sql", *(["rust"] if rust else [])))


def test_a_language_that_needs_proc_is_offered_where_it_is_and_nowhere_else(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = box.do(lambda: installed(LANGUAGES["csharp"])) is not None
    for name in () if real else ("mcs", "mono"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{tmp_path}")

    async def stood() -> Standing:
        offer = LanguageOffer(
            sandbox=box.sandbox, allowed=lambda: True, kernelspecs=(), prepared=None, log=LOG
        )
        offer.start()
        try:
            standing = (await offer.standings())[CSHARP]
            for ask in (offer.runnable, offer.kernel_start):
                with nullcontext() if standing.available else pytest.raises(Unavailable):
                    ask("csharp")
            asked = await asyncio.to_thread(offer._chains)
            assert ("csharp" in asked) == standing.available, "its version is not asked for"
            return standing
        finally:
            await offer.stop()

    standing = box.wait(stood())
    words = "C# cannot be run in the sandbox of this server: mono needs /proc, which is not there."
    if box.name != "bubblewrap":
        assert standing == Standing(LANGUAGES["csharp"], False, words, installed=True)
        found = {"sandbox": asdict(box.status), "languages": [doctor.language(standing)]}
        said = "\n".join(doctor.words({**found, "version": "1", "python": "3"}))
        assert "✗ C#  cannot be run in the sandbox of this server: mono needs /proc" in said
        assert "apt-get" not in said, "it is installed"
    else:
        assert standing.available and standing.missing is None
    if real:
        box.wait(runs_csharp(box, works=box.name == "bubblewrap"))


async def runs_csharp(box: Box, *, works: bool) -> None:
    """What is said of C# is so."""
    kernel = RoomKernel(sandbox=box.sandbox, log=LOG, start=kernel_start("csharp"))
    await kernel.start()
    try:
        console = await run(kernel, LANGUAGES["csharp"].starter_text)
        assert (console.status == "ok") == works, console
    finally:
        await kernel.shutdown()


def test_the_kernel_is_nobody(box: Box) -> None:
    assert int(box.run("import os; print(os.getuid())")) != 0
    for action in ("os.setuid(0)", "os.setgroups([])", "os.chown('/usr', 0, 0)"):
        assert box.attempt(f"import os\n{action}") in {"PermissionError", "OSError"}
    if box.name == "bubblewrap-without-proc":
        assert box.attempt("open('/proc/self/status')") == "FileNotFoundError"
        return
    status = box.run("print(open('/proc/self/status').read())")
    assert "CapEff:\t0000000000000000" in status
    assert "CapPrm:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status


def test_token_and_environment_of_the_server_are_not_there(box: Box) -> None:
    code = (
        "import os\n"
        "found = [repr(dict(os.environ))]\n"
        f"for pid in ['self', *range(1, 200), {os.getpid()}, {os.getppid()}]:\n"
        "    for name in ('environ', 'cmdline'):\n"
        "        try: found.append(open(f'/proc/{pid}/{name}', errors='replace').read())\n"
        "        except OSError: pass\n"
        "print('hunter2' in ''.join(found), 'PATH' in ''.join(found))"
    )
    assert box.run(code) == "False True\n"


def test_files_of_the_host_are_not_there(box: Box, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    secret.chmod(0o644)
    for folder in [tmp_path, *list(tmp_path.parents)[:2]]:
        folder.chmod(0o755)
    for place in (secret, "/etc/shadow", "/etc/hostname", Path.home() / ".bashrc"):
        assert box.attempt(f"open({str(place)!r}).read()") in REFUSED
    for place in (tmp_path, "/root/.ssh", "/var/log", "/etc"):
        answer = box.attempt(f"import os\nassert os.listdir({str(place)!r}) == []")
        if str(place) == "/etc" and box.name != "landlock":
            assert "shadow" not in box.run("print(os.listdir('/etc'))")
        else:
            assert answer in REFUSED
    exists = box.run(f"import os; print(os.path.exists({str(secret)!r}))").strip()
    # Landlock's gap: whether a file exists can be asked.
    assert exists == str(box.name == "landlock")
    assert (box.name == "landlock") == any("exists on this machine" in g for g in box.status.gaps)


def test_folders_on_the_way_to_the_interpreter_are_empty_of_everything_else(box: Box) -> None:
    known = {part for folder in (sys.prefix, sys.base_prefix) for part in Path(folder).parts}
    for place in {Path(sys.prefix).parent, Path(sys.base_prefix).parent} - {Path("/")}:
        inside = box.run(
            f"import json, os\ntry: print(json.dumps(os.listdir({str(place)!r})))\n"
            "except OSError: print('[]')"
        )
        if not place.is_relative_to("/usr"):
            assert set(json.loads(inside)) <= known


def test_writing_outside_of_the_room_is_not_possible(box: Box) -> None:
    for place in ("/usr/x", "/etc/x", "/x", f"{sys.prefix}/x", "/proc/sys/kernel/core_pattern"):
        assert box.attempt(f"open({place!r}, 'w').write('x')") in REFUSED
    target = Path(sys.prefix) / "pyvenv.cfg"
    for action in (f"os.truncate({str(target)!r}, 0)", f"os.rename({str(target)!r}, 'x')"):
        assert box.attempt(f"import os\n{action}") in REFUSED


def test_modes_and_times_are_changed_of_own_files_only(box: Box, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    secret.chmod(0o640)
    before = secret.stat()
    for action in ("os.chmod(path, 0o777)", "os.utime(path, (1, 1))"):
        assert box.attempt(f"import os\npath = {str(secret)!r}\n{action}") in REFUSED
    after = secret.stat()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    own = """
import os
def mode(path): return oct(os.stat(path).st_mode & 0o777)
os.makedirs('own/below')
open('own/f', 'w').close()
os.symlink('../f', 'own/below/link')
folder = os.open('own', os.O_RDONLY)
file = os.open('own/f', os.O_RDONLY)
os.chmod('own/f', 0o711)
said = [mode('own/f')]
os.chmod(os.getcwd() + '/own/below/link', 0o722)
said += [mode('own/f')]
os.chmod('below/../f', 0o733, dir_fd=folder)
said += [mode('own/f')]
os.fchmod(file, 0o744)
said += [mode('own/f')]
os.fchmod(folder, 0o755)
os.utime('own/f', (1, 2))
said += [os.stat('own/f').st_mtime]
os.utime(file, ns=(3, 4))
said += [os.stat('own/f').st_mtime_ns]
os.utime('own/below/link', (5, 6), follow_symlinks=False)
said += [os.lstat('own/below/link').st_mtime, os.stat('own/f').st_mtime_ns]
try: os.chmod('own/none', 0o700)
except OSError as error: said += [error.errno]
import shutil, subprocess
open('own/f', 'w').write('#!/bin/sh\\necho it runs\\n')
shell = 'touch own/g && chmod +x own/f && cp -p own/f own/h && own/h'
print(*said, subprocess.run(shell, shell=True, capture_output=True, text=True))
os.close(folder), os.close(file), shutil.rmtree('own')
"""
    said = box.run(own)
    assert said.startswith("0o711 0o722 0o733 0o744 2.0 4 6.0 4 2 ") and "it runs" in said, said


def test_the_rooms_files_are_copies_and_links_are_not_followed(rung: str, tmp_path: Path) -> None:
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
    box = working(rung)
    sync = FileSync(room, FileLimits(files=50, total_bytes=MIB), log=LOG, executor=None)
    try:
        assert box.wait(sync.bring_in(box.start())) == ""
        seen = box.run("import os; print(sorted(os.listdir('.')), os.listdir('lib'))")
        assert seen == "['lib', 'main.py'] ['helper.py']\n"
        box.run("open('main.py', 'w').write('changed'); os.symlink('/etc/passwd', 'out')")
        assert box.run("print(open('main.py').read())") == "changed\n"
        place = box.start().room_path
        assert place is not None and (place / "main.py").read_text() == "changed"
        assert (place / "out").is_symlink()
    finally:
        box.close()
    assert (room / "main.py").read_text() == "shared"
    assert not (room / "out").exists() and not (room / "out").is_symlink()
    assert not place.exists()


def test_a_kernel_that_cannot_start_leaves_nothing(box: Box) -> None:
    box.start()
    mark = f"cannot-start-{os.getpid()}"
    before = len(os.listdir("/proc/self/fd"))
    for command in ((f"/nowhere/{mark}",), ("false", mark)):
        start = KernelStart(command, {f"{mark}.txt": b"mark"})
        with pytest.raises(KernelDied, match="has ended"):
            box.wait(RoomKernel(sandbox=box.sandbox, log=LOG, start=start).start())
    assert len(os.listdir("/proc/self/fd")) <= before
    wait_until(lambda: processes_named(mark) == [], "the end of all")
    assert not list(Path(tempfile.gettempdir()).glob(f"codepad-box-*/run/{mark}.txt"))


def test_everybody_who_waits_for_the_end_hears_of_it(box: Box) -> None:
    async def ends() -> list[str]:
        process = box.sandbox.process()
        await process.start(KernelStart(("false",)), "key")
        try:
            return await asyncio.gather(*(process.wait() for _ in range(3)))
        finally:
            await process.close()

    first, *rest = box.wait(ends())
    assert "has ended" in first and rest == [first, first]


def test_two_rooms_do_not_see_each_other(box: Box, own_box: Box) -> None:
    mark = "for place in (os.environ['TMPDIR'], os.environ['CODEPAD_ROOM'], '/dev/shm'):\n    try: "
    box.run(f"import os\n{mark}open(place + '/mark', 'w').write('one')\n    except OSError: pass")
    found = own_box.run(
        "import os\nprint([os.path.exists(place + '/mark') for place in"
        " (os.environ['TMPDIR'], os.environ['CODEPAD_ROOM'], '/dev/shm')])"
    )
    assert found == "[False, False, False]\n"
    if box.name == "landlock":
        assert box.start().room_path != own_box.start().room_path
        for place in ("", "/mark"):
            action = f"import os\nopen({f'{box.start().room_path}{place}'!r}).read()"
            assert own_box.attempt(action) == "PermissionError"
        assert own_box.attempt("import os\nos.listdir('/proc')") == "PermissionError"
    else:
        pids = own_box.run("print([p for p in os.listdir('/proc') if p.isdigit()])")
        assert pids.count(",") < 8
    if box.as_root:
        uids = {one.run("print(os.getuid())") for one in (box, own_box)}
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


def test_there_is_no_network(box: Box, listener: tuple[int, list[Any]]) -> None:
    port, got = listener
    with socket.create_connection(("127.0.0.1", port)):
        pass
    wait_until(lambda: len(got) == 1, "the control connection")
    for host in ("127.0.0.1", "localhost", "10.0.0.1", "8.8.8.8"):
        action = f"import socket\nsocket.create_connection(({host!r}, {port}), 2)"
        assert box.attempt(action) in {"ConnectionRefusedError", "OSError", "gaierror"}
    assert box.attempt("import socket\nsocket.getaddrinfo('example.com', 80)") == "gaierror"
    for family in ("AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK"):
        answer = box.attempt(f"import socket\nsocket.socket(socket.{family}, socket.SOCK_RAW)")
        if box.name == "landlock" or family == "AF_PACKET":
            assert answer in REFUSED
    assert len(got) == 1


def test_sockets_of_the_host_are_out_of_reach(box: Box) -> None:
    folder = TemporaryDirectory(prefix="codepad-test-", dir="/tmp")  # a short name
    place = f"{folder.name}/socket"
    os.chmod(folder.name, 0o755)
    with folder, socket.socket(socket.AF_UNIX) as abstract, socket.socket(socket.AF_UNIX) as path:
        abstract.bind("\0codepad-test-abstract")
        path.bind(place)
        os.chmod(place, 0o777)
        for server, name in ((abstract, "\0codepad-test-abstract"), (path, place)):
            server.listen()
            with socket.socket(socket.AF_UNIX) as control:
                control.connect(name)
            action = f"import socket\nsocket.socket(socket.AF_UNIX).connect({name!r})"
            answers = {"ConnectionRefusedError", "FileNotFoundError", "PermissionError"}
            assert box.attempt(action) in answers


def test_the_servers_processes_cannot_be_reached(box: Box) -> None:
    refused = "PermissionError" if box.name == "landlock" else "ProcessLookupError"
    for pid in (os.getpid(), os.getppid()):
        assert box.attempt(f"import os\nos.kill({pid}, 0)") == refused
    if box.name != "landlock":
        assert int(box.run("print(os.getpid())")) < 20


DENIED = {
    "memfd_create": "os.memfd_create('x')",
    "unshare": "if libc.unshare(0x10000000): raise PermissionError",
    "mount": "if libc.mount(b'a', b'/tmp', b'tmpfs', 0, None): raise PermissionError",
    "ptrace": "if libc.ptrace(0, 0, 0, 0) != 0: raise PermissionError",
    "shmget": "if libc.shmget(0, 4096, 0o1600) == -1: raise PermissionError",
    "clone": "SYS = 56 if os.uname().machine == 'x86_64' else 220\n"
    "r = libc.syscall(SYS, 0x10000000 | 17, 0, 0, 0, 0)\n"
    "if r == 0: os._exit(0)\nif r == -1: raise PermissionError",
    "tiocsti": "import fcntl\nfcntl.ioctl(os.open('/dev/null', 2), 0x5412, b'x')",
}
DENIED_BY_LANDLOCK_RUNG = {
    "connect": "import socket\nsocket.socket(socket.AF_UNIX).connect('/nowhere')",
    "semget": "if libc.semget(0, 1, 0o1600) == -1: raise PermissionError",
    "mq_unlink": "if libc.syscall(241, b'x') == -1: raise PermissionError",
    "setxattr": "try: os.setxattr('.', 'user.x', b'x')\n"
    "except OSError as error: raise PermissionError if error.errno == 95 else error",
    "prlimit": "import resource\nresource.prlimit(1, resource.RLIMIT_NOFILE)",
    "setpriority": "os.setpriority(os.PRIO_USER, 0, 1)",
    "dnotify": "import fcntl\nfcntl.fcntl(os.open('/usr', 0), 1026, 1)",
    "inotify": "if libc.inotify_add_watch(libc.inotify_init(), b'/', 2) < 0: raise PermissionError",
}


@pytest.mark.parametrize("name", [*DENIED, *DENIED_BY_LANDLOCK_RUNG])
def test_dangerous_system_calls_are_denied(box: Box, name: str) -> None:
    if name not in DENIED and box.name != "landlock":
        return  # what they reach is the sandbox's own there
    action = DENIED.get(name) or DENIED_BY_LANDLOCK_RUNG[name]
    prepare = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    assert box.attempt(prepare + action) == "PermissionError"


def test_a_filter_exists_for_the_processors_we_know_and_no_other() -> None:
    for machine in ("x86_64", "aarch64"):
        for shared in (None, seccomp.Shared(), seccomp.Shared(False, False, False, False)):
            rules = seccomp.program(machine, shared)
            assert rules is not None and len(rules) % 8 == 0 and len(rules) // 8 < 4096
    assert seccomp.program("pdp11") is None


def test_eight_gigabytes_in_one_process_are_refused(box: Box) -> None:
    assert box.attempt("x = bytearray(8 * 1024**3)") == "MemoryError"
    assert box.run("print('still here')") == "still here\n"


@pytest.mark.parametrize("own_box", [{"memory_limit_bytes": 200 * MIB}], indirect=True, ids=[""])
def test_memory_of_what_threads_have_started_counts(own_box: Box) -> None:
    code = (
        "import subprocess, sys, threading, time\n"
        "hold = 'import time; x = b\"x\" * 60_000_000; time.sleep(60)'\n"
        "def start(): subprocess.Popen([sys.executable, '-S', '-c', hold]); time.sleep(60)\n"
        "for _ in range(4): threading.Thread(target=start, daemon=True).start()\n"
        "time.sleep(60)"
    )
    assert "used more than 200 MB" in own_box.death(code)


@pytest.mark.parametrize("variable", ["CODEPAD_ROOM", "TMPDIR", "HOME", "CODEPAD_RUN"])
def test_disks_are_small(box: Box, variable: str) -> None:
    code = (
        f"import os, time\nsize = 0\nplace = os.environ['{variable}'] + '/fill'\ntry:\n"
        "    with open(place, 'wb') as f:\n        for i in range(2000):\n"
        "            size += f.write(b'x' * 1_000_000); f.flush()\n"
        "except OSError as e:\n    print(e.errno, size)\nfinally:\n    os.remove(place)"
    )
    number, size = box.run(code).split()
    # 28: no space left on device, 27: file too large
    assert int(number) in {27, 28} and int(size) <= 64 * MIB


def test_hidden_folders_inside_of_visible_ones_are_empty(box: Box, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    (tools / "lib" / "keys").mkdir(parents=True)
    (tools / "lib" / "keys" / "key").write_text("secret")
    (tools / "lib" / "code").write_text("code")
    for folder in list(tmp_path.parents)[:2]:
        folder.chmod(0o755)
    tmp_path.chmod(0o755)
    read = f"print(open({str(tools)!r} + '/lib/%s').read())"
    assert box.attempt(read % "code") in REFUSED
    made = working(box.name, visible=(tools,), hidden=(tools / "lib" / "keys",))
    try:
        assert made.run(read % "code") == "code\n"
        assert made.attempt(read % "keys/key") in REFUSED
        # What may be read has modes and times too, and may be the server's user's.
        before = (tools / "lib" / "code").stat()
        seen = (before.st_mode, before.st_mtime_ns)
        opened = f"import os\nfile = os.open({str(tools)!r} + '/lib/code', os.O_RDONLY)\n"
        for action in ("os.fchmod(file, 0o777)", "os.utime(file, (1, 1))"):
            assert made.attempt(opened + action) in REFUSED
        after = (tools / "lib" / "code").stat()
        assert (after.st_mode, after.st_mtime_ns) == seen
    finally:
        made.close()


def test_no_private_folder_can_be_made_visible(tmp_path: Path) -> None:
    from jupyter_codepad.execution.rungs import Options, is_private  # noqa: PLC0415

    home = Path.home()
    for place in ("/", "/home", "/etc", "/root", "/var/lib", home, home / ".ssh", home / ".cargo"):
        assert is_private(Path(place)), place
    for place in ("/opt/jdk", home / ".rustup" / "toolchains" / "stable", "/etc/java-17-openjdk"):
        assert not is_private(Path(place)), place
    (tmp_path / "link").symlink_to(home)
    options = Options(log=LOG, visible=(tmp_path / "link", Path("/opt/jdk")))
    assert Path("/opt/jdk") in options.readable()
    assert tmp_path / "link" not in options.readable()


def test_an_interrupt_reaches_the_code_and_what_it_has_started(box: Box) -> None:
    kernel = box.start()

    async def run() -> dict[str, Any]:
        code = "import subprocess\nprint('on')\nsubprocess.run(['sleep', '4567'])"
        begun = asyncio.Event()

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":  # not before the code has begun
                begun.set()

        reply = asyncio.create_task(kernel.execute(code, hear))
        await begun.wait()
        kernel.interrupt()
        return await asyncio.wait_for(reply, 30)

    assert box.wait(run())["ename"] == "KeyboardInterrupt"
    wait_until(lambda: processes_named("sleep 4567") == [], "its end")


def test_nothing_is_left_behind(own_box: Box) -> None:
    own_box.run(
        "import subprocess\nfor _ in range(3):\n"
        "    subprocess.Popen(['sleep', '98765'], start_new_session=True)"
    )
    wait_until(lambda: len(processes_named("sleep 98765")) >= 3, "the sleepers")
    own_box.end()
    wait_until(lambda: processes_named("sleep 98765") == [], "their end")


@pytest.mark.parametrize("rung", ["landlock"], indirect=True)
@pytest.mark.parametrize("own_box", [{"process_limit": 48}], indirect=True, ids=[""])
def test_rooms_do_not_take_processes_from_each_other(own_box: Box) -> None:
    """An ordinary user's kernels are all that user's, and Linux counts by user."""
    kernels = [RoomKernel(sandbox=own_box.sandbox, log=LOG) for _ in range(4)]
    many = "import subprocess\nmine = [subprocess.Popen(['sleep', '60']) for _ in range(14)]"
    one = "print(subprocess.run('echo more', shell=True, capture_output=True, text=True).stdout)"
    bomb = "import os, time\nwhile True:\n    if os.fork() == 0: time.sleep(60)"

    async def said(kernel: RoomKernel, code: str) -> str:
        heard: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            heard.append(content.get("text") or content.get("evalue") or "")

        await kernel.execute(code, hear)
        return "".join(heard).strip()

    async def everybody() -> list[str | BaseException]:
        try:
            await asyncio.gather(*(kernel.start() for kernel in kernels))
            await asyncio.gather(*(said(kernel, many) for kernel in kernels))
            first = await asyncio.gather(*(said(kernel, one) for kernel in kernels))
            ended = await asyncio.gather(said(kernels[0], bomb), return_exceptions=True)
            rest = await asyncio.gather(*(said(kernel, one) for kernel in kernels[1:]))
            return [*first, *ended, *rest]
        finally:
            await asyncio.gather(*(kernel.shutdown() for kernel in kernels))

    *first, bombed, a, b, c = own_box.wait(everybody())
    assert first == ["more"] * 4 and (a, b, c) == ("more", "more", "more")
    assert "temporarily unavailable" in str(bombed), "it is refused more, and lives"


@pytest.mark.parametrize("rung", ["bubblewrap"], indirect=True)
def test_nothing_is_left_when_bubblewrap_alone_is_killed(own_box: Box) -> None:
    own_box.run("import subprocess\nsubprocess.Popen(['sleep', '98764'], start_new_session=True)")
    wait_until(lambda: processes_named("sleep 98764"), "the sleeper")
    kernel = own_box.start()
    process = kernel._process
    assert isinstance(process, BubblewrapProcess) and process._process is not None
    os.kill(process._process.pid, signal.SIGKILL)
    wait_until(lambda: not kernel.alive, "that it is noticed")
    wait_until(lambda: processes_named("sleep 98764") == [], "the end of all")


@pytest.mark.parametrize("rung", ["bubblewrap"], indirect=True)
async def test_a_kernel_that_is_given_up_while_it_starts_leaves_nothing(rung: str) -> None:
    sandbox = Sandbox(log=LOG, names=(rung,))
    if not (await sandbox.probe()).available:
        pytest.skip(str(sandbox.status.reason))
    mark = f"given-up-{os.getpid()}"
    start = KernelStart(("sleep", "1000"), {}, {"MARK": mark})
    for pause in range(8):
        kernel = RoomKernel(sandbox=sandbox, start=start, log=LOG)
        starting = asyncio.create_task(kernel.start())
        for _ in range(pause * 3):  # turns of the loop, not time
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await kernel.shutdown()
    await until(lambda: processes_named(mark) == [], "the end of all")


async def test_the_ladder_is_climbed_down_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    box = Sandbox(log=LOG, names=("remote", "bubblewrap"))
    status = await box.probe()
    assert not status.available and status.name == "none" and status.reason is not None
    assert "bubblewrap is not installed" in status.reason and "no gateway" in status.reason
    assert [tried.name for tried in status.weaker] == ["remote", "bubblewrap"]
    with pytest.raises(LookupError):
        box.process()
    nothing = await Sandbox(log=LOG, names=()).probe()
    assert nothing.reason == "Code cannot be run here: no kind of sandbox is allowed."


async def test_a_better_rung_that_fails_is_told_beside_the_one_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bubblewrap that cannot mount /proc, as in a container."""
    real = shutil.which("bwrap")
    assert real is not None
    fake = tmp_path / "bwrap"
    fake.write_text(
        '#!/bin/bash\nfor part in "$@"; do\n  [ "$part" = --proc ] && '
        f'{{ echo "Can\'t mount proc" >&2; exit 1; }}\ndone\nexec {real} "$@"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    status = await Sandbox(log=LOG).probe()
    assert status.available and status.name == "bubblewrap-without-proc"
    assert [tried.name for tried in status.weaker] == ["bubblewrap"]
    assert "Can't mount proc" in status.weaker[0].reason and status.gaps


async def test_a_bubblewrap_that_isolates_nothing_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text('#!/bin/bash\nwhile [ "$1" != "--" ]; do shift; done\nshift\nexec "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    status = await Sandbox(log=LOG, names=("bubblewrap",)).probe()
    assert not status.available and status.reason is not None
    assert "holes" in status.reason or "does not work" in status.reason


@pytest.fixture(scope="module")
def landlock() -> Iterator[Box]:
    """A thread in which that rung works."""
    made = working("landlock")
    yield made
    made.close()


@pytest.mark.parametrize("abi", range(1, 7))
def test_older_versions_of_landlock_hold_too(abi: int, landlock: Box) -> None:
    """As many promises as the version can keep; what it cannot is a documented gap."""
    from jupyter_codepad.execution.landlock import LandlockRung  # noqa: PLC0415
    from jupyter_codepad.execution.rungs import Options  # noqa: PLC0415

    made = LandlockRung(Options(log=LOG), abi_limit=abi)
    assert landlock.wait(made.test()) == ""
    said = " ".join(made.gaps)
    assert ("cannot send signals" in said) == (abi < 6 and not made.as_root)
    assert ("can empty files" in said) == (abi < 3 and not made.as_root)
