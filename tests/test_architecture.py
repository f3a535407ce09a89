"""The architecture of docs/architecture.md, as far as a program can read it from the code."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
PACKAGE = PROJECT / "jupyter_codepad"
LINES_LIMIT = 450
"""The house style says "about 400"."""

LAYERS: dict[str, int] = {
    "app": 8,
    "cli": 10,
    "doctor": 9,
    "settings": 7,
    "activity": 7,
    "interviews": 6,
    "assistant": 6,
    "chat": 6,
    "call": 6,
    "workspace": 6,
    "execution": 5,
    "sync": 4,
    "openapi": 4,
    "handlers": 3,
    "rooms": 2,
    "access": 1,
    "lab_policy": 0,
    "kernel_sockets": 0,
    "fast_loop": 0,
    "storage": 0,
    "errors": 0,
    "metrics": 0,
}
"""Every area of the package and its height: an area imports areas below it, never beside or above.

Changing the architecture is changing this in the same commit. Two things stand outside of the
heights: the boundary (``BOUNDARY``) and the leaves (``LEAVES``).
"""

BOUNDARY = {"handlers"}
"""The base of all handlers knows identities and rooms, and every area's boundary stands on it."""

BOUNDARY_MODULES = {
    "handlers",
    "people_handlers",
    "language_handlers",
    "pages",
    "websocket",
    "collaboration",
    "forks",
}
"""Modules of an area that speak HTTP or WebSocket; managers and models never import them."""

LEAVES = {
    "errors": set[str](),
    "metrics": set[str](),
    "lab_policy": set[str](),
    "kernel_sockets": set[str](),
    "fast_loop": set[str](),
    "storage": {"storage"},
}
"""Areas that import nothing of ours but what is named here."""

OUTSIDE = {"", "client", "widgets", "pytest_plugin"}
"""The package's own ``__init__`` (the version), and what people import who are not the server."""

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "versions" not in path.parts)


def name_of(path: Path) -> str:
    """A module's name within the package: ``rooms.manager``; the package itself is ``""``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def area_of(module: str) -> str:
    """The area (or single module of the package) that a module belongs to."""
    return module.split(".", maxsplit=1)[0]


def runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker sees (``if TYPE_CHECKING:``)."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from runtime_nodes(node)


def modules_imported(path: Path) -> Iterator[str]:
    """Names of our own modules that a module imports when it runs."""
    package = list(path.parent.relative_to(PACKAGE).parts)
    known = {name_of(module) for module in MODULES}
    for node in runtime_nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            start = "" if not node.level else ".".join(["jupyter_codepad", *above])
            base = ".".join(part for part in (start, node.module or "") if part)
            names = [(base, alias.name) for alias in node.names]
        else:
            continue
        for base, name in names:
            if base.split(".")[0] == "jupyter_codepad":
                inside = base.removeprefix("jupyter_codepad").lstrip(".")
                child = f"{inside}.{name}".lstrip(".")
                yield child if child in known else inside


IMPORTS = sorted({(name_of(path), found) for path in MODULES for found in modules_imported(path)})


def test_every_area_has_its_place() -> None:
    areas = {area_of(name_of(path)) for path in MODULES} - OUTSIDE
    assert areas <= LAYERS.keys(), "put the new area into LAYERS and docs/architecture.md"


def test_imports_go_down() -> None:
    wrong = []
    for module, imported in IMPORTS:
        area, other = area_of(module), area_of(imported)
        if area == other or area in OUTSIDE or other in OUTSIDE:
            continue
        at_boundary = module.rsplit(".", 1)[-1] in BOUNDARY_MODULES and other in BOUNDARY
        if not at_boundary and LAYERS[other] >= LAYERS[area]:
            wrong.append(f"{module} imports {imported}")
    assert wrong == []


def test_only_the_app_imports_activity() -> None:
    users = {area_of(module) for module, imported in IMPORTS if area_of(imported) == "activity"}
    assert users <= {"app", "activity"}


def test_leaves_import_nothing_of_ours() -> None:
    for leaf, allowed in LEAVES.items():
        found = {area_of(imported) for module, imported in IMPORTS if area_of(module) == leaf}
        assert found <= allowed, leaf


def test_areas_meet_through_managers_and_models() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module, imported in IMPORTS
        if "." in imported
        and imported.rsplit(".", 1)[-1] in BOUNDARY_MODULES
        and area_of(module) not in {"app", area_of(imported)}
        # The pattern of a room's id in URLs is the one thing that all boundaries share.
        and not (imported == "rooms.handlers" and module.endswith("handlers"))
    ]
    assert wrong == []


def test_managers_and_models_never_see_a_request() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module, imported in IMPORTS
        if module.rsplit(".", 1)[-1] in {"manager", "models"}
        and imported.rsplit(".", 1)[-1] in BOUNDARY_MODULES
    ]
    assert wrong == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_stay_short(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= LINES_LIMIT, f"{lines} lines: cut it by what it is about"


def test_no_drawer_for_everything() -> None:
    names = {path.stem for path in MODULES}
    assert names.isdisjoint({"utils", "util", "helpers", "common", "misc", "base"})


def is_mutable(node: ast.expr) -> bool:
    """Whether an expression makes an empty container, which only makes sense to be filled later."""
    if isinstance(node, ast.Call):
        makers = r"dict|list|set|defaultdict|OrderedDict|deque|Counter|WeakValueDictionary|WeakSet"
        maker = re.fullmatch(rf"(\w+\.)*({makers})(\[.*\])?", ast.unparse(node.func))
        return maker is not None and not node.args
    return isinstance(node, ast.Dict | ast.List) and not ast.unparse(node).strip("{}[]")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_state_in_modules(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not any(isinstance(node, ast.Global) for node in ast.walk(tree)), "a global statement"
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            assert not is_mutable(node.value), f"line {node.lineno}: {ast.unparse(node)}"


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    declared = {normal(requirement) for requirement in project["dependencies"]}
    providers = packages_distributions()
    missing = set()
    for path in MODULES:
        for node in runtime_nodes(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for top in {name.split(".")[0] for name in names} - set(sys.stdlib_module_names):
                distributions = {normal(name) for name in providers.get(top, [top])}
                if top != "jupyter_codepad" and distributions.isdisjoint(declared):
                    missing.add(f"{name_of(path)}: {top}")
    assert missing == set()


def normal(requirement: str) -> str:
    """The normalized name of a distribution, without version and extras."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", requirement)[0]).lower()
