"""
Reading an image file of any depth as the model sees it: 8 bits, three channels, upright.

An 8-bit image is read as Detectron2 reads it. The values of a deeper one (16 to 64 bits, floats) become 0 to 255 by a
``ValueRange``, the same wherever images are read; of a stack of pages one page is taken.

Sizes are (height, width) in pixels.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from detectron2.config import CfgNode
from detectron2.data.detection_utils import convert_PIL_to_numpy
from detectron2.data.detection_utils import read_image as read_8_bit_image
from PIL import ImageOps, UnidentifiedImageError

from maskrcnn_project.datasets.stored_image import UNREADABLE, NoSuchPageError, StoredImage, open_stored

logger = logging.getLogger(__name__)

MAX_MEASURED = 200  # images whose values are looked at: percentiles of so many are those of the set
VALUES_PER_IMAGE = 20_000  # of them, spread evenly
LOOKING = (0.1, 99.9)  # percentiles of an image's values, for looking at it


@dataclass(frozen=True)
class ValueRange:
    """
    How the values of an image of more than 8 bits become 0 to 255: ``low`` and what lies below is 0, ``high`` and what
    lies above is 255, and in between they rise evenly. Without limits, the full range of the image's type: of whole
    numbers from 0 to the largest, of floats from 0 to 1.
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
        """``values`` of any number type as uint8 of the same shape; NaN becomes 0. Those of 8 bits stay as they are."""
        if values.dtype == np.uint8:
            return values
        if values.dtype == np.bool_:
            return values.astype(np.uint8) * 255
        low, high = self.low, self.high
        if low is None or high is None:
            low, high = 0.0, float(np.iinfo(values.dtype).max) if values.dtype.kind in "ui" else 1.0
        with np.errstate(over="ignore"):  # beyond 32-bit floats is beyond any range
            scaled = (values.astype(np.float32) - low) * (255.0 / (high - low))
        return np.nan_to_num(np.clip(np.rint(scaled), 0, 255), nan=0.0).astype(np.uint8)


def value_range(cfg: CfgNode) -> ValueRange | None:
    """How images of more than 8 bits are read; None where INPUT.RANGE and INPUT.PAGE leave it to Detectron2."""
    return ValueRange.of(cfg.INPUT.RANGE, cfg.INPUT.PAGE) if cfg.INPUT.RANGE or cfg.INPUT.PAGE else None


def read_image(path: str | Path, format: str, values: ValueRange | None = None) -> np.ndarray:
    """
    Args:
        format: of the channels, "BGR" or "RGB".
        values: how an image of more than 8 bits is read, and which page of a stack; None: by the full range of its
            type, and the first.

    Returns:
        (H, W, 3) uint8, turned upright as its EXIF orientation says.

    Raises:
        FileNotFoundError, OSError: one sentence that names the file.
    """
    used = values or ValueRange()
    try:
        with open_stored(path) as stored:
            if stored.is_deep or stored.is_stack:
                if values is None and stored.is_deep:
                    _warn_once()
                return pixels_of(stored, format, used)
    except NoSuchPageError as error:
        raise OSError(f"Image {path} does not fit: {error}; choose a page that every image has.") from error
    except UNREADABLE as error:
        if not isinstance(error, (FileNotFoundError, UnidentifiedImageError)):
            raise OSError(f"Image {path} cannot be read ({error}): repair it, or take it out of the set.") from error
    return read_8_bit_image(str(path), format=format)  # which has its own sentence for what is not there or no image


@lru_cache(maxsize=1)
def _warn_once() -> None:
    logger.warning(
        "The model was trained on images of 8 bits (INPUT.RANGE is ()), but there are images of more: the full range "
        "of their type becomes 0 to 255. INPUT.RANGE low,high says better which values do."
    )


def pixels_of(stored: StoredImage, format: str, values: ValueRange) -> np.ndarray:
    """
    (H, W, 3) uint8 of an open image, see ``read_image``.

    Raises:
        NoSuchPageError: it has fewer pages.
        what Pillow raises for a broken file (UNREADABLE).
    """
    stored.turn_to(values.page)
    if stored.picture is None or stored.is_deep or stored.is_stack:
        return to_channels(values.to_8_bits(stored.values()), format)
    stored.picture.load()
    return np.ascontiguousarray(convert_PIL_to_numpy(ImageOps.exif_transpose(stored.picture), format))


def read_to_look(path: str | Path, format: str, page: int = 0) -> np.ndarray:
    """As ``read_image``, for pictures that nothing is measured on: a deep image by its own percentiles."""
    limits = measure_range([path], LOOKING, page) if is_deep(path) else ()
    return read_image(path, format, ValueRange.of(limits, page))


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
        with open_stored(path) as stored:
            stored.turn_to(page)
            return stored.values()
    except NoSuchPageError as error:
        raise OSError(f"Image {path} does not fit: {error}; choose a page that every image has.") from error
    except UNREADABLE as error:
        raise OSError(f"Image {path} cannot be read ({error}): repair it, or take it out of the set.") from error


def is_deep(path: str | Path) -> bool:
    """Whether a file is an image of more than 8 bits per value; only its head is read."""
    try:
        with open_stored(path) as stored:
            return stored.is_deep
    except UNREADABLE:
        return False


def largest_value(path: str | Path, page: int = 0) -> float:
    """The largest value of an image's type, which is 255 without limits; 1 for floats."""
    kind = read_values(path, page).dtype
    return float(np.iinfo(kind).max) if kind.kind in "ui" else 1.0


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
    try:
        with open_stored(io.BytesIO(data)) as stored:
            return pixels_of(stored, format, values)
    except UNREADABLE as error:
        reason = "they are no image of a kind that is read" if isinstance(error, UnidentifiedImageError) else error
        raise OSError(f"The bytes of an image cannot be decoded: {reason}.") from error
