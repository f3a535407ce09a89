"""What rooms of earlier versions are after a migration."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from jupyter_codepad.storage import Database
from jupyter_codepad.storage.tables import RoomRecord


async def test_rooms_of_0002_run_their_pads(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'codepad.sqlite'}"
    old = Database(url)
    await old.start("0002")
    moment = "2026-01-01 00:00:00"
    async with old.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO rooms (id, owner, title, language, pad_type, folder, pad_path,"
                " pad_file_id, created_at, expires_at) VALUES ('room00000000', 'local', 'T',"
                f" 'python', 'file', 'f', 'f/main.py', 'x', '{moment}', '{moment}')"
            )
        )
    await old.stop()
    new = Database(url)
    await new.start()
    try:
        async with new.transaction() as tx:
            room = await tx.get_one(RoomRecord, "room00000000")
            assert (room.title, room.main_file) == ("T", None)
    finally:
        await new.stop()
