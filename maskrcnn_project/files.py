"""Writing so that a killed process leaves no half file: beside the place, then renamed."""

from __future__ import annotations

import os
from pathlib import Path


def write_beside(path: Path, text: str) -> None:
    """Writes ``text`` to a file beside ``path`` and renames it, so that ``path`` is never half-written."""
    beside = path.with_name(f".{path.name}.partial")
    beside.write_text(text, "utf-8")
    os.replace(beside, path)
