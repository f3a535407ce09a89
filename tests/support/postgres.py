"""A PostgreSQL server of the tests' own: in a temporary folder, gone afterwards.

However the tests end, nothing of it is left: who keeps it sees that our end of a pipe is closed.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.box import wait_until
from tests.support.server import free_port

DEBIAN = Path("/usr/lib/postgresql")
KEEPER = """
programs="$1"; home="$2"; port="$3"
"$programs/initdb" --pgdata "$home/data" --username codepad --auth trust --encoding UTF8 \\
    --no-sync </dev/null >/dev/null
"$programs/postgres" -D "$home/data" -h 127.0.0.1 -p "$port" -k "$home" -c fsync=off \\
    </dev/null >"$home/log" 2>&1 &
read -r _
kill -TERM $! && kill -QUIT $!
wait
rm -rf "$home"
"""
"""Runs the server until its standard input ends.

It ends at once by SIGQUIT, which it does not hear yet when it has just begun: then by SIGTERM.
"""
START_SECONDS = 60.0


def postgres_programs() -> Path | None:
    """The folder of ``initdb`` and others, or None where PostgreSQL is not installed."""
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    versions = [path for path in DEBIAN.glob("*/bin") if (path / "initdb").exists()]
    return max(versions, key=lambda path: float(path.parent.name), default=None)


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root: who runs it then."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody", "daemon") if name in names)


class Postgres:
    """A running server; ``database()`` gives a fresh database each time."""

    def __init__(self, programs: Path, port: int) -> None:
        self._programs = programs
        self._port = port
        self._count = 0

    def database(self) -> str:
        """The SQLAlchemy URL of a new, empty database."""
        self._count += 1
        name = f"codepad_{self._count}"
        server = ("--host", "127.0.0.1", "--port", str(self._port), "--username", "codepad")
        subprocess.run([self._programs / "createdb", *server, name], check=True)
        return f"postgresql://codepad@127.0.0.1:{self._port}/{name}"


@contextmanager
def run_postgres(programs: Path) -> Iterator[Postgres]:
    """A server that runs as long as the context."""
    user, port = _unprivileged_user(), free_port()
    # Not below pytest's folder, which only its owner may enter.
    home = Path(tempfile.mkdtemp(prefix="codepad-postgres-"))
    if user is not None:
        shutil.chown(home, user)
    keeper = subprocess.Popen(
        ["/bin/sh", "-c", KEEPER, "keeper", programs, home, str(port)],
        cwd="/",
        user=user,
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    look = ["--quiet", "--host", "127.0.0.1", "--port", str(port)]

    def answers() -> bool:
        return subprocess.run([programs / "pg_isready", *look], check=False).returncode == 0

    try:
        wait_until(answers, "PostgreSQL", START_SECONDS)
        yield Postgres(programs, port)
    finally:
        keeper.communicate()
