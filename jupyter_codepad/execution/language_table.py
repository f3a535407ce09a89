"""The table of languages: a row each, in the order in which people are offered them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .toolchain.recipe import Recipe

STARTERS = Path(__file__).parent / "starters"


@dataclass(frozen=True)
class Library:
    """A language's own library, where its tool compiles it for the first program that wants it.

    ``argv``: compiles all of it, into the folder that the variable ``variable`` names (``READY_…``
    in recipes); ``ready``: what there is below the tool's own folder where it has come compiled.
    """

    argv: tuple[str, ...]
    variable: str
    ready: str


@dataclass(frozen=True)
class Toolchain:
    """One way to run programs of a language, where all its ``programs`` are installed.

    ``version``: the command that prints one; ``helpers``: files of ours that the recipe needs in
    ``{tools}``; ``prelude``: headers that are worth being read once for all programs; ``library``:
    what is worth being compiled once for all rooms; ``needs_proc``: whether its programs end at
    once where they cannot read about themselves below ``/proc``.
    """

    programs: tuple[str, ...]
    version: tuple[str, ...]
    recipe: Recipe
    helpers: tuple[str, ...] = ()
    prelude: str = ""
    library: Library | None = None
    needs_proc: bool = False


@dataclass(frozen=True)
class Language:
    """One language.

    ``editor_mode`` names the editor's grammar, ``comment`` what makes a line one, ``indent`` a
    number of spaces or a tab; ``packages``: what to install on Debian; ``toolchains``: the first
    that is there is used; none: it is run by ipykernel. ``kernel_name``: of the kernelspec that a
    notebook in it names, empty where there are no notebooks. ``runs_files``: whether a run can
    begin in another file than the pad's.
    """

    id: str
    name: str
    file_name: str
    editor_mode: str
    comment: str
    indent: int | Literal["tab"]
    packages: tuple[str, ...]
    toolchains: tuple[Toolchain, ...] = ()
    kernel_name: str = ""
    runs_files: bool = True

    @property
    def notebook(self) -> bool:
        """Whether a notebook can be in it."""
        return bool(self.kernel_name)

    @property
    def starter_text(self) -> str:
        """What a new pad begins with."""
        path = STARTERS / f"{self.id}.txt"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Endings of the files that a program can begin in."""
        own = (Path(self.file_name).suffix,)
        return own + (self.toolchains[0].recipe.sources if self.toolchains else ())

    def begins_in(self, text: str) -> bool:
        """Whether a program can begin in a file with this text."""
        return not self.toolchains or self.toolchains[0].recipe.begins_in(text)


C_MAIN = r"^\s*(?:signed\s+)?(?:int|void|auto)\s+main\s*\("
JAVA: tuple[str, ...] = ("-XX:+UseSerialGC", "-Xshare:auto", "-XX:-UsePerfData")
JAVAC: tuple[str, ...] = tuple(
    f"-J{flag}" for flag in (*JAVA, "-XX:TieredStopAtLevel=1", "-Xmx192m")
)
NODE: tuple[str, ...] = ("node", "--max-old-space-size=320", "--enable-source-maps")
TSC: tuple[str, ...] = (
    "--target",
    "es2021",
    "--lib",
    "es2021",
    "--module",
    "commonjs",
    "--moduleResolution",
)
TSC += ("node", "--esModuleInterop", "--strict", "--skipLibCheck", "--noEmitOnError")
TSC += ("--inlineSourceMap", "--inlineSources", "--pretty", "false", "--rootDir", ".")
RUST_BUILD = '[ -e /proc/self/exe ] || set -- -Clink-arg=-fuse-ld=bfd "$@"; exec rustc "$@"'
"""Its own linker, where it brings one, finds itself by that link."""
# The tool wants to write into its cache: it gets one of the room's own, of links to what is ready.
# A cache that says when it was tidied last is not tidied, which would take the oldest away. Without
# what is ready, a sandbox's disk would not hold the library beside the program.
GO_BUILD = (
    'if [ -n "$READY_GOCACHE" ] && [ ! -e "$GOCACHE/linked" ]; then '
    'if [ ! -d "$READY_GOCACHE" ]; then echo "The library of Go is being compiled for this server, '
    'once. Run this again in some minutes." >&2; exit 1; fi; '
    'mkdir -p "$GOCACHE"; cp -asn "$READY_GOCACHE/." "$GOCACHE"; rm -f "$GOCACHE/trim.txt"; '
    'date +%s | tee "$GOCACHE/trim.txt" >"$GOCACHE/linked"; fi; '
    'if [ -f go.mod ]; then exec go build -o "$0/main" .; fi; exec go build -o "$0/main" "$@"'
)
GO_ENVIRONMENT = {
    "GOCACHE": "{tmp}/go-cache",
    "GOPATH": "{tmp}/go",
    "GOFLAGS": "-buildvcs=false",
    "GOPROXY": "off",
    "GOENV": "off",
    "GOTOOLCHAIN": "local",
    "CGO_ENABLED": "0",
    "GOMAXPROCS": "2",
}

ROWS: tuple[Language, ...] = (
    Language("python", "Python", "main.py", "python", "#", 4, (), kernel_name="python3"),
    Language(
        *("javascript", "JavaScript", "main.js", "javascript", "//", 2, ("nodejs",)),
        toolchains=(
            Toolchain(
                programs=("node",),
                version=("node", "--version"),
                recipe=Recipe("main.js", run=(*NODE, "{main}"), terminal="input"),
            ),
            Toolchain(
                programs=("deno",),
                version=("deno", "--version"),
                recipe=Recipe("main.js", run=("deno", "run", "-A", "{main}"), terminal="input"),
            ),
            Toolchain(
                programs=("bun",),
                version=("bun", "--version"),
                recipe=Recipe("main.js", run=("bun", "run", "{main}"), terminal="input"),
            ),
        ),
    ),
    Language(
        *("typescript", "TypeScript", "main.ts", "typescript", "//", 2),
        ("nodejs", "node-typescript"),
        toolchains=(
            Toolchain(
                programs=("tsc", "node"),
                version=("tsc", "--version"),
                helpers=("ambient.d.ts",),
                recipe=Recipe(
                    "main.ts",
                    compile=("tsc", *TSC, "--outDir", "{out}", "{tools}/ambient.d.ts", "{main}"),
                    run=(*NODE, "{out}/{base}.js"),
                    suffixes=(".ts", ".json"),
                    terminal="input",
                ),
            ),
            Toolchain(
                programs=("esbuild", "node"),
                version=("esbuild", "--version"),
                recipe=Recipe(
                    "main.ts",
                    compile=("esbuild", "{main}", "--bundle", "--platform=node")
                    + ("--sourcemap=inline", "--log-level=warning", "--outfile={out}/{base}.js"),
                    run=(*NODE, "{out}/{base}.js"),
                    suffixes=(".ts", ".js", ".json"),
                    terminal="input",
                ),
            ),
            Toolchain(
                programs=("deno",),
                version=("deno", "--version"),
                recipe=Recipe("main.ts", run=("deno", "run", "-A", "{main}"), terminal="input"),
            ),
            Toolchain(
                programs=("bun",),
                version=("bun", "--version"),
                recipe=Recipe("main.ts", run=("bun", "run", "{main}"), terminal="input"),
            ),
        ),
    ),
    Language(
        *("c", "C", "main.c", "c", "//", 4, ("gcc", "libc6-dev")),
        toolchains=(
            Toolchain(
                programs=("gcc",),
                version=("gcc", "--version"),
                recipe=Recipe(
                    "main.c",
                    compile=("gcc", "-std=gnu17", "-O1", "-Wall", "-pthread", "-o", "{out}/main")
                    + ("{sources}", "-lm"),
                    run=("{out}/main",),
                    suffixes=(".c", ".h"),
                    sources=(".c",),
                    entry=C_MAIN,
                ),
            ),
        ),
    ),
    Language(
        *("cpp", "C++", "main.cpp", "cpp", "//", 4, ("g++",)),
        toolchains=(
            Toolchain(
                programs=("g++",),
                version=("g++", "--version"),
                prelude="#include <bits/stdc++.h>\n",
                recipe=Recipe(
                    "main.cpp",
                    compile=("g++", "-std=gnu++20", "-O1", "-Wall", "-pthread", "{prelude}")
                    + ("-o", "{out}/main", "{sources}"),
                    run=("{out}/main",),
                    suffixes=(".cpp", ".cc", ".cxx", ".h", ".hpp", ".hh"),
                    sources=(".cpp", ".cc", ".cxx"),
                    entry=C_MAIN,
                ),
            ),
        ),
    ),
    Language(
        *("java", "Java", "Main.java", "java", "//", 4, ("default-jdk-headless",)),
        toolchains=(
            Toolchain(
                programs=("javac", "java"),
                version=("javac", "-version"),
                recipe=Recipe(
                    "Main.java",
                    compile=("javac", *JAVAC, "-encoding", "UTF-8", "-d", "{out}", "{sources}"),
                    run=("java", *JAVA, "-Xmx256m", "-Xss4m", "-cp", "{out}", "{entry}"),
                    suffixes=(".java",),
                    sources=(".java",),
                    class_entry=True,
                ),
            ),
        ),
    ),
    Language(
        *("rust", "Rust", "main.rs", "rust", "//", 4, ("rustc",)),
        toolchains=(
            Toolchain(
                programs=("rustc",),
                version=("rustc", "--version"),
                recipe=Recipe(
                    "main.rs",
                    compile=("sh", "-c", RUST_BUILD, "rustc", "--edition=2021", "-Cdebuginfo=0")
                    + ("-Copt-level=0", "-o", "{out}/main", "{main}"),
                    run=("{out}/main",),
                    suffixes=(".rs",),
                    entry=r"^\s*(?:pub\s+)?(?:async\s+)?fn\s+main\s*\(",
                ),
            ),
        ),
    ),
    Language(
        *("go", "Go", "main.go", "go", "//", "tab", ("golang-go",)),
        toolchains=(
            Toolchain(
                programs=("go",),
                version=("go", "version"),
                library=Library(("go", "build", "std"), "GOCACHE", "pkg/*/fmt.a"),
                recipe=Recipe(
                    "main.go",
                    compile=("sh", "-c", GO_BUILD, "{out}", "{sources}"),
                    run=("{out}/main",),
                    suffixes=(".go", "go.mod", "go.sum"),
                    sources=(".go",),
                    entry=r"^func\s+main\s*\(",
                    environment=GO_ENVIRONMENT,
                    noise="# command-line-arguments",
                    compile_seconds=60,
                ),
            ),
        ),
    ),
    Language(
        *("ruby", "Ruby", "main.rb", "ruby", "#", 2, ("ruby",)),
        toolchains=(
            Toolchain(
                programs=("ruby",),
                version=("ruby", "--version"),
                recipe=Recipe("main.rb", run=("ruby", "{main}")),
            ),
        ),
    ),
    Language(
        *("php", "PHP", "main.php", "php", "//", 4, ("php-cli",)),
        toolchains=(
            Toolchain(
                programs=("php",),
                version=("php", "--version"),
                recipe=Recipe(
                    "main.php",
                    run=("php", "-d", "display_errors=stderr", "-d", "log_errors=0")
                    + ("-d", "memory_limit=256M", "{main}"),
                ),
            ),
        ),
    ),
    Language(
        *("perl", "Perl", "main.pl", "perl", "#", 4, ("perl",)),
        toolchains=(
            Toolchain(
                programs=("perl",),
                version=("perl", "-e", 'print "$^V\n"'),
                recipe=Recipe("main.pl", run=("perl", "-I.", "{main}")),
            ),
        ),
    ),
    Language(
        *("lua", "Lua", "main.lua", "lua", "--", 2, ("lua5.4",)),
        toolchains=tuple(
            Toolchain(
                programs=(program,),
                version=(program, "-v"),
                recipe=Recipe("main.lua", run=(program, "{main}")),
            )
            for program in ("lua5.4", "lua5.3", "lua", "luajit")
        ),
    ),
    Language(
        *("bash", "Bash", "main.sh", "shell", "#", 2, ("bash",)),
        toolchains=(
            Toolchain(
                programs=("bash",),
                version=("bash", "--version"),
                recipe=Recipe("main.sh", run=("bash", "{main}")),
            ),
        ),
    ),
    Language(
        *("sql", "SQL (SQLite)", "main.sql", "sql", "--", 2, ()),
        toolchains=(
            Toolchain(
                programs=(),
                version=("{python}", "-c", "import sqlite3; print(sqlite3.sqlite_version)"),
                helpers=("run_sql.py",),
                recipe=Recipe(
                    "main.sql",
                    run=("{python}", "-I", "{tools}/run_sql.py", "{main}"),
                    terminal="none",
                ),
            ),
        ),
    ),
    Language(
        *("r", "R", "main.R", "r", "#", 2, ("r-base-core",)),
        toolchains=(
            Toolchain(
                programs=("R",),
                version=("R", "--version"),
                helpers=("run.R",),
                recipe=Recipe(
                    "main.R",
                    run=("R", "--interactive", "--no-readline", "--no-echo", "--no-save")
                    + ("--no-restore", "--no-site-file", "--no-environ", "--args", "{main}"),
                    environment={"R_PROFILE_USER": "{tools}/run.R"},
                ),
            ),
        ),
    ),
    Language(
        *("csharp", "C#", "Program.cs", "csharp", "//", 4),
        ("mono-mcs", "libmono-system-core4.0-cil"),
        toolchains=(
            Toolchain(
                programs=("mcs", "mono"),
                version=("mcs", "--version"),
                needs_proc=True,
                recipe=Recipe(
                    "Program.cs",
                    compile=("mcs", "-out:{out}/main.exe", "-debug", "{sources}"),
                    run=("mono", "--debug", "{out}/main.exe"),
                    suffixes=(".cs",),
                    sources=(".cs",),
                    entry=r"\bstatic\s+(?:async\s+)?(?:void|int|Task\S*)\s+Main\s*\(",
                    environment={"MONO_GC_PARAMS": "max-heap-size=256m"},
                    terminal="none",
                    noise=r"Compilation (?:failed|succeeded)",
                ),
            ),
        ),
    ),
    Language(
        *("tcl", "Tcl", "main.tcl", "tcl", "#", 4, ("tcl",)),
        toolchains=(
            Toolchain(
                programs=("tclsh",),
                version=("sh", "-c", "echo 'puts [info patchlevel]' | tclsh"),
                recipe=Recipe("main.tcl", run=("tclsh", "{main}")),
            ),
        ),
    ),
    Language(
        *("pascal", "Pascal", "main.pas", "pascal", "//", 2),
        ("fp-compiler", "fp-units-rtl"),
        toolchains=(
            Toolchain(
                programs=("fpc",),
                version=("fpc", "-iV"),
                recipe=Recipe(
                    "main.pas",
                    compile=("fpc", "-l-", "-v0ew", "-O1", "-gl", "-FE{out}", "-o{out}/main")
                    + ("{main}",),
                    run=("{out}/main",),
                    suffixes=(".pas", ".pp", ".inc"),
                    noise=r"Free Pascal Compiler|Copyright|.*ppc\w+ returned|Error: .*returned an",
                ),
            ),
        ),
    ),
)
