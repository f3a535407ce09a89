"""The base of every handler: one identity, one rule for each method, one error shape."""

from __future__ import annotations

import functools
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import ensure_async
from pydantic import BaseModel, ValidationError
from tornado import web

from .access.addresses import limit_key
from .access.guests import cookie_name
from .access.identity import JupyterUser, jupyter_user
from .access.roles import Permission
from .errors import (
    BadRequest,
    CodepadError,
    Forbidden,
    Invalid,
    NotFound,
    TooMany,
    Unauthenticated,
)
from .rooms.access import Access
from .rooms.manager import require_access

if TYPE_CHECKING:
    from .app import CodepadApp

AUTH_RESOURCE = "codepad"
RULE = "__codepad_rule__"
FLAG = {"type": "boolean", "default": False}

Method = TypeVar("Method", bound=Callable[..., Awaitable[None]])
BodyModel = TypeVar("BodyModel", bound=BaseModel)


@dataclass(frozen=True)
class Rule:
    """Who may call a handler's method, and what it takes and gives (for the API description).

    ``permission`` None: everybody (``public``), any Jupyter user (``signed_in``), or everybody with
    a way into the room, be it only into its lobby (``room``). ``limit``: the rate limit that counts
    a person's calls instead of that of all requests; ``counted``: whether it is a request that
    counts. ``query``: the query's arguments, each with its JSON schema; ``media``: what an answer
    is that is no JSON.
    """

    kind: str
    permission: Permission | None = None
    summary: str = ""
    body: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    limit: str = ""
    counted: bool = True
    query: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    media: str = ""


def requires(permission: Permission | None, **described: Any) -> Callable[[Method], Method]:
    """Let only participants with this permission call a ``RoomHandler``'s method.

    None lets in everybody who has a way into the room, those in its lobby too.
    """
    return _ruled(Rule("room", permission, **described), _enter_room)


def requires_when_open(
    permission: Permission | None, **described: Any
) -> Callable[[Method], Method]:
    """The same for a WebSocket: a refusal is kept in ``handler.refusal`` for after the upgrade."""
    return _ruled(Rule("room", permission, **described), _enter_room_or_note)


def signed_in(**described: Any) -> Callable[[Method], Method]:
    """Let only Jupyter users of this server call a method."""
    return _ruled(Rule("signed_in", **described), _require_user)


def public(**described: Any) -> Callable[[Method], Method]:
    """Let everybody call a method."""
    return _ruled(Rule("public", **described), _anybody)


def _ruled(
    rule: Rule, admit: Callable[[CodepadHandler, Rule], Awaitable[None]]
) -> Callable[[Method], Method]:
    def decorate(method: Method) -> Method:
        @functools.wraps(method)
        async def ruled(self: CodepadHandler, *args: Any, **kwargs: Any) -> None:
            try:
                await admit(self, rule)
            except (Unauthenticated, NotFound):
                await self.count_stranger(rule)
                raise
            await self.count(rule)
            await method(self, *args, **kwargs)

        # Guests have no Jupyter login; who may call is decided above, for every method.
        allowed = allow_unauthenticated(ruled)
        setattr(allowed, RULE, rule)
        return cast(Method, allowed)

    return decorate


class CodepadHandler(JupyterHandler):
    """Base of all our handlers; knows the composition root and turns errors into answers."""

    def initialize(self, codepad: CodepadApp) -> None:
        """Take the composition root from the route."""
        self.codepad = codepad

    async def prepare(self, **_kwargs: Any) -> None:
        """Find out who is asking; strangers and guests go on to the method's own rule.

        A request that comes before the stores are open waits for them.
        """
        await self.codepad.started.wait()
        await super().prepare(_redirect_to_login=False)

    @property
    def user(self) -> JupyterUser | None:
        """The Jupyter user who is asking, if it is one."""
        if self.current_user is None:
            return None
        return jupyter_user(
            self.current_user, self.identity_provider, local_name=self.codepad.host_name
        )

    @cached_property
    def address(self) -> str:
        """Where the request comes from, as it is counted for rate limits."""
        context = cast(Any, self.request.connection).context
        peer = context.address[0] if isinstance(context.address, tuple) else ""
        forwarded = self.request.headers.get_list("X-Forwarded-For")
        return limit_key(self.codepad.addresses.client(peer, forwarded))

    @property
    def caller(self) -> str:
        """Whom a request counts for: empty for somebody who is neither user nor participant."""
        return f"user:{self.user.username}" if self.user is not None else ""

    async def count(self, rule: Rule) -> None:
        """Count this request. Raises ``TooMany``."""
        if not rule.counted:
            return
        if not self.caller:
            await self.count_stranger(rule)
            return
        await self.codepad.limiter.hit(rule.limit or "requests_per_person", self.caller)

    async def count_stranger(self, rule: Rule) -> None:
        """Count a request of somebody who is not known here. Raises ``TooMany``."""
        if rule.counted:
            await self.codepad.limiter.hit("requests_per_address", self.address)

    def flag(self, name: str) -> bool:
        """A query argument that is true or false (the default). Raises ``Invalid``."""
        asked = self.get_query_argument(name, "false")
        if asked not in {"true", "false"}:
            raise Invalid("invalid_request", f"{name}: give true or false.")
        return asked == "true"

    def number(self, name: str, default: int, *, most: int = 2**31) -> int:
        """A query argument that is a natural number. Raises ``Invalid``."""
        asked = self.get_query_argument(name, str(default))
        if not (asked.isascii() and asked.isdigit() and len(asked) < 12 and int(asked) <= most):
            raise Invalid("invalid_request", f"{name}: give a number from 0 to {most}.")
        return int(asked)

    def guest_token(self, room_id: str) -> str | None:
        """The session token of this browser's guest in a room."""
        return self.get_cookie(cookie_name(self.codepad.port, room_id))

    def body(self, model: type[BodyModel]) -> BodyModel:
        """The request's JSON body as a model. Raises ``BadRequest`` or ``Invalid`` in words."""
        try:
            data = json.loads(self.request.body or b"{}")
        except (ValueError, RecursionError) as error:
            raise BadRequest("invalid_json", "The request is not valid JSON.") from error
        try:
            return model.model_validate(data)
        except ValidationError as error:
            raise Invalid("invalid_request", _words(error)) from error

    def answer(self, model: BaseModel, status: int = 200) -> None:
        """Finish with a model as JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(model.model_dump_json(exclude_unset=False))

    def set_default_headers(self) -> None:
        """Nothing of a room is ever kept by a cache or sent on as a referrer."""
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")
        # Not "no-referrer": with it a form sends the Origin "null" and is refused.
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("X-Content-Type-Options", "nosniff")

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Keep the user's own mistakes out of the log."""
        if isinstance(value, CodepadError) and value.status_code < 500:
            return
        super().log_exception(typ, value, tb)

    def _handle_request_exception(self, error: BaseException) -> None:
        if isinstance(error, CodepadError):
            self.log_exception(type(error), error, error.__traceback__)
            if not self._finished:
                self.send_error(error.status_code, exc_info=(type(error), error, None))
            return
        super()._handle_request_exception(error)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer any error in the one shape ``{message, code}``."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        code, message = "error", "Something went wrong on the server."
        if isinstance(error, CodepadError):
            code, message = error.code, error.message
            if isinstance(error, TooMany):
                self.set_header("Retry-After", str(error.retry_after))
        elif status_code < 500:
            code, message = HTTP_WORDS.get(status_code, ("error", self._reason))
        self.write_problem(status_code, code, message)

    def write_problem(self, status_code: int, code: str, message: str) -> None:
        """Write an error; pages do it as HTML."""
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"message": message, "code": code}))

    @property
    def guest_cookie_options(self) -> dict[str, Any]:
        """How a guest's cookie is set: for our paths only, and out of reach of scripts."""
        return {
            "path": self.codepad.prefix,
            "httponly": True,
            "samesite": "Lax",
            "secure": self.request.protocol == "https",
        }


HTTP_WORDS = {
    400: ("bad_request", "The request cannot be read."),
    403: ("forbidden", "This is not allowed. Reload the page and try again."),
    404: ("not_found", "There is nothing here."),
    405: ("method_not_allowed", "This cannot be done here."),
}


STATUS_CLOSE_CODES = {401: 4401, 403: 4403, 404: 4404, 409: 4404, 410: 4410, 429: 4429}
CLOSE_CODES = {"room_expired": 4411, "in_lobby": 4425, "room_not_open": 4425, "stopping": 1012}


def close_code(error: CodepadError) -> int:
    """The WebSocket close code that says the same as an error's status."""
    return CLOSE_CODES.get(error.code, STATUS_CLOSE_CODES.get(error.status_code, 1011))


class RoomHandler(CodepadHandler):
    """A handler inside one room; ``access`` is set before the method runs."""

    access: Access
    refusal: CodepadError | None = None

    @property
    def caller(self) -> str:
        """The participant, once they are admitted."""
        access = getattr(self, "access", None)
        return f"participant:{access.participant.id}" if access is not None else super().caller

    async def find_access(self) -> Access | None:
        """The asking person's standing in the room of this URL: as Jupyter user, else as guest."""
        room_id = self.path_kwargs["room_id"]
        doors = self.codepad.doors
        if (user := self.user) is not None:
            access = await doors.access_for_user(user, room_id)
            if access is not None:
                return access
        token = self.guest_token(room_id)
        if token is None:
            return None
        return await doors.access_for_guest(token, room_id)


async def _enter_room(handler: CodepadHandler, rule: Rule) -> None:
    assert isinstance(handler, RoomHandler)
    access = await handler.find_access()
    handler.access = require_access(access, signed_in=handler.user is not None)
    if not handler.access.participant.guest:
        await _require_user(handler, rule)
    if rule.permission is not None:
        handler.access.require(rule.permission)


async def _enter_room_or_note(handler: CodepadHandler, rule: Rule) -> None:
    assert isinstance(handler, RoomHandler)
    try:
        await _enter_room(handler, rule)
    except CodepadError as error:
        handler.refusal = error
        if not isinstance(error, Forbidden):
            await handler.count_stranger(rule)


async def _require_user(handler: CodepadHandler, _rule: Rule) -> None:
    if handler.current_user is None:
        raise Unauthenticated("not_signed_in", "Sign in to this Jupyter server first.")
    action = "read" if handler.request.method in {"GET", "HEAD"} else "write"
    allowed = await ensure_async(
        handler.authorizer.is_authorized(handler, handler.current_user, action, AUTH_RESOURCE)
    )
    if not allowed:
        raise web.HTTPError(403)


async def _anybody(_handler: CodepadHandler, _rule: Rule) -> None:
    return None


def _words(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the request"
    return f"{place}: {first['msg']}"


class NotFoundHandler(CodepadHandler):
    """Everything under our prefix that is no route: an error in our shape, for everybody alike."""

    @public()
    async def get(self) -> None:
        raise web.HTTPError(404)

    head = post = put = patch = delete = get
