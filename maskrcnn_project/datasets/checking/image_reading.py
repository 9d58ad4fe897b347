"""
Reads image files once each, on several threads, for all that the rules want to know of them.

They are read as Detectron2 reads them: with Pillow, then turned upright as their EXIF orientation says. Sizes are
(height, width) in pixels.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO, TypeVar, overload

import numpy as np
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from maskrcnn_project.datasets.checking.likeness import thumbnail_of
from maskrcnn_project.datasets.stored_image import ORIENTATION, NoSuchPageError, open_stored

Size = tuple[int, int]
Item = TypeVar("Item")
Output = TypeVar("Output")

# Four even on a single core, as some wait for the disk; at sixteen most disks are busy.
WORKERS = min(16, max(4, os.cpu_count() or 1))
# Pixels. Larger pictures take hundreds of megabytes each, which a thread keeps for its next one: one thread reads them.
LARGE = 40_000_000
BAND = 4_000_000  # pixels that are converted and hashed at once
# Decoding a JPEG at an eighth of its size reads all of the file, and is faster.
DRAFT_SIZE = (1, 1)
# What makes the stored picture upright, for Pillow and in words.
TURNS = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT, "mirrored left to right"),
    3: (Image.Transpose.ROTATE_180, "turned by 180 degrees"),
    4: (Image.Transpose.FLIP_TOP_BOTTOM, "mirrored top to bottom"),
    5: (Image.Transpose.TRANSPOSE, "mirrored along the diagonal"),
    6: (Image.Transpose.ROTATE_270, "turned by 90 degrees clockwise"),
    7: (Image.Transpose.TRANSVERSE, "mirrored along the other diagonal"),
    8: (Image.Transpose.ROTATE_90, "turned by 90 degrees counter-clockwise"),
}
SIDES_EXCHANGED = (5, 6, 7, 8)

JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"
JPEG_FORMATS = ("JPEG", "MPO")  # MPO: several in one file
PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"
WEBP_START = b"RIFF"  # then the length of what follows, in four bytes, the lowest first
# ISO/IEC 14496-12 and 23008-12: the box that a HEIC file begins with, and what it says.
FTYP, HEIC_BRANDS = b"ftyp", (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
# What lies in image folders by mistake, by the first bytes.
NO_PICTURES = {
    b"version https://git-lfs": "it is a Git LFS pointer: run git lfs pull",
    b"<": "it is a web page or XML, perhaps saved in place of the picture",
    b"{": "it is JSON or other text",
    b"%!PS": "it is PostScript",
    b"%PDF": "it is a PDF document",
    b"PK\x03\x04": "it is a ZIP archive",
}


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """What reading a file has told. ``rule``: the id of the rule that it breaks if it cannot be used, else empty."""

    rule: str = ""
    detail: str = ""  # what is wrong, as a phrase
    stored: Size = (0, 0)  # before it is turned upright
    orientation: int = 1
    file_digest: bytes = b""
    # Of the upright picture; empty where they were not asked for.
    pixel_digest: bytes = b""
    thumbnail: bytes = b""  # see ``thumbnail_of``
    is_deep: bool = False  # more than 8 bits per value
    pages: int = 1  # of a stack

    @property
    def upright(self) -> Size:
        """(height, width) of what Detectron2 reads."""
        height, width = self.stored
        return (width, height) if self.orientation in SIDES_EXCHANGED else (height, width)


def read_pictures(
    paths: Iterable[str],
    pictures: dict[str, DecodedImage] | None = None,
    *,
    hashed: bool = True,
    page: int = 0,
    progress: bool = True,
    label: str = "Reading images",
) -> dict[str, DecodedImage]:
    """
    Reads and decodes every file in full, each once.

    Args:
        pictures: what was read before, by path, which is not read again; the others are added to it.
        hashed: False leaves the digests empty, which is faster.
        page: of stacks.
        label: what stands before the progress bar.

    Returns:
        ``pictures``. A file that cannot be read raises nothing; its entry says what is wrong.
    """
    pictures = {} if pictures is None else pictures
    waiting = [path for path in dict.fromkeys(paths) if path not in pictures]
    Image.init()  # here, as the threads would race for it
    read = partial(read_picture, hashed=hashed, page=page, most_pixels=LARGE)
    with _quiet_libraries() as terminal, ThreadPoolExecutor(WORKERS) as pool:
        found = _in_order(pool, read, waiting)
        bar = tqdm(
            found,
            label,
            len(waiting),
            file=terminal,
            unit="image",
            leave=False,
            disable=None if progress else True,
        )
        for path, picture in zip(waiting, bar, strict=True):
            pictures[path] = picture or read_picture(path, hashed, page)
    return pictures


@overload
def read_picture(path: str, hashed: bool = True, page: int = 0) -> DecodedImage: ...
@overload
def read_picture(path: str, hashed: bool = True, page: int = 0, *, most_pixels: int) -> DecodedImage | None: ...
def read_picture(
    path: str, hashed: bool = True, page: int = 0, *, most_pixels: int | None = None
) -> DecodedImage | None:
    """Reads one file, see :func:`read_pictures`; None if it has more than ``most_pixels``."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return DecodedImage("image-missing", "is not there")
    except (OSError, ValueError) as error:
        return DecodedImage("image-unreadable", f"cannot be opened ({getattr(error, 'strerror', None) or error})")
    try:
        with open_stored(io.BytesIO(data)) as file:
            file.turn_to(page)
            stored, kind = file.size, (file.is_deep, file.pages)
            if most_pixels is not None and stored[0] * stored[1] > most_pixels:
                return None
            if file.picture is None or file.is_deep_colour:
                return _of_values(data, file.values(), hashed, kind)
            image = file.picture
            if not hashed:
                image.draft("RGB", DRAFT_SIZE)
            image.load()
            if image.format in JPEG_FORMATS and ends_early(data):
                raise OSError("truncated: libjpeg takes zeros for pixels, as where space was reserved")
            orientation = _orientation(image)
            pixels, thumbnail = _fingerprints(image, orientation) if hashed else (b"", b"")
    except Exception as error:  # on damaged files Pillow's decoders raise nearly every type of error
        return _fault(data, error)
    return DecodedImage("", "", stored, orientation, _digest(data) if hashed else b"", pixels, thumbnail, *kind)


def _of_values(data: bytes, values: np.ndarray, hashed: bool, kind: tuple[bool, int]) -> DecodedImage:
    """What a picture that Pillow cannot hold has told; ``values`` are upright, and so it counts as stored."""
    height, width = values.shape[:2]
    if not hashed:
        return DecodedImage("", "", (height, width), 1, b"", b"", b"", *kind)
    digest = hashlib.blake2b(f"{values.dtype} {values.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(values).tobytes())
    thumbnail = thumbnail_of(values)
    return DecodedImage("", "", (height, width), 1, _digest(data), digest.digest(), thumbnail, *kind)


def ends_early(data: bytes) -> bool:
    """Whether the bytes of a file begin as a JPEG, PNG or WebP, but miss its end. What comes after the end is free."""
    if not data:
        return False
    if PNG_START.startswith(data[: len(PNG_START)]):
        return PNG_END not in data
    if JPEG_START.startswith(data[: len(JPEG_START)]):
        return data.find(JPEG_END, _start_of_scan(data)) < 0
    return data.startswith(WEBP_START) and len(data) < 8 + int.from_bytes(data[4:8], "little")


def _start_of_scan(data: bytes) -> int:
    """
    Where the pixels of a JPEG begin, behind segments that may hold a whole JPEG as a preview (ITU-T T.81, B.1).

    Returns:
        a place beyond the end if the segments reach there; 0 if they do not follow one another.
    """
    place = 2
    while place < len(data) and data[place : place + 2] != JPEG_SCAN:
        if data[place] != 0xFF:
            return 0
        if data[place + 1 : place + 2] == b"\xff":  # any number of them may fill up
            place += 1
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return place


def _fault(data: bytes, error: Exception) -> DecodedImage:
    if not data:
        return DecodedImage("image-unreadable", "cannot be decoded (the file is empty)")
    if isinstance(error, NoSuchPageError):
        return DecodedImage("image-unreadable", f"cannot be used ({error})")
    if "truncated" in str(error).lower() or ends_early(data):
        return DecodedImage(
            "image-truncated", f"cannot be decoded to its end (the file stops after {len(data):,} bytes)"
        )
    if isinstance(error, UnidentifiedImageError):
        why = unknown_kind(data) or f"no image format is known that begins with {data[:8]!r}"
    elif isinstance(error, Image.DecompressionBombError):
        why = f"it has more than the {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels that Pillow reads: cut it into tiles"
    else:
        why = str(error) or type(error).__name__
    return DecodedImage("image-unreadable", f"cannot be decoded ({why})")


def unknown_kind(data: bytes) -> str:
    """What the first bytes of a file that is no picture, or one of a kind that is not read, tell; "" for nothing."""
    if data[4:8] == FTYP and data[8:12] in HEIC_BRANDS:
        return "it is HEIC, as phones write it, which is not read here: convert it to JPEG or PNG"
    start = data[:64].lstrip()
    return next((kind for beginning, kind in NO_PICTURES.items() if start.startswith(beginning)), "")


def _orientation(image: Image.Image) -> int:
    """2 to 8 if Detectron2 turns or mirrors the picture, else 1."""
    try:
        value: Any = image.getexif().get(ORIENTATION)
    except Exception:  # as above; broken EXIF data leave the pixels good, and Detectron2 reads them unturned
        return 1
    return value if isinstance(value, int) and value in TURNS else 1


def _fingerprints(image: Image.Image, orientation: int) -> tuple[bytes, bytes]:
    """
    A digest, equal for pictures that are equal when they are trained on: upright, in RGB, without transparency; and a
    thumbnail.
    """
    if orientation in TURNS:
        image = image.transpose(TURNS[orientation][0])
    # more than 8 bits a pixel would be cut to 8, and dark or bright pictures made equal
    mode = image.mode if image.mode.startswith(("I", "F")) else "RGB"
    digest = hashlib.blake2b(f"{mode} {image.size}".encode(), digest_size=16)
    rows = max(1, BAND // image.width)
    for top in range(0, image.height, rows):
        whole = rows >= image.height
        band = image if whole else image.crop((0, top, image.width, min(top + rows, image.height)))
        digest.update((band if band.mode == mode else band.convert(mode)).tobytes())
    return digest.digest(), thumbnail_of(image)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _in_order(pool: ThreadPoolExecutor, function: Callable[[Item], Output], items: Iterable[Item]) -> Iterator[Output]:
    """``pool.map`` that runs ahead of its reader by a few items only, so that memory stays small."""
    running: deque = deque()
    for item in items:
        running.append(pool.submit(function, item))
        if len(running) >= 4 * WORKERS:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


@contextmanager
def _quiet_libraries() -> Iterator[TextIO | None]:
    """
    Silences Pillow's warnings, and what C libraries (libtiff) print on damaged files past Python's ``sys.stderr``.

    Yields:
        where a progress bar may still be written; None: ``sys.stderr``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            kept = os.dup(2)
        except OSError:  # a process without standard error
            yield None
            return
        with open(kept, "w", encoding="utf-8") as terminal, open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            try:
                yield terminal if _is_standard_error(sys.stderr) else None
            finally:
                os.dup2(kept, 2)


def _is_standard_error(stream: TextIO | None) -> bool:
    """Whether a stream ends in the process's standard error; in a notebook it does not."""
    try:
        return stream is not None and stream.fileno() == 2
    except OSError:
        return False
