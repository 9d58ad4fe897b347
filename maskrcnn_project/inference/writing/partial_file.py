"""A text file that grows line by line beside its place, and appears there once it is complete."""

from __future__ import annotations

import os
from pathlib import Path


class PartialFile:
    """What a killed process leaves behind has another name, and the next one writes it anew."""

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._beside = path.with_name(f".{path.name}.partial")
        self.stream = self._beside.open("w", encoding="utf-8", newline="")

    def finish(self) -> None:
        """Closes the file and gives it its name."""
        self.stream.close()
        os.replace(self._beside, self.path)
