"""A file of the host's of which a pad becomes a copy; the file itself stays as it is."""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from jupyter_server.services.contents.manager import ContentsManager
from jupyter_server.utils import ensure_async
from nbformat import ValidationError, validate
from tornado.web import HTTPError

from ..errors import Conflict, Invalid, NotFound, TooLarge
from .models import PadType

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
NO_WIDGET = "A widget was shown here. It works only in the notebook that it was made in."
CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
FORMAT = (4, 5)
"""nbformat and nbformat_minor of pads: since 4.5 every cell has an id, by which it is run."""


@dataclass(frozen=True)
class Source:
    """A file as it becomes a pad.

    ``content``: text, or a notebook in nbformat 4.5; ``languages``: what a notebook says it is
    written in, the surest name first, in the words of its kernel; empty for a code file.
    """

    name: str
    pad_type: PadType
    content: Any
    languages: tuple[str, ...] = ()


class SourceFiles:
    """Reads files that pads become copies of, through the contents manager only.

    ``require_regular``: raises ``Conflict`` for a path that goes through a link;
    ``document_limit_bytes`` and ``notebook_limit_bytes``: the largest text and notebook file.
    """

    def __init__(
        self,
        *,
        contents: ContentsManager,
        require_regular: Callable[[str], None],
        document_limit_bytes: int,
        notebook_limit_bytes: int,
    ) -> None:
        self._contents = contents
        self._require_regular = require_regular
        self._document_limit = document_limit_bytes
        self._notebook_limit = notebook_limit_bytes

    async def read(self, path: str) -> Source:
        """A copy of an existing file below Jupyter's root.

        Raises ``NotFound`` when there is none or it is hidden, ``Invalid`` for a folder, a link, a
        file that is not text and a notebook that cannot be read, ``TooLarge``.
        """
        await self._require_there(path)
        try:
            model = await ensure_async(self._contents.get(path, content=True))
        except HTTPError as error:
            if error.status_code != 400:
                raise _not_found(path) from error
            if path.endswith(".ipynb"):
                raise _broken(path) from error
            raise Invalid("source_not_text", f"“{path}” is not a text file.") from error
        if model["type"] == "notebook":
            try:
                notebook = await asyncio.to_thread(cleaned, model["content"])
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                raise _broken(path) from error
            return Source(model["name"], "notebook", notebook, languages_of(notebook))
        if model["format"] != "text":
            raise Invalid("source_not_text", f"“{path}” is not a text file.")
        return Source(model["name"], "file", model["content"].replace("\r\n", "\n"))

    async def _require_there(self, path: str) -> None:
        contents = self._contents
        try:
            if not contents.allow_hidden and await ensure_async(contents.is_hidden(path)):
                raise _not_found(path)
            model = await ensure_async(contents.get(path, content=False))
            if model["type"] == "directory":
                raise Invalid("source_is_folder", f"“{path}” is a folder. Choose a file.")
            await asyncio.to_thread(self._require_regular, path)
        except (HTTPError, ValueError, OSError) as error:
            raise _not_found(path) from error
        except Conflict as error:
            words = f"“{path}” is no plain file, or a link leads to it. Choose the file itself."
            raise Invalid("source_is_link", words) from error
        limit = self._notebook_limit if model["type"] == "notebook" else self._document_limit
        if model.get("size") is not None and model["size"] > limit:
            raise TooLarge(
                "document_too_large",
                f"“{path}” is larger than the {limit:,} bytes that a pad can hold.",
            )


def cleaned(content: dict[str, Any]) -> dict[str, Any]:
    """A notebook as it may become a pad: valid format 4.5, every cell with an id of its own.

    Nothing in it is trusted, because others will write into it; outputs stay. What widgets held
    goes: it is of no use without the kernel that made it. Raises ``ValueError`` when it is no
    notebook.
    """
    notebook = copy.deepcopy(dict(content))
    _clean_metadata(notebook["metadata"])
    taken: set[str] = set()
    for cell in notebook["cells"]:
        cell.setdefault("metadata", {}).pop("trusted", None)
        # Of two cells with one id nobody could say which to run.
        cell_id = cell.get("id")
        if not isinstance(cell_id, str) or cell_id in taken or not CELL_ID.fullmatch(cell_id):
            cell_id = cell["id"] = str(uuid4())
        taken.add(cell_id)
        if cell["cell_type"] == "code":
            cell.setdefault("execution_count", None)
            for output in cell.setdefault("outputs", []):
                _forget_widget(output)
    notebook["nbformat"], notebook["nbformat_minor"] = FORMAT
    try:
        validate(notebook)
    except ValidationError as error:
        raise ValueError(str(error)) from error
    return notebook


def _clean_metadata(metadata: dict[str, Any]) -> None:
    for name in ("widgets", "signature", "trusted"):
        metadata.pop(name, None)
    for name in ("kernelspec", "language_info"):
        said = metadata.get(name)
        if not isinstance(said, dict) or not isinstance(said.get("name"), str):
            metadata.pop(name, None)
    if "kernelspec" in metadata:
        metadata["kernelspec"].setdefault("display_name", metadata["kernelspec"]["name"])


def _forget_widget(output: dict[str, Any]) -> None:
    data = output.get("data")
    if isinstance(data, dict) and data.pop(WIDGET_VIEW, None) is not None and not data:
        data["text/plain"] = NO_WIDGET


def languages_of(notebook: dict[str, Any]) -> tuple[str, ...]:
    """What a notebook says it is written in, the surest first."""
    metadata = notebook["metadata"]
    kernel = metadata.get("kernelspec") or {}
    info = metadata.get("language_info") or {}
    names = (info.get("name"), kernel.get("language"), kernel.get("name"))
    return tuple(name for name in names if isinstance(name, str) and name)


def _not_found(path: str) -> NotFound:
    return NotFound("source_not_found", f"There is no file “{path[:200]}” here.")


def _broken(path: str) -> Invalid:
    words = (
        f"“{path}” cannot be read as a notebook. Open and save it in JupyterLab, then try again."
    )
    return Invalid("source_broken", words)
