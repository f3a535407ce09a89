"""Runs an SQL script with SQLite and prints what each query finds as a table."""

from __future__ import annotations

import re
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

ROWS_LIMIT = 1000
CELL_LIMIT = 200


def statements(script: str) -> Iterator[tuple[int, str]]:
    """The statements of a script, each with the number of its first line."""
    gathered, first = "", 1
    for number, line in enumerate(script.splitlines(keepends=True), 1):
        parts = line.split(";")
        for place, part in enumerate(parts):
            gathered += part + (";" if place < len(parts) - 1 else "")
            if not gathered.strip():
                gathered, first = "", number + (place == len(parts) - 1)
            elif sqlite3.complete_statement(gathered):
                yield first + leading_lines(gathered), gathered
                gathered, first = "", number
    if gathered.strip():
        yield first + leading_lines(gathered), gathered


def leading_lines(text: str) -> int:
    """How many lines without a word of SQL a text begins with."""
    start = re.match(r"(?:\s|--[^\n]*(?:\n|$))*", text)
    return start[0].count("\n") if start else 0


def cell(value: object) -> str:
    """One value of a table."""
    if value is None:
        return "NULL"
    text = f"x'{value.hex()}'" if isinstance(value, bytes) else str(value)
    text = text.replace("\n", "\\n")
    return text if len(text) <= CELL_LIMIT else text[: CELL_LIMIT - 1] + "…"


def table(names: list[str], rows: list[tuple[object, ...]]) -> str:
    """Rows as text, numbers to the right."""
    cells = [[cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    right = [
        all(isinstance(row[at], int | float) or row[at] is None for row in rows) and bool(rows)
        for at in range(len(names))
    ]

    def line(values: list[str]) -> str:
        sides = zip(values, widths, right, strict=True)
        return " | ".join(v.rjust(w) if r else v.ljust(w) for v, w, r in sides).rstrip()

    rule = "-+-".join("-" * width for width in widths)
    return "\n".join([line(names), rule, *map(line, cells)])


def run(path: str) -> int:
    """Run a script; the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # SQLite itself heeds nothing
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    shown = 0
    for number, statement in statements(Path(path).read_text(errors="replace")):
        try:
            cursor = connection.execute(statement)
            rows = cursor.fetchmany(ROWS_LIMIT + 1)
        except (sqlite3.Error, sqlite3.Warning) as error:
            sys.stdout.flush()
            print(f"{path}:{number}: {error}", file=sys.stderr)
            return 1
        if cursor.description:
            names = [column[0] for column in cursor.description]
            print(("\n" if shown else "") + table(names, rows[:ROWS_LIMIT]), flush=True)
            if len(rows) > ROWS_LIMIT:
                print(f"… only the first {ROWS_LIMIT} rows are shown")
            shown += 1
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1]))
