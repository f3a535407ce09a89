"""The kernel: takes a pad, builds it, runs it, and speaks Jupyter's protocol about it."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import zmq
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel

from .building import Builder, NotBuilt
from .processes import adopt_orphans, end_everything
from .program import Program
from .recipe import Recipe

SENT_SECONDS = 30.0
"""How long is waited for output to leave; who does not read then misses some."""
UNREAD_MESSAGES = 8
"""With so many that are not read yet the program waits: they would fill this kernel's memory."""

Content = dict[str, Any]


class Interrupts:
    """Counts Ctrl-C, and wakes whoever waits on ``wake``."""

    def __init__(self) -> None:
        self.count = 0
        self._ours, self._theirs = socket.socketpair()
        for end in (self._ours, self._theirs):
            end.setblocking(False)

    @property
    def wake(self) -> int:
        """Can be read once there was an interrupt."""
        return self._theirs.fileno()

    def begin(self) -> Any:
        """Forget the earlier ones and count from now; returns the handler there was."""
        self.count = 0
        while True:
            try:
                self._theirs.recv(1024)
            except BlockingIOError:
                return signal.signal(signal.SIGINT, self._heard)

    def _heard(self, _number: int, _frame: Any) -> None:
        self.count += 1
        with suppress(BlockingIOError):
            self._ours.send(b"!")


class ToolchainKernel(Kernel):
    """Runs a whole pad with a recipe."""

    implementation = "codepad-toolchain"
    implementation_version = "1"
    banner = "Compiles and runs whole programs."

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        adopt_orphans()
        tools = Path(sys.argv[0]).resolve().parent
        self._recipe = Recipe.from_file(tools / "recipe.json")
        self.language_info = {
            "name": Path(self._recipe.file_name).suffix.lstrip("."),
            "mimetype": "text/plain",
            "file_extension": Path(self._recipe.file_name).suffix,
        }
        self._interrupts = Interrupts()
        self._spare = spare_terminal()
        cache = Path(os.environ.get("TMPDIR", "/tmp")) / "builds"  # noqa: S108 - the sandbox's
        self._builder = Builder(
            self._recipe,
            tools=tools,
            cache=cache,
            interrupted=lambda: self._interrupts.count > 0,
            told=lambda compiling: self._tell("codepad_compiling", {"compiling": compiling}),
        )
        self._earlier: Any = signal.SIG_IGN
        self._shown = 0

    def pre_handler_hook(self) -> None:
        """Let an interrupt stop the program, never this kernel."""
        self._earlier = self._interrupts.begin()

    def post_handler_hook(self) -> None:
        """Go back to how interrupts were treated."""
        signal.signal(signal.SIGINT, self._earlier)

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: Content | None = None,
        allow_stdin: bool = False,
        *,
        cell_meta: Content | None = None,
        cell_id: str | None = None,
    ) -> Content:
        """Put the code into its file, build the folder's program, and run it.

        ``cell_meta["codepad"]``: ``stdin``, all the input there is (None: ask for it); ``main``,
        the file that is run; ``file``, the one that the code goes into, by default ``main``.
        """
        self._shown = 0
        wish = (cell_meta or {}).get("codepad") or {}
        given = wish.get("stdin")
        if given is None and not allow_stdin:
            given = ""
        file = wish.get("file") or wish.get("main") or self._recipe.file_name
        main = wish.get("main") or file
        try:
            place_code(file, code)
            require_file(main)
            argv = self._builder.build(main, lambda text: self.show("stderr", text))
            environment = self._builder.environment
            program = Program(
                argv,
                environment,
                self,
                given=given,
                terminal=self._recipe.terminal,
                spare=self._spare,
            )
            status, words = program.run()
        except NotBuilt as error:
            return self._failed("NotBuilt", str(error))
        except OSError as error:
            return self._failed("NotStarted", f"the program cannot be started: {error.strerror}")
        if status == 0 and not words:
            return {
                "status": "ok",
                "execution_count": self.execution_count,
                "payload": [],
                "user_expressions": {},
            }
        return self._failed("ExitStatus", words or status_words(status))

    def _failed(self, name: str, words: str) -> Content:
        error = {"ename": name, "evalue": words, "traceback": [words]}
        self._tell("error", error)
        return {"status": "error", "execution_count": self.execution_count, **error}

    def _tell(self, kind: str, content: Content) -> None:
        self.send_response(self.iopub_socket, kind, content)  # type: ignore[no-untyped-call]

    async def do_shutdown(self, restart: bool) -> Content:
        """Leave nothing behind."""
        end_everything()
        return {"status": "ok", "restart": restart}

    # -- the console of a program -----------------------------------------------------------------

    @property
    def interrupts(self) -> int:
        """How often somebody has pressed Ctrl-C in this run."""
        return self._interrupts.count

    @property
    def wake(self) -> int:
        """Can be read once somebody has."""
        return self._interrupts.wake

    @property
    def answers(self) -> Any:
        """The socket on which answers come."""
        return self.stdin_socket

    def show(self, name: str, text: str) -> None:
        """Send output, and wait until it is on its way, so that a program cannot run ahead."""
        if not text:
            return
        self._tell("stream", {"name": name, "text": text})
        self._shown += 1
        sent = threading.Event()
        self.iopub_thread.schedule(sent.set)
        sent.wait(SENT_SECONDS)

    def ask(self) -> None:
        """Ask whoever looks at the program's output, which is where the question stands."""
        while self.stdin_socket.poll(0):
            self.stdin_socket.recv_multipart()  # an answer that came too late
        parent = self.get_parent("shell")  # type: ignore[no-untyped-call]
        ident = self._get_shell_context_var(self._shell_parent_ident)
        # Output goes another way; ``after`` says how much of it comes before the question.
        content = {"prompt": "", "password": False, "after": self._shown}
        assert self.session is not None
        self.session.send(self.stdin_socket, "input_request", content, parent, ident=ident)

    def answer(self) -> str | None:
        """The answer, if it has come."""
        if not self.stdin_socket.poll(0):
            return None
        assert self.session is not None
        try:
            reply: Any = self.session.recv(self.stdin_socket, zmq.NOBLOCK)[1]
            return str(reply["content"]["value"])
        except (ValueError, KeyError, TypeError):
            return None  # not signed, or no answer


def spare_terminal() -> tuple[int, int] | None:
    """The ends of the terminal that the sandbox has brought along, if it has."""
    named = os.environ.pop("CODEPAD_TERMINAL", "").split()
    if len(named) != 2:
        return None
    ours, theirs = (int(number) for number in named)
    for descriptor in (ours, theirs):
        os.set_inheritable(descriptor, False)
    return ours, theirs


def place_code(main: str, code: str) -> None:
    """Write the pad into its file in the current folder. Raises ``NotBuilt``."""
    path = os.path.normpath(main)
    if not path or path.startswith(("/", "..")):
        raise NotBuilt("the main file is not in this folder")
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(code, errors="replace")
    except OSError as error:
        raise NotBuilt(f"{path} cannot be written: {error.strerror}") from error


def require_file(main: str) -> None:
    """Raise ``NotBuilt`` unless a program can begin in this file of the current folder."""
    path = os.path.normpath(main)
    if path.startswith(("/", "..")) or not os.path.isfile(path):
        raise NotBuilt(f"there is no file “{main}” in this folder")


def status_words(status: int) -> str:
    """How a program ended, for people."""
    if status >= 0:
        return f"exit status {status}"
    words = signal.strsignal(-status) or "stopped by a signal"
    return f"{words} (signal {-status})"


class ToolchainKernelApp(IPKernelApp):
    """ipykernel whose output waits until it is read; ZeroMQ would drop it."""

    def _bind_socket(self, s: Any, port: int) -> Any:
        if s.type == zmq.XPUB:
            s.set(zmq.XPUB_NODROP, 1)
            s.set(zmq.SNDHWM, UNREAD_MESSAGES)
        parent: Any = super()
        return parent._bind_socket(s, port)


def main() -> None:
    """Start the kernel; its connection file is an argument."""
    ToolchainKernelApp.launch_instance(kernel_class=ToolchainKernel)
