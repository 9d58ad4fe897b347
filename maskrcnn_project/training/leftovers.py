"""What a killed process leaves in a run's folder: files that it was writing, which nothing will ever finish."""

from __future__ import annotations

import logging
from pathlib import Path

logger = logging.getLogger(__name__)

# How files are called until they are whole: here (``files.temporary_path``), and in the stand-in's checkpointer.
UNFINISHED = (".*.partial*", ".*.part")


def remove_unfinished(folder: Path) -> int:
    """
    Removes them, and logs how much that was. Only the process that holds the run's lock may call it.

    Returns:
        their bytes.
    """
    size = 0
    for pattern in UNFINISHED:
        for path in folder.glob(pattern):
            if path.is_file():
                size += path.stat().st_size
                path.unlink(missing_ok=True)
                logger.warning("%s, which a killed process had not finished, is removed.", path)
    return size
