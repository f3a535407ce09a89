"""Identifiers and secrets: made with ``secrets``, stored hashed."""

from __future__ import annotations

import hashlib
import secrets


def new_id() -> str:
    """A fresh identifier of 12 url-safe characters (72 random bits)."""
    return secrets.token_urlsafe(9)


def new_invite_code() -> str:
    """A fresh invite code of 22 url-safe characters (128 random bits)."""
    return secrets.token_urlsafe(16)


def new_session_token() -> str:
    """A fresh guest session token of 43 url-safe characters (256 random bits)."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """The hex SHA-256 under which a random secret is stored and found.

    A fast hash is enough: the secrets above cannot be guessed, so there is nothing to slow down.
    """
    return hashlib.sha256(secret.encode()).hexdigest()
