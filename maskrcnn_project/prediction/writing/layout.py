"""Where the results of an image lie: in the same folders below the output as the image below the inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath


class Layout:
    """
    Paths of results below ``folder``. An image's name loses its suffix (deep/a.jpg becomes deep/a.png), unless another
    image in its folder differs by the suffix only: then both keep theirs (a.jpg.png and a.bmp.png), so that nothing is
    lost. The paths follow from the names alone: neither order nor process changes them.
    """

    def __init__(self, folder: Path, names: Iterable[PurePosixPath]):
        """
        Args:
            names: of all images, each below the inputs' common folder, as the writers get them.
        """
        self.folder = folder
        # file systems there are where a.png and A.png are one file
        self._stems = Counter(str(name.with_suffix("")).casefold() for name in set(names))

    def place(self, name: PurePosixPath, suffix: str) -> Path:
        """The path of a result of the image ``name``; ``suffix`` is ".png", or "" for a folder."""
        alone = self._stems[str(name.with_suffix("")).casefold()] <= 1
        stem = name.stem if alone else name.name
        return self.folder / name.parent / (stem + suffix)
