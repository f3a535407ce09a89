"""One pad, many sockets: sync, the role gate, awareness, the file, restarts."""

from __future__ import annotations

import asyncio
import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from pycrdt import Array, Doc, Map, Text

from jupyter_codepad.sync.protocol import Kind, SyncStep, sync_frame, var_bytes, var_uint
from tests.support.files import notebook_in
from tests.support.server import JupyterServer
from tests.support.sync_client import SyncClient, until


async def test_two_people_see_each_other_type_and_the_file_follows(server: JupyterServer) -> None:
    room = await server.room(starter_text="start\n")
    ada = await (await server.guest(room["id"], "Ada")).document().connect()
    host = await server.host.document(room_id=room["id"]).connect()
    ada.type("ädä 🦊\n")
    host.type("host\n")
    await until(lambda: str(ada.text) == str(host.text), "the same text on both sides")
    assert sorted(str(ada.text).split()) == sorted(["start", "ädä", "🦊", "host"])
    await until(lambda: server.pad_file(room).read_text() == str(ada.text), "the file")
    await until(lambda: ada.durable, "everything acknowledged")


async def test_the_room_page_and_jupyterlab_share_one_document(server: JupyterServer) -> None:
    room = await server.room(starter_text="start\n")
    ada = await (await server.guest(room["id"])).document().connect()
    lab = await lab_client(server, room["pad_path"])
    ada.type("from ada\n")
    lab.type("from lab\n")
    await until(lambda: str(ada.text) == str(lab.text), "the same text in both")
    assert "from ada" in str(lab.text) and "from lab" in str(ada.text)


async def test_nothing_comes_before_what_it_builds_on(server: JupyterServer) -> None:
    """A client that is cut before it has asked would wait for ever for what it has never got."""
    room = await server.room(starter_text="start\n")
    host = await server.host.document(room_id=room["id"]).connect()
    late = (await server.guest(room["id"])).document()
    seen = late.updates_seen
    late.silent = True
    await late.connect()
    host.type("typed\n")
    late.say({"here": True})
    await until(lambda: late.ydoc.client_id in host.awareness, "the late one is here")
    host.say({"typed": True})
    await until(lambda: host.ydoc.client_id in late.awareness, "what came after the typing")
    assert late.updates_seen == seen
    late.ask()
    await until(lambda: str(late.text) == "start\ntyped\n", "all of it")
    host.type("more\n")
    await until(lambda: str(late.text) == "start\ntyped\nmore\n", "what comes then")


async def test_who_does_not_read_is_left_out_and_then_gets_everything(tmp_path: Path) -> None:
    server = JupyterServer(tmp_path, options=["--CodepadApp.send_buffer_bytes=65536"])
    try:
        await server.start()
        room = await server.room(starter_text="start\n")
        slow = await (await server.guest(room["id"])).document().connect()
        quick = await (await server.guest(room["id"], "Bob")).document().connect()
        lab = await server.host.lab_document(room["pad_path"])
        slow.reading.clear()
        assert server.process is not None
        process = psutil.Process(server.process.pid)
        before = 0
        for number in range(240):
            if number == 40:  # the log's buffers are as large by then as they become
                before = process.memory_info().rss
            lab.type("x" * 200_000)
            del lab.text[6:]
            lab.type(f"{number}\n")
            await until(partial(has_text, quick, f"start\n{number}\n"), "the quick one follows")
            if number % 10 == 0:  # what waits to be written is not what is asked for here
                quick.type("x")
                del quick.text[len(str(quick.text)) - 1 :]
                await until(lambda: quick.durable, "the log follows, too")
            del lab.text[6:]
        grown = process.memory_info().rss - before
        assert grown < 20_000_000, "40 MB have been sent to who does not read"
        metrics = (await server.host.http.get(f"{server.url}metrics")).text
        behind = re.search(r"codepad_sync_clients_behind_total (\d+)", metrics)
        assert behind is not None and int(behind.group(1)) >= 1
        lab.type("end\n")
        slow.reading.set()
        await until(partial(has_text, slow, "start\nend\n"), "all of it")
        slow.type("slow\n")
        await until(partial(has_text, quick, "start\nend\nslow\n"), "the slow one is back")
    finally:
        await server.close()


def has_text(client: SyncClient, text: str) -> bool:
    return str(client.text) == text


async def lab_client(server: JupyterServer, path: str) -> SyncClient:
    """Open a document as JupyterLab's collaboration does."""
    answer = await server.host.http.put(
        f"{server.url}api/collaboration/session/{path}", json={"format": "text", "type": "file"}
    )
    session = answer.json()
    room_name = f"{session['format']}:{session['type']}:{session['fileId']}"
    url = f"{server.ws_url}api/collaboration/room/{room_name}?sessionId={session['sessionId']}"
    return await SyncClient(url, server.host.headers).connect()


async def test_what_an_observer_sends_is_dropped_and_they_stay(server: JupyterServer) -> None:
    room = await server.room(starter_text="start\n")
    host = await server.host.document(room_id=room["id"]).connect()
    observer = await (await server.guest(room["id"], "Olga", "observer")).document().connect()
    observer.type("never seen\n")
    host.type("seen\n")
    await until(lambda: "seen\n" in str(observer.text), "the observer still follows")
    assert str(host.text) == "start\nseen\n"
    assert not observer.closed
    # A reconnecting observer offers the same text again, as the missing part of the first sync.
    await observer.disconnect()
    await observer.connect()
    host.type("more\n")
    await until(lambda: "more\n" in str(observer.text), "the observer follows again")
    assert str(host.text) == "start\nseen\nmore\n"


async def test_awareness_is_under_the_name_the_server_knows(server: JupyterServer) -> None:
    room = await server.room()
    ada = await (await server.guest(room["id"], "Ada")).document().connect()
    mallory = await (await server.guest(room["id"], "Mallory")).document().connect()
    ada.say({"user": {"name": "Ada"}, "cursors": []})
    await until(lambda: ada.ydoc.client_id in mallory.awareness, "Ada's state at Mallory's")
    mallory.say({"user": {"name": "Ada", "display_name": "Host"}, "typing": True})
    await until(lambda: mallory.ydoc.client_id in ada.awareness, "Mallory's state at Ada's")
    shown = ada.awareness[mallory.ydoc.client_id]
    assert shown["user"]["name"] == "Mallory"
    assert shown["user"]["display_name"] == "Mallory (guest)"
    assert shown["user"]["guest"] is True and shown["typing"] is True


async def test_nobody_speaks_for_another_client(server: JupyterServer) -> None:
    room = await server.room()
    ada = await (await server.guest(room["id"], "Ada")).document().connect()
    bob = await (await server.guest(room["id"], "Bob")).document().connect()
    mallory = await (await server.guest(room["id"], "Mallory")).document().connect()
    ada.say({"typing": True})
    await until(lambda: ada.ydoc.client_id in bob.awareness, "Ada's state at Bob's")
    for forged in ({"typing": False}, None):
        for clock in range(3):
            mallory._clock = 1000 + clock
            mallory.say(forged, client_id=ada.ydoc.client_id)
    mallory.say({"typing": False})
    await until(lambda: mallory.ydoc.client_id in bob.awareness, "Mallory's own state at Bob's")
    assert bob.awareness[ada.ydoc.client_id]["typing"] is True


async def test_awareness_is_not_echoed_and_leaves_with_its_client(server: JupyterServer) -> None:
    room = await server.room()
    ada = await (await server.guest(room["id"], "Ada")).document().connect()
    bob = await (await server.guest(room["id"], "Bob")).document().connect()
    ada.say({"typing": True})
    await until(lambda: ada.ydoc.client_id in bob.awareness, "Ada at Bob's")
    bob.say({"typing": False})
    await until(lambda: bob.ydoc.client_id in ada.awareness, "Bob at Ada's")
    assert ada.ydoc.client_id not in ada.awareness
    await ada.disconnect()
    await until(lambda: ada.ydoc.client_id not in bob.awareness, "Ada gone at Bob's")


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x63", 4400),
        (b"", 4400),
        (b"\x00\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff", 4400),
        (sync_frame(SyncStep.UPDATE, b"\x01\x02\x03\x04"), 4400),
        (bytes((Kind.AWARENESS,)) + var_uint(3) + b"abc", 4400),
        ("text", 4400),
        (sync_frame(SyncStep.UPDATE, b"x" * (1024 * 1024 + 8192)), 1009),
        (sync_frame(SyncStep.UPDATE, b"x" * (2 * 1024 * 1024)), 1009),
    ],
    ids=["kind", "empty", "number", "update", "awareness", "text", "large", "2MB"],
)
async def test_a_bad_frame_closes_its_sender_and_nobody_else(
    server: JupyterServer, frame: bytes | str, code: int
) -> None:
    room = await server.room(starter_text="")
    ada = await (await server.guest(room["id"], "Ada")).document().connect()
    mallory = await (await server.guest(room["id"], "Mallory")).document().connect()
    mallory.send_raw(frame)
    await until(lambda: mallory.closed, "the end of the bad client")
    assert mallory.close_code == code and mallory.close_reason
    ada.type("still here")
    await until(lambda: ada.durable, "Ada's text on disk")


async def test_a_full_pad_refuses_more_text_but_not_deletions(server: JupyterServer) -> None:
    room = await server.room(starter_text="")
    ada = await (await server.guest(room["id"], "Ada")).document().connect()
    for _ in range(3):
        ada.type("x" * 900_000)
    await until(lambda: ada.closed, "the end")
    assert ada.close_code == 4413
    bob = await (await server.guest(room["id"], "Bob")).document().connect()
    size = len(str(bob.text))
    assert 900_000 <= size <= 2_000_000
    del bob.text[: size - 3]
    await until(lambda: bob.durable, "the deletion on disk")


async def test_a_history_in_parts_may_not_be_larger_than_a_pad(server: JupyterServer) -> None:
    room = await server.room(starter_text="start\n")
    ada = (await server.guest(room["id"], "Ada")).document()
    ada.in_parts = True
    for _ in range(5):
        ada.type("x" * 900_000)
    await ada.connect()
    await until(lambda: ada.closed, "the end")
    assert ada.close_code == 4413
    bob = await (await server.guest(room["id"], "Bob")).document().connect()
    assert str(bob.text) == "start\n"


@pytest.mark.parametrize("how", ["restart", "kill9"])
async def test_nothing_typed_around_a_restart_is_lost(own_server: JupyterServer, how: str) -> None:
    room = await own_server.room(starter_text="start\n")
    ada = await (await own_server.guest(room["id"], "Ada")).document().connect()
    host = await own_server.host.document(room_id=room["id"]).connect()
    ada.type("before by ada\n")
    host.type("before by host\n")
    await (own_server.stop() if how == "restart" else own_server.kill9())
    await until(lambda: ada.closed and host.closed, "both cut")
    ada.type("meanwhile by ada\n")
    host.type("meanwhile by host\n", at=0)
    await own_server.start()
    await asyncio.gather(ada.connect(), host.connect())
    ada.type("after\n")
    await until(lambda: str(ada.text) == str(host.text), "the same text on both sides")
    lines = sorted(str(ada.text).splitlines())
    assert lines == sorted(  # all of it, once
        ["start", "before by ada", "before by host"]
        + ["meanwhile by ada", "meanwhile by host", "after"]
    )
    await until(lambda: own_server.pad_file(room).read_text() == str(ada.text), "the file")


async def test_a_late_joiner_after_a_kill_sees_what_was_acknowledged(
    own_server: JupyterServer,
) -> None:
    room = await own_server.room(starter_text="")
    ada = await (await own_server.guest(room["id"], "Ada")).document().connect()
    ada.type("acknowledged")
    await until(lambda: ada.durable, "the acknowledgement")
    await own_server.kill9()
    await own_server.start()
    bob = await (await own_server.guest(room["id"], "Bob")).document().connect()
    assert str(bob.text) == "acknowledged"


async def test_an_edit_from_outside_is_merged_with_what_is_typed(server: JupyterServer) -> None:
    room = await server.room(starter_text="one\ntwo\nthree\n")
    ada = await (await server.guest(room["id"], "Ada")).document().connect()
    file = server.pad_file(room)
    ada.type("four\n")
    await until(lambda: "four" in file.read_text(), "the file")
    file.write_text(file.read_text().replace("two", "TWO"))
    ada.type("five\n")
    await until(
        lambda: str(ada.text) == "one\nTWO\nthree\nfour\nfive\n" == file.read_text(),
        "both edits in the room and in the file",
    )


async def test_an_edit_while_the_server_was_down_is_merged_once(own_server: JupyterServer) -> None:
    room = await own_server.room(starter_text="one\ntwo\n")
    ada = await (await own_server.guest(room["id"], "Ada")).document().connect()
    file = own_server.pad_file(room)
    ada.type("three\n")
    await until(lambda: "three" in file.read_text(), "the file")
    await own_server.kill9()
    file.write_text("zero\n" + file.read_text())
    ada.type("four\n")
    await own_server.start()
    await ada.connect()
    expected = "zero\none\ntwo\nthree\nfour\n"
    await until(lambda: str(ada.text) == expected == file.read_text(), "merged once")
    await own_server.kill9()
    await own_server.start()
    await ada.connect()
    bob = await (await own_server.guest(room["id"], "Bob")).document().connect()
    assert str(bob.text) == expected


async def test_notebooks_sync_and_survive_a_kill(own_server: JupyterServer) -> None:
    room = await own_server.room(pad_type="notebook", starter_text="x = 1")
    ada = await (await own_server.guest(room["id"], "Ada")).document().connect()
    bob = await (await own_server.guest(room["id"], "Bob")).document().connect()
    source = ada.cells()[0]["source"]
    source += "\ny = 2"
    await until(lambda: str(bob.cells()[0]["source"]) == "x = 1\ny = 2", "the cell at Bob's")
    await until(lambda: ada.durable, "the acknowledgement")
    await own_server.kill9()
    await own_server.start()
    await asyncio.gather(ada.connect(), bob.connect())
    assert len(bob.cells()) == 1
    file = own_server.pad_file(room)
    source = ["x = 1\n", "y = 2"]
    await until(
        lambda: [cell["source"] for cell in notebook_in(file)["cells"]] == [source],
        "the notebook's file",
    )


async def test_no_cell_of_a_room_is_ever_trusted(server: JupyterServer) -> None:
    room = await server.room(pad_type="notebook", starter_text="x = 1")
    mallory = await (await server.guest(room["id"], "Mallory")).document().connect()
    bob = await (await server.guest(room["id"], "Bob")).document().connect()
    seen: list[object] = []
    cells = bob.cells()
    watch = cells.observe_deep(lambda events: seen.append(cells.to_py()))
    mallory.cells()[0]["metadata"]["trusted"] = True
    with mallory.ydoc.transaction():
        mallory.cells()[0]["metadata"] = {"trusted": True, "kept": 1}
    mallory.cells().append(
        Map({"id": "new", "cell_type": "code", "metadata": Map({"trusted": True})})
    )
    await until(lambda: len(bob.cells()) == 2, "the new cell")
    await until(lambda: mallory.durable and "trusted" not in str(mallory.cells()), "no trust left")
    assert seen and "trusted" not in str(seen)
    assert dict(bob.cells()[0]["metadata"]) == {"kept": 1}
    cells.unobserve(watch)


async def test_what_is_no_output_or_no_cell_goes_and_the_file_is_written(
    server: JupyterServer,
) -> None:
    room = await server.room(pad_type="notebook", starter_text="x = 1")
    mallory = await (await server.guest(room["id"], "Mallory")).document().connect()
    bob = await (await server.guest(room["id"], "Bob")).document().connect()
    outputs: list[Any] = [{}, {"output_type": "stream"}, {"output_type": "display_data"}, 5]
    mallory.cells()[0]["outputs"] = Array([*outputs, *(Map(o) for o in outputs[:3])])
    for odd in ("text", 5.0, Array([1]), Map({}), Map({"cell_type": "odd"})):
        mallory.cells().append(odd)  # type: ignore[arg-type]
    mallory.ydoc.get("meta", type=Map).clear()
    await until(lambda: len(bob.cells()) == 1 and not bob.cells()[0]["outputs"], "what is left")
    source = bob.cells()[0]["source"]
    source += "\ny = 2"
    file = server.pad_file(room)
    await until(lambda: "y = 2" in file.read_text(), "the notebook's file")
    assert not bob.closed and not mallory.closed


async def test_a_notebook_of_which_somebody_has_left_nothing_is_written_all_the_same(
    server: JupyterServer,
) -> None:
    before = len(server.log)
    room = await server.room(pad_type="notebook", starter_text="x = 1")
    mallory = await (await server.guest(room["id"], "Mallory")).document().connect()
    with mallory.ydoc.transaction():
        mallory.cells().clear()
        mallory.ydoc.get("meta", type=Map).clear()
    file = server.pad_file(room)
    await until(
        lambda: (notebook_in(file)["cells"], notebook_in(file).get("nbformat")) == ([], 4),
        "the empty notebook",
    )
    assert "Error while saving" not in server.log[before:]


async def test_no_two_cells_have_one_id_and_the_file_has_what_people_see(
    server: JupyterServer,
) -> None:
    before = len(server.log)
    room = await server.room(pad_type="notebook", starter_text="x = 1")
    ada = await (await server.guest(room["id"], "Ada")).document().connect()
    bob = await (await server.guest(room["id"], "Bob")).document().connect()
    file = server.pad_file(room)

    def new(source: str) -> Map[Any]:
        # Not as nbformat has it: without outputs, metadata and a number.
        return Map({"cell_type": "code", "source": Text(source), "id": "x"})

    def saved() -> list[dict[str, Any]]:
        text = file.read_text()  # it may just be written
        return list(json.loads(text)["cells"]) if text.endswith("}\n") else []

    ada.cells().append(new("once"))
    await until(lambda: len(saved()) == 2, "the new cell in the file")
    ada.cells().append(new("once"))  # as when two people move a cell at the same time
    ada.cells().append(new("another"))
    await until(lambda: len(bob.cells()) == 3, "what is left of the twins")
    await until(lambda: len(saved()) == 3, "the same in the file")
    assert [str(cell["source"]) for cell in bob.cells()] == ["x = 1", "once", "another"]
    assert len({cell["id"] for cell in bob.cells()}) == 3
    assert [cell["id"] for cell in saved()] == [cell["id"] for cell in bob.cells()]
    assert [cell["execution_count"] for cell in saved()] == [None] * 3
    bob.cells()[1]["execution_count"] = "odd"
    source = bob.cells()[1]["source"]
    source += "\nmore"
    await until(lambda: "more" in str(saved()), "the file")
    assert saved()[1]["execution_count"] is None and "is invalid" not in server.log[before:]


def made_up(who: int, left: tuple[int, int], right: tuple[int, int], text: bytes) -> bytes:
    """An update that puts characters between two others, whether these are beside each other."""
    names = b"".join(map(var_uint, (*left, *right)))
    return b"\1\1" + var_uint(who) + b"\0\xc4" + names + var_bytes(text) + b"\0"


async def test_who_comes_later_reads_what_the_others_read_whatever_somebody_makes_up(
    server: JupyterServer,
) -> None:
    room = await server.room(starter_text="\n")
    ada = await (await server.guest(room["id"], "Ada")).document().connect()
    ada.type("0123456789", at=0)
    mallory = await (await server.guest(room["id"], "Mallory")).document().connect()
    hers = ada.ydoc.client_id
    mallory.ydoc.apply_update(made_up(777, (hers, 8), (hers, 2), b"evil"))
    await until(lambda: "evil" in str(ada.text), "what Mallory has made up")
    ada.type("mid", at=5)
    await until(lambda: ada.durable, "it on disk")
    text = str(ada.text)
    late = await (await server.guest(room["id"], "Late")).document().connect()
    assert str(late.text) == text
    late.type("after\n", at=len(text))
    await until(lambda: str(ada.text) == str(mallory.text) == text + "after\n", "the same text")
    await until(lambda: server.pad_file(room).read_text() == text + "after\n", "the file")
    assert "made up" in server.log


def shows(client: SyncClient, text: str) -> bool:
    return text in str(client.cells()[0]["source"])


async def test_nobody_sees_trust_between_two_frames(server: JupyterServer) -> None:
    room = await server.room(pad_type="notebook", starter_text="x = 1")
    mallory = await (await server.guest(room["id"], "Mallory")).document().connect()
    bob = await (await server.guest(room["id"], "Bob")).document().connect()
    seen: list[object] = []
    cells = bob.cells()
    watch = cells.observe_deep(lambda events: seen.append(cells.to_py()))
    for turn in range(5):
        mine: Doc[Any] = Doc()
        mine.apply_update(mallory.ydoc.get_update())
        frames: list[bytes] = []
        changes = mine.observe(
            lambda event, out=frames: out.append(sync_frame(SyncStep.UPDATE, event.update))
        )
        cell = mine.get("cells", type=Array)[0]
        source = cell["source"]
        source += "a"
        cell["metadata"]["trusted"] = True
        source += f"<{turn}>"
        mine.unobserve(changes)
        protocol = mallory.socket.protocol if mallory.socket else None
        assert protocol is not None and protocol.stream is not None
        # All in one piece, so that the server reads them in one turn (RFC 6455, section 5.2).
        await protocol.stream.write(
            b"".join(bytes((0x82, 0xFE)) + len(f).to_bytes(2) + bytes(4) + f for f in frames)
        )
        line = f"<{turn}>"
        await until(partial(shows, bob, line), "Mallory's line")
    assert seen and "trusted" not in str(seen)
    cells.unobserve(watch)


async def test_clients_cannot_write_the_run_document(server: JupyterServer) -> None:
    room = await server.room()
    ada = await (await server.guest(room["id"], "Ada")).document("runs").connect()
    host = await server.host.document("runs", room_id=room["id"]).connect()
    ada.type("forged")
    host.type("forged too")
    bob = await (await server.guest(room["id"], "Bob")).document("runs").connect()
    assert str(bob.text) == "" and not ada.closed


async def test_documents_that_are_no_pads_stay_as_jupyter_collaboration_has_them(
    server: JupyterServer,
) -> None:
    (server.root_dir / "plain.py").write_text("plain\n")
    one, other = await lab_client(server, "plain.py"), await lab_client(server, "plain.py")
    one.type("typed\n")
    await until(lambda: str(other.text) == "plain\ntyped\n", "the text on the other side")
    awareness = f"{server.ws_url}api/collaboration/room/JupyterLab:globalAwareness"
    both = [await SyncClient(awareness, server.host.headers).connect() for _ in range(2)]
    both[0].say({"user": {"name": "Anonymous"}})
    await until(lambda: both[0].ydoc.client_id in both[1].awareness, "the awareness")
    for client in (one, other, *both):
        await client.disconnect()


async def test_strangers_cannot_make_the_server_build_documents(server: JupyterServer) -> None:
    url = f"{server.ws_url}api/collaboration/room/text:file:made-up"
    with pytest.raises(Exception, match="403"):
        await SyncClient(url, {}).connect()


NULLS = {"type": None, "tname": None, "item": None, "assoc": 0}


async def test_a_guests_caret_cannot_trip_other_editors(server: JupyterServer) -> None:
    room = await server.room()
    mallory = await (await server.guest(room["id"], "Mallory")).document().connect()
    bob = await (await server.guest(room["id"], "Bob")).document().connect()
    good = {**NULLS, "tname": "source"}
    bad = [
        NULLS,
        {"tname": "state"},
        {"tname": ["source"]},
        {"item": {"client": "x", "clock": 0}},
        {"item": {"client": -1, "clock": 1.5}},
        {"type": {"client": True, "clock": 0}},
        "text",
        None,
    ]
    cursors = [{"anchor": b, "head": good} for b in bad] + [{"head": good}, 7, None]
    cursors.append({"anchor": {"tname": "source", "assoc": 99}, "head": good, "extra": "x"})
    mallory.say({"cursors": cursors, "autosave": False, "other": {"deep": 1}})
    await until(lambda: mallory.ydoc.client_id in bob.awareness, "the state at Bob's")
    state = bob.awareness[mallory.ydoc.client_id]
    assert set(state) == {"user", "cursors"}
    assert state["cursors"] == [{"anchor": good, "head": good, "primary": False, "empty": False}]


async def test_objects_in_the_text_never_reach_another_editor(server: JupyterServer) -> None:
    room = await server.room(starter_text="héllo\n")
    mallory = await (await server.guest(room["id"], "Mallory")).document().connect()
    bob = await (await server.guest(room["id"], "Bob")).document().connect()
    seen: list[object] = []
    bob.text.observe(lambda event: seen.extend(part.get("insert") for part in event.delta))
    mallory.text.insert_embed(3, {"image": "x"})
    await until(lambda: len(mallory.text.diff()) == 1, "its end at the sender's")
    mallory.type("after\n")
    await until(lambda: "after" in str(bob.text), "the text after it")
    assert all(value is None or isinstance(value, str) for value in seen)
    assert str(bob.text) == str(mallory.text) == "héllo\nafter\n"


async def test_typing_counts_as_activity_of_the_server(server: JupyterServer) -> None:
    """Or a server that is culled when idle would be, in the middle of an interview."""
    room = await server.room()
    client = await (await server.guest(room["id"])).document().connect()

    async def last_activity() -> str:
        status = (await server.host.http.get(f"{server.url}api/status")).json()
        return str(status["last_activity"])

    await until(lambda: client.durable, "the first sync")
    before = await last_activity()
    deadline = asyncio.get_running_loop().time() + 20
    while await last_activity() == before:
        assert asyncio.get_running_loop().time() < deadline
        client.type("x")
        await until(lambda: client.durable, "on disk")
