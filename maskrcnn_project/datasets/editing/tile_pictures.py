"""The pictures of tiles: opened as Detectron2's reader sees them, cut, and written without loss, or as JPEG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps

from maskrcnn_project.datasets.stored_image import DEEP_MODES, UNREADABLE, open_stored, red_and_blue_exchanged
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.window import Window

FORMATS = ("png", "jpg")
# Pillow refuses what is larger than 0.18 gigapixels, to which scans and aerial photographs, the very images to be
# tiled, do come. The limit is raised, not lifted: twice this (6 GB as RGB) is refused.
MAX_PIXELS = 10**9
WORKERS = 4  # compression takes most of the time, and runs beside Python
PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")  # what PNG holds as it is
JPEG_MODES = ("L", "RGB")


def open_upright(
    path: Path, record: Mapping[str, Any], format: str, page: int | None = None
) -> Image.Image | np.ndarray:
    """
    The picture, turned upright as its EXIF orientation says, in a mode that ``format`` can hold; one that Pillow cannot
    hold as (H, W) or (H, W, C) values in RGB order.

    Args:
        page: of a stack, from 0; None: a stack is refused.

    Raises:
        DatasetError: it cannot be decoded, is not of the size of its record, is a stack without the page, or has more
            than 8 bits where JPEG is wanted.
    """
    name = f"{path} (image id {record['id']})"
    try:
        with _large_images(), open_stored(path) as stored:
            if stored.is_stack and page is None:
                raise DatasetError(f"{name} is a stack of {stored.pages} pages: say which to cut (--page, from 0).")
            stored.turn_to(page or 0)
            upright: Image.Image | np.ndarray
            if stored.picture is None or stored.is_deep_colour:
                upright = stored.values()
                height, width = upright.shape[:2]
            else:
                upright = stored.picture
                upright.load()
                ImageOps.exif_transpose(upright, in_place=True)  # a copy would take as much memory again
                width, height = upright.size
    except UNREADABLE as error:
        raise DatasetError(f"{name} cannot be decoded ({error}): fix it, or take it out of the JSON.") from error
    if (height, width) != (record["height"], record["width"]):
        raise DatasetError(
            f"{name} is {height}x{width} (height x width, upright), but the JSON says "
            f"{record['height']}x{record['width']}: correct the JSON (tools/check_dataset.py tells more)."
        )
    deep = isinstance(upright, np.ndarray) or upright.mode.startswith(DEEP_MODES)
    if format == "jpg":
        if deep:
            raise DatasetError(f"{name} has more than 8 bits a pixel, which JPEG cannot hold: write png tiles.")
        assert not isinstance(upright, np.ndarray)
        return upright if upright.mode in JPEG_MODES else upright.convert("RGB")
    if isinstance(upright, np.ndarray) or deep or upright.mode in PNG_MODES:
        return upright
    return upright.convert("RGB")


class TileWriter:
    """Writes tiles into a folder, under names that say where they come from and that occur once."""

    def __init__(self, folder: Path, format: str, quality: int, page: int | None = None) -> None:
        self.folder = folder
        self.format = format
        self.quality = quality
        self.page = page
        self._stems: set[str] = set()

    def write(self, path: Path, record: Mapping[str, Any], tiles: Sequence[Window]) -> list[str]:
        """
        Cuts one image; returns the file names of the tiles, relative to the folder. Raises as ``open_upright``.
        """
        picture = open_upright(path, record, self.format, self.page)
        suffix = self.format if self.format == "jpg" or _fits_png(picture) else "tif"  # without loss as well
        stem = self._stem_for(record)
        names = [f"{stem}_x{tile.x:05d}_y{tile.y:05d}.{suffix}" for tile in tiles]
        (self.folder / stem).parent.mkdir(parents=True, exist_ok=True)
        # 4:4:4: JPEG's habit of halving the resolution of colours would blur small objects
        how: dict[str, Any] = {"quality": self.quality, "subsampling": 0} if suffix == "jpg" else {}

        def save(name: str, tile: Window) -> None:
            if isinstance(picture, np.ndarray):
                _save_values(picture[tile.slices], self.folder / name)
            else:
                picture.crop((tile.x, tile.y, tile.right, tile.bottom)).save(self.folder / name, **how)

        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(save, names, tiles))
        return names

    def _stem_for(self, record: Mapping[str, Any]) -> str:
        """The file name without suffix; never outside of the folder, and told apart where only the suffix differed."""
        parts = PurePosixPath(record["file_name"].replace("\\", "/")).with_suffix("").parts
        stem = "/".join(part.replace(":", "_") for part in parts if part not in ("..", "/"))
        while stem.casefold() in self._stems:  # some file systems do not tell A from a
            stem = f"{stem}_{record['id']}"
        self._stems.add(stem.casefold())
        return stem


def _fits_png(picture: Image.Image | np.ndarray) -> bool:
    if isinstance(picture, np.ndarray):
        return picture.dtype in (np.uint8, np.uint16)
    return picture.mode in PNG_MODES


def _save_values(values: np.ndarray, path: Path) -> None:
    """Values of any type as PNG or TIFF, whose order of colours OpenCV wants turned round."""
    if not cv2.imwrite(str(path), np.ascontiguousarray(red_and_blue_exchanged(values))):
        raise DatasetError(f"{path} cannot be written with values of the type {values.dtype}: convert the images.")


@contextmanager
def _large_images() -> Iterator[None]:
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before
