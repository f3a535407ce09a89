"""Two sides of a document: what is merged, and where people have to choose."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pycrdt import Doc, Text, merge_updates

from jupyter_codepad.sync.content import (
    built,
    edited,
    emptied,
    first_history,
    histories,
    meet,
)
from jupyter_codepad.sync.editing import edit_lines, set_content
from jupyter_codepad.sync.merge import as_text, merge


def test_different_lines_are_merged() -> None:
    assert merge("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n") == ("A\nb\nC\n", False)


def test_neighbouring_lines_are_merged_word_by_word() -> None:
    assert merge("a\nb\n", "A\nb\n", "a\nB\n") == ("A\nB\n", False)


def test_two_additions_at_one_place_both_stay() -> None:
    assert merge("a\n", "a\nmine\n", "a\ntheirs\n") == ("a\nmine\ntheirs\n", False)
    assert merge("x = 1", "x = 12", "x = 1\ny = 2\n") == ("x = 12\ny = 2\n", False)


def test_the_same_words_are_a_conflict_and_both_are_there() -> None:
    merged, conflict = merge("a\nx = 1\n", "a\nx = 2\n", "a\nx = 3\n")
    assert conflict
    assert merged == "a\nx = 2\nx = 3\n"


def test_without_a_base_nothing_is_taken_for_deleted() -> None:
    assert merge(None, "a\nb\n", "a\nb\nc\n") == ("a\nb\nc\n", False)
    assert merge(None, "a\nmine\n", "theirs\na\n") == ("theirs\na\nmine\n", True)


def cell(source: str, name: str = "", **more: Any) -> dict[str, Any]:
    made = {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], **more}
    return {**made, "id": name} if name else made


def notebook(*cells: dict[str, Any]) -> dict[str, Any]:
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells)}


def test_cells_are_what_lines_are_in_a_text() -> None:
    base = notebook(cell("1", "a"), cell("2", "b"))
    mine = notebook(cell("1 + 1", "a", outputs=[{"text": "2"}]), cell("2", "b"))
    theirs = notebook(cell("1", "a"), cell("2", "b"), cell("3", "c"))
    merged, conflict = merge(base, mine, theirs)
    assert not conflict
    assert as_text(merged) == "\n".join(f"# %% [code]\n{x}\n" for x in ("1 + 1", "2", "3"))
    assert isinstance(merged, dict)
    assert merged["cells"][0]["outputs"] == [{"text": "2"}]


def test_a_cell_deleted_here_and_changed_there_is_a_conflict() -> None:
    base = notebook(cell("1", "a"), cell("2", "b"))
    merged, conflict = merge(
        base, notebook(cell("1", "a")), notebook(cell("1", "a"), cell("5", "b"))
    )
    assert conflict
    assert "5" in as_text(merged)


def test_cells_without_ids_are_found_by_their_sources() -> None:
    base = notebook(cell("1"), cell("2"))
    theirs = notebook(cell("0"), cell("1"), cell("2"))
    merged, conflict = merge(base, notebook(cell("1"), cell("2 + 2")), theirs)
    assert not conflict
    assert [c["source"] for c in merged["cells"]] == ["0", "1", "2 + 2"]  # type: ignore[index]


@pytest.mark.parametrize("seed", range(200))
def test_whatever_the_sides_are_no_line_is_lost(seed: int) -> None:
    rng = random.Random(seed)
    base = [f"{n}\n" for n in range(rng.randint(0, 12))]

    def edited(mark: str) -> list[str]:
        lines = list(base)
        for number in range(rng.randint(0, 4)):
            place = rng.randint(0, len(lines))
            if rng.random() < 0.4 and place < len(lines):
                lines[place] = f"{mark}{number} changed\n"
            else:
                lines.insert(place, f"{mark}{number}\n")
        return lines

    mine, theirs = edited("m"), edited("t")
    merged, conflict = merge("".join(base), "".join(mine), "".join(theirs))
    assert isinstance(merged, str)
    for line in {*mine, *theirs} - set(base):
        assert merged.count(line) == 1
    if len({tuple(mine), tuple(theirs), tuple(base)}) < 3:
        assert not conflict


def test_texts_made_to_be_slow_to_compare_are_not_compared() -> None:
    """Whoever writes them must not be able to hold up everybody; line by line it takes minutes."""
    mine = "".join(f"{n % 7}\n" for n in range(100_000))
    theirs = "".join(f"{n % 5}\n" for n in range(100_000))
    merged, conflict = merge(None, mine, theirs)
    ydoc: Doc[Any] = Doc()
    text = ydoc.get("source", type=Text)
    text += mine
    edit_lines(text, theirs)
    assert conflict
    assert merged == mine + theirs
    assert str(text) == theirs


@pytest.mark.parametrize("untouched", [True, False])
@pytest.mark.parametrize("seed", range(30))
def test_two_histories_meet_without_doubling(seed: int, *, untouched: bool) -> None:
    rng = random.Random(seed)
    sides = []
    for name in ("ours", "theirs"):
        ydoc: Doc[Any] = Doc()
        start = "".join(f"{n}\n" for n in range(rng.randint(0, 9)))
        ydoc.apply_update(first_history("file", f"{name if rng.random() < 0.7 else ''}{start}"))
        ydoc.get("source", type=Text).insert(0, f"typed into {name}\n")
        sides.append(ydoc)
    ours, theirs = sides
    texts = [str(side.get("source", type=Text)) for side in sides]
    meeting = meet("file", ours.get_update(), theirs.get_update(), untouched=untouched)
    ours.apply_update(meeting.update)
    expected = texts[1] if meeting.ours_went else texts[0]
    assert str(ours.get("source", type=Text)) == expected
    assert meeting.ours_went == untouched
    # What gave way is there to choose, and everybody ends up with the same.
    assert meeting.apart == (texts[0] if untouched else texts[1])
    alive = histories(ours)
    assert len(alive) == 1 and not alive & meeting.gone
    theirs.apply_update(ours.get_update())
    ours.apply_update(theirs.get_update())
    assert str(theirs.get("source", type=Text)) == str(ours.get("source", type=Text)) == expected


def test_a_second_client_of_a_history_that_gave_way_is_asked_about_what_is_new() -> None:
    ours = [first_history("file", "file\nours\n")]
    old = first_history("file", "file\n")
    first = edited(built("file", [old]), "first\nfile\n")
    second = edited(built("file", [old]), "file\nsecond\n")
    met = meet("file", ours[0], merge_updates(old, first), untouched=False)
    assert met.apart == "first\nfile\n"
    ours.append(met.update)
    known = dict.fromkeys(met.gone, met.content)
    for state, apart in ((old, None), (merge_updates(old, second), "file\nsecond\n")):
        again = meet("file", merge_updates(*ours), state, untouched=False, known=known)
        assert again.apart == apart
        live = built("file", [*ours, again.update])
        assert live.get() == "file\nours\n"
        assert not histories(live.ydoc) & met.gone


def test_who_has_all_that_we_have_and_more_is_not_asked_about() -> None:
    ours = first_history("file", "one\n")
    theirs = first_history("file", "one\ntwo\n")
    met = meet("file", ours, theirs, untouched=False)
    assert met.apart is None
    assert built("file", [ours, met.update]).get() == "one\ntwo\n"


def test_an_emptied_copy_adds_nothing() -> None:
    ydoc: Doc[Any] = Doc()
    ydoc.apply_update(first_history("file", "text\n"))
    other: Doc[Any] = Doc()
    other.apply_update(first_history("file", "another\n"))
    ydoc.apply_update(emptied("file", other.get_update()))
    assert str(ydoc.get("source", type=Text)) == "text\n"


def test_a_document_becomes_what_was_chosen() -> None:
    ydoc: Doc[Any] = Doc()
    ydoc.apply_update(first_history("notebook", notebook(cell("1", "a"))))
    from jupyter_codepad.sync.content import make_document  # noqa: PLC0415

    document = make_document("notebook", ydoc)
    set_content(document, notebook(cell("2", "a"), cell("3", "b")))
    assert [c["source"] for c in document.get()["cells"]] == ["2", "3"]
