"""What a terminal does to a text: carriage returns, backspaces, cursor moves, erasing (ECMA-48).

A progress bar that draws itself ten thousand times leaves one line. Colours (SGR) stay in the text;
every other escape sequence is obeyed, within the last lines, or dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

LINES = 64
"""So many of the last lines can still be changed."""
LINE_CHARACTERS = 4096
"""So much of the end of a line can still be changed."""
SCREEN_LINES = 24
COLUMNS = 1000
"""Moving the cursor to the right by itself goes no further."""
HELD_CHARACTERS = 256
"""A longer escape sequence is none."""
PARAMETERS_LIMIT = 100
_OFF = {22: "12", 23: "3", 24: "4", 25: "56", 27: "7", 28: "8", 29: "9", 39: "f", 49: "b"}

_SPECIAL = re.compile(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]|\x1b(?!\[[0-9;:]*m)")
_SGR = re.compile(r"\x1b\[([0-9;:]*)m")
_TOKEN = re.compile(
    r"\x1b\[([0-?]*)[ -/]*([@-~])"  # a control sequence
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # titles, links and the like
    r"|\x1b[ -/]*[0-Z\\^-~]"
    r"|[\x00-\x08\x0a-\x1f\x7f]"
)
_NUMBER = re.compile(r"\d{1,6}")
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)\Z")

Cell = tuple[str, str]
"""A character, and the SGR parameters it is shown with."""


@dataclass(frozen=True)
class Edit:
    """Take ``drop`` bytes (of UTF-8) off the end of the text, and put ``text`` there."""

    drop: int
    text: str


@dataclass
class _Line:
    """A line as it stands in the text; ``before``: the SGR parameters that are on where it begins.

    ``cells``: the same, taken apart, while something in it changes.
    """

    raw: str
    before: str
    cells: list[Cell] | None = None

    def taken_apart(self) -> list[Cell]:
        if self.cells is None:
            self.cells, style, last = [], self.before, 0
            for match in _SGR.finditer(self.raw):
                self.cells += [(c, style) for c in self.raw[last : match.start()]]
                style, last = restyled(style, match[1]), match.end()
            self.cells += [(c, style) for c in self.raw[last:]]
        return self.cells

    def put_together(self) -> str:
        """Write the cells as text again; returns the SGR parameters that are on at its end."""
        parts, style = [], self.before
        for character, of_cell in self.cells or ():
            if of_cell != style:
                parts.append(sgr(of_cell))
                style = of_cell
            parts.append(character)
        self.raw = "".join(parts)
        return style

    def shortened(self) -> int:
        """Keep the end of the line; returns how many characters it has no more."""
        cut = len(self.raw) - LINE_CHARACTERS
        near = self.raw.rfind("\x1b", cut - HELD_CHARACTERS, cut)
        if near >= 0 and (split := _SGR.match(self.raw, near)) is not None:
            cut = max(cut, split.end())
        gone, self.raw = self.raw[:cut], self.raw[cut:]
        self.before = _style_after(gone, self.before)
        return len(_SGR.sub("", gone))


class Terminal:
    """Follows one stream of output, and says how the text that shows it has to change.

    The work for a piece of output grows with its length only, whatever is in it.
    """

    def __init__(self) -> None:
        self._lines = [_Line("", "")]
        self._row = 0
        self._column: int | None = None
        """Where in the line the next character goes; None: at its end."""
        self._pen = self._end = ""
        """The SGR parameters that are on for what comes, and at the end of the text."""
        self._held = ""
        self._touched = 0
        """The first line that was taken apart; the number of lines when none was."""

    def feed(self, text: str) -> Edit:
        """Take in more output."""
        text = (self._held + text).replace("\r\n", "\n")
        self._held = ""
        if (
            unfinished := _UNFINISHED.search(text, max(0, len(text) - HELD_CHARACTERS))
        ) is not None:
            self._held = unfinished[0]
            text = text[: unfinished.start()]
        if self._column is not None:
            return self._draw(text)
        special = _SPECIAL.search(text)
        if special is None:
            return Edit(0, self._append(text))
        # Whole lines before it are as they are; they may be changed by what comes.
        plain = text.rfind("\n", 0, special.start()) + 1
        appended = self._append(text[:plain]).encode()
        edit = self._draw(text[plain:])
        kept = appended[: max(0, len(appended) - edit.drop)].decode()
        return Edit(max(0, edit.drop - len(appended)), kept + edit.text)

    def _append(self, text: str) -> str:
        """Plain text at the end of everything; only the last lines of it are remembered."""
        if not text:
            return ""
        lead = sgr(self._pen) if self._pen != self._end else ""
        first, *others = (lead + text).split("\n")
        last = self._lines[-1]
        last.raw += first
        style = _style_after(last.raw, last.before)
        skipped = max(0, len(others) - LINES)
        for line in others[:skipped]:
            style = _style_after(line, style)
        for line in others[skipped:]:
            self._lines.append(_Line(line, style))
            style = _style_after(line, style)
        self._end = self._pen = style
        self._forget()
        return lead + text

    def _draw(self, text: str) -> Edit:
        """Text with cursor moves: the last lines may change."""
        before = [line.raw for line in self._lines]
        self._touched = len(self._lines)
        last = 0
        for token in _TOKEN.finditer(text):
            if token.start() > last:
                self._write(text[last : token.start()])
            last = token.end()
            if token[2] is not None:
                self._obey(token[2], token[1])
            else:
                self._control(token[0])
        if last < len(text):
            self._write(text[last:])
        edit = self._edit(before)
        self._forget()
        return edit

    # -- what output asks for ---------------------------------------------------------------------

    def _cells(self) -> list[Cell]:
        self._touched = min(self._touched, self._row)
        return self._lines[self._row].taken_apart()

    def _write(self, text: str) -> None:
        cells = self._cells()
        column = len(cells) if self._column is None else self._column
        if column > len(cells):
            cells += [(" ", "")] * (column - len(cells))
        pen = self._pen
        cells[column : column + len(text)] = [(character, pen) for character in text]
        self._column = column + len(text)

    def _control(self, character: str) -> None:
        if character == "\n":
            self._new_line()
        elif character == "\r":
            self._column = 0
        elif character == "\b":
            self._column = max(0, self._place() - 1)

    def _place(self) -> int:
        if self._column is None:
            self._column = len(self._cells())
        return self._column

    def _new_line(self) -> None:
        self._row += 1
        if self._row == len(self._lines):
            self._touched = min(self._touched, self._row - 1)
            self._lines.append(_Line("", "", []))
        self._column = 0

    def _obey(self, command: str, parameters: str) -> None:
        if command == "m":
            if not parameters or parameters[0] not in "<=>?":
                self._pen = restyled(self._pen, parameters)
            return
        numbers = [int(number) for number in _NUMBER.findall(parameters[:32])] if parameters else []
        first = numbers[0] if numbers else 0
        if command in "ABEF":
            self._place()
            steps = max(1, first) * (1 if command in "BE" else -1)
            self._row = max(0, min(self._row + steps, len(self._lines) - 1))
            if command in "EF":
                self._column = 0
        elif command in "CDG":
            at = self._place()
            to = {"C": at + max(1, first), "D": at - max(1, first), "G": first - 1}[command]
            self._column = max(0, min(to, max(COLUMNS, at)))
        elif command in "Hf":
            top = max(0, len(self._lines) - SCREEN_LINES)
            self._row = min(len(self._lines) - 1, top + max(0, first - 1))
            self._column = max(0, min(numbers[1] - 1, COLUMNS)) if len(numbers) > 1 else 0
        elif command == "K":
            self._erase_line(first)
        elif command == "J":
            self._erase_screen(first)

    def _erase_line(self, what: int) -> None:
        column = self._place()
        cells = self._cells()
        if what == 0:
            del cells[column:]
        elif what == 2:
            cells.clear()
        elif what == 1:
            count = min(column + 1, len(cells))
            cells[:count] = [(" ", "")] * count

    def _erase_screen(self, what: int) -> None:
        if what == 0:
            self._erase_line(0)
            first = self._row + 1
        elif what in (2, 3):
            self._row = first = max(0, len(self._lines) - SCREEN_LINES)
            self._erase_line(2)
            self._column = 0
            first += 1
        else:
            return
        if first < len(self._lines):
            self._touched = min(self._touched, first - 1)
            del self._lines[first:]

    # -- what becomes of the text -----------------------------------------------------------------

    def _edit(self, before: list[str]) -> Edit:
        """Compare the lines from the first that was touched on with what they were."""
        first = min(self._touched, len(before) - 1, len(self._lines) - 1)
        if self._row == len(self._lines) - 1 and self._place() == len(self._cells()):
            self._column = None
        style = self._lines[first].before
        for line in self._lines[first:]:
            if line.cells is None and line.before == style:
                style = _style_after(line.raw, style)
                continue
            line.taken_apart()
            line.before = style
            style = line.put_together()
            line.cells = None
        self._end = style
        old, new = "\n".join(before[first:]), "\n".join(line.raw for line in self._lines[first:])
        same = _same_start(old, new)
        return Edit(len(old[same:].encode()), new[same:])

    def _forget(self) -> None:
        """Let go of what can be changed no more."""
        gone = max(0, len(self._lines) - LINES)
        del self._lines[:gone]
        self._row = max(0, self._row - gone) if self._column is not None else len(self._lines) - 1
        for number, line in enumerate(self._lines):
            if len(line.raw) > 2 * LINE_CHARACTERS:
                let_go = line.shortened()
                if self._column is not None and number == self._row:
                    self._column = max(0, self._column - let_go)


def overwritten(text: str) -> str:
    """A text that does the same on a terminal, without what its carriage returns write over.

    There must be no other controls in it than these, tabs, and the ends of lines.
    """
    return "\n".join(map(_last_of_line, text.replace("\r\n", "\n").split("\n")))


def _last_of_line(line: str) -> str:
    first, *others = line.split("\r")
    if len(others) < 3:
        return line
    shown = ""
    for part in others[-2::-1]:
        if len(part) > len(shown):
            shown += part[len(shown) :]
    return f"{first}\r{shown}\r{others[-1]}"


def _same_start(old: str, new: str) -> int:
    """How many characters two texts have in common at their beginning."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[:middle] == new[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _style_after(text: str, style: str) -> str:
    if "\x1b" in text:
        for match in _SGR.finditer(text):
            style = restyled(style, match[1])
    return style


@lru_cache(maxsize=1024)
def restyled(style: str, parameters: str) -> str:
    """SGR parameters that are on after some more, each once, in a fixed order."""
    on: dict[str, str] = {}
    for text in (style, parameters[:PARAMETERS_LIMIT]):
        waiting = text.replace(":", ";").split(";") if text or text is not style else []
        while waiting:
            _switch(on, waiting)
    return ";".join(on[kind] for kind in sorted(on))


def _switch(on: dict[str, str], waiting: list[str]) -> None:
    """Apply the first of some SGR parameters, and those that belong to it."""
    code = int(waiting[0]) if waiting[0].isdecimal() else 0
    used = 1
    if code == 0:
        on.clear()
    elif code in (38, 48):
        used = 1 + {"5": 2, "2": 4}.get(waiting[1] if len(waiting) > 1 else "", 0)
        if 1 < used <= len(waiting):
            on["f" if code == 38 else "b"] = ";".join(n or "0" for n in waiting[:used])
    elif 30 <= code <= 37 or 90 <= code <= 97:
        on["f"] = str(code)
    elif 40 <= code <= 47 or 100 <= code <= 107:
        on["b"] = str(code)
    elif code in _OFF:
        for kind in _OFF[code]:
            on.pop(kind, None)
    elif 1 <= code <= 9:
        on[str(code)] = str(code)
    del waiting[:used]


def sgr(style: str) -> str:
    """The sequence that switches exactly these parameters on."""
    return f"\x1b[0;{style}m" if style else "\x1b[0m"
