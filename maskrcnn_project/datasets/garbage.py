"""Python's search for cyclic garbage, paused while a large file becomes millions of objects."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage_collection() -> Iterator[None]:
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
