"""
An image file of any depth: what its head says, and the values that are stored.

Pillow reads it where it can. It cuts colours of 16 bits to 8 and knows no TIFF of 64-bit floats or of floats in colour:
these OpenCV reads, once their head says that they are no larger than Pillow would take.

Sizes are (height, width) in pixels; colours are in RGB order.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

DEEP_MODES = ("I", "F")  # Pillow's modes of more than 8 bits begin so: I, I;16, I;16B, F
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # what Pillow raises for a broken file
# Pillow hands PostScript to a program that executes it. No photo is PostScript, whatever its name says.
EXECUTED_FORMATS = frozenset(("EPS",))
ORIENTATION = 0x0112  # EXIF 2.3, tag 274, and TIFF 6.0
# TIFF 6.0: tags of the head.
WIDTH, LENGTH, BITS_PER_SAMPLE = 256, 257, 258
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two: BigTIFF
TURNED = (5, 6, 7, 8)  # orientations that exchange the sides
MAX_PAGES = 100_000  # of a file whose pages go round in a ring


class NoSuchPageError(OSError):
    """An image has fewer pages than are wanted."""


class StoredImage:
    """An open image file. ``pages``: of a TIFF; frames of an animation are none."""

    def __init__(self, picture: Image.Image | None, data: bytes = b"") -> None:
        """``picture``: as Pillow opens it; None: the bytes of a TIFF that it does not know are ``data``."""
        self.picture = picture
        self._data = data
        self.format = "TIFF" if picture is None else picture.format
        with _damage_named():
            self._sizes = [] if picture is not None else _tiff_sizes(data)
            self.pages = len(self._sizes)
            if picture is not None:
                self.pages = getattr(picture, "n_frames", 1) if self.format == "TIFF" else 1
        self._page = 0

    @property
    def is_stack(self) -> bool:
        return self.pages > 1

    @property
    def is_deep(self) -> bool:
        """Whether the values of the page have more than 8 bits."""
        return self.picture is None or self.picture.mode.startswith(DEEP_MODES) or self.is_deep_colour

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the page: of a TIFF upright, of anything else as it is stored."""
        if self.picture is None:
            return self._sizes[self._page]
        return self.picture.height, self.picture.width

    def turn_to(self, page: int) -> None:
        """Makes it show one page of a stack; an image that is none has one. Raises NoSuchPageError."""
        if not self.is_stack and not self.is_deep:
            return  # a photograph beside stacks
        if page >= self.pages:
            raise NoSuchPageError(
                f"it has {self.pages} page{'s' if self.pages > 1 else ''}, and INPUT.PAGE is {page} (from 0)"
            )
        self._page = page
        if self.picture is not None and page != self.picture.tell():
            with _damage_named():
                self.picture.seek(page)

    def values(self) -> np.ndarray:
        """The page's values as they are stored, (H, W) or (H, W, C) of any number type, upright."""
        with _damage_named():
            if self.picture is None:
                return red_and_blue_exchanged(_decoded(self._data, self._page))
            if self.is_deep_colour:
                return self._deep_colours(self.picture)
            self.picture.load()
            upright = ImageOps.exif_transpose(self.picture)
            return np.asarray(upright.convert("RGB") if upright.mode in ("P", "CMYK", "YCbCr", "LAB") else upright)

    @property
    def is_deep_colour(self) -> bool:
        """Whether it has colours of more than 8 bits, which Pillow would cut."""
        picture: Any = self.picture
        if picture is None:
            return False
        if self.format == "PNG":
            return any("16B" in str(tile[3]) for tile in picture.tile) and not picture.mode.startswith(DEEP_MODES)
        if self.format == "TIFF":
            bits = picture.tag_v2.get(BITS_PER_SAMPLE, (8,))
            return picture.mode not in ("1", "L", "P") and max(bits) > 8 and not picture.mode.startswith(DEEP_MODES)
        return False

    def _deep_colours(self, picture: Any) -> np.ndarray:
        stream = picture.fp
        stream.seek(0)
        values = red_and_blue_exchanged(_decoded(stream.read(), self._page))
        # OpenCV turns a TIFF upright, as its head says, and a PNG not
        return values if self.format == "TIFF" else _turned(values, picture.getexif().get(ORIENTATION))


@contextmanager
def _damage_named() -> Iterator[None]:
    try:
        yield
    except UNREADABLE:
        raise
    except Exception as error:  # on damaged files Pillow's decoders raise nearly every type of error
        raise OSError(f"it is damaged ({error or type(error).__name__})") from error


def known_formats() -> list[str]:
    """Pillow's names of the kinds of files that are read: all but those that it would have executed."""
    Image.init()
    return [name for name in Image.ID if name not in EXECUTED_FORMATS]


@contextmanager
def open_stored(file: str | Path | BinaryIO, formats: Sequence[str] | None = None) -> Iterator[StoredImage]:
    """
    Args:
        formats: Pillow's names of the kinds that are taken; None: all but those that would be executed.

    Raises:
        what Pillow raises for what is no image, or has more pixels than it takes (UNREADABLE).
    """
    known = known_formats() if formats is None else list(formats)
    data, picture = b"", None
    try:
        with _damage_named():
            picture = Image.open(file, formats=known)
    except UnidentifiedImageError:
        data = _all_bytes(file) if "TIFF" in known else b""
        if not data.startswith(TIFF_STARTS):
            raise
        picture = None
    if picture is None:
        yield StoredImage(None, data)
        return
    with picture:
        yield StoredImage(picture)


def _all_bytes(file: str | Path | BinaryIO) -> bytes:
    if isinstance(file, (str, Path)):
        with open(file, "rb") as opened:
            return opened.read() if opened.read(4) in TIFF_STARTS and not opened.seek(0) else b""
    file.seek(0)
    return file.read()


def _tiff_sizes(data: bytes) -> list[tuple[int, int]]:
    """(height, width) of each page, upright. Raises DecompressionBombError for a page larger than Pillow takes."""
    sizes: list[tuple[int, int]] = []
    stream = io.BytesIO(data)
    directory = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if data[2:3] == b"+" or data[3:4] == b"+" else 8])
    place, seen = directory.next, set[int]()
    while place and place not in seen and len(sizes) < MAX_PAGES:
        seen.add(place)
        stream.seek(place)
        directory.load(stream)
        height, width = int(directory.get(LENGTH, 0)), int(directory.get(WIDTH, 0))
        if height < 1 or width < 1:
            raise UnidentifiedImageError("it is a TIFF without a size")
        if height * width > 2 * (Image.MAX_IMAGE_PIXELS or height * width):
            raise Image.DecompressionBombError(f"it has {height * width:,} pixels")
        sizes.append((width, height) if directory.get(ORIENTATION) in TURNED else (height, width))
        place = directory.next
    if not sizes:
        raise UnidentifiedImageError("it is a TIFF without a page")
    return sizes


def _decoded(data: bytes, page: int) -> np.ndarray:
    try:
        done, pages = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED, range=(page, page + 1))
    except cv2.error as error:
        raise OSError(f"it cannot be decoded ({error.err or error})") from error
    if not done or not len(pages):
        raise OSError("it cannot be decoded")
    return np.asarray(pages[0])


def red_and_blue_exchanged(values: np.ndarray) -> np.ndarray:
    """(H, W) or (H, W, C) from OpenCV's order of colours to RGB, or back; what is transparent stays last."""
    return values if values.ndim == 2 else values[:, :, [2, 1, 0, *range(3, values.shape[2])]]


def _turned(values: np.ndarray, orientation: Any) -> np.ndarray:
    if orientation in TURNED:
        values = values.swapaxes(0, 1)  # 5: along the diagonal
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return values
