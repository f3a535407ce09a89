"""The documentation says what the code does, as far as a program can tell."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from jupyter_codepad import __version__
from scripts.write_reference import PAGES, REFERENCE, page

PROJECT = Path(__file__).parent.parent
TEXTS = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_reference_is_what_the_code_says(name: str) -> None:
    written = (REFERENCE / name).read_text(encoding="utf-8")
    assert written == page(name), "run `make docs`"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("https://", "http://")):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file) if file else path
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def test_every_make_target_that_is_mentioned_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    for path in TEXTS:
        mentioned = re.findall(r"`make ([a-z-]+)`", path.read_text(encoding="utf-8"))
        assert set(mentioned) <= targets, path.name


def test_every_page_is_in_the_index() -> None:
    docs = PROJECT / "docs"
    index = (docs / "index.md").read_text(encoding="utf-8")
    pages = {str(path.relative_to(docs)) for path in docs.rglob("*.md")} - {"index.md"}
    assert pages <= set(re.findall(r"\]\(([^)#]+)", index))


def test_the_version_is_the_same_everywhere() -> None:
    package = json.loads((PROJECT / "labextension" / "package.json").read_text())
    assert package["version"] == __version__


def test_no_host_is_written_into_a_lock() -> None:
    lock = (PROJECT / "labextension" / "package-lock.json").read_text()
    assert '"resolved": "http' not in lock
    assert "://" not in (PROJECT / "constraints.txt").read_text()


def test_built_files_are_not_committed() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "jupyter_codepad/labextension", "jupyter_codepad/static/page"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.stdout == ""
