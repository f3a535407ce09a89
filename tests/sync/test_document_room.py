"""Edits from outside: what exactly is merged."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pycrdt import Doc, Text

from jupyter_codepad.sync.content import built, content_hash, first_history, outside_change


def document(text: str) -> tuple[Doc[Any], Text]:
    ydoc: Doc[Any] = Doc()
    source = ydoc.get("source", type=Text)
    source += text
    return ydoc, source


def bring_in(ydoc: Doc[Any], bases: list[Any], content: str) -> Any:
    """Merge what others have written; returns what they started from."""
    change = outside_change("file", bases, ydoc.get_update(), content)
    assert change.update is not None
    ydoc.apply_update(change.update)
    return change.base


def test_an_outside_edit_and_a_typed_one_are_both_kept() -> None:
    ydoc, source = document("one\ntwo\nthree\n")
    base = [ydoc.get_update()]
    source += "typed\n"
    bring_in(ydoc, [base], "one\nTWO\nthree\n")
    assert str(source) == "one\nTWO\nthree\ntyped\n"


def test_after_a_crash_in_a_save_the_likelier_start_is_taken() -> None:
    ydoc, source = document("one\ntwo\n")
    older = [ydoc.get_update()]
    source += "three\n"
    newer = [ydoc.get_update()]
    source += "typed\n"
    assert bring_in(ydoc, [older, newer], "zero\none\ntwo\nthree\n") == "one\ntwo\nthree\n"
    assert str(source) == "zero\none\ntwo\nthree\ntyped\n"


@pytest.mark.parametrize(
    ("left", "merged"),
    [
        ("out\n", "one\ntwo\nthree\ntyped\nout\n"),
        ("out\none\n", "out\none\ntwo\nthree\ntyped\n"),
        ("one\nout\ntwo\n", "one\nout\ntwo\nthree\ntyped\n"),
        ("one\nthree\nout\n", "one\nthree\ntyped\nout\n"),
    ],
)
def test_nobody_has_deleted_what_a_crash_did_not_write(left: str, merged: str) -> None:
    ydoc, source = document("one\ntwo\nthree\n")
    base = [ydoc.get_update()]
    source += "typed\n"
    change = outside_change("file", [base], ydoc.get_update(), left, unfinished=True)
    assert change.update is not None
    ydoc.apply_update(change.update)
    assert str(source) == merged


def test_a_likelier_start_is_found_line_by_line_in_a_notebook() -> None:
    def notebook(*sources: str) -> dict[str, Any]:
        cells = [
            {"id": f"c{n}", "cell_type": "code", "metadata": {}, "outputs": [], "source": source}
            for n, source in enumerate(sources)
        ]
        return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}

    before, written = notebook("one\ntwo\n", "three\n"), notebook("two\n", "new\nthree\n")
    outside = notebook("one\nout\ntwo\n", "three\nout\n")
    state = first_history("notebook", written)
    change = outside_change("notebook", [before, written], state, outside)
    assert change.base == before


@pytest.mark.parametrize("sources", [(), ("one", "two")])
def test_a_notebook_without_ids_always_begins_with_the_same_history(
    sources: tuple[str, ...],
) -> None:
    cells = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": source} for source in sources
    ]
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    one, two = (built("notebook", [first_history("notebook", content)]) for _ in range(2))
    assert one.ycells.to_py() == two.ycells.to_py()
    assert len({cell["id"] for cell in one.ycells}) == max(1, len(sources))


@pytest.mark.parametrize("seed", range(60))
def test_edits_of_different_lines_never_lose_or_double_anything(seed: int) -> None:
    rng = random.Random(seed)
    lines = [f"line {n} é🦊" for n in range(rng.randint(4, 40))]
    ydoc, source = document("\n".join(lines))
    base = [ydoc.get_update()]
    outside, typed = rng.sample(range(len(lines)), 2)
    changed = list(lines)
    changed[outside] = f"outside {seed}"
    start = str(source).index(lines[typed])
    position = len(str(source)[:start].encode())
    source.insert(position, f"typed {seed} ")
    bring_in(ydoc, [base], "\n".join(changed))
    expected = list(changed)
    expected[typed] = f"typed {seed} {lines[typed]}"
    assert str(source) == "\n".join(expected)


def test_trust_marks_do_not_change_a_notebooks_hash() -> None:
    cell = {"cell_type": "code", "source": "1", "metadata": {"trusted": True}}
    plain = {"cell_type": "code", "source": "1", "metadata": {}}
    assert content_hash({"cells": [cell]}) == content_hash({"cells": [plain]})
    assert content_hash({"cells": [cell]}) != content_hash({"cells": []})
