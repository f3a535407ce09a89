"""A PostgreSQL server of the tests' own: in a temporary folder, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.server import free_port

DEBIAN = Path("/usr/lib/postgresql")


def postgres_programs() -> Path | None:
    """The folder of ``initdb`` and ``pg_ctl``, or None where PostgreSQL is not installed."""
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
    user = _unprivileged_user()
    # Not below pytest's folder, which only its owner may enter.
    home = Path(tempfile.mkdtemp(prefix="codepad-postgres-"))
    data, port = home / "data", free_port()
    if user is not None:
        shutil.chown(home, user)

    def call(program: str, *arguments: str) -> None:
        subprocess.run(
            [programs / program, *arguments],
            check=True,
            cwd=home,
            user=user,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            stdout=subprocess.DEVNULL,
        )

    try:
        call(
            *("initdb", "--pgdata", str(data), "--username", "codepad"),
            *("--auth", "trust", "--encoding", "UTF8", "--no-sync"),
        )
        options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = str(home / "log")
        call("pg_ctl", "start", "--wait", "-D", str(data), "-o", options, "-l", log)
        try:
            yield Postgres(programs, port)
        finally:
            call("pg_ctl", "stop", "-D", str(data), "-m", "immediate")
    finally:
        shutil.rmtree(home)
