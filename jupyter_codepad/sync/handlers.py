"""The routes of documents."""

from __future__ import annotations

from ..rooms.handlers import ROOM
from .websocket import SyncHandler

ROUTES = [(rf"rooms/{ROOM}/documents/(?P<name>[A-Za-z0-9_.-]{{1,64}})/sync", SyncHandler)]
