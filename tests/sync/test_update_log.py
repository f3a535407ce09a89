"""The update log: nothing is acknowledged before it is on disk, nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc, Text

from jupyter_codepad.sync.update_log import Update, UpdateLog
from tests.support.sync_client import until

LOG = logging.getLogger("tests.update_log")


@asynccontextmanager
async def opened(path: Path, **options: Any) -> AsyncIterator[UpdateLog]:
    update_log = UpdateLog(path, log=LOG, **options)
    await update_log.start()
    try:
        yield update_log
    finally:
        await update_log.stop()


def typed(ydoc: Doc[Any], text: str) -> bytes:
    before = ydoc.get_state()
    shared = ydoc.get("source", type=Text)
    shared += text
    return ydoc.get_update(before)


def text_of(updates: list[bytes]) -> str:
    ydoc: Doc[Any] = Doc()
    for update in updates:
        ydoc.apply_update(update)
    return str(ydoc.get("source", type=Text))


async def append(update_log: UpdateLog, document: str, *updates: bytes) -> None:
    written = asyncio.Event()
    update_log.append([Update(document, update, "ada") for update in updates], written.set)
    await written.wait()


async def test_what_is_acknowledged_is_in_the_file(tmp_path: Path) -> None:
    ydoc: Doc[Any] = Doc()
    async with opened(tmp_path / "u.sqlite") as update_log:
        await append(update_log, "d", typed(ydoc, "one "), typed(ydoc, "two"))
        other = sqlite3.connect(tmp_path / "u.sqlite")
        rows = other.execute("SELECT author, kind, content FROM updates ORDER BY seq").fetchall()
        other.close()
    assert [row[:2] for row in rows] == [("ada", "edit")] * 2
    assert text_of([row[2] for row in rows]) == "one two"


async def test_documents_do_not_mix_and_come_back_after_a_restart(tmp_path: Path) -> None:
    a: Doc[Any] = Doc()
    b: Doc[Any] = Doc()
    async with opened(tmp_path / "u.sqlite") as update_log:
        await append(update_log, "a", typed(a, "A"))
        await append(update_log, "b", typed(b, "B"))
    async with opened(tmp_path / "u.sqlite") as update_log:
        assert text_of((await update_log.load("a")).updates) == "A"
        assert text_of((await update_log.load("b")).updates) == "B"
        assert (await update_log.load("c")).updates == []
        await update_log.forget("a")
        assert (await update_log.load("a")).updates == []
        assert text_of((await update_log.load("b")).updates) == "B"


async def test_a_save_is_found_by_its_content_and_can_be_rebuilt(tmp_path: Path) -> None:
    ydoc: Doc[Any] = Doc()
    async with opened(tmp_path / "u.sqlite") as update_log:
        await append(update_log, "d", typed(ydoc, "saved"))
        await update_log.note_save("d", "hash-1", confirmed=False)
        await update_log.note_save("d", "hash-1", confirmed=True)
        await append(update_log, "d", typed(ydoc, " and more"))
        await update_log.note_save("d", "hash-2", confirmed=False)
        loaded = await update_log.load("d")
        first, second = loaded.save_with("hash-1"), loaded.save_with("hash-2")
        assert first is not None and first.confirmed
        assert second is not None and not second.confirmed
        assert loaded.save_with("hash-3") is None
        assert text_of(await update_log.load_until("d", first.seq)) == "saved"


async def test_the_number_of_remembered_saves_is_bounded(tmp_path: Path) -> None:
    async with opened(tmp_path / "u.sqlite") as update_log:
        for number in range(50):
            await update_log.note_save("d", f"hash-{number}", confirmed=True)
            await update_log.note_save("d", f"hash-{number}", confirmed=False)
        saves = (await update_log.load("d")).saves
    assert len(saves) <= 8
    assert saves[-1].hash == "hash-49"


@pytest.mark.parametrize("seed", range(20))
async def test_squashing_keeps_the_text_and_every_saved_state(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    ydoc: Doc[Any] = Doc()
    source = ydoc.get("source", type=Text)
    saved: dict[str, str] = {}
    async with opened(tmp_path / "u.sqlite", squash_above=20) as update_log:
        for step in range(rng.randint(21, 120)):
            before = ydoc.get_state()
            if len(source) > 5 and rng.random() < 0.3:
                start = rng.randrange(len(source))
                del source[start : min(len(source), start + 3)]
            else:
                source.insert(rng.randint(0, len(source)), rng.choice("abc \n") * 2)
            await append(update_log, "d", ydoc.get_update(before))
            if rng.random() < 0.1:
                await update_log.note_save("d", f"h{step}", confirmed=False)
                saved[f"h{step}"] = str(source)
        loaded = await update_log.load("d")
        again = await update_log.load("d")
        assert len(again.updates) <= max(20, len(saved) + 1)
        assert text_of(loaded.updates) == text_of(again.updates) == str(source)
        for save in again.saves:
            assert text_of(await update_log.load_until("d", save.seq)) == saved[save.hash]


async def test_while_the_disk_refuses_nothing_is_acknowledged_and_nothing_lost(
    tmp_path: Path,
) -> None:
    path = tmp_path / "u.sqlite"
    ydoc: Doc[Any] = Doc()
    async with opened(path) as update_log:
        await append(update_log, "d", typed(ydoc, "before "))
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute(
            "CREATE TRIGGER full BEFORE INSERT ON updates BEGIN"
            " SELECT RAISE(ABORT, 'disk full'); END"
        )
        written = asyncio.Event()
        update_log.append([Update("d", typed(ydoc, "during"), "ada")], written.set)
        seen: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: seen.append(record.getMessage())  # type: ignore[method-assign]
        LOG.addHandler(handler)
        await until(lambda: seen, "a complaint in the log")
        LOG.removeHandler(handler)
        assert not written.is_set()
        blocker.execute("DROP TRIGGER full")
        blocker.close()
        await until(written.is_set, "the write after the disk came back")
        assert text_of((await update_log.load("d")).updates) == "before during"


async def test_the_log_does_not_grow_with_the_time_people_type(tmp_path: Path) -> None:
    path = tmp_path / "u.sqlite"
    ydoc: Doc[Any] = Doc()
    most = 0
    async with opened(path, squash_above=20) as update_log:
        counter = sqlite3.connect(path)
        for number in range(600):
            await append(update_log, "d", typed(ydoc, str(number % 10)))
            if number % 50 == 0:
                rows = counter.execute("SELECT COUNT(*) FROM updates").fetchone()[0]
                most = max(most, rows)
        counter.close()
        assert text_of((await update_log.load("d")).updates) == "0123456789" * 60
    assert most <= 5 * 20
