"""Records that outlive a process: rooms, people, invites, runs."""

from .database import Database

__all__ = ["Database"]
