"""Build a wheel as somebody without Node.js would, install it into a fresh environment, use it.

Fails with what is wrong; prints what was found and how long it took. Leaves nothing behind.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
import zipfile
from pathlib import Path

PROJECT = Path(__file__).parent.parent
NODE = {"node", "nodejs", "npm", "npx", "corepack"}
DATA = r"jupyter_codepad-[^/]+\.data/data"
WANTED = (
    rf"{DATA}/share/jupyter/labextensions/jupyter-codepad/package\.json",
    rf"{DATA}/share/jupyter/labextensions/jupyter-codepad/install\.json",
    rf"{DATA}/share/jupyter/labextensions/jupyter-codepad/static/remoteEntry\..*\.js",
    rf"{DATA}/etc/jupyter/jupyter_server_config\.d/jupyter_codepad\.json",
    r"jupyter_codepad/py\.typed",
    r"jupyter_codepad/static/page/manifest\.json",
    r"jupyter_codepad/static/page/.*\.js\.gz",
    r"jupyter_codepad/templates/room\.html",
    r"jupyter_codepad/storage/migrations/versions/0001_.*\.py",
)
UNWANTED = (r"jupyter_codepad/labextension/", r"(.*/)?node_modules/", r"tests/", r".*\.pyc")


def path_without_node(folder: Path) -> str:
    """A search path with everything of this machine's but Node.js."""
    for place in os.environ["PATH"].split(os.pathsep):
        for program in sorted(Path(place).glob("*")) if Path(place).is_dir() else ():
            link = folder / program.name
            if program.name not in NODE and not link.is_symlink():
                link.symlink_to(program)
    return str(folder)


def run(*command: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a program; gives all that it says, and fails with that where it fails."""
    out = subprocess.PIPE
    done = subprocess.run(
        command, check=False, env=env, cwd=cwd, text=True, stdout=out, stderr=subprocess.STDOUT
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}")
    return done.stdout


def copy_sources(target: Path) -> None:
    """What a clone would have: files that git knows or would add, not what was built here."""
    listed = run("git", "ls-files", "-co", "--exclude-standard", "-z", cwd=PROJECT)
    for name in filter(None, listed.split("\0")):
        if (PROJECT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((PROJECT / name).read_bytes())


def check_names(wheel: Path) -> None:
    """Everything has to be inside, and nothing else."""
    names = zipfile.ZipFile(wheel).namelist()
    missing = [w for w in WANTED if not any(re.fullmatch(w, name) for name in names)]
    surplus = [n for n in names for u in UNWANTED if re.match(u, n)]
    if missing or surplus:
        sys.exit(f"{wheel.name}: missing {missing}, not wanted {surplus}")
    print(f"{wheel.name}: {len(names)} files, {wheel.stat().st_size / 1e6:.2f} MB")


def check_installed(binaries: Path, env: dict[str, str], home: Path) -> None:
    """Jupyter knows both halves, and `jupyter codepad` serves a guest's link and its files."""
    jupyter = binaries / "jupyter"
    for listed in (
        run(jupyter, "labextension", "list", env=env),
        run(jupyter, "server", "extension", "list", env=env),
    ):
        if not re.search(r"jupyter[-_]codepad.*\n?.*OK", re.sub(r"\x1b\[\d*m", "", listed)):
            sys.exit(f"the extension is not listed as OK:\n{listed}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [str(jupyter), "codepad", "--port", port, "--root-dir", str(home)]
    log = home / "server.log"
    with log.open("w") as errors:
        server = subprocess.Popen(
            command, env=env, text=True, stdout=subprocess.PIPE, stderr=errors
        )
    try:
        assert server.stdout is not None
        found = (re.search(r"http\S+/codepad/join/\S+", line) for line in server.stdout)
        link = next((match[0] for match in found if match), None)
        if link is None:
            sys.exit(f"no link was printed:\n{log.read_text()}")
        page = urllib.request.urlopen(link, timeout=30).read().decode()
        styles = re.search(r'href="([^"]+\.css)"', page)
        assert "name" in page and styles, page
        root = "/".join(link.split("/")[:3])
        assert urllib.request.urlopen(root + styles[1], timeout=30).status == 200
    finally:
        server.terminate()
        server.wait(30)
    print("installed: extension listed, join page served")


def main() -> None:
    """Build, look inside, install, use."""
    with tempfile.TemporaryDirectory(prefix="codepad-wheel-") as name:
        home = Path(name)
        for folder in ("bin", "source", "wheels", "home"):
            (home / folder).mkdir()
        variables = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "npm_"))}
        env = variables | {"PATH": path_without_node(home / "bin"), "HOME": str(home / "home")}
        copy_sources(home / "source")
        venv.create(home / "venv", with_pip=True)
        binaries = home / "venv" / "bin"
        start = time.monotonic()
        pip = (str(binaries / "python"), "-m", "pip", "-q")
        run(*pip, "wheel", "--no-deps", "-w", home / "wheels", home / "source", env=env)
        print(f"built without Node.js on the path in {time.monotonic() - start:.0f} s")
        (wheel,) = (home / "wheels").glob("*.whl")
        check_names(wheel)
        run("uv", "pip", "install", "-q", "--python", binaries / "python", wheel)
        check_installed(binaries, env | {"PATH": f"{binaries}:{env['PATH']}"}, home / "home")


if __name__ == "__main__":
    main()
