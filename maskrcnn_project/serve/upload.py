"""What a stranger's upload has to be before it is decoded: small enough, of a kind that is known, a picture."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from starlette.exceptions import HTTPException

from maskrcnn_project.datasets.checking.image_reading import unknown_kind
from maskrcnn_project.datasets.image_file import ValueRange, pixels_of
from maskrcnn_project.datasets.stored_image import NoSuchPageError, open_stored

# Pillow's names of what IMAGE_SUFFIXES (files.py) stand for. No format that starts another program is among them.
FORMATS = ("JPEG", "PNG", "BMP", "PPM", "TIFF", "WEBP")
# Pillow itself refuses an image of more than this, twice its MAX_IMAGE_PIXELS, as a decompression bomb.
MAX_MEGAPIXELS = 178
# A canvas of more pixels is slow to draw, and some browsers have none. Larger images are shown reduced.
SHOWN_PIXELS = 16_000_000
# Below this a picture is sent to the page without loss.
LOSSLESS_PIXELS = 4_000_000
# libjpeg writes no longer side (JPEG_MAX_DIMENSION).
JPEG_SIDE = 65_500


@dataclass(frozen=True)
class Limits:
    """
    Attributes:
        megabytes: of an uploaded file, in 2^20 bytes.
        megapixels: of its picture, read from the header before anything is decoded.
        waiting: so many images may wait while another is being looked at.
        seconds: an upload may take.
    """

    megabytes: float = 50
    megapixels: float = 100
    waiting: int = 4
    seconds: float = 120

    def __post_init__(self) -> None:
        if not self.megabytes > 0:
            raise ValueError(f"--max-mb must be above 0, but {self.megabytes:g} was given.")
        if not 0 < self.megapixels <= MAX_MEGAPIXELS:
            raise ValueError(
                f"--max-megapixels must be above 0 and at most {MAX_MEGAPIXELS}, the largest image that is read, but "
                f"{self.megapixels:g} was given."
            )

    @property
    def bytes(self) -> int:
        return int(self.megabytes * 2**20)


def decode(data: bytes, limits: Limits, values: ValueRange | None = None) -> tuple[np.ndarray, list[str]]:
    """
    Args:
        data: an image file.
        values: how values of more than 8 bits, or a stack of pages, are read; None: the full range, the first page.

    Returns:
        (image, remarks): (H, W, 3) uint8 BGR, turned upright as its EXIF orientation says and otherwise as
        Detectron2 reads it; sentences on what was lost.

    Raises:
        HTTPException: 415 no image of a known kind, 413 too many pixels, 422 it cannot be decoded.
    """
    try:
        with open_stored(io.BytesIO(data), FORMATS) as stored:
            used, remarks = values or ValueRange(), list[str]()
            stored.turn_to(used.page)
            height, width = stored.size
            if width * height > limits.megapixels * 1e6:
                raise too_many_pixels(f"The image has {width} x {height} pixels", limits)
            if stored.is_stack:
                remarks.append(f"The image is a stack of pages: page {used.page} (from 0) is taken.")
            if stored.is_deep:
                limits_used = f"{used.low:g} and {used.high:g}" if used.low is not None else "the ends of their range"
                remarks.append(f"The image has more than 8 bits per value: {limits_used} are shown as black and white.")
            image = pixels_of(stored, "BGR", used)
    except HTTPException:
        raise
    except UnidentifiedImageError as error:
        kind = unknown_kind(data)
        raise HTTPException(
            415,
            f"This is no image that can be read here{kind and f' ({kind})'}: choose a JPEG, PNG, TIFF, WebP, BMP or "
            "PPM file.",
        ) from error
    except Image.DecompressionBombError as error:
        raise too_many_pixels(f"The image has more than {MAX_MEGAPIXELS} megapixels", limits) from error
    except NoSuchPageError as error:
        raise HTTPException(422, f"The image does not fit the model: {error}.") from error
    except Exception as error:  # on damaged files Pillow's decoders raise nearly every type of error
        raise HTTPException(422, f"The image is damaged and cannot be decoded ({error}): save it anew.") from error
    return np.ascontiguousarray(image), remarks


def too_many_pixels(what: str, limits: Limits) -> HTTPException:
    return HTTPException(
        413,
        f"{what}, but at most {limits.megapixels:g} megapixels are taken: make it smaller, cut it, or start the server "
        "with a larger --max-megapixels.",
    )


def shown_step(size: tuple[int, int]) -> int:
    """The page shows every so-manieth row and column of an image of ``size`` (height, width)."""
    return max(1, math.ceil(math.sqrt(size[0] * size[1] / SHOWN_PIXELS)))


def picture(image: np.ndarray, step: int) -> tuple[bytes, str]:
    """
    (file, media type) of an image (H, W, 3) uint8 BGR as the page shows it, its sides divided by ``step``.

    Raises:
        ValueError, cv2.error: it is too long for a picture.
    """
    height, width = (max(1, math.ceil((side - step // 2) / step)) for side in image.shape[:2])
    if step > 1:
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    lossless = height * width <= LOSSLESS_PIXELS or max(height, width) > JPEG_SIDE
    suffix, kind = (".png", "image/png") if lossless else (".jpg", "image/jpeg")
    written, data = cv2.imencode(suffix, image)
    if not written:  # as of a side above the million pixels that libpng takes
        raise ValueError(f"A picture of {width} x {height} pixels cannot be shown: cut the image into parts.")
    return data.tobytes(), kind
