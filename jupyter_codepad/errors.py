"""The errors a manager may raise; the base handler turns each into ``{"message", "code"}`` once."""

from __future__ import annotations


class CodepadError(Exception):
    """Something the user did or asked for cannot be done, said in words they understand.

    ``code`` is a stable snake_case name for programs, ``message`` is one sentence for people.
    """

    status_code = 500

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class BadRequest(CodepadError):
    """The request cannot be read at all (HTTP 400)."""

    status_code = 400


class Unauthenticated(CodepadError):
    """Nobody is signed in (HTTP 401)."""

    status_code = 401


class Forbidden(CodepadError):
    """The person is known but may not do this (HTTP 403)."""

    status_code = 403


class NotFound(CodepadError):
    """There is no such thing, or it must not be known that there is (HTTP 404)."""

    status_code = 404


class Conflict(CodepadError):
    """The thing is in a state in which this cannot be done (HTTP 409)."""

    status_code = 409


class Gone(CodepadError):
    """The thing was there and has ended (HTTP 410)."""

    status_code = 410


class TooLarge(CodepadError):
    """The content is over a configured limit (HTTP 413)."""

    status_code = 413


class Invalid(CodepadError):
    """The request is readable but a value in it is not acceptable (HTTP 422)."""

    status_code = 422


class TooMany(CodepadError):
    """A limit on how often or how many is reached (HTTP 429).

    ``retry_after`` is in seconds and goes out as the ``Retry-After`` header.
    """

    status_code = 429

    def __init__(self, code: str, message: str, retry_after: int = 1) -> None:
        super().__init__(code, message)
        self.retry_after = retry_after


class Unavailable(CodepadError):
    """The server cannot do this now or in its present set-up (HTTP 503)."""

    status_code = 503
