"""Reading images: turned upright, in the colour format wanted, as numpy arrays."""

from __future__ import annotations

import logging
import struct
from typing import Any

import numpy as np
import torch
from detectron2.utils.file_io import PathManager
from detectron2.utils.logger import log_first_n
from PIL import Image

__all__ = [
    "SizeMismatchError",
    "check_image_size",
    "convert_PIL_to_numpy",
    "convert_image_to_rgb",
    "read_image",
]

# Formats that Pillow does not know, both made of its RGB.
_YUV = "YUV-BT.601"
_FROM_RGB = ("BGR", _YUV)

# ITU-R BT.601 for analogue signals: Y, U, V in rows, of R, G, B in [0, 1]; and its inverse.
_RGB_TO_YUV = np.array([[0.299, 0.587, 0.114], [-0.14713, -0.28886, 0.436], [0.615, -0.51499, -0.10001]])
_YUV_TO_RGB = np.array([[1.0, 0.0, 1.13983], [1.0, -0.39465, -0.58060], [1.0, 2.03211, 0.0]])

_EXIF_ORIENTATION = 0x0112
# EXIF 2.3, tag 274: value -> what turns the stored pixels upright. 1 is upright already.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# What Pillow's decoders raise for broken files, by their many ways of noticing.
_DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


class SizeMismatchError(ValueError):
    """An image is not of the size that its record states."""


def read_image(file_name: str, format: str | None = None) -> np.ndarray:
    """
    Reads an image, turned upright as its EXIF orientation says.

    Args:
        file_name: path or URL.
        format: a Pillow mode ("RGB", "L", ...), "BGR" or "YUV-BT.601"; None: as the file has it.

    Returns:
        (H, W, C) uint8 in [0, 255]; (H, W, 1) for "L"; float in [0, 1] for "YUV-BT.601".

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it cannot be decoded.
    """
    try:
        with PathManager.open(file_name, "rb") as f, Image.open(f) as stored:
            stored.load()
            image = _upright(stored, file_name)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"Image {file_name} does not exist: check the image folder that the dataset was registered with."
        ) from error
    except _DECODING_ERRORS as error:
        raise OSError(
            f"Image {file_name} cannot be decoded ({type(error).__name__}: {error}): repair it, or take it "
            "out of the dataset."
        ) from error
    if format is not None and image.mode.startswith(("I", "F")):
        log_first_n(
            logging.WARNING,
            f"Image {file_name} has more than 8 bits per pixel (mode {image.mode}), and values above 255 are "
            f"cut to 255 when it is converted to {format}: convert such images to 8 bits first.",
            name=__name__,
        )
    return convert_PIL_to_numpy(image, format)


def _upright(image: Image.Image, file_name: str) -> Image.Image:
    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION)
    except _DECODING_ERRORS as error:
        # The pixels are good all the same; only the hint is lost.
        logging.getLogger(__name__).warning("The EXIF data of %s are broken and not used (%s).", file_name, error)
        return image
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def convert_PIL_to_numpy(image: Image.Image, format: str | None) -> np.ndarray:
    """
    Args:
        image: a Pillow image.
        format: as for :func:`read_image`.

    Returns:
        As for :func:`read_image`.
    """
    if format is not None:
        image = image.convert("RGB" if format in _FROM_RGB else format)
    pixels = np.asarray(image)
    if format == "L":
        return pixels[:, :, None]
    if format == "BGR":
        return pixels[:, :, ::-1]
    if format == _YUV:
        return np.dot(pixels / 255.0, _RGB_TO_YUV.T)
    return pixels


def convert_image_to_rgb(image: np.ndarray | torch.Tensor, format: str) -> np.ndarray:
    """
    The inverse of reading, for looking at an image.

    Args:
        image: (H, W, C), in the value range of its format.
        format: as for :func:`read_image`.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    pixels = image.cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)
    if format == "BGR":
        return pixels[:, :, ::-1].astype(np.uint8)
    if format == _YUV:
        return np.clip(np.dot(pixels, _YUV_TO_RGB.T) * 255.0, 0, 255).astype(np.uint8)
    if format == "L" and pixels.ndim == 3:
        pixels = pixels[:, :, 0]
    pixels = np.ascontiguousarray(pixels.astype(np.uint8))
    picture = Image.frombytes(format, (pixels.shape[1], pixels.shape[0]), pixels.tobytes())
    return np.array(picture.convert("RGB"))


def check_image_size(dataset_dict: dict[str, Any], image: np.ndarray) -> None:
    """
    Checks the record's size against the image, and fills it in where the record has none.

    Args:
        dataset_dict: record with "width" and "height" in pixels, or neither; changed in place.
        image: (H, W, ...).

    Raises:
        SizeMismatchError: the sizes differ.
    """
    height, width = image.shape[:2]
    stated = (dataset_dict.get("height", height), dataset_dict.get("width", width))
    if stated != (height, width):
        hint = "correct the record"
        if stated == (width, height):
            hint = "the sides are swapped, so the annotations may have been drawn without turning it as EXIF says"
        raise SizeMismatchError(
            f"Image {dataset_dict.get('file_name', '(unnamed)')} (image id "
            f"{dataset_dict.get('image_id', 'unknown')}) has height x width {height}x{width}, but its "
            f"record states {stated[0]}x{stated[1]}: {hint}."
        )
    dataset_dict.setdefault("width", width)
    dataset_dict.setdefault("height", height)
