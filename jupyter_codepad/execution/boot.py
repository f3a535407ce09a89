"""Starts ipykernel inside the sandbox; this file is read by the server and run in there.

ipykernel sends all that was printed since its last flush as one message, however large. Here a
program that prints without end is made to wait while its output leaves in pieces. And programs find
a ``sys.stdin`` that can be read: from the people in the room, or from the input that a run was
given.
"""

import io
import os
import sys
import tempfile
from typing import Any

from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp

PIECE = 64 * 1024

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


class RoomPythonKernel(IPythonKernel):
    """ipykernel whose programs can read their input as programs do."""

    _input: Any = None
    _given = False

    async def do_execute(self, *args: Any, cell_meta: Any = None, **kwargs: Any) -> Any:
        """Run code with an input of its own: ``cell_meta["codepad"]["stdin"]``, or by asking."""
        wish = (cell_meta or {}).get("codepad") or {}
        self._open_input(wish.get("stdin"))
        parent: Any = super()
        return await parent.do_execute(*args, cell_meta=cell_meta, **kwargs)

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
    setattr(OutStream, "write", write_in_pieces)  # noqa: B010 - a method cannot be assigned
    IPKernelApp.launch_instance(kernel_class=RoomPythonKernel)
