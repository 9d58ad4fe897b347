"""Text of one entry a line, as strangers write it: class lists, lists of images, label files."""

from __future__ import annotations

from pathlib import Path

from maskrcnn_project.errors import DatasetError


def read_lines(path: Path) -> list[str]:
    """
    The lines of a text file without blanks round them; empty ones stay, so that the first is line 1.

    Raises:
        DatasetError: the file is not UTF-8, with or without a byte order mark.
    """
    try:
        return [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8.") from error


def read_entries(path: Path) -> list[str]:
    """The lines that are not empty. Raises DatasetError as ``read_lines``."""
    return [line for line in read_lines(path) if line]
