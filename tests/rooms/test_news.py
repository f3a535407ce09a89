"""What people are told of a room: never what was, after they have been told what is."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from jupyter_codepad.access.roles import Role
from jupyter_codepad.rooms.access import Access
from jupyter_codepad.rooms.news import RoomNews
from jupyter_codepad.storage.tables import ParticipantRecord
from tests.storage.test_deleted_room import PERSON, ROOM, Looker, World, world
from tests.support.sync_client import until


class Listener(Looker):
    """An open socket that notes what it is told."""

    def __init__(self) -> None:
        self.roles: list[Role] = []
        self.told: list[str] = []

    def access_changed(self, access: Access) -> None:
        self.roles.append(access.participant.role)

    def notify(self, message: str) -> None:
        news = json.loads(message)
        if news["type"] == "participants":
            self.told += [person["role"] for person in news["participants"]]


class SlowFirstLook:
    """Of two looks at a room the first ends last."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        look = RoomNews._snapshot

        async def looked(news: RoomNews, room_id: str) -> Any:
            found = await look(news, room_id)
            if not self.begun.is_set():
                self.begun.set()
                await self.go_on.wait()
            return found

        monkeypatch.setattr(RoomNews, "_snapshot", looked)


async def become_observer(at: World) -> None:
    async with at.database.transaction() as tx:
        await tx.execute(
            update(ParticipantRecord)
            .where(ParticipantRecord.id == PERSON)
            .values(role=Role.OBSERVER.value)
        )
    await at.news.apply(ROOM)


@pytest.mark.parametrize("older", ["apply", "greet"])
async def test_nobody_may_do_again_what_an_older_look_at_the_room_has_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, older: str
) -> None:
    async with world(f"sqlite:///{tmp_path / 'rooms.sqlite'}", tmp_path) as at:
        listener = Listener()
        at.news.presence.connect(ROOM, PERSON, listener)
        await at.news.apply(ROOM, PERSON)
        await at.rest()
        now = await at.news._snapshot(ROOM)
        assert now is not None and listener.roles == [Role.MEMBER]
        looks = SlowFirstLook(monkeypatch)
        access = Access(now.room, now.people[0])
        late = at.news.apply(ROOM) if older == "apply" else at.news.greet(access, listener)
        task = asyncio.create_task(late)
        await looks.begun.wait()
        await become_observer(at)
        await until(lambda: listener.told[-1:] == ["observer"], "the news")
        looks.go_on.set()
        await task
        await at.rest()
        assert listener.roles[-1] is Role.OBSERVER
        assert listener.told[-1] == "observer"
        at.news.presence.disconnect(ROOM, PERSON, listener)
        await at.rest()
        assert at.news._told == {}, "a room where nobody is takes no place"
