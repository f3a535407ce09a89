"""The attacks once more: as an ordinary user, and by root where other users may read our Python."""

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
from tests.support.elsewhere import PROJECT, elsewhere, environment, needs_moving

pytestmark = [
    pytest.mark.apart,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else"),
]
TESTS = ["tests/execution/test_sandbox.py", "tests/execution/test_hostile.py"]


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder with a short name, for sockets, that everybody can go through."""
    with TemporaryDirectory(prefix="codepad-test-", dir="/tmp") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.mark.timeout(300)
@pytest.mark.parametrize("who", ["ordinary user", "root"])
async def test_all_attacks(who: str, short_path: Path) -> None:
    if who == "root" and not needs_moving():
        pytest.skip("the tests themselves have done it")
    stage, home, temporary = (short_path / name for name in ("stage", "home", "tmp"))
    stage.mkdir()
    temporary.mkdir()
    temporary.chmod(0o1777)
    rungs = DEFAULT_RUNGS if who == "ordinary user" else ("landlock",)
    variables = {**environment(home), "TMPDIR": str(temporary), MUST_WORK: " ".join(rungs)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-x", *TESTS]
    # What has no file system of its own is tried by root below, with the whole library.
    command += ["-k", "landlock" if who == "root" else "not (hostile_program and landlock)"]
    done = await asyncio.to_thread(
        subprocess.run,
        elsewhere(command, stage=stage, ordinary=who == "ordinary user"),
        env=variables,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
