"""Files of rooms, as other programs find them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def notebook_in(file: Path) -> dict[str, Any]:
    """A notebook as it is on disk; one without cells while it is being written."""
    try:
        found: dict[str, Any] = json.loads(file.read_text())
    except ValueError:
        return {"cells": [], "metadata": {}}
    return found
