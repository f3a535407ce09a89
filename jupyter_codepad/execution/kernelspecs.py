"""Kernels of others: installed kernelspecs that the owner of the server offers as languages."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel

from ..errors import Unavailable
from .installed import Program, find_program, in_system
from .language_table import ROWS, Language
from .starts import KernelStart

PREFIX = "kernel:"
ID_LIMIT = 32
"""So much of a language's id is kept with a room."""
SUFFIXES = MappingProxyType(
    {"bash": ".sh", "r": ".R", "julia": ".jl", "octave": ".m", "haskell": ".hs", "scala": ".scala"}
)


def find_spec(name: str) -> KernelSpec | None:
    """The kernelspec with this name."""
    try:
        return KernelSpecManager().get_kernel_spec(name)
    except NoSuchKernel:
        return None


def spec_language(name: str, spec: KernelSpec) -> Language:
    """A language for a kernelspec; what the table knows of its language is taken from there."""
    spoken = spec.language.lower()
    known = next((row for row in ROWS if spoken in (row.id, row.name.lower())), None)
    suffix = SUFFIXES.get(spoken, ".txt")
    return Language(
        id=PREFIX + name,
        name=spec.display_name or name,
        file_name=known.file_name if known else f"main{suffix}",
        editor_mode=known.editor_mode if known else "text",
        comment=known.comment if known else "#",
        indent=known.indent if known else 4,
        packages=(),
        kernel_name=name,
        runs_files=False,
    )


def offered_languages(names: Iterable[str]) -> tuple[list[Language], dict[str, str]]:
    """Languages for kernelspecs; and, of those that cannot be started in a sandbox, why."""
    languages, broken = [], {}
    for name in names:
        spec = find_spec(name)
        if len(PREFIX + name) > ID_LIMIT:
            broken[name] = f"its name is longer than {ID_LIMIT - len(PREFIX)} characters."
        elif spec is None:
            broken[name] = "it is not installed."
        elif program_of(spec) is None:
            broken[name] = f"its program {spec.argv[0]} cannot be shown to a sandbox."
        else:
            languages.append(spec_language(name, spec))
    return languages, broken


def program_of(spec: KernelSpec) -> Program | None:
    """The program of a kernelspec, None when a sandbox cannot be shown it."""
    if not spec.argv:
        return None
    if spec.argv[0] in ("python", "python3"):  # as jupyter_client has it: the server's own
        return Program(Path(sys.executable).parent, None)
    return find_program(spec.argv[0])


def spec_folders(names: Iterable[str]) -> list[Path]:
    """What sandboxes must see of kernelspecs: their programs, and their own folders."""
    found: set[Path] = set()
    for name in names:
        spec = find_spec(name)
        program = program_of(spec) if spec is not None else None
        if spec is None or program is None:
            continue
        folder = Path(spec.resource_dir)
        found.update(path for path in (program.visible, folder) if path and not in_system(path))
    return sorted(found)


def spec_start(name: str) -> KernelStart:
    """How the kernel of a kernelspec is started. Raises ``Unavailable`` when it is gone."""
    spec = find_spec(name)
    program = program_of(spec) if spec is not None else None
    if spec is None or program is None:
        raise Unavailable("language_unavailable", f"The kernel “{name}” is not installed here.")
    first = sys.executable if spec.argv[0] in ("python", "python3") else spec.argv[0]
    argv = [part.replace("{resource_dir}", spec.resource_dir) for part in (first, *spec.argv[1:])]
    # What would be filled in from the server's own environment may be a secret: it is left out.
    variables = {name: value for name, value in spec.env.items() if "$" not in value}
    return KernelStart(argv=tuple(argv), environment=variables, gateway_kernel=name)
