"""The images of a dataset: which files there are, and how large each is when it stands upright."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from PIL import Image

from maskrcnn_project.datasets.checking.image_reading import SIDES_EXCHANGED
from maskrcnn_project.datasets.stored_image import ORIENTATION, known_formats
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import IMAGE_SUFFIXES, images_below

logger = logging.getLogger(__name__)

Size = tuple[int, int]  # (height, width) in pixels


class AmbiguousImageError(DatasetError):
    """It is open which of several images (``file_names``) an annotation is about."""

    def __init__(self, sentence: str, file_names: Iterable[str]) -> None:
        super().__init__(sentence)
        self.file_names = list(file_names)


class ImageFolder:
    """The images below ``root``, each known by its ``file_name``: the path from ``root``, with forward slashes."""

    def __init__(
        self,
        root: Path,
        but_not: Path | None = None,
        are_masks: Callable[[Sequence[str]], set[str]] | None = None,
    ) -> None:
        """
        Args:
            but_not: a folder whose pictures are no images of the dataset, such as masks that lie below ``root``.
            are_masks: tells those of the file names that are masks of others (``masks``).

        Raises:
            DatasetError: no such folder, or no image in it.
        """
        if not root.is_dir():
            raise DatasetError(f"The image folder {root} does not exist: name the folder of the images with --images.")
        self.root = root
        self._real_root = Path(os.path.realpath(root))
        files, remark = images_below(root)
        found: Iterable[Path] = files
        if but_not is not None and but_not.is_dir() and not but_not.samefile(root):
            masks = Path(os.path.abspath(but_not))
            found = (file for file in found if masks not in Path(os.path.abspath(file)).parents)
        names = sorted(file.relative_to(root).as_posix() for file in found)
        self.masks = sorted(are_masks(names)) if are_masks else []
        self.file_names = sorted(set(names).difference(self.masks))
        if not self.file_names:
            raise DatasetError(
                f"The image folder {root} holds no image ({', '.join(IMAGE_SUFFIXES)}){remark and f'; {remark}'}."
            )
        if remark:
            logger.warning("%s: %s.", root, remark)
        self._known = set(self.file_names)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for name in self.file_names:
            self._by_stem[PurePosixPath(name).with_suffix("").as_posix()].append(name)

    @property
    def stems(self) -> Collection[str]:
        """What ``named`` knows images by."""
        return self._by_stem.keys()

    def file_name_of(self, path: Path) -> str | None:
        """The ``file_name`` of an image given by its path, or None if it is not in this folder."""
        places = ((os.path.abspath(path), os.path.abspath(self.root)), (os.path.realpath(path), str(self._real_root)))
        for place, root in places:
            name = Path(os.path.relpath(place, root)).as_posix()
            if name in self._known:
                return name
        return None

    def named(self, stem: str) -> str | None:
        """
        The ``file_name`` of the image that is called ``stem`` but for its suffix (``"a/b"`` for ``a/b.jpg``), or None.

        Raises:
            AmbiguousImageError: two images differ by their suffix only.
        """
        names = self._by_stem.get(stem, [])
        if len(names) > 1:
            raise AmbiguousImageError(
                f"{' and '.join(names)} in {self.root} differ by their suffix only, so that it is open which of them "
                f"the annotation called {stem!r} means: rename one.",
                names,
            )
        return names[0] if names else None

    def alike(self, stem: str) -> list[str]:
        """The images called ``stem`` but for their suffix; where there is none, those of that name in any folder."""
        last = PurePosixPath(stem).name
        return self._by_stem.get(stem) or [
            name for other, names in self._by_stem.items() if PurePosixPath(other).name == last for name in names
        ]

    def size(self, file_name: str) -> Size:
        """(height, width) upright, from the head of the file. Raises DatasetError for what is no image."""
        path = self.root / file_name
        try:
            with open_picture(path) as image:
                turned = image.getexif().get(ORIENTATION) in SIDES_EXCHANGED
                return (image.width, image.height) if turned else (image.height, image.width)
        except Exception as error:  # on damaged files Pillow's decoders raise nearly every type of error
            raise DatasetError(f"The image {path} cannot be read ({error}): fix or remove it.") from error


def open_picture(file: Path | BinaryIO) -> Image.Image:
    """What ``Image.open`` gives, but for formats that Pillow hands to a program that executes them."""
    return Image.open(file, formats=known_formats())
