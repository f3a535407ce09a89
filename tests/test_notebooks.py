"""The demo notebooks run, from the first cell to the last, against a real server."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import nbformat
import pytest

from tests.support.server import JupyterServer

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
async def test_notebook_runs(path: Path, server: JupyterServer, tmp_path: Path) -> None:
    nbformat.validate(nbformat.read(path, as_version=4))
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "jupyter",
            "execute",
            "--output",
            str(tmp_path / "done"),
            str(path),
        ),
        env=os.environ | {"CODEPAD_URL": server.url, "CODEPAD_TOKEN": server.token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    done = nbformat.read(tmp_path / "done.ipynb", as_version=4)
    printed = "".join(o.get("text", "") for c in done.cells for o in c.get("outputs", []))
    assert f"{server.url}codepad/join/" in printed


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_committed_without_output(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in cells)
