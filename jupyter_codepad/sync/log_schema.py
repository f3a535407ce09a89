"""The tables of the update log, and how older ones become them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

SCHEMA_VERSION = 2
PRAGMAS = (
    "PRAGMA auto_vacuum=INCREMENTAL",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA journal_size_limit=4194304",
    # Else each statement with several rows writes the pages that it changes into a file of its own.
    "PRAGMA temp_store=MEMORY",
)
SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS updates (
    seq INTEGER PRIMARY KEY,
    document INTEGER NOT NULL,
    time REAL NOT NULL,
    author TEXT NOT NULL,
    kind TEXT NOT NULL,
    content BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS updates_of_document ON updates (document, seq);
CREATE TABLE IF NOT EXISTS checkpoints (
    document INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    time REAL NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (document, seq)
);
CREATE TABLE IF NOT EXISTS saves (
    document INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL,
    confirmed INTEGER NOT NULL DEFAULT 0,
    content BLOB,
    PRIMARY KEY (document, seq, hash)
);
CREATE TABLE IF NOT EXISTS conflicts (
    document INTEGER PRIMARY KEY,
    content TEXT NOT NULL
);
"""
TABLES = ("updates", "checkpoints", "saves", "conflicts")

FIRST_LAYOUT_ASIDE = """
ALTER TABLE updates RENAME TO first_updates;
ALTER TABLE saves RENAME TO first_saves;
DROP INDEX IF EXISTS updates_of_document;
"""
FIRST_LAYOUT_IN = """
BEGIN;
INSERT INTO documents (name) SELECT DISTINCT document FROM first_updates;
INSERT INTO updates SELECT seq, d.id, time, author, kind, content FROM first_updates
    JOIN documents d ON d.name = first_updates.document ORDER BY seq;
INSERT INTO saves SELECT d.id, seq, hash, confirmed, NULL FROM first_saves
    JOIN documents d ON d.name = first_saves.document;
DROP TABLE first_updates;
DROP TABLE first_saves;
COMMIT;
"""


def open_log(path: Path) -> sqlite3.Connection:
    """Open the log, made or brought up to date.

    Raises ``RuntimeError`` for one of a newer version, ``sqlite3.Error`` where it cannot be used.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
    for pragma in PRAGMAS:
        connection.execute(pragma)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        _leave_first_layout(connection)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    elif version == 1:
        connection.execute("ALTER TABLE saves ADD COLUMN content BLOB")
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    elif version > SCHEMA_VERSION:
        connection.close()
        raise RuntimeError(f"{path} was written by a newer version of Codepad.")
    connection.executescript(SCHEMA)
    return connection


def _leave_first_layout(connection: sqlite3.Connection) -> None:
    """Move a log that names its documents in every row into the layout of today."""
    columns = {row[1]: row[2] for row in connection.execute("PRAGMA table_info(updates)")}
    if columns.get("document") != "TEXT":
        return
    connection.executescript(FIRST_LAYOUT_ASIDE)
    connection.executescript(SCHEMA)
    connection.executescript(FIRST_LAYOUT_IN)
    connection.execute("VACUUM")
