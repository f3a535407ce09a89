"""The REST routes of rooms, and of what their host has in hand."""

from __future__ import annotations

import asyncio

from jupyter_server.utils import ensure_async

from ..access.audit import ActivityKind
from ..access.roles import Permission
from ..errors import Forbidden
from ..handlers import FLAG, CodepadHandler, RoomHandler, requires, signed_in
from ..storage.tables import ActivityRecord
from .export import activity_csv, as_json, write_archive
from .models import (
    ActivityList,
    ActivityModel,
    RoomCreate,
    RoomList,
    RoomModel,
    RoomPatch,
)

ROOM = r"(?P<room_id>[A-Za-z0-9_-]{12})"
ACTIVITY_PAGE = 100
ACTIVITY_PAGE_LIMIT = 1000
PIECE = 256 * 1024


class RoomsHandler(CodepadHandler):
    """``rooms``: all my rooms."""

    @signed_in(summary="My rooms, newest first", answer=RoomList)
    async def get(self) -> None:
        assert self.user is not None
        news = self.codepad.news
        found = await self.codepad.rooms.rooms_of(self.user)
        waiting = await news.waiting(*(access.room.id for access in found))
        models = [news.room_model(access, waiting[access.room.id]) for access in found]
        self.answer(RoomList(rooms=models))

    @signed_in(
        summary="Make a room",
        body=RoomCreate,
        answer=RoomModel,
        status=201,
        limit="rooms_per_user",
    )
    async def post(self) -> None:
        assert self.user is not None
        wish = self.body(RoomCreate)
        if wish.source_path is not None:
            await self._require_contents()
        access = await self.codepad.rooms.create(self.user, wish)
        self.answer(self.codepad.news.room_model(access), 201)

    async def _require_contents(self) -> None:
        """Read no file for somebody who could not read it through Jupyter."""
        allowed = await ensure_async(
            self.authorizer.is_authorized(self, self.current_user, "read", "contents")
        )
        if not allowed:
            raise Forbidden("contents_forbidden", "You may not read files on this server.")


class OneRoomHandler(RoomHandler):
    """``rooms/<id>``: one room."""

    @requires(Permission.VIEW, summary="One room", answer=RoomModel)
    async def get(self, room_id: str) -> None:
        news = self.codepad.news
        self.answer(news.room_model(self.access, (await news.waiting(room_id))[room_id]))

    @requires(
        Permission.MANAGE,
        summary="Rename, open, close, lock, restrict or extend",
        body=RoomPatch,
        answer=RoomModel,
    )
    async def patch(self, room_id: str) -> None:
        news = self.codepad.news
        access = await self.codepad.rooms.update(self.access, self.body(RoomPatch))
        self.answer(news.room_model(access, (await news.waiting(room_id))[room_id]))

    @requires(
        Permission.MANAGE,
        summary="Delete a room; its files stay unless asked",
        status=204,
        query={"delete_files": FLAG},
    )
    async def delete(self, room_id: str) -> None:
        delete_files = self.flag("delete_files")
        await self.codepad.rooms.delete(self.access, delete_files=delete_files)
        self.set_status(204)


class ActivityHandler(RoomHandler):
    """``rooms/<id>/activity``: what happened at the room's doors."""

    @requires(
        Permission.MANAGE,
        summary="The activity log, newest first",
        answer=ActivityList,
        query={
            "limit": {"type": "integer", "minimum": 0, "maximum": ACTIVITY_PAGE_LIMIT},
            "before": {"type": "integer", "minimum": 0, "maximum": 2**31},
        },
    )
    async def get(self, room_id: str) -> None:
        limit = self.number("limit", ACTIVITY_PAGE, most=ACTIVITY_PAGE_LIMIT)
        before = self.number("before", 0) or None
        records = await self.codepad.rooms.activity(room_id, limit=limit + 1, before=before)
        models = [activity_model(record) for record in records[:limit]]
        self.answer(ActivityList(activity=models, more=len(records) > limit))


class ActivityFileHandler(RoomHandler):
    """``rooms/<id>/activity.csv``: the activity log to keep."""

    @requires(Permission.MANAGE, summary="The activity log as CSV, oldest first", media="text/csv")
    async def get(self, room_id: str) -> None:
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="activity-{room_id}.csv"')
        kept = self.codepad.activity_kept
        records = await self.codepad.rooms.activity(room_id, limit=kept)
        self.finish(activity_csv(activity_model(record) for record in reversed(records)))


class ExportHandler(RoomHandler):
    """``rooms/<id>/export``: everything of the room as a zip archive."""

    @requires(
        Permission.MANAGE,
        summary="The room's files, people and log (zip)",
        media="application/zip",
    )
    async def get(self, room_id: str) -> None:
        codepad = self.codepad
        await codepad.documents.save_pad(self.access.room)
        await codepad.rooms.note(self.access, ActivityKind.ROOM_EXPORTED)
        people = await codepad.people.everybody(self.access)
        records = await codepad.rooms.activity(room_id, limit=codepad.activity_kept)
        room = codepad.news.room_model(self.access).model_dump(mode="json")
        log = activity_csv(activity_model(record) for record in reversed(records))
        archive = await asyncio.to_thread(
            write_archive,
            codepad.folders.local_path(self.access.room.folder),
            {
                "room.json": as_json(room),
                "people.json": as_json(people.model_dump(mode="json")["participants"]),
                "activity.csv": log,
            },
            limit_bytes=codepad.export_limit_bytes,
            files_limit=codepad.files_per_room_limit,
        )
        self.set_header("Content-Type", "application/zip")
        self.set_header("Content-Disposition", f'attachment; filename="room-{room_id}.zip"')
        with archive:
            while piece := await asyncio.to_thread(archive.read, PIECE):
                self.write(piece)
                await self.flush()


def activity_model(record: ActivityRecord) -> ActivityModel:
    """An entry of the log on the wire."""
    return ActivityModel.model_validate(record, from_attributes=True)


ROUTES = [
    (r"api/rooms", RoomsHandler),
    (rf"api/rooms/{ROOM}", OneRoomHandler),
    (rf"api/rooms/{ROOM}/activity", ActivityHandler),
    (rf"api/rooms/{ROOM}/activity\.csv", ActivityFileHandler),
    (rf"api/rooms/{ROOM}/export", ExportHandler),
]
