"""A whole server on PostgreSQL: the same job as on SQLite."""

from __future__ import annotations

from pathlib import Path

from tests.execution.test_runs import desk, text_of
from tests.support.server import JupyterServer


async def test_a_room_on_postgresql_from_link_to_run(tmp_path: Path, postgres_url: str) -> None:
    server = JupyterServer(tmp_path, options=[f"--CodepadApp.database_url={postgres_url}"])
    try:
        await server.start()
        at = await desk(server)
        assert text_of(await at.run("print('on postgres')")) == "on postgres\n"
        await server.kill9()
        await server.start()
        assert (await at.ada.api("GET", f"rooms/{at.id}")).json()["me"]["name"] == "Ada"
        assert not (tmp_path / "jupyter_data_dir/codepad/codepad.sqlite").exists()
        assert (await server.host.api("DELETE", f"rooms/{at.id}")).status_code == 204
    finally:
        await server.close()
