"""The files of a room on their way into the sandbox and back, also among enemies."""

from __future__ import annotations

import logging
import os
import random
import shutil
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from jupyter_codepad.execution import trees
from jupyter_codepad.execution.files import FileLimits, FileSync, Written
from jupyter_codepad.execution.trees import showable
from tests.execution.test_runs import desk, text_of
from tests.support.server import JupyterServer

LOG = logging.getLogger("tests.files")
SECRET = "the-secret-of-the-host"
MIB = 1024 * 1024
RACE_ROUNDS = 60


class Place:
    """Where a kernel's code runs, for who looks from outside."""

    def __init__(self, path: Path) -> None:
        self.room_path = path


class Sides:
    """A room's folder, a sandbox's folder, and what lies beside both."""

    def __init__(self, home: Path, *, files: int = 50, total_bytes: int = MIB) -> None:
        self.folder, self.beside = home / "folder", home / "beside"
        for path in (self.folder, self.beside):
            path.mkdir()
        (self.beside / "secret.txt").write_text(SECRET)
        (self.beside / "below").mkdir()
        (self.beside / "below" / "data.csv").write_text(SECRET)
        self.home, self.limits = home, FileLimits(files=files, total_bytes=total_bytes, seconds=5)
        self.sync = FileSync(self.folder, self.limits, log=LOG, executor=None)
        self.number = 0
        self.restart()

    def restart(self) -> None:
        """A fresh kernel."""
        self.number += 1
        self.inside = self.home / f"inside-{self.number}"
        self.inside.mkdir()
        self.kernel = Place(self.inside)

    async def bring_in(self, **options: object) -> str:
        return await self.sync.bring_in(self.kernel, **options)  # type: ignore[arg-type]

    async def bring_out(self, **options: object) -> Written:
        return await self.sync.bring_out(self.kernel, **options)  # type: ignore[arg-type]

    def texts(self, where: Path) -> dict[str, str]:
        return {
            str(path.relative_to(where)): path.read_text()
            for path in sorted(where.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }


@pytest.fixture
def sides(tmp_path: Path) -> Sides:
    return Sides(tmp_path)


def pictures(folder: Path) -> dict[str, tuple[int, int, int]]:
    """What would show that something was written, deleted or renamed."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        found[str(path)] = (status.st_mode, status.st_ino, status.st_mtime_ns)
    return found


# -- what people notice ---------------------------------------------------------------------------


async def test_what_people_add_change_and_delete_is_so_at_the_next_run(sides: Sides) -> None:
    (sides.folder / "data.csv").write_text("1\n")
    (sides.folder / "lib").mkdir()
    (sides.folder / "lib" / "helper.py").write_text("x = 1")
    (sides.folder / "out").mkdir()
    (sides.folder / "main.py").write_text("the pad")
    (sides.folder / ".hidden").write_text("no")
    assert await sides.bring_in(apart={"main.py"}) == ""
    assert sides.texts(sides.inside) == {"data.csv": "1\n", "lib/helper.py": "x = 1"}
    assert (sides.inside / "out").is_dir()
    assert stat.S_IMODE((sides.inside / "data.csv").stat().st_mode) == 0o666
    before = (sides.inside / "lib" / "helper.py").stat()
    (sides.folder / "data.csv").write_text("2\n")
    (sides.folder / "new.txt").write_text("new")
    await sides.bring_in(apart={"main.py"})
    assert sides.texts(sides.inside)["data.csv"] == "2\n"
    assert sides.texts(sides.inside)["new.txt"] == "new"
    after = (sides.inside / "lib" / "helper.py").stat()
    assert after.st_ino == before.st_ino, "unchanged files are not copied again"
    (sides.folder / "new.txt").unlink()
    (sides.folder / "data.csv").unlink()
    (sides.inside / "data.csv").write_text("the program's own by now")
    await sides.bring_in(apart={"main.py"})
    assert "new.txt" not in sides.texts(sides.inside)
    assert sides.texts(sides.inside)["data.csv"] == "the program's own by now"


async def test_a_fresh_kernel_gets_everything_again(sides: Sides) -> None:
    (sides.folder / "data.csv").write_text("1\n")
    await sides.bring_in()
    sides.restart()
    await sides.bring_in()
    assert sides.texts(sides.inside) == {"data.csv": "1\n"}


async def test_what_a_program_writes_is_there_after_the_run(sides: Sides) -> None:
    await sides.bring_in()
    (sides.inside / "out.csv").write_text("1")
    (sides.inside / "plots").mkdir()
    (sides.inside / "plots" / "a.txt").write_text("plot")
    (sides.inside / "main.py").write_text("written by the run itself")
    (sides.inside / "__pycache__").mkdir()
    (sides.inside / "__pycache__" / "x.pyc").write_text("cache")
    written = await sides.bring_out(apart={"main.py"})
    assert written.words == "wrote: out.csv, plots/a.txt"
    assert sides.texts(sides.folder) == {"out.csv": "1", "plots/a.txt": "plot"}
    assert stat.S_IMODE((sides.folder / "out.csv").stat().st_mode) == 0o644
    assert (await sides.bring_out(apart={"main.py"})).words == ""
    await sides.bring_in()
    (sides.inside / "out.csv").write_text("12")
    assert (await sides.bring_out(apart={"main.py"})).names == ["out.csv"]
    assert sides.texts(sides.folder)["out.csv"] == "12"


async def test_what_people_changed_meanwhile_is_not_overwritten(sides: Sides) -> None:
    (sides.folder / "data.csv").write_text("mine")
    await sides.bring_in()
    (sides.folder / "data.csv").write_text("changed by me")
    (sides.folder / "new.txt").write_text("mine too")
    (sides.inside / "data.csv").write_text("program")
    (sides.inside / "new.txt").write_text("program")
    written = await sides.bring_out()
    assert written.names == ["data (2).csv", "new (2).txt"]
    assert sides.texts(sides.folder) == {
        "data.csv": "changed by me",
        "data (2).csv": "program",
        "new.txt": "mine too",
        "new (2).txt": "program",
    }
    await sides.bring_in()
    assert sides.texts(sides.inside) == sides.texts(sides.folder), "the folder is the truth"
    (sides.inside / "data.csv").write_text("program again")
    assert (await sides.bring_out()).names == ["data.csv"]


async def test_open_files_and_the_pad_are_not_overwritten(sides: Sides) -> None:
    (sides.folder / "open.csv").write_text("open")
    await sides.bring_in()
    for number in range(3):
        (sides.inside / "open.csv").write_text(f"program {number}")
        written = await sides.bring_out(open_files={"open.csv"})
        assert written.names == ["open (2).csv"], "one other name, not more with each run"
        await sides.bring_in()
    assert sides.texts(sides.folder) == {"open.csv": "open", "open (2).csv": "program 2"}
    (sides.folder / "open (2).csv").write_text("touched")
    (sides.inside / "open.csv").write_text("program 3")
    assert (await sides.bring_out(open_files={"open.csv"})).names == ["open (3).csv"]


async def test_what_a_program_made_and_deletes_is_gone_and_what_people_gave_stays(
    sides: Sides,
) -> None:
    (sides.folder / "data.csv").write_text("mine")
    await sides.bring_in()
    for name in ("made.txt", "touched.txt"):
        (sides.inside / name).write_text("program")
    await sides.bring_out()
    await sides.bring_in()
    (sides.folder / "touched.txt").write_text("mine by now")
    for name in ("made.txt", "touched.txt", "data.csv"):
        (sides.inside / name).unlink()
    await sides.bring_out()
    assert sides.texts(sides.folder) == {"data.csv": "mine", "touched.txt": "mine by now"}
    await sides.bring_in()
    assert sides.texts(sides.inside) == {"touched.txt": "mine by now"}


async def test_a_folder_that_is_gone_or_a_dead_kernel_harm_nobody(sides: Sides) -> None:
    (sides.folder / "data.csv").write_text("mine")
    await sides.bring_in()
    await sides.bring_out()
    shutil.rmtree(sides.inside)
    assert (await sides.bring_out()).words == ""
    assert sides.texts(sides.folder) == {"data.csv": "mine"}
    sides.restart()
    await sides.bring_in()
    shutil.rmtree(sides.folder)
    (sides.inside / "out.txt").write_text("x")
    assert (await sides.bring_out()).words == ""
    assert await sides.bring_in() == "" and not sides.folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for another")
async def test_what_root_writes_is_the_owners_of_the_folder(sides: Sides) -> None:
    os.chown(sides.folder, 1234, 1235)
    await sides.bring_in()
    (sides.inside / "below").mkdir()
    (sides.inside / "below" / "out.txt").write_text("x")
    await sides.bring_out()
    for path in (sides.folder / "below", sides.folder / "below" / "out.txt"):
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)


# -- limits ---------------------------------------------------------------------------------------


async def test_number_and_size_are_bounded_both_ways(tmp_path: Path) -> None:
    sides = Sides(tmp_path, files=10, total_bytes=MIB)
    for number in range(12):
        (sides.folder / f"{number:02}.txt").write_text("x")
    assert await sides.bring_in() == "2 files of the room did not fit into the sandbox"
    assert len(sides.texts(sides.inside)) == 10
    for number in range(5, 12):
        (sides.folder / f"{number:02}.txt").unlink()
    (sides.folder / "large").write_bytes(b"x" * (MIB + 1))
    assert "1 file of the room" in await sides.bring_in()
    (sides.folder / "large").unlink()
    (sides.inside / "half").write_bytes(b"x" * (MIB // 2))
    (sides.inside / "more").write_bytes(b"x" * (MIB // 2))
    written = await sides.bring_out()
    assert written.names == ["half"]
    assert written.words == "wrote: half"
    assert written.warning == "1 file was not kept: the room's files take 1 MB"
    for number in range(20):
        (sides.inside / f"many-{number:02}").write_text("x")
    written = await sides.bring_out()
    assert len(written.names) == 4 and written.refused == 17
    assert "the room has 10 files" in written.warning and written.words.count("many") == 4
    assert len(list(sides.folder.iterdir())) == 10


async def test_a_sparse_file_counts_as_large_as_it_reads(sides: Sides) -> None:
    await sides.bring_in()
    with (sides.inside / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    assert (await sides.bring_out()).refused == 1
    assert list(sides.folder.iterdir()) == []


async def test_a_million_names_end_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "ENTRIES_LIMIT", 500)
    sides = Sides(tmp_path, files=10)
    await sides.bring_in()
    for number in range(600):
        os.close(os.open(sides.inside / f"n{number}", os.O_CREAT | os.O_WRONLY))
    path = sides.inside
    for _ in range(100):
        path /= "deep"
        path.mkdir()
    (path / "x").write_text("x")
    written = await sides.bring_out()
    assert len(written.names) == 10
    assert len(list(sides.folder.iterdir())) == 10


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        ".hidden",
        "~x",
        "a\nb",
        "a\rb",
        "a\x1b[2Jb",
        "a\u202etxt.exe",
        "a\u200fb",
        "a\u2028b",
        "a\udcffb",
        " x",
        "x ",
        "a\\b",
        "x" * 201,
        "",
        "ok/..",
        "ok/.git",
    ],
)
def test_names_that_are_no_names_for_people(name: str) -> None:
    assert not showable(name)


@pytest.mark.parametrize("name", ["a.txt", "grüße.txt", "表/データ.csv", "a b (2).py", "<b>&.txt"])
def test_names_that_are(name: str) -> None:
    assert showable(name)


# -- attacks --------------------------------------------------------------------------------------

NAMES = [
    b"a.txt",
    b"data.csv",
    b"lib",
    b"out",
    b"-rf",
    b"<img src=x onerror=alert(1)>",
    b"a\nb",
    b"a\xffb",
    "\u202egnp.exe".encode(),
    b"x" * 255,
    b".ssh",
    b".codepad-0000000000000000",
    b"main.py",
    b"data (2).csv",
    b"~",
]


def plant(rng: random.Random, where: bytes, beside: Path, depth: int = 0) -> None:
    """A tree as an enemy would make it."""
    secret, below = os.fsencode(beside / "secret.txt"), os.fsencode(beside / "below")
    targets = [secret, below, b"/etc/shadow", b"..", b".", b"../beside", b"/proc/self/root", b"/"]
    for name in rng.sample(NAMES, rng.randint(2, len(NAMES))):
        path = os.path.join(where, name)
        with suppress(FileExistsError, OSError):
            match rng.randrange(8):
                case 0 | 1:
                    with open(path, "xb") as file:
                        file.write(rng.randbytes(rng.choice([0, 10, 5000, 300_000])))
                case 2 | 3:
                    os.symlink(rng.choice(targets), path)
                case 4:
                    os.mkfifo(path)
                case 5:
                    os.link(secret, path)
                case 6:
                    with open(path, "xb") as file:
                        file.truncate(rng.choice([MIB + 1, 1 << 40]))
                case 7 if depth < 10:
                    os.mkdir(path)
                    plant(rng, path, beside, depth + 1)


def assert_harmless(sides: Sides, before: dict[str, tuple[int, int, int]]) -> None:
    """Nothing beside was touched, nothing of it was read, the quota holds, names are names."""
    assert pictures(sides.beside) == before
    total = count = 0
    for path in sides.folder.rglob("*"):
        mode = path.lstat().st_mode
        assert stat.S_ISREG(mode) or stat.S_ISDIR(mode), path
        assert showable(str(path.relative_to(sides.folder))) or path.name == ".mine", path
        if stat.S_ISREG(mode):
            count, total = count + 1, total + path.stat().st_size
            assert SECRET.encode() not in path.read_bytes(), path
    assert count <= sides.limits.files + 1 and total <= sides.limits.total_bytes


@pytest.mark.parametrize("seed", range(40))
async def test_hostile_trees(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    sides = Sides(tmp_path, files=30)
    device = tmp_path / "inside-1" / "device"
    with suppress(OSError):
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero: endless
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(sides.inside / "socket"))
        (sides.folder / ".mine").write_text("mine")
        (sides.folder / "main.py").write_text("pad")
        (sides.folder / "data.csv").write_text("1")
        (sides.folder / "lib").mkdir()
        (sides.folder / "lib" / "helper.py").write_text("x")
        before = pictures(sides.beside)
        for _ in range(2):
            # Also before anything went in: what is there already stands in the way.
            plant(rng, os.fsencode(sides.inside), sides.beside)
            await sides.bring_in(apart={"main.py"})
            plant(rng, os.fsencode(sides.inside), sides.beside)
            written = await sides.bring_out(apart={"main.py"})
            assert len(written.words) + len(written.warning) < 1000
        # The names of what is hidden or the pad's are as they were.
        assert (sides.folder / ".mine").read_text() == "mine"
        assert (sides.folder / "main.py").read_text() == "pad"
        assert_harmless(sides, before)


def swap_file(sides: Sides, number: int) -> None:
    """A file is a link when it is opened, and a file when it is looked at."""
    path = sides.inside / "swapped"
    other = sides.inside / ".other"
    with suppress(OSError):
        if number % 2:
            other.symlink_to(sides.beside / "secret.txt")
        else:
            other.write_text(f"harmless {number}")
        other.rename(path)


def swap_folder(sides: Sides, number: int) -> None:
    """The same with the folder on the way to a file."""
    path, aside = sides.inside / "below", sides.inside / ".aside"
    with suppress(OSError):
        if number % 2:
            path.rename(aside)
            path.symlink_to(sides.beside / "below")
        else:
            path.unlink()
            aside.rename(path)
            (path / "data.csv").write_text(f"harmless {number}")


def swap_temporary(sides: Sides, _number: int) -> None:
    """The file that is being written inside is replaced before it gets its name."""
    for path in sides.inside.glob(".codepad-*"):
        with suppress(OSError):
            path.unlink()
            path.symlink_to(sides.beside / "secret.txt")


@contextmanager
def meanwhile(act: Callable[[Sides, int], None], sides: Sides) -> Iterator[None]:
    """Somebody does this again and again."""
    ended = threading.Event()

    def go_on() -> None:
        number = 0
        while not ended.is_set():
            act(sides, number)
            number += 1

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("act", [swap_file, swap_folder, swap_temporary])
async def test_trees_that_change_while_they_are_walked(
    tmp_path: Path, act: Callable[[Sides, int], None]
) -> None:
    sides = Sides(tmp_path)
    (sides.folder / "below").mkdir()
    (sides.folder / "below" / "data.csv").write_text("mine")
    await sides.bring_in()
    before = pictures(sides.beside)
    with meanwhile(act, sides):
        for number in range(RACE_ROUNDS):
            (sides.folder / "below" / "data.csv").write_text(f"mine {number}")
            (sides.folder / f"new-{number % 9}.txt").write_text(f"{number}")
            await sides.bring_in()
            await sides.bring_out()
    assert_harmless(sides, before)


# -- in a room ------------------------------------------------------------------------------------


async def test_a_rooms_files_are_there_in_a_run_and_what_it_writes_is_there_after(
    server: JupyterServer,
) -> None:
    at = await desk(server)
    folder = server.pad_file(at.room).parent
    assert text_of(await at.run("import os\nprint(os.listdir())")) == "['main.py']\n"
    (folder / "helper.py").write_text("words = 'from the folder'\n")
    (folder / "link").symlink_to("/etc/hostname")
    run = await at.run(
        "import os, helper\nprint(helper.words, sorted(os.listdir()))\n"
        "open('out.csv', 'w').write('1,2')\nopen('main.py', 'w').write('not the pad')\n"
        "os.symlink('/etc/passwd', 'passwd.txt')\nos.mkfifo('pipe')\n"
        "open('.hidden', 'w').write('x')\nopen('<b>.txt', 'w').write('x')"
    )
    assert text_of(run) == "from the folder ['helper.py', 'main.py']\n"
    assert run["files"] == "wrote: <b>.txt, out.csv"
    assert (folder / "out.csv").read_text() == "1,2"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["<b>.txt", "helper.py", "link", "main.py", "out.csv"]
    assert "not the pad" not in (folder / "main.py").read_text()
    run = await at.run("open('out.csv', 'a').write('3')")
    assert run["files"] == "wrote: out.csv" and (folder / "out.csv").read_text() == "1,23"
    run = await at.run("print(open('out.csv').read())")
    assert "files" not in run and "files_warning" not in run


async def test_a_file_that_somebody_has_open_is_not_overwritten_by_a_run(
    server: JupyterServer,
) -> None:
    at = await desk(server)
    folder = server.pad_file(at.room).parent
    (folder / "notes.txt").write_text("notes")
    await server.host.lab_document(str(Path(at.room["pad_path"]).parent / "notes.txt"))
    run = await at.run("print(open('notes.txt').read())\nopen('notes.txt', 'w').write('run')")
    assert text_of(run) == "notes\n" and run["files"] == "wrote: notes (2).txt"
    assert (folder / "notes.txt").read_text() == "notes"
    assert (folder / "notes (2).txt").read_text() == "run"
