"""Identifiers and secrets: made with ``secrets``, stored hashed."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

SECRET_BYTES = 32


def new_id() -> str:
    """A fresh identifier of 12 url-safe characters (72 random bits)."""
    return secrets.token_urlsafe(9)


def new_session_token() -> str:
    """A fresh guest session token of 43 url-safe characters (256 random bits)."""
    return secrets.token_urlsafe(32)


def server_secret(path: Path) -> bytes:
    """The secret of this server (32 random bytes), from its file, made when there is none.

    Raises ``OSError`` when the file can neither be read nor made.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        secret = path.read_bytes()
        if len(secret) < SECRET_BYTES:
            raise OSError(f"{path} is damaged; remove it to get a new secret") from None
        return secret
    with os.fdopen(descriptor, "wb") as file:
        secret = secrets.token_bytes(SECRET_BYTES)
        file.write(secret)
    return secret


def hash_secret(secret: str) -> str:
    """The hex SHA-256 under which a random secret is stored and found.

    A fast hash is enough: the secrets above cannot be guessed, so there is nothing to slow down.
    """
    return hashlib.sha256(secret.encode()).hexdigest()
