"""``jupyter codepad doctor``: what this machine can run, in which sandbox, and what is missing."""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from jupyter_server.serverapp import ServerApp

from . import __version__
from .app import CodepadApp
from .execution.offer import LanguageOffer, Standing

VERSIONS_SECONDS = 60.0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="jupyter codepad doctor",
        description="Test the sandbox and say which languages this machine can run. The exit "
        "status is 0 when code of rooms can be run in a sandbox, else 1.",
        epilog="All other options are handed to the Jupyter server, so that the answer is about "
        "the same configuration.",
    )
    made.add_argument("--json", action="store_true", help="print it for a program")
    return made


async def examine(codepad: CodepadApp) -> dict[str, Any]:
    """Everything there is to say: the sandbox's self-test, the languages."""
    sandbox, prepared = codepad.make_sandbox()
    status = await sandbox.probe()
    allowed = status.available or codepad.allow_unsandboxed
    offer = LanguageOffer(
        sandbox=sandbox,
        allowed=lambda: allowed,
        kernelspecs=codepad.kernelspecs,
        prepared=prepared,
        log=codepad.log,
    )
    offer.start()
    try:
        standings = await offer.standings(wait_seconds=VERSIONS_SECONDS)
        standings = await offer.standings()  # what does not start is known only now
    finally:
        await offer.stop()
    return {
        "version": __version__,
        "python": platform.python_version(),
        "sandbox": {**asdict(status), "running_allowed": allowed},
        "languages": [language(standing) for standing in standings],
    }


def language(standing: Standing) -> dict[str, Any]:
    """A language for a program."""
    return {
        "id": standing.language.id,
        "name": standing.language.name,
        "available": standing.missing is None,
        "version": standing.version,
        "missing": standing.missing,
        "installed": standing.installed,
        "packages": list(standing.language.packages),
    }


def words(found: dict[str, Any]) -> Iterator[str]:
    """The same for people."""
    sandbox, languages = found["sandbox"], found["languages"]
    yield f"jupyter-codepad {found['version']} with Python {found['python']}\n"
    if sandbox["available"]:
        yield f"Sandbox: {sandbox['name']}; its self-test has passed."
        for tried in sandbox["weaker"]:
            yield f"  better, but not here: {tried['name']}: {tried['reason']}."
        for promise in sandbox["promises"]:
            yield f"  + {promise}"
        for gap in sandbox["gaps"]:
            yield f"  - {gap}"
    else:
        yield f"Sandbox: none. {sandbox['reason']}"
        yield (
            "Code of rooms is run WITHOUT a sandbox here: allow_unsandboxed is set."
            if sandbox["running_allowed"]
            else "Code of rooms is not run on this machine."
        )
    yield "\nLanguages:"
    width = max(len(one["name"]) for one in languages)
    for one in languages:
        if one["available"]:
            yield f"  ✓ {one['name']:{width}}  {one['version'] or ''}".rstrip()
        else:
            yield f"  ✗ {one['name']:{width}}  {one['missing'].removeprefix(one['name']).strip()}"
    missing = [one for one in languages if not one["available"]]
    yield f"\n{len(languages) - len(missing)} of {len(languages)} can be run."
    wanted = [one for one in missing if not one["installed"]]
    packages = dict.fromkeys(package for one in wanted for package in one["packages"])
    if packages:
        yield f"What is not installed, on Debian or Ubuntu: apt-get install {' '.join(packages)}"


def main(argv: list[str]) -> int:
    """Entry point of ``jupyter codepad doctor``; the exit status."""
    options, rest = parser().parse_known_args(argv)
    server = ServerApp()
    server.log_level = "WARN"
    server.initialize(argv=rest, find_extensions=False, new_httpserver=False)
    found = asyncio.run(examine(CodepadApp(config=server.config)))
    print(json.dumps(found, indent=2) if options.json else "\n".join(words(found)), flush=True)
    return 0 if found["sandbox"]["available"] else 1
