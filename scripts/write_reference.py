"""Write the pages of docs/reference that are made from the code.

configuration.md is made from the traits, permissions.md from the roles, rest-api.md from the
OpenAPI description, languages.md from their table. A test holds all of them to the code.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jupyter_codepad import __version__
from jupyter_codepad.access.rate_limit import DEFAULT_LIMITS
from jupyter_codepad.access.roles import RESTRICTABLE, Permission, Role
from jupyter_codepad.app import API_ROUTES
from jupyter_codepad.execution.languages import LANGUAGES
from jupyter_codepad.openapi import describe
from jupyter_codepad.settings import CodepadSettings

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
MADE = "<!-- Made by `make docs` from the code: change that, not this. -->"

CONFIGURATION = """
Every setting is a trait of `CodepadApp`. Set it in `jupyter_server_config.py`:

```python
c.CodepadApp.room_ttl_hours = 2
```

or on the command line: `jupyter lab --CodepadApp.room_ttl_hours=2` (also after `jupyter codepad`).
"""

PERMISSIONS = """
A participant has one role in a room, and the role decides what they may do. The person who opened
the room is its host; a link gives one of the other roles to everybody who comes by it. The server
asks this table at every request and for every message on a document's socket.
"""

LANGUAGES_WORDS = """
What a pad can be in. Where there are several programs, the first that are installed are used. See
[Choose and add languages](../how-to/languages.md).
"""

REST = """
Every path below stands after `<base_url>codepad/api`. The running server describes the same in
OpenAPI 3.1 at `codepad/api/openapi.json`.

- **Who may call.** *anybody*: no sign-in. *Jupyter user*: signed in to this Jupyter server, by its
  cookie or by the header `Authorization: token …`. *participant (run)*: somebody in the room, a
  Jupyter user or a guest with their cookie, whose role has that permission.
- **Writes** from a browser need the header `X-XSRFToken` with the value of the `_xsrf` cookie; a
  request with a token in its header does not.
- **Errors** are all `{"message": "words for the person", "code": "snake_case"}`. 400: not JSON.
  401: not signed in. 403: your role may not do this. 404: there is no such thing, or you are not in
  that room. 409: not possible as things stand. 410: over. 413: too large. 422: a value is not
  acceptable. 429: too many, see `Retry-After`. 503: this server cannot do it.
"""


def configuration() -> Iterator[str]:
    """All traits of our own, in the order of the code."""
    yield from ("# Configuration", "", MADE, CONFIGURATION)
    yield "| Setting | Type | Default | What it does |"
    yield "| --- | --- | --- | --- |"
    traits = CodepadSettings.class_own_traits(config=True)
    # In the order in which they are written down, which puts together what belongs together.
    for name in (name for name in vars(CodepadSettings) if name in traits):
        trait = traits[name]
        kind = type(trait).__name__
        default = repr(trait.default()).replace("''", "empty")
        yield f"| `{name}` | {kind} | `{default}` | {prose(str(trait.help))} |"
    yield "\n## Rate limits\n"
    yield "What `rate_limits` changes. Whoever does more is answered with 429 and `Retry-After`.\n"
    yield "| Limit | Default |"
    yield "| --- | --- |"
    for name, limit in DEFAULT_LIMITS.items():
        yield f"| `{name}` | {limit} |"


def prose(text: str) -> str:
    """A docstring or help text on one line, its code marked as Markdown does."""
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


def permissions() -> Iterator[str]:
    """Roles across, permissions down."""
    yield from ("# Roles and permissions", "", MADE, PERMISSIONS)
    yield f"| | {' | '.join(role.value for role in Role)} |"
    yield f"| --- |{' --- |' * len(Role)}"
    for permission in Permission:
        marks = ("✓" if permission in role.permissions else "" for role in Role)
        yield f"| {permission.value} | {' | '.join(marks)} |"
    invited = ", ".join(role.value for role in Role if role.can_be_invited)
    yield f"\nRoles that a link can give: {invited}."
    off = ", ".join(p.value for p in Permission if p in RESTRICTABLE)
    yield f"\nWhat a host can switch off for a whole role, but never for hosts: {off}."
    ended = ", ".join(p.value for p in Permission if p.needs_open_room)
    yield f"\nWhat nobody can do in a room that has ended: {ended}."
    early = ", ".join(role.value for role in Role if role.prepares)
    yield f"\nWho is let in before a room is open: {early}."


def languages() -> Iterator[str]:
    """The table of languages."""
    yield from ("# Languages", "", MADE, LANGUAGES_WORDS)
    yield "| Language | Id | File | Programs | On Debian | |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for language in LANGUAGES.values():
        chains = [" and ".join(f"`{p}`" for p in x.programs) for x in language.toolchains]
        programs = " or ".join(filter(None, chains)) or "the server's own Python"
        packages = f"`{' '.join(language.packages)}`" if language.packages else ""
        notebook = "notebooks too" if language.notebook else ""
        yield (
            f"| {language.name} | `{language.id}` | `{language.file_name}` | {programs} "
            f"| {packages} | {notebook} |"
        )


def rest_api() -> Iterator[str]:
    """Operations, then the shapes they take and give."""
    described = describe(API_ROUTES, version=__version__, prefix="/codepad/")
    yield from ("# REST API", "", MADE, REST, "## Operations", "")
    yield "| Request | Who | What it does | Takes | Gives |"
    yield "| --- | --- | --- | --- | --- |"
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            yield operation_row(path, method, operation)
    yield "\n## Shapes\n"
    for name, schema in described["components"]["schemas"].items():
        yield from shape(name, schema)


def operation_row(path: str, method: str, operation: dict[str, Any]) -> str:
    """One line of the table of operations."""
    who = {"public": "anybody", "signed_in": "Jupyter user"}.get(operation["x-rule"], "participant")
    if operation["x-rule"] == "room" and "x-permission" not in operation:
        who += ", or in the lobby"
    if "x-permission" in operation:
        who += f" ({operation['x-permission']})"
    status, answer = next(iter(operation["responses"].items()))
    takes, gives = model_of(operation.get("requestBody", {})), model_of(answer)
    return (
        f"| `{method.upper()} {path}` | {who} | {operation['summary']} | {takes} "
        f"| {' '.join((status, gives)).strip()} |"
    )


def model_of(part: dict[str, Any]) -> str:
    """A link to the shape of a body, where there is one."""
    content = part.get("content", {}).get("application/json")
    if content is None:
        return ""
    name = content["schema"]["$ref"].rsplit("/", 1)[1]
    return f"[{name}](#{name.lower()})"


def shape(name: str, schema: dict[str, Any]) -> Iterator[str]:
    """One model: its sentence and its fields."""
    yield f"### {name}\n"
    yield prose(schema.get("description", "")) + "\n"
    if "enum" in schema:
        yield "One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + ".\n"
        return
    yield "| Field | Type | |"
    yield "| --- | --- | --- |"
    for field, inner in schema.get("properties", {}).items():
        words = [inner.get("description", "")]
        if field in schema.get("required", []):
            words.insert(0, "always there.")
        elif inner.get("default"):
            words.insert(0, f"default `{inner['default']}`.")
        yield f"| `{field}` | {type_of(inner)} | {' '.join(filter(None, words))} |"
    yield ""


def type_of(schema: dict[str, Any]) -> str:
    """A schema as a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(type_of(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {type_of(schema['items'])}"
    return str(schema.get("format") or schema.get("type", "anything"))


PAGES = {
    "configuration.md": configuration,
    "permissions.md": permissions,
    "rest-api.md": rest_api,
    "languages.md": languages,
}


def page(name: str) -> str:
    """The text that a page should have."""
    lines = [line.rstrip() for line in "\n".join(PAGES[name]()).splitlines()]
    return "\n".join(lines).strip() + "\n"


def main() -> None:
    """Write all pages."""
    for name in PAGES:
        (REFERENCE / name).write_text(page(name), encoding="utf-8")
        print(f"docs/reference/{name}")


if __name__ == "__main__":
    main()
