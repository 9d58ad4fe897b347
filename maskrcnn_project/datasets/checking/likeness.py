"""
Pictures that are nearly the same: one photograph saved twice, as JPEG or at another size, or two of one scene.

Thumbnails tell which pairs are worth a look; these are read again and compared where small changes still show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from PIL import Image

from maskrcnn_project.datasets.checking.frames import are_of_one_shape
from maskrcnn_project.datasets.stored_image import DEEP_MODES

THUMBNAIL = 16  # pixels a side
ALIKE = 0.99  # correlation of thumbnails from which a pair is looked at
LOOKED_AT = 3  # pairs of a picture, the likeliest first
ROWS = 1024  # of the matrix of correlations at a time
# What saving as JPEG at a usual quality changes, in 256 levels, in means over blocks of 4 x 4 pixels or more.
GRID, BLOCK = 128, 4
MAX_CHANGE, MAX_MEAN_CHANGE = 10.0, 2.0


def thumbnail_of(image: Image.Image | np.ndarray) -> bytes:
    """
    THUMBNAIL x THUMBNAIL grey values of an upright picture, from its darkest to its brightest as 0 to 255.

    Args:
        image: Pillow's, or the values of one that Pillow cannot hold, (H, W) or (H, W, C) in RGB order.
    """
    if isinstance(image, np.ndarray) or image.mode.startswith(DEEP_MODES):
        values = np.nan_to_num(np.asarray(image, dtype=np.float32))
        values = values[:, :, :3].mean(axis=2) if values.ndim == 3 else values
        small = cv2.resize(values, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    else:
        grey = image if image.mode == "L" else image.convert("L" if image.mode == "1" else "RGB").convert("L")
        small = np.asarray(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX), dtype=np.float32)
    low, high = float(small.min()), float(small.max())
    return np.rint((small - low) * (255 / ((high - low) or 1.0))).astype(np.uint8).tobytes()


def alike_pairs(
    pictures: Sequence[bytes], others: Sequence[bytes], compare: Callable[[int, int], bool]
) -> dict[int, int]:
    """
    For each of ``pictures`` that has one, the place of the other that it is nearly the same as.

    Args:
        pictures, others: thumbnails.
        compare: (place of a picture, place of another) whether the two are nearly the same, by a closer look.
    """
    pairs: dict[int, int] = {}
    if not pictures or not others:
        return pairs
    wanted = _normalised(others)
    for start in range(0, len(pictures), ROWS):
        likeness = _normalised(pictures[start : start + ROWS]) @ wanted.T
        for row in np.flatnonzero(likeness.max(axis=1) >= ALIKE).tolist():
            for column in np.argsort(-likeness[row], kind="stable")[:LOOKED_AT].tolist():
                if likeness[row, column] >= ALIKE and compare(start + row, column):
                    pairs[start + row] = column
                    break
    return pairs


def are_alike(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """
    Whether two pictures of one shape, at any scale, differ by no more than saving does.

    Args:
        one, other: (h, w) float32 grey, see ``read_grey``; None for one that cannot be read.
    """
    if one is None or other is None:
        return False
    if not are_of_one_shape(one.shape, other.shape):
        return False
    smaller = min((one, other), key=lambda picture: picture.size)
    shape = tuple(max(1, min(GRID, side // BLOCK)) for side in smaller.shape[::-1])
    blocks = [cv2.resize(picture.astype(np.float32), shape, interpolation=cv2.INTER_AREA) for picture in (one, other)]
    if max(block.max() for block in blocks) > 255:  # of more than 8 bits, one of them or both
        blocks = [(block - block.min()) * (255 / max(block.max() - block.min(), 1e-6)) for block in blocks]
    change = np.abs(blocks[0] - blocks[1])
    return float(change.max()) <= MAX_CHANGE and float(change.mean()) <= MAX_MEAN_CHANGE


def _normalised(thumbnails: Sequence[bytes]) -> np.ndarray:
    """(N, THUMBNAIL ** 2) float32 of mean 0 and length 1; of length 0 for a picture of one value, like no other."""
    values = np.frombuffer(b"".join(thumbnails), dtype=np.uint8).reshape(len(thumbnails), -1).astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(length > 0, length, 1)
