"""The pages that a browser opens: the join form, the room page, and their files."""

from __future__ import annotations

import json
import mimetypes
import secrets
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from jinja2 import Environment, FileSystemLoader, select_autoescape
from tornado import web

from ..access.guests import cookie_name, name_cookie
from ..access.identity import NAME_LIMIT
from ..errors import CodepadError, NotFound, TooMany
from ..handlers import CodepadHandler, RoomHandler, public, requires
from ..storage.tables import utc_now
from .access import Access, Standing, require_open
from .doors import Invited, Visitor
from .handlers import ROOM
from .models import PASSWORD_LIMIT

PACKAGE = Path(__file__).parent.parent
STATIC = PACKAGE / "static"
CODE = r"(?P<code>[A-Za-z0-9_-]{1,64})"
YEAR_SECONDS = 365 * 24 * 3600

TEMPLATES = Environment(
    loader=FileSystemLoader(PACKAGE / "templates"),
    autoescape=select_autoescape(default=True, default_for_string=True),
)


class PageHandler(CodepadHandler):
    """A handler that answers with HTML, under a policy that runs our own files only."""

    @cached_property
    def csp_nonce(self) -> str:
        """Lets the editor's own style sheets in, fresh for each page."""
        return secrets.token_urlsafe(16)

    @property
    def content_security_policy(self) -> str:
        """Scripts, styles and connections of this server only; nothing remote, no frames."""
        return "; ".join(
            (
                "default-src 'none'",
                "script-src 'self'",
                f"style-src 'self' 'nonce-{self.csp_nonce}'",
                "img-src 'self' data: blob:",
                "font-src 'self'",
                "connect-src 'self'",
                "form-action 'self'",
                "base-uri 'none'",
                "frame-ancestors 'none'",
            )
        )

    def page(self, template: str, status: int = 200, **values: Any) -> None:
        """Finish with a template."""
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        # Headers were set before the nonce could be asked for; the policy is one per page.
        self.set_header("Content-Security-Policy", self.content_security_policy)
        html = TEMPLATES.get_template(template).render(
            prefix=self.codepad.prefix, nonce=self.csp_nonce, version=self.codepad.version, **values
        )
        self.finish(html)

    def write_problem(self, status_code: int, code: str, message: str) -> None:
        self.page("problem.html", status_code, code=code, message=message)


class JoinHandler(PageHandler):
    """``join/<code>``: where a share link leads."""

    @public(summary="Join page of a share link (HTML)")
    async def get(self, code: str) -> None:
        invited = await self.codepad.doors.invited(code, self._visitor())
        if await self._is_in(invited.room.id):
            self._enter(invited.room.id, code)
            return
        self._form(code, invited, name=self._known_name())

    @public(summary="Join by a share link (form fields: name, password)", status=303)
    async def post(self, code: str) -> None:
        doors = self.codepad.doors
        invited = await doors.invited(code, self._visitor())
        if await self._is_in(invited.room.id):
            self._enter(invited.room.id, code)
            return
        name = self.get_body_argument("name", "", strip=False)
        password = self.get_body_argument("password", "", strip=False)
        visitor = self._visitor(invited.room.id)
        try:
            access, token = await doors.join(code, visitor, name=name, password=password)
        except CodepadError as error:
            if error.status_code not in {403, 409, 422, 429}:
                raise
            self._form(code, invited, name=name, error=error)
            return
        if token is not None:
            self._remember(access, token)
        self._enter(invited.room.id, code)

    def _visitor(self, room_id: str | None = None) -> Visitor:
        token = self.guest_token(room_id) if room_id else None
        return Visitor(self.address, token, self.user)

    async def _is_in(self, room_id: str) -> bool:
        doors = self.codepad.doors
        if self.user is not None and await doors.access_for_user(self.user, room_id):
            return True
        token = self.guest_token(room_id)
        return token is not None and await doors.access_for_guest(token, room_id) is not None

    def _remember(self, access: Access, token: str) -> None:
        self.set_cookie(
            cookie_name(self.codepad.port, access.room.id),
            token,
            expires=access.room.expires_at,
            **self.guest_cookie_options,
        )
        self.set_cookie(
            name_cookie(self.codepad.port),
            quote(access.participant.name),
            expires_days=365,
            **self.guest_cookie_options,
        )

    def _known_name(self) -> str:
        """What this browser's guest was called the last time."""
        return unquote(self.get_cookie(name_cookie(self.codepad.port)) or "")[:NAME_LIMIT]

    def _enter(self, room_id: str, code: str) -> None:
        # The code stays in the browser: a fragment is never sent to a server.
        self.set_status(303)
        self.set_header("Location", f"{self.codepad.prefix}rooms/{room_id}#invite={code}")
        self.finish()

    def _form(
        self, code: str, invited: Invited, name: str = "", error: CodepadError | None = None
    ) -> None:
        if isinstance(error, TooMany):
            self.set_header("Retry-After", str(error.retry_after))
        self.page(
            "join.html",
            error.status_code if error else 200,
            code=code,
            title=invited.room.title,
            needs_password=invited.needs_password,
            name=name,
            name_limit=NAME_LIMIT,
            password_limit=PASSWORD_LIMIT,
            user=self.user,
            error=error.message if error else "",
            xsrf_token=self.xsrf_token.decode(),
        )


class RoomPageHandler(PageHandler, RoomHandler):
    """``rooms/<id>``: the room page, or the lobby's for those who are not let in yet."""

    @requires(None, summary="Room page, or lobby page (HTML)")
    async def get(self, room_id: str) -> None:
        require_open(self.access.room)
        refusal = self.access.refusal
        if refusal is None:
            await self._room()
        elif lobby_state(self.access) is None:
            raise refusal
        else:
            self._lobby()

    async def _room(self) -> None:
        codepad, news = self.codepad, self.codepad.news
        room_id = self.access.room.id
        room = news.room_model(self.access, (await news.waiting(room_id))[room_id])
        config = {
            "baseUrl": codepad.prefix,
            "roomId": room.id,
            "xsrfToken": self.xsrf_token.decode(),
            "cspNonce": self.csp_nonce,
            "room": room.model_dump(mode="json"),
            "limits": {
                "message_bytes": codepad.message_limit_bytes,
                "document_bytes": codepad.document_limit_bytes,
            },
            "sandbox": codepad.public_sandbox_model(),
            "version": codepad.version,
        }
        self._page_with("room.html", config, page_assets())

    def _lobby(self) -> None:
        room, person = self.access.room, self.access.participant
        config = {
            "baseUrl": self.codepad.prefix,
            "roomId": room.id,
            "title": room.title,
            "name": person.name,
            "xsrfToken": self.xsrf_token.decode(),
            "state": lobby_state(self.access),
            "opensAt": room.opens_at.isoformat() if room.opens_at else None,
            "now": utc_now().isoformat(),
        }
        self._page_with("lobby.html", config, page_assets()["lobby"])

    def _page_with(self, template: str, config: dict[str, Any], assets: dict[str, Any]) -> None:
        # "<" never stands in the block, so nothing in it can end the script element.
        text = json.dumps(config).replace("<", "\\u003c")
        self.page(template, title=self.access.room.title, config=text, assets=assets)


def lobby_state(access: Access) -> str | None:
    """Why somebody waits in the lobby: "waiting" or "prepared"; None: they do not."""
    if access.participant.standing is Standing.WAITING:
        return "waiting"
    if access.participant.standing is Standing.IN and access.refusal is not None:
        return "prepared"
    return None


def page_assets() -> dict[str, Any]:
    """What the frontend's build says the room page loads. Raises ``NotFound`` before a build."""
    manifest = STATIC / "page" / "manifest.json"
    try:
        assets: dict[str, Any] = json.loads(manifest.read_text())
    except FileNotFoundError as error:
        raise NotFound(
            "page_not_built", "The room page is not built on this server (make build)."
        ) from error
    return assets


class StaticHandler(CodepadHandler, web.StaticFileHandler):
    """``static/<file>``: the files of our pages; built ones never change under their name."""

    def initialize(self, codepad: Any) -> None:  # type: ignore[override]
        CodepadHandler.initialize(self, codepad)
        web.StaticFileHandler.initialize(self, path=str(STATIC))

    @public(summary="Files of our pages", counted=False)
    async def get(self, path: str) -> None:  # type: ignore[override]
        await web.StaticFileHandler.get(self, path)

    @public(counted=False)
    async def head(self, path: str) -> None:
        await web.StaticFileHandler.get(self, path, include_body=False)

    @classmethod
    def get_absolute_path(cls, root: str, path: str) -> str:
        return str(Path(root) / path)

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Take the compressed twin of a file where there is one and the browser reads it."""
        self.encoding = ""
        accepted = self.request.headers.get("Accept-Encoding", "")
        twin = Path(absolute_path + ".gz")
        if "gzip" in accepted and twin.is_file() and twin.resolve().is_relative_to(STATIC):
            self.encoding = "gzip"
            absolute_path = str(twin)
        return super().validate_absolute_path(root, absolute_path)

    def get_content_type(self) -> str:
        name = str(self.absolute_path).removesuffix(".gz" if self.encoding else "")
        return mimetypes.guess_type(name)[0] or "application/octet-stream"

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Vary", "Accept-Encoding")
        if self.encoding:
            self.set_header("Content-Encoding", self.encoding)
        if path.startswith("page/") and not path.endswith(".json"):
            self.set_header("Cache-Control", f"public, max-age={YEAR_SECONDS}, immutable")
        else:
            self.set_header("Cache-Control", "no-cache")


ROUTES = [
    (rf"join/{CODE}", JoinHandler),
    (rf"rooms/{ROOM}", RoomPageHandler),
    (r"static/(?P<path>.*)", StaticHandler),
]
