"""
What was found, written: one file a form.

Every writer has ``add(name, image, found)`` and ``finish()``. ``name`` is the image's path below the inputs' common
folder, ``image`` its pixels (H, W, 3) uint8 BGR, ``found`` its detections. Those of one file (predictions.json,
measurements.csv) write it beside its place and rename it in ``finish``; they look at no pixels (``image`` may be None),
so that records of an interrupted run (``record.py``) are enough to write them. The others write a file or a folder for
each image, complete when ``add`` returns.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Protocol

import numpy as np

from maskrcnn_project.masks.detections import Detections


class Writer(Protocol):
    """The form that all writers share."""

    def add(self, name: PurePosixPath, image: np.ndarray | None, found: Detections) -> None: ...

    def finish(self) -> None: ...


class TableWriter(Writer, Protocol):
    """One whose file appears in ``finish``; ``discard`` removes it where that is not reached."""

    def discard(self) -> None: ...
