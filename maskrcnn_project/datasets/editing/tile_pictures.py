"""The pictures of tiles: opened as Detectron2's reader sees them, cut, and written without loss, or as JPEG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image, ImageOps

from maskrcnn_project.datasets.checking.image_reading import EXECUTED_FORMATS
from maskrcnn_project.datasets.image_file import DEEP_MODES, UNREADABLE
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.window import Window

FORMATS = ("png", "jpg")
# Pillow refuses what is larger than 0.18 gigapixels, to which scans and aerial photographs, the very images to be
# tiled, do come. The limit is raised, not lifted: twice this (6 GB as RGB) is refused.
MAX_PIXELS = 10**9
WORKERS = 4  # compression takes most of the time, and runs beside Python
PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")  # what PNG holds as it is
JPEG_MODES = ("L", "RGB")


def open_upright(path: Path, record: Mapping[str, Any], format: str) -> Image.Image:
    """
    The picture, turned upright as its EXIF orientation says, in a mode that ``format`` can hold.

    Raises:
        DatasetError: it cannot be decoded, is not of the size of its record, or has more than 8 bits where JPEG is
            wanted.
    """
    name = f"{path} (image id {record['id']})"
    Image.init()
    formats = [known for known in Image.ID if known not in EXECUTED_FORMATS]
    try:
        with _large_images(), Image.open(path, formats=formats) as upright:
            upright.load()
            ImageOps.exif_transpose(upright, in_place=True)  # a copy would take as much memory again
    except UNREADABLE as error:
        raise DatasetError(f"{name} cannot be decoded ({error}): fix it, or take it out of the JSON.") from error
    if (upright.height, upright.width) != (record["height"], record["width"]):
        raise DatasetError(
            f"{name} is {upright.height}x{upright.width} (height x width, upright), but the JSON says "
            f"{record['height']}x{record['width']}: correct the JSON (tools/check_dataset.py tells more)."
        )
    deep = upright.mode.startswith(DEEP_MODES)
    if format == "jpg":
        if deep:
            raise DatasetError(f"{name} has more than 8 bits a pixel, which JPEG cannot hold: write png tiles.")
        return upright if upright.mode in JPEG_MODES else upright.convert("RGB")
    return upright if upright.mode in PNG_MODES or deep else upright.convert("RGB")


class TileWriter:
    """Writes tiles into a folder, under names that say where they come from and that occur once."""

    def __init__(self, folder: Path, format: str, quality: int) -> None:
        self.folder = folder
        self.format = format
        self.quality = quality
        self._stems: set[str] = set()

    def write(self, path: Path, record: Mapping[str, Any], tiles: Sequence[Window]) -> list[str]:
        """
        Cuts one image; returns the file names of the tiles, relative to the folder. Raises as ``open_upright``.
        """
        picture = open_upright(path, record, self.format)
        suffix = self.format if self.format == "jpg" or picture.mode in PNG_MODES else "tif"  # without loss as well
        stem = self._stem_for(record)
        names = [f"{stem}_x{tile.x:05d}_y{tile.y:05d}.{suffix}" for tile in tiles]
        (self.folder / stem).parent.mkdir(parents=True, exist_ok=True)
        # 4:4:4: JPEG's habit of halving the resolution of colours would blur small objects
        how: dict[str, Any] = {"quality": self.quality, "subsampling": 0} if suffix == "jpg" else {}

        def save(name: str, tile: Window) -> None:
            corner = (tile.x, tile.y, tile.x + tile.width, tile.y + tile.height)
            picture.crop(corner).save(self.folder / name, **how)

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


@contextmanager
def _large_images() -> Iterator[None]:
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before
