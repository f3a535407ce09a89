"""One run of a program: its terminal or pipes, its output as it comes, its questions, its end."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import struct
import tempfile
import termios
import time
from collections.abc import Container
from contextlib import suppress
from typing import Any, Literal, Protocol

import zmq

from .processes import Process, descendants, end_everything, memory_of, spawn
from .stream_text import StreamText, hidden_folder
from .waiting import InputWatch

PIECE = 64 * 1024
BATCH_SECONDS = 0.01
QUIET_SECONDS = 0.015
"""So long nothing is printed, before it is looked whether the program waits for input."""
LOOK_SECONDS = 0.02
MEMORY_SECONDS = 0.05
ARRIVAL_SECONDS = 2.0
"""How long a busy machine may take to bring what was typed through the terminal."""
INSIST_SECONDS = 2.5
"""How long a program may ignore an interrupt."""
LINE_LIMIT = 4000
"""Longer lines do not fit into a terminal that gathers lines (N_TTY_BUF_SIZE, 4096)."""
Terminal = Literal["both", "input", "none"]
END_OF_FILE = "\x04"
INPUT, OUTPUT, LOCAL = 0, 1, 3
WINDOW = 24, 80
MIB = 1024 * 1024


class Console(Protocol):
    """Who sees the output and answers the questions of a program."""

    def show(self, name: str, text: str) -> None:
        """Show text of ``stdout`` or ``stderr``; returns when more can come."""

    def ask(self) -> None:
        """Ask for a line of input."""

    @property
    def answers(self) -> Any:
        """The ZMQ socket on which an answer comes."""

    def answer(self) -> str | None:
        """The answer, if it has come."""

    @property
    def wake(self) -> int:
        """A descriptor that can be read when ``interrupts`` has grown."""

    @property
    def interrupts(self) -> int:
        """How often somebody has pressed Ctrl-C in this run."""


class Program:
    """Runs ``argv`` and returns how it ended.

    ``given``: the input as a whole, then its end; None: whoever looks at the console is asked.
    ``terminal``: what is a terminal, so that C libraries and others print without delay; stderr is
    a pipe always. ``spare``: the ends of a terminal, for where none can be made.
    """

    def __init__(
        self,
        argv: list[str],
        environment: dict[str, str],
        console: Console,
        *,
        given: str | None,
        terminal: Terminal,
        spare: tuple[int, int] | None = None,
    ) -> None:
        self._argv = argv
        self._environment = environment
        self._console = console
        self._given = given
        self._terminal = terminal
        self._spare = spare
        self._ours: list[int] = []
        self._theirs: list[int] = []
        self._input = self._tty = -1
        self._unsent = b""
        self._asked = False
        self._interrupted_at = 0.0
        self._interrupts_seen = 0
        self._last_output = self._last_look = self._typed_at = 0.0
        self._waited = ""
        self._words = ""

    def run(self) -> tuple[int, str]:
        """The exit status (minus a signal's number), and why it was stopped, if it was.

        Raises ``OSError`` when it cannot be started.
        """
        process: Process | None = None
        try:
            streams = self._open()
            process = spawn(self._argv, self._environment, streams)
            watch = InputWatch(self._theirs[0], process.pid)
            status = self._attend(process, watch)
            process.signal(signal.SIGKILL)
            end_everything()
            self._drain()
            return status, self._words
        finally:
            if process is not None and process.status is None:
                process.signal(signal.SIGKILL)
            end_everything()
            for descriptor in [*self._ours, *self._theirs]:
                with suppress(OSError):
                    os.close(descriptor)

    # -- its streams ------------------------------------------------------------------------------

    def _open(self) -> tuple[int, int, int]:
        """Make what the program gets as stdin, stdout, stderr; ``_theirs[0]`` is its input."""
        err, terminal = os.pipe(), self._open_terminal()
        out = terminal if terminal and self._terminal == "both" else os.pipe()
        if self._given is not None:
            stdin = self._given_file()
        elif terminal:
            self._input, stdin = terminal
        else:
            stdin, self._input = os.pipe()
        self._ours = sorted({out[0], err[0], self._input, *(terminal or ())[:1]} - {-1})
        self._theirs = [stdin, *{out[1], err[1], *(terminal or ())[1:]} - {stdin}]
        for descriptor in self._ours:
            os.set_blocking(descriptor, False)
        self._output = {out[0]: "stdout", err[0]: "stderr"}
        # Where something went wrong is told with the file's place; what is printed stays as it is.
        hidden = hidden_folder(os.getcwd())
        self._texts = {"stdout": StreamText(), "stderr": StreamText(hidden)}
        self._gathered: list[tuple[str, bytes]] = []
        self._size = 0
        return stdin, out[1], err[1]

    def _open_terminal(self) -> tuple[int, int] | None:
        """A terminal, our end first; None if none is wanted, or there are none here."""
        if self._terminal == "none":
            return None
        try:
            ours, theirs = self._terminal_ends()
        except OSError:
            return None
        settings = termios.tcgetattr(theirs)
        settings[INPUT] &= ~(termios.ICRNL | termios.IXON)
        settings[OUTPUT] &= ~termios.OPOST  # a newline stays one
        # What was typed is shown by whoever asked for it.
        settings[LOCAL] &= ~(termios.ISIG | termios.ECHO | termios.ECHONL)
        settings[LOCAL] |= termios.ICANON
        termios.tcsetattr(theirs, termios.TCSANOW, settings)
        size = struct.pack("HHHH", *WINDOW, 0, 0)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
        self._tty = theirs
        return ours, theirs

    def _terminal_ends(self) -> tuple[int, int]:
        """A new terminal, or copies of the ends of the spare one. Raises ``OSError``."""
        try:
            return os.openpty()
        except OSError:
            if self._spare is None:
                raise
        ours, theirs = self._spare
        try:
            termios.tcflush(theirs, termios.TCIOFLUSH)  # what the last program has left
        except termios.error as error:
            raise OSError("a program has hung the terminal up") from error
        return os.dup(ours), os.dup(theirs)

    def _given_file(self) -> int:
        with tempfile.TemporaryFile() as file:
            file.write((self._given or "").encode(errors="replace"))
            file.seek(0)
            return os.dup(file.fileno())

    # -- while it runs ----------------------------------------------------------------------------

    def _attend(self, process: Process, watch: InputWatch) -> int:
        poller = zmq.Poller()
        for descriptor in (*self._output, self._console.wake):
            poller.register(descriptor, zmq.POLLIN)
        with suppress(OSError, AttributeError):
            ended = os.pidfd_open(process.pid)
            self._ours.append(ended)
            poller.register(ended, zmq.POLLIN)
        memory = self._memory_limit()
        looked_at_memory = time.monotonic()
        while (status := process.poll()) is None:
            ready = dict(poller.poll(int(1000 * (BATCH_SECONDS if self._size else LOOK_SECONDS))))
            self._listen(poller, ready)
            now = time.monotonic()
            if now - self._last_output >= BATCH_SECONDS:
                self._show(now)
            if self._console.wake in ready:
                poller.unregister(self._console.wake)
            self._heed_interrupts(process, now)
            if memory and now - looked_at_memory > MEMORY_SECONDS:
                looked_at_memory = now
                self._look_at_memory(process, memory)
            if self._input >= 0:
                self._heed_questions(poller, watch, now)
        return status

    def _listen(self, poller: zmq.Poller, ready: Container[Any]) -> bool:
        """Take in what there is of the streams that are ready; whether there was anything."""
        heard = False
        for descriptor in [of for of in self._output if of in ready]:
            size = self._read(descriptor)
            if size is None:
                poller.unregister(descriptor)
            heard = heard or bool(size)
        return heard

    def _read(self, descriptor: int) -> int | None:
        """Take in what there is of one stream; how much, None when nothing will come any more."""
        name = self._output[descriptor]
        try:
            data = os.read(descriptor, PIECE)
        except BlockingIOError:
            return 0
        except OSError:
            data = b""
        if not data:
            del self._output[descriptor]
            return None
        self._gathered.append((name, data))
        self._size += len(data)
        if self._size >= PIECE:
            self._show(time.monotonic())
        return len(data)

    def _show(self, now: float, *, last: bool = False) -> None:
        """Hand on what has gathered, at most a piece at a time."""
        texts: list[tuple[str, str]] = []
        if not self._gathered and not last:
            texts = [(name, text.settle()) for name, text in self._texts.items()]
            if not any(text for _, text in texts):
                return
        gathered, self._gathered, self._size = self._gathered, [], 0
        self._last_output = now
        for name, data in gathered:
            text = self._texts[name].take(data)
            if texts and texts[-1][0] == name:
                texts[-1] = (name, texts[-1][1] + text)
            else:
                texts.append((name, text))
        if last:
            texts += [(name, text.take(b"", last=True)) for name, text in self._texts.items()]
        for name, text in texts:
            for start in range(0, len(text), PIECE):
                self._console.show(name, text[start : start + PIECE])

    def _drain(self) -> None:
        """What is left in the pipes when everybody who could write is dead."""
        for descriptor in list(self._output):
            while self._read(descriptor):
                continue
        self._show(time.monotonic(), last=True)

    def _heed_interrupts(self, process: Process, now: float) -> None:
        if self._console.interrupts > self._interrupts_seen:
            self._interrupts_seen = self._console.interrupts
            self._words = "interrupted"
            self._interrupted_at = self._interrupted_at or now
            process.signal(signal.SIGINT)
        if self._interrupted_at and now - self._interrupted_at > INSIST_SECONDS:
            self._kill(process)

    def _kill(self, process: Process) -> None:
        """End the program and what has left its group; ``process`` is buried by who attends it."""
        process.signal(signal.SIGKILL)
        for pid in descendants():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _memory_limit(self) -> int:
        """What the program may use; it is this kernel's limit, less what the kernel uses."""
        limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
        if limit == resource.RLIM_INFINITY:
            return 0
        return max(limit - memory_of([os.getpid()]), limit // 2)

    def _look_at_memory(self, process: Process, limit: int) -> None:
        if memory_of(descendants()) > limit:
            total = resource.getrlimit(resource.RLIMIT_DATA)[0]
            self._words = f"stopped: used more than {total // MIB} MB"
            self._kill(process)

    # -- its questions ----------------------------------------------------------------------------

    def _heed_questions(self, poller: zmq.Poller, watch: InputWatch, now: float) -> None:
        if self._asked:
            answer = self._console.answer()
            if answer is not None:
                self._asked = False
                poller.unregister(self._console.answers)
                self._type(answer)
                self._last_look = self._typed_at = now
        elif self._unsent:
            self._send()
        elif min(now - self._last_output, now - self._last_look) > QUIET_SECONDS:
            self._last_look = now
            waits = watch.waits(descendants()) if self._nothing_to_read() else ""
            if waits == self._waited and now - self._typed_at < ARRIVAL_SECONDS:
                waits = ""  # what was typed has not come to it yet
            # What it asks was printed before it began to wait, maybe since we last listened.
            if waits and not self._listen(poller, self._output):
                self._asked, self._waited = True, waits
                poller.register(self._console.answers, zmq.POLLIN)
                self._console.ask()

    def _nothing_to_read(self) -> bool:
        """Whether the program has taken all that was typed."""
        return fcntl.ioctl(self._theirs[0], termios.FIONREAD, bytes(4)) == bytes(4)

    def _type(self, answer: str) -> None:
        """Give the program a line, or the end of its input."""
        if answer == END_OF_FILE:
            if self._tty >= 0:
                self._unsent = END_OF_FILE.encode()
                self._send()
            else:
                os.close(self._input)
                self._ours.remove(self._input)
                self._input = -1
            return
        self._unsent = answer.encode(errors="replace") + b"\n"
        if self._tty >= 0:
            self._gather_lines(len(self._unsent) <= LINE_LIMIT)
        self._send()

    def _gather_lines(self, on: bool) -> None:
        """Let the terminal hand on whole lines, or what there is of a line that is too long."""
        settings = termios.tcgetattr(self._tty)
        if bool(settings[LOCAL] & termios.ICANON) != on:  # whoever waits wakes up of a change
            settings[LOCAL] ^= termios.ICANON
            termios.tcsetattr(self._tty, termios.TCSANOW, settings)

    def _send(self) -> None:
        try:
            sent = os.write(self._input, self._unsent)
        except BlockingIOError:
            return
        except OSError:
            sent = len(self._unsent)
        self._unsent = self._unsent[sent:]
