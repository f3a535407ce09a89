"""The update log: nothing is acknowledged before it is on disk, nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text

from jupyter_codepad.sync.history import Limits
from jupyter_codepad.sync.saves import since_certain
from jupyter_codepad.sync.update_log import Update, UpdateLog
from tests.support.sync_client import until

pytestmark = pytest.mark.apart

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
    update_log.append([Update(document, update, "ada") for update in updates], [])
    await update_log.flushed()


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
        await append(update_log, "d", typed(ydoc, "old"))
        await update_log.note_save("d", "hash-0", confirmed=False)
        await update_log.note_save("d", "hash-0", confirmed=True)
        await append(update_log, "d", typed(ydoc, " saved"))
        await update_log.note_save("d", "hash-1", confirmed=False)
        await update_log.note_save("d", "hash-1", confirmed=True)
        await append(update_log, "d", typed(ydoc, " and more"))
        await update_log.note_save("d", "hash-2", confirmed=False)
        loaded = await update_log.load("d")
        assert loaded.wrote("hash-1")
        assert loaded.wrote("hash-2")
        # The file had something newer after it: whoever put this back has changed the file.
        assert not loaded.wrote("hash-0")
        assert not loaded.wrote("hash-3")
        certain = since_certain(loaded.saves)[0]
        assert text_of(await update_log.load_until("d", certain.seq)) == "old saved"


async def test_a_save_that_did_not_happen_is_no_state_of_the_file(tmp_path: Path) -> None:
    async with opened(tmp_path / "u.sqlite") as update_log:
        await update_log.note_save("d", "before", confirmed=False)
        await update_log.note_save("d", "before", confirmed=True)
        await update_log.note_save("d", "tried", confirmed=False)
        await update_log.withdraw_save("d", "tried")
        await update_log.withdraw_save("d", "before")
        loaded = await update_log.load("d")
    assert [save.hash for save in loaded.saves] == ["before"]
    assert loaded.unfinished is None


async def test_the_number_of_remembered_saves_is_bounded(tmp_path: Path) -> None:
    async with opened(tmp_path / "u.sqlite") as update_log:
        await update_log.note_save("d", "certain", confirmed=False)
        await update_log.note_save("d", "certain", confirmed=True)
        for number in range(50):
            await update_log.note_save("d", f"hash-{number}", confirmed=False)
        loaded = await update_log.load("d")
    assert len(loaded.saves) <= 17
    assert loaded.wrote("hash-49")
    # However often saving has failed since: this is what the file has.
    assert loaded.wrote("certain")


@pytest.mark.parametrize("seed", range(20))
async def test_a_shorter_history_has_the_same_text_and_every_base(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    ydoc: Doc[Any] = Doc()
    source = ydoc.get("source", type=Text)
    saved: dict[str, str] = {}
    limits = Limits(floor_bytes=rng.choice([0, 2000]), tail_rows=20)
    async with opened(tmp_path / "u.sqlite", limits=limits) as update_log:

        def make_checkpoint(document: str) -> None:
            update_log.checkpoint(document, ydoc.get_update())

        update_log.wants_checkpoint = make_checkpoint
        for step in range(rng.randint(21, 400)):
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
                if rng.random() < 0.7:
                    await update_log.note_save("d", f"h{step}", confirmed=True)
        loaded = await update_log.load("d")
        assert len(loaded.updates) <= 25
        assert text_of(loaded.updates) == str(source)
        for save in since_certain(loaded.saves):
            assert text_of(await update_log.load_until("d", save.seq)) == saved[save.hash]
        past = await update_log.past("d")
        assert text_of([content for _, content in past]) == str(source)
        assert [moment for moment, _ in past] == sorted(moment for moment, _ in past)


async def test_what_comes_after_all_was_let_go_is_not_taken_for_older(tmp_path: Path) -> None:
    ydoc: Doc[Any] = Doc()
    async with opened(tmp_path / "u.sqlite", limits=Limits(factor=0, floor_bytes=0)) as update_log:
        for number in range(20):
            await append(update_log, "d", typed(ydoc, f"{number} "))
            if number % 5 == 0:
                update_log.checkpoint("d", ydoc.get_update())
        loaded = await update_log.load("d")
        assert text_of(loaded.updates) == str(ydoc.get("source", type=Text))


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
        update_log.written = lambda receipts: written.set()
        update_log.append([Update("d", typed(ydoc, "during"), "ada")], ["ada's"])
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


def file_bytes(path: Path) -> int:
    """The log and its write-ahead log on disk."""
    return sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*"))


async def edit_for_long(
    update_log: UpdateLog, ydoc: Doc[Any], edits: list[Callable[[], None]]
) -> None:
    """Do edits one after the other, with a checkpoint and a save when they are due."""
    made: list[bytes] = []
    ydoc.observe(lambda event: made.append(event.update))
    update_log.wants_checkpoint = lambda name: update_log.checkpoint(name, ydoc.get_update())
    for number, edit in enumerate(edits):
        edit()
        if len(made) >= 500 or number == len(edits) - 1:
            await append(update_log, "d", *made)
            made.clear()
            await update_log.note_save("d", f"h{number}", confirmed=False)
            await update_log.note_save("d", f"h{number}", confirmed=True)


async def test_a_hundred_thousand_edits_stay_within_ten_times_the_document(
    tmp_path: Path,
) -> None:
    path = tmp_path / "u.sqlite"
    rng = random.Random(7)
    ydoc: Doc[Any] = Doc()
    source = ydoc.get("source", type=Text)

    place = length = 0

    def edit() -> None:
        nonlocal place, length
        if rng.random() < 0.02:
            place = rng.randint(0, length)
        if place and rng.random() < 0.2:
            place, length = place - 1, length - 1
            del source[place : place + 1]
        else:
            source.insert(place, rng.choice("abcdef \n"))
            place, length = place + 1, length + 1

    async with opened(path) as update_log:
        await edit_for_long(update_log, ydoc, [edit] * 100_000)
        loaded = await update_log.load("d")
        past = await update_log.past("d")
    assert text_of(loaded.updates) == str(source)
    assert len(loaded.updates) < 5000  # and not a hundred thousand: it opens at once
    state = len(ydoc.get_update())
    assert file_bytes(path) <= 10 * state
    # What is left of its life can be stepped through, from early on.
    assert len(past) > 100
    assert len(text_of([past[0][1]])) < len(str(source)) / 2


async def test_a_notebook_whose_output_is_written_again_and_again_stays_small(
    tmp_path: Path,
) -> None:
    path = tmp_path / "u.sqlite"
    rng = random.Random(1)
    ydoc: Doc[Any] = Doc()
    cells = ydoc.get("cells", type=Array)
    cells.append(Map({"outputs": Array()}))
    outputs = cells[0]["outputs"]

    def run() -> None:
        with ydoc.transaction():
            outputs.clear()
            outputs.append({"text": rng.randbytes(750_000).hex()})

    most = 0
    async with opened(path) as update_log:
        for _ in range(60):
            await edit_for_long(update_log, ydoc, [run])
            most = max(most, file_bytes(path))
        loaded = await update_log.load("d")
        past = await update_log.past("d")
    again: Doc[Any] = Doc()
    for update in loaded.updates:
        again.apply_update(update)
    assert again.get("cells", type=Array).to_py() == cells.to_py()
    assert most < 20_000_000
    assert len(past) >= 3


async def test_the_first_layout_of_the_log_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "u.sqlite"
    ydoc: Doc[Any] = Doc()
    old = sqlite3.connect(path)
    old.executescript(
        "CREATE TABLE updates (seq INTEGER PRIMARY KEY AUTOINCREMENT, document TEXT NOT NULL,"
        " time REAL NOT NULL, author TEXT NOT NULL, kind TEXT NOT NULL, content BLOB NOT NULL);"
        "CREATE INDEX updates_of_document ON updates (document, seq);"
        "CREATE TABLE saves (document TEXT NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL,"
        " confirmed INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (document, seq, hash));"
    )
    old.execute(
        "INSERT INTO updates (document, time, author, kind, content) VALUES ('d',1,'ada','edit',?)",
        (typed(ydoc, "kept"),),
    )
    old.execute("INSERT INTO saves VALUES ('d', 1, 'hash', 1)")
    old.commit()
    old.close()
    async with opened(path) as update_log:
        loaded = await update_log.load("d")
        assert text_of(loaded.updates) == "kept"
        assert loaded.wrote("hash")
        await append(update_log, "d", typed(ydoc, " and more"))
        assert text_of((await update_log.load("d")).updates) == "kept and more"


async def test_a_log_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "u.sqlite"
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version=99")
    newer.close()
    with pytest.raises(RuntimeError, match="newer version"):
        await UpdateLog(path, log=LOG).start()
