"""``jupyter codepad``: start a Jupyter server with a room in it and print its links."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from jupyter_server.utils import url_path_join
from pydantic import ValidationError

from . import __version__
from .access.identity import LOCAL_OWNER, JupyterUser
from .access.roles import Role
from .errors import CodepadError
from .rooms.models import RoomCreate

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

    from .app import CodepadApp

ANY_ADDRESS = {"", "*", "0.0.0.0", "::"}  # noqa: S104 - compared with, not bound to


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="jupyter codepad",
        description="Start a Jupyter server, make a room in it and print two links: one for you "
        "(JupyterLab) and one for the person you invite (any browser, no account).",
        epilog="`jupyter codepad doctor` says what this machine can run. "
        "All other options are handed to the Jupyter server, for example "
        "--CodepadApp.room_ttl_hours=2 or --ServerApp.base_url=/jupyter/.",
    )
    made.add_argument("--version", action="version", version=__version__)
    made.add_argument("--title", default="Demo", help="title of the room (default: Demo)")
    made.add_argument("--language", default="python", help="language of the pad (default: python)")
    made.add_argument(
        "--pad",
        choices=("file", "notebook"),
        default="file",
        help="what people code in: a code file or a notebook (default: file)",
    )
    made.add_argument("--ip", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    made.add_argument("--port", type=int, default=8888, help="port to listen on (default: 8888)")
    made.add_argument("--root-dir", default=".", help="folder that Jupyter serves (default: .)")
    made.add_argument(
        "--role",
        choices=[role.value for role in Role if role.can_be_invited],
        default=Role.MEMBER.value,
        help="what the guest's link makes of a guest (default: member)",
    )
    made.add_argument("--browser", action="store_true", help="open JupyterLab in your browser")
    return made


def server_arguments(options: argparse.Namespace, rest: list[str]) -> list[str]:
    """The Jupyter server's own arguments for our options."""
    arguments = [
        f"--ServerApp.ip={options.ip}",
        f"--ServerApp.port={options.port}",
        f"--ServerApp.root_dir={os.path.abspath(options.root_dir)}",
        "--ServerApp.jpserver_extensions=jupyter_codepad=True",
        "--ServerApp.jpserver_extensions=jupyter_server_ydoc=True",
        "--ServerApp.jpserver_extensions=jupyter_server_fileid=True",
    ]
    if not options.browser:
        arguments.append("--no-browser")
    if os.geteuid() == 0:
        # In a container; kernels of rooms drop to an unprivileged user in any case.
        arguments.append("--allow-root")
    return arguments + rest


def public_url(server: ServerApp) -> str:
    """The server's address as another person would type it, with its base URL."""
    host = server.ip
    if host in ANY_ADDRESS:
        host = socket.gethostname()
    if ":" in host:
        host = f"[{host}]"
    scheme = "https" if server.certfile else "http"
    return f"{scheme}://{host}:{server.port}{server.base_url}"


async def open_room(codepad: CodepadApp, options: argparse.Namespace) -> None:
    """Make the room and print its two links."""
    server = codepad.server
    owner = JupyterUser(LOCAL_OWNER, codepad.host_name)
    try:
        wish = RoomCreate(title=options.title, language=options.language, pad_type=options.pad)
        access = await codepad.rooms.create(owner, wish)
        link = await codepad.doors.renew_main_link(access, Role(options.role))
        code = codepad.doors.code(link) or ""
    except (CodepadError, ValidationError) as error:
        words = error.message if isinstance(error, CodepadError) else error.errors()[0]["msg"]
        print(f"The room could not be made: {words}", file=sys.stderr, flush=True)
        server.stop(from_signal=True)
        return
    base = public_url(server)
    query = urlencode({"token": server.identity_provider.token or ""})
    host = url_path_join(base, "lab/tree", quote(access.room.pad_path)) + f"?{query}"
    guest = url_path_join(base, "codepad/join", code)
    sandbox = codepad.sandbox_model()
    lines = [
        "",
        f"  Room “{access.room.title}” is open for {codepad.room_ttl_hours:g} hours.",
        "",
        f"  You (JupyterLab; keep it to yourself):\n    {host}",
        "",
        f"  Your guest ({options.role}; any browser, no account):\n    {guest}",
        "",
    ]
    if not sandbox["running_allowed"]:
        lines += [f"  Running code is off: {sandbox['reason']}", ""]
    lines.append("  Ctrl-C stops the server.")
    print("\n".join(lines), flush=True)


def main(argv: list[str] | None = None) -> None:
    """Entry point of ``jupyter codepad``."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["doctor"]:
        from . import doctor  # noqa: PLC0415 - slow to load, not for --help

        sys.exit(doctor.main(arguments[1:]))
    options, rest = parser().parse_known_args(arguments)
    from jupyterlab.labapp import LabApp  # noqa: PLC0415 - slow to load, not for --help

    server: ServerApp = LabApp.initialize_server(argv=server_arguments(options, rest))
    apps = server.extension_manager.extension_apps.get("jupyter_codepad", set())
    codepad: CodepadApp | None = next(iter(apps), None)
    if codepad is None:
        sys.exit("The jupyter_codepad server extension did not load; see the messages above.")
    codepad.when_started = lambda: open_room(codepad, options)
    server.start()


if __name__ == "__main__":
    main()
