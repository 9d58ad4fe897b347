"""
Run lengths read with suspicion, before a library that trusts them gets to see them.

``lengths`` is an integer array of lengths along the columns, background first, as COCO counts them. Compressed counts
are text of 6-bit characters from "0" on: 5 bits of the number, lowest first, and one that says whether more follow; the
highest bit of the last is the sign. From the fourth number on, each is the difference to the one two before.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from maskrcnn_project.masks.mask_in_box import MaskInBox
from maskrcnn_project.masks.window import Window

FIRST_CHARACTER = ord("0")
MORE, SIGN, BITS = 0x20, 0x10, 5
MAX_CHARACTERS = 8  # of one number: 40 bits, more than any image has pixels, and sums of them fit into 64


def read_run_lengths(counts: Any, pixels: int) -> np.ndarray | None:
    """
    The runs of the ``counts`` of an RLE, or None if they cannot be read, are negative, or do not fill ``pixels``.

    Args:
        counts: compressed, as text; or a list of lengths.
        pixels: height x width.

    Returns:
        (R,) int64.
    """
    lengths = _decompress(counts) if isinstance(counts, str) else _as_list(counts, pixels)
    if lengths is None or (lengths < 0).any() or (lengths > pixels).any() or int(lengths.sum()) != pixels:
        return None
    return lengths


def area_of(lengths: np.ndarray) -> int:
    """Pixels of the object."""
    return int(lengths[1::2].sum())


def box_of(lengths: np.ndarray, height: int) -> tuple[float, float, float, float] | None:
    """x1, y1, x2, y2 round the object, from edge to edge of its pixels; None if it has no pixel."""
    starts, ends = _spans(lengths)
    if not len(starts):
        return None
    left, right = starts[0] // height, (ends[-1] - 1) // height + 1
    if ((starts // height) != (ends - 1) // height).any():  # a run that goes on in the next column touches both edges
        return float(left), 0.0, float(right), float(height)
    return float(left), float((starts % height).min()), float(right), float(((ends - 1) % height).max() + 1)


def columns_of(lengths: np.ndarray, height: int) -> np.ndarray:
    """The columns of the mask from the first to the last with a pixel: (columns, height) uint8, 1 in the object."""
    starts, ends = _spans(lengths)
    if not len(starts):
        return np.zeros((0, height), dtype=np.uint8)
    first, last = starts[0] // height, (ends[-1] - 1) // height + 1
    change = np.zeros((last - first) * height + 1, dtype=np.int8)
    np.add.at(change, starts - first * height, 1)  # a run may begin where the one before it ends
    np.add.at(change, ends - first * height, -1)
    return np.cumsum(change[:-1], dtype=np.int8).view(np.uint8).reshape(last - first, height)


def crop_of(lengths: np.ndarray, height: int) -> MaskInBox:
    """The object in the smallest window that holds it. The work follows the object, not the height of the mask."""
    box = box_of(lengths, height)
    if box is None:
        return MaskInBox.none()
    left, top, right, bottom = (int(side) for side in box)
    columns, rows = right - left, bottom - top
    starts, ends = _spans(lengths)
    # a run that goes on in the next column reaches from top to bottom: within the box the columns follow on as before
    pixels = np.zeros(columns * rows, dtype=bool)
    begins = (starts // height - left) * rows + starts % height - top
    ends = ((ends - 1) // height - left) * rows + (ends - 1) % height - top + 1
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        pixels[begin:end] = True
    return MaskInBox(Window(left, top, columns, rows), pixels.reshape(columns, rows).T)


def _spans(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First pixel and the pixel after the last of every run of the object that has any."""
    borders = np.cumsum(lengths)
    starts, ends = borders[:-1:2], borders[1::2]
    full = starts < ends
    return starts[full], ends[full]


def _as_list(counts: list[Any], pixels: int) -> np.ndarray | None:
    if not all(type(run) is int and 0 <= run <= pixels for run in counts):
        return None
    return np.array(counts, dtype=np.int64)


def _decompress(counts: str) -> np.ndarray | None:
    if not counts.isascii():
        return None
    codes = np.frombuffer(counts.encode("ascii"), dtype=np.uint8).astype(np.int64) - FIRST_CHARACTER
    if not len(codes):
        return np.zeros(0, dtype=np.int64)
    last = np.flatnonzero((codes & MORE) == 0)  # of each number
    if codes.min() < 0 or codes.max() >= 2 * MORE or not len(last) or last[-1] != len(codes) - 1:
        return None
    first = np.concatenate([[0], last[:-1] + 1])
    lengths = last - first + 1
    if lengths.max() > MAX_CHARACTERS:
        return None
    shifts = BITS * (np.arange(len(codes)) - np.repeat(first, lengths))
    numbers = np.add.reduceat((codes & (MORE - 1)) << shifts, first)
    numbers -= np.where(codes[last] & SIGN, 1 << (BITS * lengths), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers
