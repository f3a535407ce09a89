"""The composition root: configuration, managers, routes, start and stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from jupyter_core.paths import jupyter_data_dir, jupyter_runtime_dir
from jupyter_events import EventLogger
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from jupyter_server_ydoc.app import YDocExtension
from jupyter_server_ydoc.handlers import (
    DocForkHandler,
    TimelineHandler,
    UndoRedoHandler,
    YDocWebSocketHandler,
)
from tornado.routing import Rule, RuleRouter
from tornado.web import Application
from traitlets import Bool, Float, Integer, Unicode

from . import __version__
from .access.invites import InviteManager
from .execution import handlers as execution_handlers
from .execution.languages import get_language
from .execution.manager import RunManager
from .execution.room_runs import RunRoom
from .execution.sandbox import Sandbox
from .handlers import NotFoundHandler
from .lab_policy import protected
from .openapi import ROUTES as OPENAPI_ROUTES
from .openapi import Route, describe
from .rooms import handlers as room_handlers
from .rooms import pages
from .rooms.folders import RoomFolders
from .rooms.manager import RoomManager
from .storage import Database
from .storage.tables import RoomRecord, utc_now
from .sync import handlers as sync_handlers
from .sync.collaboration import CollaborationHandler
from .sync.forks import BoundedForkHandler, BoundedTimelineHandler, BoundedUndoRedoHandler
from .sync.manager import DocumentManager
from .sync.stock_rooms import StockRooms
from .sync.update_log import UpdateLog

MIB = 1024 * 1024

API_ROUTES: list[Route] = [
    *room_handlers.ROUTES,
    *execution_handlers.ROUTES,
    *pages.ROUTES,
    *sync_handlers.ROUTES,
    *OPENAPI_ROUTES,
]
"""Every route below ``<base_url>codepad/``: the pattern after that prefix, and its handler."""

COLLABORATION: dict[Any, type[Any]] = {
    YDocWebSocketHandler: CollaborationHandler,
    TimelineHandler: BoundedTimelineHandler,
    UndoRedoHandler: BoundedUndoRedoHandler,
    DocForkHandler: BoundedForkHandler,
}
"""jupyter-collaboration's handlers, and ours in their place."""


class CodepadApp(ExtensionApp):
    """Live coding rooms for Jupyter: share a room, not your server."""

    name = "jupyter_codepad"
    app_name = "Codepad"
    description = "Live coding rooms: share a room, not your server."
    extension_url = "/codepad/api/health"
    load_other_extensions = True
    file_url_prefix = "/codepad"
    version = __version__

    database_url = Unicode(
        config=True,
        help="SQLAlchemy URL of the record store (rooms, people, links, runs). Default: a SQLite "
        "file `codepad/codepad.sqlite` in Jupyter's data directory. `postgresql://…` needs the "
        "extra `jupyter-codepad[postgres]`.",
    )
    state_dir = Unicode(
        config=True,
        help="Directory of the default SQLite file and of the update log. Default: `codepad` in "
        "Jupyter's data directory. Not on a network file system.",
    )
    rooms_folder = Unicode(
        "codepad-rooms",
        config=True,
        help="Folder, below the Jupyter root, in which each room gets a folder of its own.",
    )
    host_name = Unicode(
        "Host",
        config=True,
        help="What others see as the name of the person who signs in with the server's token or "
        "password. With JupyterHub people have their own names.",
    )
    room_ttl_hours = Float(24.0, config=True, help="Lifetime of a new room, in hours.")
    room_ttl_limit_hours = Float(
        24.0 * 31, config=True, help="Longest lifetime that can be asked for, in hours from now."
    )
    rooms_per_owner_limit = Integer(200, config=True, help="Most rooms one person can own.")
    participants_per_room_limit = Integer(
        200, config=True, help="Most people who can join one room in its lifetime."
    )
    links_per_room_limit = Integer(
        100, config=True, help="Most links of one room that can be open at the same time."
    )
    document_limit_bytes = Integer(
        1_000_000, config=True, help="Largest text of a pad, in bytes of UTF-8."
    )
    message_limit_bytes = Integer(
        MIB,
        config=True,
        help="Largest text in one message of a room page, in bytes; the socket of whoever sends "
        "more is closed with code 1009.",
    )
    allow_guests = Bool(True, config=True, help="Let people in by a link without an account.")
    protect_lab = Bool(
        True,
        config=True,
        help="Send JupyterLab's page with a content security policy while guests are allowed, so "
        "that nothing of theirs can run in it or tell another site that it was seen. It breaks, in "
        "your own notebooks too: output with inline scripts (Plotly, Bokeh, HTML with <script>), "
        "scripts and pictures from other sites, and scripts from files of yours.",
    )
    collaboration_message_limit_bytes = Integer(
        64 * MIB,
        config=True,
        help="Largest message of JupyterLab on the socket of any document, in bytes; the socket of "
        "whoever sends more is closed with code 1009.",
    )
    document_copies_limit = Integer(
        20,
        config=True,
        help="Copies of documents that jupyter-collaboration may keep at a time for its timelines "
        "and forks. The oldest timeline makes room for a new one; a fork beyond is refused.",
    )
    save_delay_seconds = Float(
        1.0, config=True, help="Longest time between a change of a pad and its file, in seconds."
    )
    cleanup_delay_seconds = Float(
        60.0, config=True, help="How long an unused document stays in memory, in seconds."
    )
    allow_unsandboxed = Bool(
        False,
        config=True,
        help="Run the code of rooms without a sandbox where none works. Everybody in a room can "
        "then do all that this server's user can do. Only for machines that hold nothing else.",
    )
    memory_limit_bytes = Integer(
        512 * MIB, config=True, help="Memory of all processes of a room's kernel, in bytes."
    )
    process_limit = Integer(64, config=True, help="Processes and threads of a room's kernel.")
    disk_limit_bytes = Integer(
        64 * MIB, config=True, help="Disk space of a room's kernel, in bytes."
    )
    output_limit_bytes = Integer(MIB, config=True, help="Output kept of one run, in bytes.")
    run_limit_seconds = Float(
        60.0, config=True, help="Longest a run of a code file may take, in seconds; 0: no limit."
    )
    runs_kept = Integer(20, config=True, help="Runs of a room whose output stays visible.")
    run_queue_limit = Integer(20, config=True, help="Runs of a room that may wait at a time.")
    kernels_limit = Integer(50, config=True, help="Kernels of rooms that may live at a time.")
    kernel_idle_seconds = Float(
        1800.0, config=True, help="How long an unused kernel of a room lives, in seconds."
    )

    warm_kernels = Bool(
        True,
        config=True,
        help="Start a room's kernel when somebody who may run code enters it, so that the first "
        "run does not wait for it. Off saves memory where many rooms are never run.",
    )

    database: Database
    update_log: UpdateLog
    rooms: RoomManager
    documents: DocumentManager
    runs: RunManager
    when_started: Callable[[], Awaitable[None]] | None = None

    # -- what handlers ask -----------------------------------------------------------------------

    @property
    def server(self) -> ServerApp:
        """The Jupyter server we are in."""
        assert self.serverapp is not None
        return self.serverapp

    @property
    def prefix(self) -> str:
        """Path of everything of ours, with the server's base URL and a slash at the end."""
        return str(url_path_join(self.server.base_url, "codepad/"))

    @property
    def port(self) -> int:
        """The port this server listens on."""
        return int(self.server.port)

    def note_activity(self) -> None:
        """Count a room's traffic as activity of the server, so that it is not culled as idle."""
        self.server.web_app.settings["codepad_last_activity"] = utc_now()

    def run_room(self, room: RoomRecord) -> RunRoom:
        """What the run manager needs to know of a room."""
        return RunRoom(
            room_id=room.id,
            language=room.language,
            pad_type=room.pad_type,
            folder=self.folders.local_path(room.folder),
        )

    def sandbox_model(self) -> dict[str, Any]:
        """What people are told about the sandbox."""
        status = self.runs.sandbox_status
        return {
            "available": status.available,
            "name": status.name,
            "reason": status.reason,
            "running_allowed": self.runs.running_allowed,
        }

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI description of our REST routes."""
        return describe(API_ROUTES, version=self.version, prefix=self.prefix)

    # -- composition -----------------------------------------------------------------------------

    def initialize_settings(self) -> None:
        """Build every manager; nothing is opened yet."""
        state = Path(self.state_dir or Path(jupyter_data_dir()) / "codepad")
        self.database = Database(self.database_url or f"sqlite:///{state / 'codepad.sqlite'}")
        self.update_log = UpdateLog(state / "updates.sqlite", log=self.log)
        self.folders = RoomFolders(
            contents=self.server.contents_manager,
            file_ids=lambda: self.server.web_app.settings["file_id_manager"],
            parent=self.rooms_folder,
            document_limit_bytes=self.document_limit_bytes,
        )
        self.rooms = RoomManager(
            database=self.database,
            folders=self.folders,
            invites=InviteManager(links_per_room_limit=self.links_per_room_limit),
            starter=_starter,
            log=self.log,
            ttl_hours=self.room_ttl_hours,
            ttl_limit_hours=self.room_ttl_limit_hours,
            rooms_per_owner_limit=self.rooms_per_owner_limit,
            participants_limit=self.participants_per_room_limit,
        )
        self.documents = DocumentManager(
            rooms=self.rooms,
            update_log=self.update_log,
            collaboration=self._collaboration,
            events=cast(EventLogger, self.server.event_logger),
            log=self.log,
            save_delay_seconds=self.save_delay_seconds,
            cleanup_seconds=self.cleanup_delay_seconds,
            document_limit_bytes=self.document_limit_bytes,
        )
        self.runs = RunManager(
            database=self.database,
            documents=self.documents,
            sandbox=Sandbox(
                log=self.log,
                hidden=(state, Path(self.server.root_dir), Path(jupyter_runtime_dir())),
                memory_limit_bytes=self.memory_limit_bytes,
                process_limit=self.process_limit,
                disk_limit_bytes=self.disk_limit_bytes,
            ),
            log=self.log,
            allow_unsandboxed=self.allow_unsandboxed,
            output_limit_bytes=self.output_limit_bytes,
            run_limit_seconds=self.run_limit_seconds or None,
            runs_kept=self.runs_kept,
            run_queue_limit=self.run_queue_limit,
            kernels_limit=self.kernels_limit,
            kernel_idle_seconds=self.kernel_idle_seconds,
            warm_kernels=self.warm_kernels,
        )
        self.started = asyncio.Event()
        self.rooms.room_ended = self._room_ended
        self.rooms.room_deleted = self.documents.forget_room

    def initialize_handlers(self) -> None:
        """All routes, below one prefix; what is none of them is answered by us too."""
        routes: list[tuple[str, type[Any]]] = [*API_ROUTES, (r".*", NotFoundHandler)]
        self.handlers = [(rf"/codepad/{p}", handler, {"codepad": self}) for p, handler in routes]

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Open the stores and begin to work, once every extension is there."""
        await self.database.start()
        await self.update_log.start()
        await self.rooms.start()
        await self.runs.start()
        self._take_over_collaboration(serverapp.web_app)
        if self.allow_guests and self.protect_lab:
            for rule in _all_rules(serverapp.web_app.default_router):
                rule.target = protected(rule.target) or rule.target
        status = self.runs.sandbox_status
        if status.available:
            self.log.info("Codepad runs code of rooms in a sandbox (%s).", status.name)
        elif self.allow_unsandboxed:
            self.log.warning(
                "Codepad runs code of rooms WITHOUT a sandbox (%s): allow_unsandboxed is set.",
                status.reason,
            )
        else:
            self.log.warning("Codepad does not run code of rooms: %s", status.reason)
        if not serverapp.identity_provider.auth_enabled:
            self.log.warning(
                "This server has neither token nor password: whoever reaches it is its owner, and "
                "a guest of a room is not kept from anything."
            )

        self.started.set()
        if self.when_started is not None:
            await self.when_started()

    async def stop_extension(self) -> None:
        """Write everything down and leave no process behind."""
        await self.runs.stop()
        await self.documents.stop()
        await self.rooms.stop()
        await self.update_log.stop()
        await self.database.stop()

    async def _room_ended(self, room_id: str) -> None:
        await self.runs.close_room(room_id)
        await self.documents.close_room(room_id)

    def _collaboration(self) -> YDocExtension | None:
        apps = self.server.extension_manager.extension_apps.get("jupyter_server_ydoc", set())
        return next(iter(apps), None)

    def _take_over_collaboration(self, web_app: Application) -> None:
        """Let JupyterLab's document socket be ours, so that pads are one document in both."""
        extension = self._collaboration()
        if extension is None:
            self.log.error(
                "jupyter-collaboration is not running here: rooms cannot open their pads."
            )
            return
        stock_rooms = StockRooms(
            extension.ywebsocket_server, copies_limit=self.document_copies_limit
        )
        for rule in _all_rules(web_app.default_router):
            if rule.target in COLLABORATION:
                rule.target = COLLABORATION[rule.target]
                ours = {"codepad": self, "stock_rooms": stock_rooms}
                rule.target_kwargs = {**rule.target_kwargs, **ours}


def _starter(language_id: str) -> tuple[str, str, str]:
    language = get_language(language_id)
    return language.file_name, language.starter_text, language.kernel_name


def _all_rules(router: RuleRouter) -> list[Rule]:
    found: list[Rule] = []
    for rule in router.rules:
        found.append(rule)
        if isinstance(rule.target, RuleRouter):
            found.extend(_all_rules(rule.target))
    return found
