"""Where the results of an image lie: in the same folders below the output as the image below the inputs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from maskrcnn_project.files import names_without_suffix


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
        self._called = names_without_suffix(names)

    def place(self, name: PurePosixPath, suffix: str) -> Path:
        """The path of a result of the image ``name``; ``suffix`` is ".png", or "" for a folder."""
        called = self._called.get(name) or name.with_suffix("")  # a frame of a video is not among the names
        return self.folder / called.parent / (called.name + suffix)
