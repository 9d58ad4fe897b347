"""Pictures whose pixels are numbers: of instances or of classes, by grey value, palette entry or colour."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from maskrcnn_project.datasets.conversion.image_folder import open_picture
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.mask_in_box import MaskInBox

SUFFIXES = (".png", ".bmp", ".tif", ".tiff")  # JPEG would mix the numbers of neighbours
LOSSY = ("JPEG", "MPO", "JPEG2000")
COLOURED = ("RGB", "RGBX")
TRANSPARENT = ("RGBA", "LA", "PA")
NUMBERED = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L")
FLOATING = "F"  # 32 bits, as ImageJ saves labels
MAX_WHOLE = 2**24  # up to here every whole number is a 32-bit floating-point number of its own
NEW_SUBFILE_TYPE, REDUCED = 254, 1  # TIFF 6.0, section 8: a page that is another one at a smaller size


class Numbers(NamedTuple):
    """The pixels of a picture as numbers."""

    pixels: np.ndarray  # (H, W) int64: grey values, palette entries or colours (``pack``)
    coloured: bool = False
    deep: bool = False  # 16 bits or more a pixel
    from_alpha: bool = False  # the colours are the same everywhere, and what varies is the alpha channel


def read_numbers(path: Path) -> Numbers:
    """
    The numbers of a picture, the first one of a file of several; what is wholly transparent is 0.

    Raises:
        DatasetError: no picture, one of another kind, or a JPEG, whatever its name is.
    """
    return next(read_pages(path))


def read_pages(path: Path) -> Iterator[Numbers]:
    """
    The numbers of every page of a TIFF file but those that it calls reduced, or of the one picture of another file.

    Raises:
        DatasetError: as ``read_numbers``.
    """
    with _open(path) as picture:
        if picture.format in LOSSY:
            raise DatasetError(
                f"{path} is a JPEG picture, which mixes the numbers of neighbouring pixels: wanted are masks as PNG."
            )
        yield _numbers_of(picture, path)
        if not isinstance(picture, TiffImageFile):
            return
        for page in range(1, picture.n_frames):
            with _reading(path):
                picture.seek(page)
                reduced = picture.tag_v2.get(NEW_SUBFILE_TYPE, 0) & REDUCED
                if not reduced:
                    picture.load()
            if not reduced:
                yield _numbers_of(picture, path)


def _numbers_of(picture: Image.Image, path: Path) -> Numbers:
    if picture.mode in TRANSPARENT:
        return _without_transparent(picture)
    if picture.mode in COLOURED:
        return Numbers(pack(np.asarray(picture.convert("RGB"))), coloured=True)
    numbers = np.asarray(picture)
    if picture.mode == FLOATING:
        broken = numbers[~((np.abs(numbers) < MAX_WHOLE) & (np.trunc(numbers) == numbers))]  # NaN is neither
        if broken.size:
            raise DatasetError(
                f"{path} has pixels of {broken[0]:g}, but objects are numbered by whole numbers (below {MAX_WHOLE}): "
                "save it with such."
            )
    elif picture.mode not in NUMBERED:
        raise DatasetError(
            f"{path} is a picture of the kind {picture.mode}, whose pixels are no numbers: wanted are grey values, "
            "a palette or colours."
        )
    deep = picture.mode.startswith("I") or picture.mode == FLOATING
    return Numbers((numbers if numbers.ndim == 2 else numbers[:, :, 0]).astype(np.int64), deep=deep)


def _without_transparent(picture: Image.Image) -> Numbers:
    """A picture with an alpha channel: by its colours where they differ, else by how opaque it is."""
    bands = np.asarray(picture)
    coloured = picture.mode == "RGBA"
    pixels, alpha = pack(bands) if coloured else bands[:, :, 0].astype(np.int64), bands[:, :, -1].astype(np.int64)
    if alpha.size and alpha.min() < alpha.max():
        visible = np.where(alpha > 0, pixels, 0)
        if pixels.min() == pixels.max() or not visible.any():
            return Numbers(alpha, from_alpha=True)
        pixels = visible
    return Numbers(pixels, coloured)


def read_colours(path: Path) -> np.ndarray:
    """The colours of a picture of any kind, (H, W) int64, ``pack``. Raises DatasetError if it cannot be read."""
    with _open(path) as picture:
        return pack(np.asarray(picture.convert("RGB")))


def pack(colours: np.ndarray) -> np.ndarray:
    """(..., 3) red, green, blue of 0-255 as one number each, 0xRRGGBB; black is 0."""
    red, green, blue = (colours[..., channel].astype(np.int64) for channel in range(3))
    return (red << 16) | (green << 8) | blue


def _open(path: Path) -> Image.Image:
    with _reading(path):
        picture = open_picture(path)
        picture.load()
    return picture


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # on damaged files Pillow's decoders raise nearly every type of error
        raise DatasetError(f"The picture {path} cannot be read ({error}): fix or remove it.") from error


def masks_of_numbers(numbers: np.ndarray) -> Iterator[tuple[int, MaskInBox]]:
    """Each number of (H, W) but 0, ascending, with the pixels that have it."""
    rows, columns = np.nonzero(numbers)
    order = np.argsort(numbers[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    values, starts = np.unique(numbers[rows, columns], return_index=True)
    for value, y, x in zip(values, np.split(rows, starts[1:]), np.split(columns, starts[1:]), strict=False):
        top, left = int(y.min()), int(x.min())
        pixels = np.zeros((int(y.max()) - top + 1, int(x.max()) - left + 1), dtype=bool)
        pixels[y - top, x - left] = True
        yield int(value), MaskInBox.at(left, top, pixels)
