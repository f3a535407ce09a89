"""The composition root: configuration, managers, routes, start and stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from jupyter_core.paths import jupyter_data_dir, jupyter_runtime_dir
from jupyter_events import EventLogger
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from jupyter_server_ydoc.app import YDocExtension
from jupyter_server_ydoc.handlers import (
    DocForkHandler,
    TimelineHandler,
    UndoRedoHandler,
    YDocWebSocketHandler,
)
from tornado.ioloop import IOLoop
from tornado.routing import Rule, RuleRouter
from tornado.web import Application

from . import __version__, fast_loop
from .access.addresses import ClientAddresses
from .access.audit import AuditLog
from .access.guests import GuestSessionManager
from .access.invites import InviteManager
from .access.passwords import Passwords
from .access.rate_limit import RateLimiter
from .access.roles import Permission
from .access.tokens import server_secret
from .execution import handlers as execution_handlers
from .execution import language_handlers
from .execution.files import FileLimits
from .execution.kernelspecs import spec_folders
from .execution.languages import toolchain_folders
from .execution.limits import LimitSettings
from .execution.main_files import MainFiles
from .execution.manager import RunManager
from .execution.offer import LanguageOffer
from .execution.pad_languages import PadLanguages
from .execution.prepared import prepared_folder
from .execution.room_files import RoomFiles
from .execution.room_runs import RunRoom
from .execution.run_rooms import run_room
from .execution.sandbox import NOT_RUN, Sandbox, log_status
from .handlers import NotFoundHandler
from .kernel_sockets import prompt
from .lab_policy import protected
from .openapi import ROUTES as OPENAPI_ROUTES
from .openapi import Route, describe
from .rooms import handlers as room_handlers
from .rooms import pages, people_handlers
from .rooms import websocket as lobby
from .rooms.access import Access
from .rooms.clock import RoomClock
from .rooms.doors import DoorManager
from .rooms.folders import RoomFolders
from .rooms.manager import RoomManager
from .rooms.news import RoomNews
from .rooms.people import PeopleManager
from .settings import CodepadSettings
from .storage import Database
from .storage.tables import RoomRecord, utc_now
from .sync import handlers as sync_handlers
from .sync.collaboration import CollaborationHandler, LabSessions
from .sync.document_room import DocumentRoom
from .sync.forks import BoundedForkHandler, BoundedTimelineHandler, BoundedUndoRedoHandler
from .sync.history import Limits
from .sync.manager import DocumentManager
from .sync.memory_rooms import Copies
from .sync.update_log import UpdateLog

EVENTS = Path(__file__).parent / "events"
ACTIVITY_SCHEMA = "https://events.jupyter.org/jupyter_codepad/activity/v1"
CONFLICT_SCHEMA = "https://events.jupyter.org/jupyter_codepad/conflict/v1"

API_ROUTES: list[Route] = [
    *room_handlers.ROUTES,
    *people_handlers.ROUTES,
    *execution_handlers.ROUTES,
    *language_handlers.ROUTES,
    *pages.ROUTES,
    *lobby.ROUTES,
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


class CodepadApp(CodepadSettings):
    """Live coding rooms for Jupyter: share a room, not your server."""

    name = "jupyter_codepad"
    app_name = "Codepad"
    description = "Live coding rooms: share a room, not your server."
    extension_url = "/codepad/api/health"
    load_other_extensions = True
    file_url_prefix = "/codepad"
    version = __version__

    database: Database
    update_log: UpdateLog
    addresses: ClientAddresses
    limiter: RateLimiter
    news: RoomNews
    people: PeopleManager
    doors: DoorManager
    rooms: RoomManager
    clock: RoomClock
    documents: DocumentManager
    runs: RunManager
    languages: LanguageOffer
    pad_languages: PadLanguages
    main_files: MainFiles
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
        return run_room(
            room,
            folders=self.folders,
            languages=self.languages,
            reaches_files=self.runs.reaches_files,
            open_paths=self.documents.open_paths,
        )

    def warm_up(self, access: Access) -> None:
        """Start the kernel of a room that somebody is in, if they may run code."""
        may_run = Permission.RUN in access.permissions
        self.runs.entered(self.run_room(access.room), may_run=may_run)

    def sandbox_model(self) -> dict[str, Any]:
        """What the host is told about the sandbox."""
        status = asdict(self.runs.sandbox_status)
        return {**status, "running_allowed": self.runs.running_allowed}

    def public_sandbox_model(self) -> dict[str, Any]:
        """What everybody is told: whether code runs, and not where the walls are thin."""
        allowed = self.runs.running_allowed
        return {"running_allowed": allowed, "reason": None if allowed else NOT_RUN}

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI description of our REST routes."""
        return describe(API_ROUTES, version=self.version, prefix=self.prefix)

    # -- composition -----------------------------------------------------------------------------

    def _link_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Change to the faster event loop, as long as nothing runs on the other one."""
        super()._link_jupyter_server_extension(serverapp)
        if self.use_uvloop and fast_loop.install():
            serverapp.io_loop = IOLoop.current()

    def initialize_settings(self) -> None:
        """Build every manager; nothing is opened yet."""
        # jupyter-server only warns of a setting that cannot be, and would go on with the defaults:
        # a server whose owner wanted fewer rights for guests must not start with more.
        self.update_config(self.server.config)
        for schema in ("activity", "conflict"):
            self._events.register_event_schema(EVENTS / f"{schema}.yaml")
        state = Path(self.state_dir or Path(jupyter_data_dir()) / "codepad")
        self.database = Database(self.database_url or f"sqlite:///{state / 'codepad.sqlite'}")
        self.update_log = UpdateLog(
            state / "updates.sqlite",
            log=self.log,
            limits=Limits(factor=self.history_factor, floor_bytes=self.history_floor_bytes),
            waiting_limit_bytes=self.log_waiting_limit_bytes,
        )
        self.folders = RoomFolders(
            contents=self.server.contents_manager,
            file_ids=lambda: self.server.web_app.settings["file_id_manager"],
            parent=self.rooms_folder,
            document_limit_bytes=self.document_limit_bytes,
        )
        self._build_rooms(state)
        self.documents = DocumentManager(
            rooms=self.rooms,
            update_log=self.update_log,
            collaboration=self._collaboration,
            events=self._events,
            log=self.log,
            save_delay_seconds=self.save_delay_seconds,
            save_share=self.save_share,
            cleanup_seconds=self.cleanup_delay_seconds,
            document_limit_bytes=self.document_limit_bytes,
            notebook_limit_bytes=self.notebook_limit_bytes,
            check_file=self.folders.require_regular,
            root=getattr(self.server.contents_manager, "root_dir", None),
            socket_timeout_seconds=self.socket_timeout_seconds,
            active=self.note_activity,
            told=self._conflict_changed,
        )
        sandbox, prepared = self.make_sandbox(state, Path(self.server.root_dir))
        self.languages = LanguageOffer(
            sandbox=sandbox,
            allowed=lambda: self.runs.running_allowed,
            kernelspecs=self.kernelspecs,
            prepared=prepared,
            log=self.log,
        )
        self.runs = RunManager(
            database=self.database,
            documents=self.documents,
            sandbox=sandbox,
            start_of=self.languages.kernel_start,
            log=self.log,
            files=RoomFiles(
                FileLimits(files=self.files_per_room_limit, total_bytes=self.disk_limit_bytes),
                log=self.log,
            ),
            allow_unsandboxed=self.allow_unsandboxed,
            limits=LimitSettings.of(self),
            runs_kept=self.runs_kept,
            runs_kept_bytes=self.runs_kept_bytes,
            run_queue_limit=self.run_queue_limit,
            waiting_cells_limit=self.waiting_cells_limit,
            input_limit_bytes=self.input_limit_bytes,
            kernels_limit=self.kernels_limit,
            kernel_idle_seconds=self.kernel_idle_seconds,
            concurrent_runs_limit=self.concurrent_runs_limit,
            warm_kernels=self.warm_kernels,
            warm_pool_size=self.warm_pool_size,
        )
        self.pad_languages = PadLanguages(
            offer=self.languages,
            rooms=self.rooms,
            folders=self.folders,
            pads=self.documents,
            end_kernel=self.runs.end_kernel,
            start_kernel=self.warm_up,
        )
        self.main_files = MainFiles(
            rooms=self.rooms,
            room_of=self.run_room,
            language_of=self.languages.get,
            occupied=self.news.presence.rooms,
            changed=self.news.tell_of_files,
            log=self.log,
        )
        self.started = asyncio.Event()
        self.rooms.room_ended = self._room_ended
        self.rooms.room_deleted = self.documents.forget_room

    def make_sandbox(self, *hidden: Path) -> tuple[Sandbox, Path | None]:
        """What code of rooms runs in, not tested yet, and the folder of what is prepared for it."""
        prepared = prepared_folder()
        visible = [*toolchain_folders(), *spec_folders(self.kernelspecs)]
        sandbox = Sandbox(
            log=self.log,
            hidden=(*hidden, Path(jupyter_runtime_dir())),
            visible=(*visible, *filter(None, (prepared,))),
            names=self.sandboxes,
            memory_limit_bytes=self.memory_limit_bytes,
            process_limit=self.process_limit,
            kernels_limit=self.kernels_limit,
            disk_limit_bytes=self.disk_limit_bytes,
        )
        return sandbox, prepared

    def _build_rooms(self, state: Path) -> None:
        guests = GuestSessionManager()
        audit = AuditLog(emit=self._emit_activity, kept=self.activity_kept)
        self.addresses = ClientAddresses(self.trusted_proxies)
        self.limiter = RateLimiter(
            self.rate_limits, storage_url=self.rate_limit_storage, log=self.log
        )
        self.news = RoomNews(
            database=self.database,
            folders=self.folders,
            idle_seconds=self.idle_seconds,
            connections_per_person_limit=self.connections_per_person_limit,
            log=self.log,
        )
        self.people = PeopleManager(
            database=self.database,
            news=self.news,
            guests=guests,
            audit=audit,
            participants_limit=self.participants_per_room_limit,
        )
        self.doors = DoorManager(
            database=self.database,
            people=self.people,
            news=self.news,
            invites=InviteManager(
                secret=server_secret(state / "secret"),
                links_per_room_limit=self.links_per_room_limit,
            ),
            guests=guests,
            passwords=Passwords(),
            limiter=self.limiter,
            audit=audit,
            allow_guests=self.allow_guests,
        )
        self.rooms = RoomManager(
            database=self.database,
            folders=self.folders,
            sources=self.folders.sources(self.notebook_limit_bytes),
            people=self.people,
            news=self.news,
            guests=guests,
            audit=audit,
            starter=self._starter,
            recognise=lambda source: self.languages.recognise(source),  # noqa: PLW0108 - made later
            ttl_hours=self.room_ttl_hours,
            ttl_limit_hours=self.room_ttl_limit_hours,
            rooms_per_owner_limit=self.rooms_per_owner_limit,
        )
        self.clock = RoomClock(
            database=self.database,
            rooms=self.rooms,
            news=self.news,
            audit=audit,
            log=self.log,
            retention_days=self.retention_days,
            retention_deletes_files=self.retention_deletes_files,
        )

    def _starter(self, language_id: str) -> tuple[str, str, str]:
        language = self.languages.runnable(language_id)
        return language.file_name, language.starter_text, language.kernel_name

    def _emit_activity(self, data: dict[str, Any]) -> None:
        self._events.emit(schema_id=ACTIVITY_SCHEMA, data=data)

    @property
    def _events(self) -> EventLogger:
        return cast(EventLogger, self.server.event_logger)

    def initialize_handlers(self) -> None:
        """All routes, below one prefix; what is none of them is answered by us too."""
        routes: list[tuple[str, type[Any]]] = [*API_ROUTES, (r".*", NotFoundHandler)]
        self.handlers = [(rf"/codepad/{p}", handler, {"codepad": self}) for p, handler in routes]

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Open the stores and begin to work, once every extension is there."""
        await self.database.start()
        await self.update_log.start()
        await self.news.start()
        await self.clock.start()
        await self.runs.start()
        self.languages.start()
        self.main_files.start()
        self._take_over_collaboration(serverapp.web_app)
        for rule in _all_rules(serverapp.web_app.default_router):
            rule.target = prompt(rule.target) or rule.target
            if self.allow_guests and self.protect_lab:
                rule.target = protected(rule.target) or rule.target
        log_status(self.runs.sandbox_status, self.log, unsandboxed=self.allow_unsandboxed)
        if not serverapp.identity_provider.auth_enabled:
            self.log.warning(
                "This server has neither token nor password: whoever reaches it is its owner, and "
                "a guest of a room is not kept from anything."
            )
        fast_loop.keep_from_waiting()
        self.started.set()
        if self.when_started is not None:
            await self.when_started()

    async def stop_extension(self) -> None:
        """Write everything down and leave no process behind."""
        await self.main_files.stop()
        await self.languages.stop()
        await self.runs.stop()
        await self.documents.stop()
        await self.news.stop()
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
        copies = Copies(extension.ywebsocket_server, limit=self.document_copies_limit)
        self.documents.dropped = copies.drop_of
        extension.get_document = self.documents.collaboration_document
        sessions = LabSessions(
            self.server.root_dir, web_app.settings.get("collaborative_session_store_path")
        )
        for rule in _all_rules(web_app.default_router):
            if rule.target in COLLABORATION:
                rule.target = COLLABORATION[rule.target]
                ours: dict[str, Any] = {"codepad": self, "copies": copies}
                if rule.target is CollaborationHandler:
                    ours["sessions"] = sessions
                rule.target_kwargs = {**rule.target_kwargs, **ours}

    def _conflict_changed(self, document: DocumentRoom) -> None:
        """Tell everybody who can choose that there are two versions, or none any more."""
        for client in document.shared.clients:
            client.tell_conflict()
        data = {"path": document.path, "open": document.conflicts.first is not None}
        self._events.emit(schema_id=CONFLICT_SCHEMA, data=data)


def _all_rules(router: RuleRouter) -> list[Rule]:
    found: list[Rule] = []
    for rule in router.rules:
        found.append(rule)
        if isinstance(rule.target, RuleRouter):
            found.extend(_all_rules(rule.target))
    return found
