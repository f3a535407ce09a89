"""The REST routes of languages: what a pad can be in, and what a room's pad is in."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from ..access.roles import Permission
from ..handlers import CodepadHandler, RoomHandler, requires, signed_in
from ..rooms.handlers import ROOM
from ..rooms.models import Body, RoomModel
from .offer import Standing

VERSIONS_WAIT_SECONDS = 1.0


class LanguageModel(BaseModel):
    """A language a pad can be in."""

    id: str
    name: str
    file_name: str = Field(description="What the pad's file is called.")
    editor_mode: str = Field(description="The editor's grammar.")
    available: bool = Field(description="Whether this server can run it.")
    notebook: bool = Field(description="Whether a notebook can be in it.")
    starter_text: str
    comment: str = Field(description="What makes a line a comment.")
    indent: int | Literal["tab"] = Field(description="Spaces of one step, or a tab.")
    missing: str | None = Field(
        description="What to install so that it can be run, in words; null for guests."
    )


class LanguageList(BaseModel):
    """All languages this server knows."""

    languages: list[LanguageModel]


class VersionedLanguageModel(LanguageModel):
    """A language a pad can be in, and the version there is here."""

    version: str | None = Field(description="Null while it is not known yet, or not there.")


class VersionedLanguageList(BaseModel):
    """All languages this server knows, with versions."""

    languages: list[VersionedLanguageModel]


class LanguageChange(Body):
    """A wish for another language of a room's pad."""

    language: str = Field(max_length=100)
    starter: bool = Field(
        default=False,
        description="Begin anew with the language's starter text. Else the pad keeps its text, "
        "unless nobody has written anything yet.",
    )


def language_model(standing: Standing, *, with_missing: bool) -> LanguageModel:
    """A language as people may see it."""
    return VersionedLanguageModel(
        id=standing.language.id,
        name=standing.language.name,
        file_name=standing.language.file_name,
        editor_mode=standing.language.editor_mode,
        available=standing.available,
        notebook=standing.language.notebook,
        starter_text=standing.language.starter_text,
        comment=standing.language.comment,
        indent=standing.language.indent,
        missing=standing.missing if with_missing else None,
        version=standing.version,
    )


class LanguagesHandler(CodepadHandler):
    """``languages``: what a pad can be."""

    @signed_in(summary="Languages of pads, and what is missing here", answer=VersionedLanguageList)
    async def get(self) -> None:
        standings = await self.codepad.languages.standings(wait_seconds=VERSIONS_WAIT_SECONDS)
        models = [language_model(standing, with_missing=True) for standing in standings]
        self.answer(VersionedLanguageList.model_validate({"languages": models}))


class RoomLanguagesHandler(RoomHandler):
    """``rooms/<id>/languages``: what the room's pad can be."""

    @requires(Permission.VIEW, summary="Languages that the pad can be in", answer=LanguageList)
    async def get(self, room_id: str) -> None:
        known = not self.access.participant.guest
        standings = await self.codepad.languages.standings()
        models = [language_model(one, with_missing=known) for one in standings]
        plain = [LanguageModel.model_validate(model.model_dump()) for model in models]
        self.answer(LanguageList(languages=plain))


class RoomLanguageHandler(RoomHandler):
    """``rooms/<id>/language``: what the room's pad is in."""

    @requires(
        Permission.EDIT,
        summary="Change the language of the pad; its kernel ends",
        body=LanguageChange,
        answer=RoomModel,
    )
    async def post(self, room_id: str) -> None:
        wish = self.body(LanguageChange)
        access = await self.codepad.pad_languages.change(
            self.access, wish.language, starter=wish.starter
        )
        waiting = await self.codepad.news.waiting(room_id)
        self.answer(self.codepad.news.room_model(access, waiting[room_id]))


ROUTES = [
    (r"api/languages", LanguagesHandler),
    (rf"api/rooms/{ROOM}/languages", RoomLanguagesHandler),
    (rf"api/rooms/{ROOM}/language", RoomLanguageHandler),
]
