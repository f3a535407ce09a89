"""Starts ipykernel inside the sandbox; this file is read by the server and run in there.

ipykernel sends all that was printed since its last flush as one message, however large, and a
message for each flush, however many; what is too large or too much for the reader is lost. Here
output leaves in pieces, a program waits while some of them are not read yet, flushes that follow on
each other become one, and of what is too large only its size is sent. Programs find a ``sys.stdin``
that can be read: from the people in the room, or from the input that a run was given. And a code
file is run as one: it has its name, and may be another than the pad's.
"""

import importlib
import importlib.abc
import importlib.util
import io
import linecache
import os
import sys
import tempfile
import threading
import time
import tokenize
from contextlib import suppress
from pathlib import Path
from typing import Any

import zmq
from ipykernel import iostream
from ipykernel.compiler import XCachingCompiler
from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from jupyter_client.session import Session
from traitlets import Type, default

PIECE = 64 * 1024
ROOM = os.getcwd()
WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
LINGER_SECONDS, LINGER_TIMES = 0.03, 60
"""So long a process that ends at once leaves ZeroMQ's thread to send what it has been given."""
GATHER_SECONDS, UNFLUSHED_SECONDS = 0.008, 0.03
"""So long what is printed and not flushed waits; it is ipykernel that flushes then."""
UNREAD_MESSAGES, SENT_SECONDS = 8, 30.0
"""With so many not read yet the program waits so long: they would fill this process's memory."""
MESSAGE_LIMIT_BYTES, QUESTION_LIMIT_BYTES = 3 * 1024 * 1024, 32 * 1024
"""The server reads no message that is larger than 4 MiB, and none of 64 KiB that asks for input."""
SHORT_CHARACTERS, SHORT_LINES = 4000, 100
OUTPUTS = frozenset({"stream", "display_data", "execute_result", "update_display_data"})
"""What a question comes after, on the screen."""
FEW = frozenset({"status", "execute_input", "stream"})  # or waited for by who has flushed it


def wait_for(wire: Any) -> None:
    """Wait until what ipykernel's thread for output was given is on its way."""
    if threading.current_thread() is not wire.thread:
        on_its_way = threading.Event()
        wire.schedule(on_its_way.set)
        on_its_way.wait(SENT_SECONDS)


class RoomOutStream(OutStream):
    """``sys.stdout`` and ``sys.stderr``: what is printed leaves in pieces, and not too often."""

    flush_interval = UNFLUSHED_SECONDS
    waiting: "dict[RoomOutStream, None]" = {}  # noqa: RUF012 - of both streams
    """Those with something that the program has flushed and that is not sent yet, in order."""
    _unsent = 0
    _unflushed = False
    _flushed_at = 0.0

    def write(self, text: str) -> int:
        """Write like a file does; wait for the wire after each piece."""
        if not text:
            return super().write(text) or 0
        written = 0
        for start in range(0, len(text), PIECE):
            piece = text[start : start + PIECE]
            written += super().write(piece) or 0
            self._unflushed = True
            self._unsent += len(piece)
            if self._unsent >= PIECE:
                self.flush_now()
        return written

    def flush(self) -> None:
        """Send what was printed: at once after some silence, else together with what follows."""
        for other in list(self.waiting):
            if other is not self:
                other.flush_now()  # what was flushed first is shown first
        if not self._unflushed:
            return
        passed = time.monotonic() - self._flushed_at
        if passed >= GATHER_SECONDS or os.getpid() != KERNEL:
            self.flush_now()
        elif self not in self.waiting:
            self.waiting[self] = None
            loop, after = self._io_loop, GATHER_SECONDS - passed
            self.pub_thread.schedule(lambda: loop.call_later(after, self._flush))

    def flush_now(self) -> None:
        """Send what was printed, and wait until it is on its way."""
        parent: Any = super()
        parent.flush()

    def _flush(self) -> None:
        self._unsent, self._unflushed = 0, False
        self._flushed_at = time.monotonic()
        self.waiting.pop(self, None)
        parent: Any = super()
        parent._flush()

    @classmethod
    def settle(cls) -> None:
        """Send what the program has flushed: something else is to be sent after it."""
        for stream in list(cls.waiting):
            stream.flush_now()


def exit_now(status: int) -> None:
    """``os._exit``: what was printed before is shown."""
    for stream in (sys.stdout, sys.stderr):
        if os.getpid() == KERNEL and isinstance(stream, RoomOutStream):
            stream.flush_now()
            wait_for(stream.pub_thread)
    if os.getpid() == KERNEL:
        linger()
    exit_at_once(status)


def linger() -> None:
    """Wait until what ZeroMQ has been given is sent: as far as can be seen, its thread sleeps."""
    with suppress(Exception):
        for _ in range(LINGER_TIMES):
            time.sleep(LINGER_SECONDS)
            seen = [task.read_text() for task in Path("/proc/self/task").glob("*/stat")]
            if not any("(ZMQbg/IO" in task and ") R" in task for task in seen):
                return


KERNEL, exit_at_once = os.getpid(), os._exit


class RoomSession(Session):
    """Sends what can be read: no faster than it is, and after what was printed before."""

    _run = ""
    _outputs = 0

    def begin(self, run: str) -> None:
        """Count from here what the run with this message id sends."""
        self._run, self._outputs = run, 0

    def send(self, stream: Any, msg_or_type: Any, *args: Any, **options: Any) -> Any:
        """Send a message."""
        kind = str(msg_or_type["msg_type"] if isinstance(msg_or_type, dict) else msg_or_type)
        if kind != "stream":
            RoomOutStream.settle()
        sizes = [memoryview(part).nbytes for part in options.get("buffers") or ()]
        if sum(sizes) > MESSAGE_LIMIT_BYTES:
            return None  # a widget's: these are not shown, and it would cost us what comes after it
        sent = super().send(stream, msg_or_type, *args, **options)
        if kind not in FEW and (wire := getattr(stream, "io_thread", None)) is not None:
            wait_for(wire)
        return sent

    def serialize(self, msg: Any, ident: Any = None) -> Any:
        """A message as it is sent; of one that is too large not all.

        Output goes another way than a question, which says ``after`` how much of it it comes.
        """
        kind = msg.get("msg_type")
        asks = kind == "input_request"
        if asks:
            msg = {**msg, "content": {**msg["content"], "after": self._outputs}}
        elif kind in OUTPUTS and msg["parent_header"].get("msg_id") == self._run:
            self._outputs += 1
        parts = super().serialize(msg, ident)
        size = sum(map(len, parts))
        if size <= (QUESTION_LIMIT_BYTES if asks else MESSAGE_LIMIT_BYTES):
            return parts
        metadata = {"codepad": {"left_out": size}}
        return super().serialize(
            {**msg, "content": shortened(msg["content"]), "metadata": metadata}, ident
        )


def shortened(content: Any) -> Any:
    """The content of a message without what makes it large."""
    if isinstance(content, dict):
        return {key: shortened_part(value) for key, value in content.items()}
    return {}


def shortened_part(value: Any) -> Any:
    """Numbers and words as they are, of texts and lists of texts the beginning and the end."""
    if isinstance(value, str):
        half = SHORT_CHARACTERS // 2
        return value if len(value) <= 2 * half else f"{value[:half]}…{value[-half:]}"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        half = SHORT_LINES // 2
        chosen = value if len(value) <= 2 * half else [*value[:half], "…", *value[-half:]]
        return [shortened_part(item) for item in chosen]
    if isinstance(value, dict):
        words = {k: v for k, v in value.items() if isinstance(v, str) and len(v) <= 100}
        return words if "display_id" in words else {}
    return value if isinstance(value, bool | int | float) or value is None else []


class AskedInput(io.RawIOBase):
    """Bytes that people in the room type, a line for each read that finds none left."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._left = b""

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Take what there is; ask for a line when there is nothing. Nothing comes at the end."""
        if not self._left:
            try:
                line = self._kernel.ask("")
            except EOFError:
                return 0
            self._left = f"{line}\n".encode("utf-8", "surrogateescape")
        part, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def given_input(content: bytes) -> Any:
    """The input of a run, also for programs that the code starts."""
    try:
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.seek(0)
            os.dup2(file.fileno(), 0)
        return io.FileIO(0, closefd=False)
    except OSError:  # the disk is full
        return io.BytesIO(content)


class TextBars(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Lets tqdm draw its bars as text also where it would ask widgets: nobody sees those move."""

    names = frozenset({"tqdm.autonotebook", "tqdm.notebook"})

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """Ours, for these modules."""
        return importlib.util.spec_from_loader(fullname, self) if fullname in self.names else None

    def get_source(self, fullname: str) -> str:
        """What is in them instead."""
        return "from .std import tqdm, trange\ntqdm_notebook, tnrange = tqdm, trange\n"


class NotStarted(Exception):
    """There is no program to run; the message says why, in one line."""


class FileCompiler(XCachingCompiler):
    """Calls the code that is run by the name of its file, where it has one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        init: Any = super().__init__
        init(*args, **kwargs)
        self._path = self._name = self._code = ""

    def begin(self, name: str, code: str) -> None:
        """Have the code be that of a file of the room's folder; an empty name: of none."""
        linecache.cache.pop(self._path, None)  # who imports that file now reads it anew
        self._path = os.path.join(ROOM, name) if name else ""
        self._name, self._code = name, code

    def get_code_name(self, raw_code: str, code: str, number: int) -> Any:
        """The file's path, for its own code; what that code makes up has none."""
        if self._name and raw_code == self._code:
            return self._path
        parent: Any = super()
        return parent.get_code_name(raw_code, code, number)

    def format_code_name(self, name: str) -> Any:
        """How it is called in tracebacks: as people know it."""
        if name.startswith(f"{ROOM}/"):
            return "File", name.removeprefix(f"{ROOM}/")
        parent: Any = super()
        return parent.format_code_name(name)


def put_file(name: str, text: str) -> None:
    """Write a file of the room's folder; waits for nothing that code has put there instead."""
    path = os.path.join(ROOM, name)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        file = os.open(path, WRITE_FLAGS, 0o666)
        with open(file, "w", encoding="utf-8", errors="replace") as opened:
            opened.write(text)
    except OSError as error:
        raise NotStarted(f"{name} cannot be written: {error.strerror}") from error


def program_text(name: str) -> str:
    """What a Python file of the room's folder says."""
    path = os.path.join(ROOM, name)
    if not os.path.isfile(path):
        raise NotStarted(f"there is no file “{name}” in this folder")
    try:
        with tokenize.open(path) as file:
            return file.read()
    except (OSError, SyntaxError, ValueError) as error:
        raise NotStarted(f"{name} cannot be read: {error}") from error


def forget_modules() -> None:
    """Have modules of the room's folder loaded anew: people change them between runs."""
    importlib.invalidate_caches()
    for name, module in list(sys.modules.items()):
        with suppress(Exception):  # whatever code has put there
            path = vars(module).get("__file__") or ""
            if name != "__main__" and path.startswith(f"{ROOM}/") and path.endswith(".py"):
                del sys.modules[name]


class Nothing(dict[int, list[Any]]):
    """What IPython remembers of all that was ever shown: it would fill the room's memory."""

    def __missing__(self, count: int) -> list[Any]:
        return []


class RoomPythonKernel(IPythonKernel):
    """ipykernel whose programs can read their input as programs do, and are files."""

    compiler_class = Type(FileCompiler)
    _input: Any = None
    _given = False

    async def do_execute(self, code: str, *args: Any, cell_meta: Any = None, **kwargs: Any) -> Any:
        """Run code with an input of its own, or the file that is to run instead.

        ``cell_meta["codepad"]``: ``stdin``, all the input there is (None: ask for it); ``file``,
        the one that the code goes into, None: it is a cell; ``main``, the one that is run, None:
        that one.
        """
        wish = (cell_meta or {}).get("codepad") or {}
        parent: Any = super()
        parent.session.begin(parent.get_parent("shell")["header"]["msg_id"])
        self._open_input(wish.get("stdin"))
        file = wish.get("file") or ""
        main = file and (wish.get("main") or file)
        try:
            program = self._program(code, file, main) if file else code
        except NotStarted as error:
            return self._failed(str(error))
        shell: Any = self.shell
        shell.history_manager.outputs = Nothing()
        shell.compile.begin(main, program)
        beside = self._become(main) if main else ""
        try:
            return await parent.do_execute(program, *args, cell_meta=cell_meta, **kwargs)
        finally:
            if beside and beside in sys.path:
                sys.path.remove(beside)

    def _program(self, code: str, file: str, main: str) -> str:
        """Put the pad's text into its file; returns what is run. Raises ``NotStarted``."""
        forget_modules()
        try:
            put_file(file, code)
        except NotStarted:
            if main != file:
                raise
        return code if main == file else program_text(main)

    def _become(self, main: str) -> str:
        """Let code find what a program of this file would; returns a folder on ``sys.path``."""
        path = os.path.join(ROOM, main)
        shell: Any = self.shell
        shell.user_ns["__file__"] = path
        sys.argv[:] = [main]
        beside = os.path.dirname(path)
        if beside == ROOM:  # which is there anyhow
            return ""
        sys.path.insert(0, beside)
        return beside

    def _failed(self, words: str) -> Any:
        error = {"ename": "NotStarted", "evalue": words, "traceback": [words]}
        parent: Any = self
        parent.send_response(self.iopub_socket, "error", error)
        return {"status": "error", "execution_count": parent.execution_count, **error}

    def _open_input(self, given: Any) -> None:
        self._given = isinstance(given, str)
        raw: Any = AskedInput(self)
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        if self._given:
            raw = given_input(given.encode("utf-8", "replace"))
        self._input = io.TextIOWrapper(io.BufferedReader(raw), encoding="utf-8", errors="replace")
        sys.stdin = self._input

    def ask(self, prompt: str) -> str:
        """Ask people for a line."""
        parent: Any = super()
        answer: str = parent.raw_input(prompt)
        return answer

    def raw_input(self, prompt: Any = "") -> str:
        """``input()``: by asking, or out of what ``sys.stdin`` is."""
        if sys.stdin is self._input and not self._given:
            return self.ask(str(prompt))
        sys.stdout.write(str(prompt))
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            raise EOFError("EOF when reading a line")
        return line.removesuffix("\n")

    def getpass(self, prompt: str = "Password: ", stream: Any = None, **options: Any) -> str:
        """``getpass.getpass()``: nobody sees what is typed."""
        if self._given:
            return self.raw_input(prompt)
        answer: str = super().getpass(prompt, stream, **options)
        return answer


class RoomKernelApp(IPKernelApp):
    """ipykernel with streams, a session and a kernel of ours."""

    def _bind_socket(self, s: Any, port: int) -> Any:
        if s.type == zmq.XPUB:  # output waits until it is read; ZeroMQ would drop it
            s.set(zmq.XPUB_NODROP, 1)
            s.set(zmq.SNDHWM, UNREAD_MESSAGES)
        return IPKernelApp._bind_socket(self, s, port)  # type: ignore[no-untyped-call]

    @default("session")
    def _room_session(self) -> Session:
        return RoomSession(parent=self)


if __name__ == "__main__":
    # A file of the same second and size as the one before would be taken for that one.
    sys.dont_write_bytecode = True
    iostream.OutStream = RoomOutStream  # type: ignore[misc]
    os._exit = exit_now  # type: ignore[assignment]
    os.register_at_fork(before=RoomOutStream.settle)
    sys.meta_path.insert(0, TextBars())
    RoomKernelApp.launch_instance(kernel_class=RoomPythonKernel)
