"""The REST routes of runs and kernels."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from ..access.roles import Permission
from ..access.tokens import new_id
from ..handlers import CodepadHandler, RoomHandler, public, requires
from ..rooms.access import Access
from ..rooms.handlers import ROOM
from ..rooms.models import Body, RoomModel
from .models import Run, Runs
from .room_runs import RunAuthor, RunWish

STDIN_LIMIT_BYTES = 64 * 1024


def _file_name(path: str) -> str:
    """Check the path of a file of the room."""
    if path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError("this is no file of the room")
    if not path.isprintable():
        raise ValueError("a file's name has letters that can be shown only")
    return path


def _stdin(text: str) -> str:
    """Check the input of a run."""
    if len(text.encode("utf-8", "replace")) > STDIN_LIMIT_BYTES:
        raise ValueError(f"the input of a run may have at most {STDIN_LIMIT_BYTES} bytes")
    return text


FilePath = Annotated[str, Field(max_length=255), AfterValidator(_file_name)]


class RunCreate(Body):
    """A wish to run a document; ``cell_id`` names the cell of a notebook.

    ``stdin``: all the input that the program gets, then its end; null: people answer what it asks.
    ``main``: the file to run, null: the room's main file. ``batch``: any text; runs with the
    same one that wait are not run any more once one of them did not succeed.
    """

    document: str = Field(default="pad", pattern="^pad$")
    cell_id: str | None = Field(default=None, max_length=64)
    stdin: Annotated[str, AfterValidator(_stdin)] | None = None
    main: FilePath | None = None
    batch: str | None = Field(default=None, max_length=64)


class BatchCreate(Body):
    """A wish to run cells of the notebook, one after the other.

    ``cell_ids``: in this order; ``batch``: as of a run, by default these cells have one of their
    own.
    """

    document: str = Field(default="pad", pattern="^pad$")
    cell_ids: list[Annotated[str, Field(max_length=64)]] = Field(min_length=1, max_length=10_000)
    batch: str | None = Field(default=None, max_length=64)


class RunInput(Body):
    """An answer to what a program asks: a line, or several that answer what it asks next.

    The character U+0004 alone is the end of the input.
    """

    text: str


class MainFileChange(Body):
    """A wish for another file that runs begin in."""

    main_file: FilePath | None = Field(description="By its path in the folder; null: the pad's.")


class MainFileModel(BaseModel):
    """Which file runs begin in, and which they could."""

    main_file: str | None = Field(description="As it was chosen; null: the pad's.")
    files: list[str] = Field(
        description="Programs in the room's folder by their paths, the pad's first; "
        "empty where only the pad can be run."
    )


class KernelModel(BaseModel):
    """The state of a room's kernel."""

    status: str


class TriedModel(BaseModel):
    """A better sandbox that does not work here, and why."""

    name: str
    reason: str


class SandboxModel(BaseModel):
    """Whether code of rooms can be run here, in what, and what that holds and does not hold.

    ``weaker``: the better sandboxes than this, tried before it.
    """

    available: bool
    name: str
    reason: str | None
    running_allowed: bool
    weaker: list[TriedModel]
    promises: list[str]
    gaps: list[str]


class HealthModel(BaseModel):
    """Whether the server works; more than ``status`` only for Jupyter users."""

    status: str
    version: str | None = None
    sandbox: SandboxModel | None = None


def run_author(access: Access) -> RunAuthor:
    """Who a run is by."""
    person = access.participant
    return RunAuthor(participant_id=person.id, name=person.marked_name, color=person.color)


class RunsHandler(RoomHandler):
    """``rooms/<id>/runs``: run the pad."""

    @requires(
        Permission.RUN,
        summary="Run the pad",
        body=RunCreate,
        answer=Run,
        status=202,
        limit="runs_per_person",
    )
    async def post(self, room_id: str) -> None:
        wish = self.body(RunCreate)
        run = await self.codepad.runs.run(
            self.codepad.run_room(self.access.room),
            run_author(self.access),
            RunWish(**wish.model_dump()),
        )
        self.answer(run, 202)


class BatchHandler(RoomHandler):
    """``rooms/<id>/runs/batch``: run cells of the notebook."""

    @requires(
        Permission.RUN,
        summary="Run cells, one after the other, up to the first that fails",
        body=BatchCreate,
        answer=Runs,
        status=202,
        limit="runs_per_person",
    )
    async def post(self, room_id: str) -> None:
        wish = self.body(BatchCreate)
        batch = wish.batch or new_id()
        runs = await self.codepad.runs.run_all(
            self.codepad.run_room(self.access.room),
            run_author(self.access),
            [RunWish(wish.document, cell_id, batch=batch) for cell_id in wish.cell_ids],
        )
        self.answer(Runs(runs=runs), 202)


class InputHandler(RoomHandler):
    """``rooms/<id>/runs/<run>/input``: answer what the program asks."""

    @requires(
        Permission.RUN,
        summary="Answer what a run asks; the first answer is the one",
        body=RunInput,
        answer=Run,
        status=202,
        limit="runs_per_person",
    )
    async def post(self, room_id: str, run_id: str) -> None:
        text = self.body(RunInput).text
        name = self.access.participant.marked_name
        self.answer(await self.codepad.runs.answer(room_id, run_id, text, name), 202)


class OutputHandler(RoomHandler):
    """``rooms/<id>/runs/<run>/output``: what a run has printed, to keep."""

    @requires(Permission.VIEW, summary="The output of a run as text", media="text/plain")
    async def get(self, room_id: str, run_id: str) -> None:
        room = self.codepad.run_room(self.access.room)
        text = await self.codepad.runs.output(room, run_id)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{room_id}-{run_id}.txt"')
        self.finish(text)


class InterruptHandler(RoomHandler):
    """``rooms/<id>/runs/<run>/interrupt``: stop a run."""

    @requires(Permission.RUN, summary="Stop a run", answer=Run, status=202)
    async def post(self, room_id: str, run_id: str) -> None:
        name = self.access.participant.marked_name
        self.answer(await self.codepad.runs.interrupt(room_id, run_id, name), 202)


class RestartHandler(RoomHandler):
    """``rooms/<id>/kernel/restart``: a fresh kernel."""

    @requires(
        Permission.RUN,
        summary="Restart the kernel; its state is lost",
        answer=KernelModel,
        status=202,
    )
    async def post(self, room_id: str) -> None:
        await self.codepad.runs.restart(self.codepad.run_room(self.access.room))
        self.answer(KernelModel(status="starting"), 202)


class MainFileHandler(RoomHandler):
    """``rooms/<id>/main-file``: which file of the room's folder is run."""

    @requires(Permission.RUN, summary="Files that runs can begin in", answer=MainFileModel)
    async def get(self, room_id: str) -> None:
        files = await self.codepad.main_files.files(self.access)
        self.answer(MainFileModel(main_file=self.access.room.main_file, files=files))

    @requires(
        Permission.RUN,
        summary="Choose the file that runs begin in, for everybody",
        body=MainFileChange,
        answer=RoomModel,
    )
    async def put(self, room_id: str) -> None:
        news, wish = self.codepad.news, self.body(MainFileChange)
        access = await self.codepad.main_files.choose(self.access, wish.main_file)
        self.answer(news.room_model(access, (await news.waiting(room_id))[room_id]))


class HealthHandler(CodepadHandler):
    """``health``: for monitors."""

    @public(summary="Whether the server works", answer=HealthModel)
    async def get(self) -> None:
        if self.current_user is None:
            self.answer(HealthModel(status="ok"))
            return
        codepad = self.codepad
        sandbox = SandboxModel.model_validate(codepad.sandbox_model())
        self.answer(HealthModel(status="ok", version=codepad.version, sandbox=sandbox))


RUN = r"(?P<run_id>[A-Za-z0-9_-]{12})"
ROUTES = [
    (rf"api/rooms/{ROOM}/runs", RunsHandler),
    (rf"api/rooms/{ROOM}/runs/batch", BatchHandler),
    (rf"api/rooms/{ROOM}/runs/{RUN}/interrupt", InterruptHandler),
    (rf"api/rooms/{ROOM}/runs/{RUN}/input", InputHandler),
    (rf"api/rooms/{ROOM}/runs/{RUN}/output", OutputHandler),
    (rf"api/rooms/{ROOM}/kernel/restart", RestartHandler),
    (rf"api/rooms/{ROOM}/main-file", MainFileHandler),
    (r"api/health", HealthHandler),
]
