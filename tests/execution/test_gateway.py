"""The remote rung, against a real Jupyter Kernel Gateway in a process of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from jupyter_server.gateway.gateway_client import GatewayClient

from jupyter_codepad.execution.kernels import KernelDied, RoomKernel
from jupyter_codepad.execution.sandbox import Sandbox
from jupyter_codepad.execution.starts import KernelStart
from tests.execution.test_runs import desk, text_of
from tests.support.box import LOG
from tests.support.server import JupyterServer, free_port
from tests.support.sync_client import until

pytestmark = pytest.mark.apart

TOKEN = "gateway-token-0123456789"


@asynccontextmanager
async def gateway(home: Path, *around: str) -> AsyncIterator[str]:
    """A gateway; ``around``: the beginning of its command line, what it is kept in."""
    home.mkdir(exist_ok=True)
    port = free_port()
    options = [f"--KernelGatewayApp.port={port}", f"--KernelGatewayApp.auth_token={TOKEN}"]
    options += ["--JupyterWebsocketPersonality.list_kernels=True"]
    options += ["--KernelGatewayApp.ip=127.0.0.1", "--KernelGatewayApp.port_retries=0"]
    folders = {name: str(home) for name in ("HOME", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR")}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [*around, sys.executable, "-m", "kernel_gateway", *options],
            env={**os.environ, **folders, "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        async with aclosing(kernel_counts(url)) as counts:
            async for count in counts:
                assert process.poll() is None, (home / "log").read_text()
                if count is not None:
                    break
        yield url
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


def elsewhere(hidden: Path) -> list[str]:
    """As on another machine: without our processes, and without a folder of ours."""
    hidden.mkdir(parents=True)
    parts = ["bwrap", "--bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid"]
    return [*parts, "--tmpfs", str(hidden), "--die-with-parent", "--"]


@pytest.fixture
def configured() -> Iterator[GatewayClient]:
    """The gateway's client of this process."""
    GatewayClient.clear_instance()
    yield GatewayClient.instance(auth_token=TOKEN)
    GatewayClient.clear_instance()


async def test_a_gateway_that_keeps_its_kernels_in_nothing_is_refused(
    tmp_path: Path, configured: GatewayClient
) -> None:
    configured.url = "http://127.0.0.1:9"
    configured.gateway_retry_max = 0
    status = await Sandbox(log=LOG, names=("remote",)).probe()
    assert not status.available and "does not answer" in status.weaker[0].reason
    async with gateway(tmp_path / "gateway") as url:
        configured.url = url
        status = await Sandbox(log=LOG, names=("remote",)).probe()
        assert not status.available and "read this server's files" in status.weaker[0].reason


async def test_runs_go_to_the_gateway(tmp_path: Path, configured: GatewayClient) -> None:
    hidden = tmp_path / "hidden" / "tmp"
    async with gateway(tmp_path / "gateway", *elsewhere(hidden)) as url:
        options = [f"--GatewayClient.url={url}", f"--GatewayClient.auth_token={TOKEN}"]
        options += ["--CodepadApp.sandboxes=remote"]
        server = JupyterServer(tmp_path / "server", options=options)
        server.variables["TMPDIR"] = str(hidden)
        try:
            await server.start()
            sandbox = (await server.host.api("GET", "health")).json()["sandbox"]
            assert sandbox["available"] and sandbox["name"] == "remote", sandbox
            assert any("decided by the gateway" in gap for gap in sandbox["gaps"])
            at = await desk(server)
            run = await at.run("import os\nx = 6 * 7\nprint(x, 'JUPYTER_TOKEN' in os.environ)")
            assert text_of(run) == "42 False\n"
            assert text_of(await at.run("print(x)")) == "42\n"
            asks = await at.start("print('got', input('name? '))")
            await until(lambda: at.screen.run(asks).get("input"), "the question")
            answer = {"text": "Ada"}
            await at.ada.api("POST", f"rooms/{at.id}/runs/{asks}/input", answer)
            assert "got Ada" in text_of(await at.screen.end_of(asks))
            stuck = await at.start("while True: pass")
            await until(lambda: at.screen.run(stuck)["status"] == "running", "the loop")
            await at.ada.api("POST", f"rooms/{at.id}/runs/{stuck}/interrupt")
            assert (await at.screen.end_of(stuck))["status"] == "interrupted"
            died = await at.run("import os\nos._exit(3)")
            assert died["status"] == "dead" and "has ended" in died["message"]
            assert text_of(await at.run("print('again')")) == "again\n"
            await server.stop()
            await left_without_kernels(url)
        finally:
            await server.close()
        await in_this_process(configured, url)


async def kernel_counts(url: str) -> AsyncGenerator[int | None, None]:
    """How many kernels a gateway has, again and again; None while it does not answer."""
    async with httpx.AsyncClient(headers={"Authorization": f"token {TOKEN}"}) as http:
        while True:
            try:
                yield len((await http.get(f"{url}/api/kernels", timeout=30)).json())
            except httpx.HTTPError:
                yield None
            await asyncio.sleep(0.05)


async def left_without_kernels(url: str) -> None:
    """Wait until the gateway has no kernel of ours any more."""
    async with asyncio.timeout(30), aclosing(kernel_counts(url)) as counts:
        async for count in counts:
            if count == 0:
                return


async def in_this_process(configured: GatewayClient, url: str) -> None:
    """A flood stays bounded, and a language without a kernel is said to be none."""
    configured.url = url
    sandbox = Sandbox(log=LOG, names=("remote",))
    sandbox._rung = sandbox._ladder[0]
    lua = KernelStart(argv=("lua",))
    with pytest.raises(KernelDied, match="cannot be run on this server's gateway"):
        await RoomKernel(sandbox=sandbox, log=LOG, start=lua).start()
    kernel = RoomKernel(sandbox=sandbox, log=LOG)
    await kernel.start()
    said: list[str] = []
    code = "for i in range(300): print(i, flush=True)"
    await kernel.execute(code, lambda m: said.append(m["content"].get("text", "")))
    assert "299\n" in "".join(said) and kernel.room_path is None
    await kernel.shutdown()
    await left_without_kernels(url)
