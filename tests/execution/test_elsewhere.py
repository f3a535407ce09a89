"""The attacks once more, by a server that is an ordinary user's."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from jupyter_codepad.execution.sandbox import DEFAULT_RUNGS
from tests.support.box import MUST_WORK
from tests.support.elsewhere import PROJECT, elsewhere, environment

pytestmark = [
    pytest.mark.apart,
    pytest.mark.skipif(os.geteuid() != 0, reason="the tests themselves are an ordinary user's"),
]
TESTS = [f"tests/execution/test_{name}.py" for name in ("sandbox", "hostile", "server_killed")]


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder with a short name, for sockets, that everybody can go through."""
    with TemporaryDirectory(prefix="codepad-test-", dir="/tmp") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.mark.timeout(400)
async def test_all_attacks_by_an_ordinary_user(short_path: Path) -> None:
    stage, home, temporary = (short_path / name for name in ("stage", "home", "tmp"))
    stage.mkdir()
    temporary.mkdir()
    temporary.chmod(0o1777)
    variables = {"TMPDIR": str(temporary), MUST_WORK: " ".join(DEFAULT_RUNGS)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
    done = await asyncio.to_thread(
        subprocess.run,
        elsewhere(command, stage=stage, ordinary=True),
        env={**environment(home), **variables},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout, done.stdout[-2000:]
