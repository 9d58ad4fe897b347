"""Files: which of them are pictures, and writing so that a killed process leaves no half file."""

from __future__ import annotations

import os
from pathlib import Path

# What counts as a picture among the files of a folder.
IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


def write_beside(path: Path, text: str) -> None:
    """Writes ``text`` to a file beside ``path`` and renames it, so that ``path`` is never half-written."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")  # two processes may write the same file
    beside.write_text(text, "utf-8")
    os.replace(beside, path)
