"""What a large JSON file tells without being parsed: one value of it, and whether an annotation has a category."""

from __future__ import annotations

import gc
import json
import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FIRST_WINDOW = 1 << 16  # bytes; a table of categories is mostly smaller


def read_value(path: str | Path, key: str) -> Any:
    """
    The value of ``key``, which the file should hold at one place; None where it holds it nowhere, at several
    places, or broken: only the whole file tells then.

    A key is known by its colon. A text that quotes one has backslashes before the quotes, and so is not taken for it.
    """
    with _bytes_of(path) as content:
        places = list(re.finditer(rb'"%s"\s*:\s*' % key.encode(), content))
        if len(places) != 1:
            return None
        start, window = places[0].end(), FIRST_WINDOW
        while True:
            # the window may end within a character, which is left out, as within the value, which is an error
            text = content[start : start + window].decode("utf-8", "ignore")
            try:
                return json.JSONDecoder().raw_decode(text)[0]
            except (ValueError, RecursionError):  # a number too long, lists too deep: as above
                if start + window >= len(content):
                    return None
            window *= 8


def is_annotated(path: str | Path, category_id: int) -> bool:
    """Whether any annotation of a COCO file has the category."""
    with _bytes_of(path) as content:
        return re.search(rb'"category_id"\s*:\s*%d(?!\d)' % category_id, content) is not None


def holds(path: str | Path, pattern: bytes) -> bool:
    """Whether a file's bytes match a regular expression anywhere."""
    with _bytes_of(path) as content:
        return re.search(pattern, content) is not None


@contextmanager
def _bytes_of(path: str | Path) -> Iterator[bytes | mmap.mmap]:
    with open(path, "rb") as file:
        if not file.seek(0, 2):  # nothing cannot be mapped
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            yield content


@contextmanager
def gc_paused() -> Iterator[None]:
    """
    Parsing JSON makes no cycles, but Python looks for them again and again while millions of objects come up: a
    third of the time that a large file takes.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
