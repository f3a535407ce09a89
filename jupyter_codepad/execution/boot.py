"""Starts ipykernel inside the sandbox; this file is read by the server and run in there.

ipykernel sends all that was printed since its last flush as one message, however large. Here a
program that prints without end is made to wait while its output leaves in pieces.
"""

from typing import Any

from ipykernel.iostream import OutStream
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


if __name__ == "__main__":
    setattr(OutStream, "write", write_in_pieces)  # noqa: B010 - a method cannot be assigned
    IPKernelApp.launch_instance()
