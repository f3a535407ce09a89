"""Starts ipykernel inside the sandbox; this file is read by the server and run in there.

ipykernel sends all that was printed since its last flush as one message, however large. Here a
program that prints without end is made to wait while its output leaves in pieces. Programs find a
``sys.stdin`` that can be read: from the people in the room, or from the input that a run was given.
And a code file is run as one: it has its name, and may be another than the pad's.
"""

import importlib
import io
import linecache
import os
import sys
import tempfile
import tokenize
from contextlib import suppress
from typing import Any

from ipykernel.compiler import XCachingCompiler
from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from traitlets import Type

PIECE = 64 * 1024
ROOM = os.getcwd()
WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK

write_all = OutStream.write


def write_in_pieces(self: Any, text: str) -> int:
    """Write like a file does; wait for the wire after each piece."""
    written = 0
    for start in range(0, len(text), PIECE):
        written += write_all(self, text[start : start + PIECE]) or 0
        unsent = getattr(self, "_codepad_unsent", 0) + min(PIECE, len(text) - start)
        if unsent >= PIECE:
            self.flush()
            unsent = 0
        self._codepad_unsent = unsent
    return written if text else write_all(self, text) or 0


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
        if self._name and name == self._path:
            return "File", self._name
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
        self._open_input(wish.get("stdin"))
        file = wish.get("file") or ""
        main = file and (wish.get("main") or file)
        try:
            program = self._program(code, file, main) if file else code
        except NotStarted as error:
            return self._failed(str(error))
        shell: Any = self.shell
        shell.compile.begin(main, program)
        beside = self._become(main) if main else ""
        parent: Any = super()
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


if __name__ == "__main__":
    # A file of the same second and size as the one before would be taken for that one.
    sys.dont_write_bytecode = True
    setattr(OutStream, "write", write_in_pieces)  # noqa: B010 - a method cannot be assigned
    IPKernelApp.launch_instance(kernel_class=RoomPythonKernel)
