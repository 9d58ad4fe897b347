"""
Reading an image file of any depth as the model sees it: 8 bits, three channels, upright.

An 8-bit image is read as Detectron2 reads it. The values of a deeper one (16 or 32 bits, floats) become 0 to 255 by a
``ValueRange``, the same wherever images are read; of a stack of pages one page is taken.

Sizes are (height, width) in pixels.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.config import CfgNode
from detectron2.data.detection_utils import convert_PIL_to_numpy
from detectron2.data.detection_utils import read_image as read_8_bit_image
from PIL import Image, ImageOps, UnidentifiedImageError

DEEP_MODES = ("I", "F")  # Pillow's modes of more than 8 bits begin so: I, I;16, I;16B, F
MAX_MEASURED = 200  # images whose values are looked at: percentiles of so many are those of the set
VALUES_PER_IMAGE = 20_000  # of them, spread evenly
LOOKING = (0.1, 99.9)  # percentiles of an image's values, for looking at it
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # what Pillow raises for a broken file


class NoSuchPageError(OSError):
    """An image has fewer pages than INPUT.PAGE wants."""


@dataclass(frozen=True)
class ValueRange:
    """
    How the values of an image of more than 8 bits become 0 to 255: ``low`` and what lies below is 0, ``high`` and what
    lies above is 255, and in between they rise evenly. Without limits, the full range of the image's type.
    """

    low: float | None = None
    high: float | None = None
    page: int = 0  # of a stack

    @classmethod
    def of(cls, limits: Sequence[float], page: int = 0) -> ValueRange:
        """
        Of INPUT.RANGE, () or (low, high), and INPUT.PAGE.

        Raises:
            ValueError: neither.
        """
        if page < 0:
            raise ValueError(f"INPUT.PAGE counts from 0, but is {page}.")
        if not limits:
            return cls(page=page)
        if len(limits) != 2 or not limits[0] < limits[1]:
            raise ValueError(f"INPUT.RANGE must be () or (low, high) with low below high, but is {tuple(limits)}.")
        return cls(float(limits[0]), float(limits[1]), page)

    def to_8_bits(self, values: np.ndarray) -> np.ndarray:
        """``values`` of any number type as uint8 of the same shape; NaN becomes 0."""
        low, high = self.low, self.high
        if low is None or high is None:
            low, high = 0.0, float(np.iinfo(values.dtype).max) if values.dtype.kind in "ui" else 1.0
        scaled = (values.astype(np.float32) - low) * (255.0 / (high - low))
        return np.nan_to_num(np.clip(np.rint(scaled), 0, 255), nan=0.0).astype(np.uint8)


def value_range(cfg: CfgNode) -> ValueRange | None:
    """How images of more than 8 bits are read; None where INPUT.RANGE and INPUT.PAGE leave it to Detectron2."""
    return ValueRange.of(cfg.INPUT.RANGE, cfg.INPUT.PAGE) if cfg.INPUT.RANGE or cfg.INPUT.PAGE else None


def read_image(path: str | Path, format: str, values: ValueRange | None = None) -> np.ndarray:
    """
    Args:
        format: of the channels, "BGR" or "RGB".
        values: how an image of more than 8 bits is read; None: as Detectron2 reads it, cut at 255.

    Returns:
        (H, W, 3) uint8, turned upright as its EXIF orientation says.

    Raises:
        FileNotFoundError, OSError: one sentence that names the file.
    """
    if values is None or not is_deep(path):
        return read_8_bit_image(str(path), format=format)
    return to_channels(values.to_8_bits(read_values(path, values.page)), format)


def read_to_look(path: str | Path, format: str) -> np.ndarray:
    """As ``read_image``, for pictures that nothing is measured on: a deep image by its own percentiles."""
    if not is_deep(path):
        return read_8_bit_image(str(path), format=format)
    return read_image(path, format, ValueRange(*measure_range([path], LOOKING)))


def to_channels(pixels: np.ndarray, format: str) -> np.ndarray:
    """(H, W) grey or (H, W, C) in RGB order, uint8 -> (H, W, 3) in the order of ``format``."""
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    pixels = np.repeat(pixels[:, :, :1], 3, axis=2) if pixels.shape[2] < 3 else pixels[:, :, :3]
    return pixels[:, :, ::-1] if format == "BGR" else pixels


def read_values(path: str | Path, page: int = 0) -> np.ndarray:
    """
    The values of an image file as they are stored, (H, W) or (H, W, C) of any number type, turned upright.

    Raises:
        OSError: it cannot be read, or has no such page.
    """
    try:
        with Image.open(path) as stored:
            turn_to_page(stored, page)
            return upright_values(stored)
    except UNREADABLE as error:
        raise OSError(f"Image {path} cannot be read ({error}): repair it, or take it out of the set.") from error


def turn_to_page(stored: Image.Image, page: int) -> None:
    """Makes an opened image show one page of its stack. Raises NoSuchPageError where there is none."""
    pages = getattr(stored, "n_frames", 1)
    if page >= pages:
        raise NoSuchPageError(f"it has {pages} page{'s' if pages > 1 else ''}, and INPUT.PAGE is {page} (from 0)")
    if page:
        stored.seek(page)


def upright_values(stored: Image.Image) -> np.ndarray:
    """The values of an opened image, see ``read_values``."""
    stored.load()
    upright = ImageOps.exif_transpose(stored)
    return np.asarray(upright.convert("RGB") if upright.mode in ("P", "CMYK", "YCbCr", "LAB") else upright)


def is_deep(path: str | Path) -> bool:
    """Whether a file is an image of more than 8 bits per value, or a stack of pages; only its header is read."""
    try:
        with Image.open(path) as stored:
            return has_deep_values(stored)
    except UNREADABLE:
        return False


def has_deep_values(stored: Image.Image) -> bool:
    """As ``is_deep``, of an opened image."""
    return stored.mode.startswith(DEEP_MODES) or is_stack(stored)


def is_stack(stored: Image.Image) -> bool:
    """A TIFF of several pages; an animation's frames are no pages."""
    return stored.format == "TIFF" and getattr(stored, "n_frames", 1) > 1


def measure_range(paths: Iterable[str | Path], percentiles: tuple[float, float], page: int = 0) -> tuple[float, float]:
    """
    The values at two percentiles (0 to 100) over images of more than 8 bits, whole numbers where the images have such.

    Looks at MAX_MEASURED of them, spread evenly, and at VALUES_PER_IMAGE of each.

    Raises:
        OSError: an image cannot be read.
        ValueError: there is none.
    """
    files = list(paths)
    if not files:
        raise ValueError("A range of values can be measured on images only, but there is none.")
    chosen = [files[i] for i in np.unique(np.linspace(0, len(files) - 1, MAX_MEASURED).astype(int))]
    parts = []
    for path in chosen:
        values = read_values(path, page).ravel()
        parts.append(values[:: max(1, len(values) // VALUES_PER_IMAGE)])
    together = np.concatenate(parts)
    together = together[np.isfinite(together)] if together.dtype.kind == "f" else together
    low, high = (float(value) for value in np.percentile(together, percentiles))
    if together.dtype.kind in "ui":
        low, high = float(np.floor(low)), float(np.ceil(high))
    return (low, high) if low < high else (low, low + 1.0)


def read_bytes(data: bytes, format: str, values: ValueRange) -> np.ndarray:
    """As ``read_image``, of the bytes of a file."""
    stream: Any = io.BytesIO(data)
    if is_deep(stream):
        stream.seek(0)
        return to_channels(values.to_8_bits(read_values(stream, values.page)), format)
    stream.seek(0)
    try:
        with Image.open(stream) as stored:
            stored.load()
            return np.ascontiguousarray(convert_PIL_to_numpy(ImageOps.exif_transpose(stored), format))
    except UNREADABLE as error:
        reason = "they are no image of a kind that is read" if isinstance(error, UnidentifiedImageError) else error
        raise OSError(f"The bytes of an image cannot be decoded: {reason}.") from error
