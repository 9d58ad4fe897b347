"""
Transforms that fvcore does not have: resizing, a sampled extent, rotation, colour functions.

Coordinates are not pixel indices: a point in an image of size (H, W) lies in [0, W] x [0, H], and the centre
of the first pixel is (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from detectron2.data.transforms._crop import CropTransform
from fvcore.transforms.transform import HFlipTransform, NoOpTransform, Transform, TransformList
from PIL import Image

__all__ = ["ColorTransform", "ExtentTransform", "PILColorTransform", "ResizeTransform", "RotationTransform"]

_TORCH_MODES = {
    Image.Resampling.NEAREST: "nearest",
    Image.Resampling.BILINEAR: "bilinear",
    Image.Resampling.BICUBIC: "bicubic",
}


def _by_pil(image: np.ndarray, operation: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    """Runs a Pillow operation on a uint8 image (H, W) or (H, W, C) of any number of channels."""
    if image.ndim == 2 or image.shape[2] == 3:
        return np.asarray(operation(Image.fromarray(image)))
    # Pillow takes two and four channels for ones with alpha and weights the others by it, and knows no five.
    return np.stack([np.asarray(operation(Image.fromarray(image[:, :, c]))) for c in range(image.shape[2])], axis=-1)


class ResizeTransform(Transform):
    """Resizes to (new_h, new_w): by Pillow for uint8, by torch for floating point, nearest for masks."""

    def __init__(self, h: int, w: int, new_h: int, new_w: int, interp: int | None = None) -> None:
        """
        Args:
            h, w: size of the image now.
            new_h, new_w: size wanted.
            interp: a Pillow interpolation method; None: bilinear.
        """
        super().__init__()
        if interp is None:
            interp = Image.Resampling.BILINEAR
        self._set_attributes(locals())

    def apply_image(self, img: np.ndarray, interp: int | None = None) -> np.ndarray:
        """(h, w) or (h, w, C) -> (new_h, new_w[, C]) of the same dtype."""
        if img.shape[:2] != (self.h, self.w):
            raise ValueError(
                f"ResizeTransform was made for an image of size {(self.h, self.w)}, but got {img.shape[:2]}."
            )
        method = self.interp if interp is None else interp
        if img.dtype == np.uint8:
            return _by_pil(img, lambda picture: picture.resize((self.new_w, self.new_h), method))
        if not np.issubdtype(img.dtype, np.floating) and method == Image.Resampling.NEAREST:
            return self._nearest(img)
        return self._by_torch(img, method)

    def _nearest(self, img: np.ndarray) -> np.ndarray:
        """
        Booleans and wide integers, which neither library resizes; the pixels that Pillow takes of a uint8
        mask.
        """
        rows = ((np.arange(self.new_h) + 0.5) * self.h / self.new_h).astype(np.int64)
        columns = ((np.arange(self.new_w) + 0.5) * self.w / self.new_w).astype(np.int64)
        return img[rows[:, None], columns]

    def _by_torch(self, img: np.ndarray, method: int) -> np.ndarray:
        if method not in _TORCH_MODES:
            raise ValueError(
                f"Interpolation method {method!r} is only available for uint8 images, but the image is "
                f"{img.dtype}: use nearest, bilinear or bicubic."
            )
        mode = _TORCH_MODES[Image.Resampling(method)]
        # The array may be a view with negative strides (BGR of RGB), which torch cannot hold.
        pixels = torch.from_numpy(np.ascontiguousarray(img))
        if not pixels.is_floating_point():
            pixels = pixels.float()
        pixels = pixels.reshape(1, self.h, self.w, -1).permute(0, 3, 1, 2)  # (1, C, h, w)
        align = None if mode == "nearest" else False
        resized = F.interpolate(pixels, (self.new_h, self.new_w), mode=mode, align_corners=align)
        resized = resized[0].permute(1, 2, 0).reshape(self.new_h, self.new_w, *img.shape[2:])
        result = resized.numpy()
        if np.issubdtype(img.dtype, np.integer):
            result = np.rint(result)
        return result.astype(img.dtype, copy=False)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """(N, 2) x and y in pixels, scaled in place."""
        coords[:, 0] = coords[:, 0] * (self.new_w * 1.0 / self.w)
        coords[:, 1] = coords[:, 1] * (self.new_h * 1.0 / self.h)
        return coords

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """(h, w) of integers or booleans -> (new_h, new_w); no value is mixed with another."""
        return self.apply_image(segmentation, interp=Image.Resampling.NEAREST)

    def apply_rotated_box(transform, rotated_boxes: np.ndarray) -> np.ndarray:  # noqa: N805
        """
        (N, 5) boxes as (centre x, centre y, width, height, angle in degrees), scaled in place.

        A side is stretched as the vector it is: a width at angle a has the components w cos(a) and w sin(a).
        """
        scale_x, scale_y = transform.new_w * 1.0 / transform.w, transform.new_h * 1.0 / transform.h
        angle = np.deg2rad(rotated_boxes[:, 4])
        cos, sin = np.cos(angle), np.sin(angle)
        rotated_boxes[:, 0] *= scale_x
        rotated_boxes[:, 1] *= scale_y
        rotated_boxes[:, 2] *= np.hypot(scale_x * cos, scale_y * sin)
        rotated_boxes[:, 3] *= np.hypot(scale_x * sin, scale_y * cos)
        rotated_boxes[:, 4] = np.rad2deg(np.arctan2(scale_x * sin, scale_y * cos))
        return rotated_boxes

    def inverse(self) -> Transform:
        """Resizes back."""
        return ResizeTransform(self.new_h, self.new_w, self.h, self.w, self.interp)


class ExtentTransform(Transform):
    """Fills an output with what lies in a rectangle of the image, which may reach beyond the image."""

    def __init__(self, src_rect, output_size, interp=Image.Resampling.BILINEAR, fill=0) -> None:
        """
        Args:
            src_rect: (x0, y0, x1, y1) in pixels of the image.
            output_size: (height, width) of the output.
            interp: a Pillow interpolation method.
            fill: pixel value beyond the image.
        """
        super().__init__()
        self._set_attributes(locals())

    def apply_image(self, img: np.ndarray, interp: int | None = None) -> np.ndarray:
        """uint8 (H, W) or (H, W, C) -> (height, width[, C])."""
        is_bool = img.dtype == np.bool_
        if not is_bool and img.dtype != np.uint8:
            raise TypeError(f"ExtentTransform needs a uint8 image or a mask, but got {img.dtype}.")
        height, width = self.output_size
        method = self.interp if interp is None else interp
        result = _by_pil(
            img.view(np.uint8) if is_bool else img,
            lambda picture: picture.transform(
                size=(width, height),
                method=Image.Transform.EXTENT,
                data=tuple(float(v) for v in self.src_rect),
                resample=Image.Resampling(method),
                fill=1,
                fillcolor=self.fill if picture.mode == "L" else (self.fill,) * len(picture.getbands()),
            ),
        )
        return result.astype(bool) if is_bool else result

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """(N, 2) x and y in pixels -> float32, in the frame of the output."""
        height, width = self.output_size
        x0, y0, x1, y1 = self.src_rect
        moved = np.array(coords, dtype=np.float32)
        moved[:, 0] = (moved[:, 0] - x0) * (width / (x1 - x0))
        moved[:, 1] = (moved[:, 1] - y0) * (height / (y1 - y0))
        return moved

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """(H, W) uint8 or bool -> (height, width); no value is mixed with another."""
        return self.apply_image(segmentation, interp=Image.Resampling.NEAREST)


def _rotated_size(width: int, height: int, angle: float) -> tuple[int, int]:
    """Width and height of the upright rectangle around a rotated one, in whole pixels."""
    cos, sin = abs(np.cos(np.deg2rad(angle))), abs(np.sin(np.deg2rad(angle)))
    return int(np.rint(height * sin + width * cos)), int(np.rint(height * cos + width * sin))


class RotationTransform(Transform):
    """Rotates counter-clockwise about a point; by default the output is large enough for all of the image."""

    def __init__(self, h, w, angle, expand=True, center=None, interp=None) -> None:
        """
        Args:
            h, w: size of the image.
            angle: degrees, counter-clockwise as seen.
            expand: enlarge the output so that nothing is cut off; else it keeps the size (h, w).
            center: (x, y) to rotate about; without effect on an expanded output, which is centred anyway.
                None: the centre of the image.
            interp: an OpenCV interpolation flag; None: bilinear.
        """
        super().__init__()
        image_center = np.array((w / 2, h / 2))
        if center is None:
            center = image_center
        if interp is None:
            interp = cv2.INTER_LINEAR
        bound_w, bound_h = _rotated_size(w, h, angle) if expand else (w, h)
        self._set_attributes(locals())
        self.rm_coords = self.create_rotation_matrix()
        # OpenCV gives the centre of the first pixel the coordinates (0, 0), ours are (0.5, 0.5).
        self.rm_image = self.create_rotation_matrix(offset=-0.5)

    def apply_image(self, img: np.ndarray, interp: int | None = None) -> np.ndarray:
        """(h, w) or (h, w, C) -> (bound_h, bound_w[, C]); black where there was no image."""
        if len(img) == 0 or self.angle % 360 == 0:
            return img
        if img.shape[:2] != (self.h, self.w):
            raise ValueError(
                f"RotationTransform was made for an image of size {(self.h, self.w)}, but got {img.shape[:2]}."
            )
        size = (self.bound_w, self.bound_h)
        method = self.interp if interp is None else interp
        pixels = img
        if img.dtype == np.bool_:
            pixels = img.view(np.uint8)
        elif img.dtype.kind in "iu" and img.dtype.itemsize > 2:  # OpenCV does not rotate these
            pixels = img.astype(np.float64)
        rotated = cv2.warpAffine(np.ascontiguousarray(pixels), self.rm_image, size, flags=method)
        # OpenCV drops a single channel.
        return rotated.reshape(size[1], size[0], *img.shape[2:]).astype(img.dtype, copy=False)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """(N, 2) x and y in pixels -> float64, in the frame of the output."""
        coords = np.asarray(coords, dtype=float)
        if len(coords) == 0 or self.angle % 360 == 0:
            return coords
        return coords @ self.rm_coords[:, :2].T + self.rm_coords[:, 2]

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """(h, w) -> (bound_h, bound_w); no value is mixed with another."""
        return self.apply_image(segmentation, interp=cv2.INTER_NEAREST)

    def create_rotation_matrix(self, offset: float = 0) -> np.ndarray:
        """
        (2, 3) matrix that takes a point of the image to one of the output.

        Args:
            offset: added to all coordinates' origin; -0.5 for libraries that count from the first pixel's
                centre.
        """
        angle = np.deg2rad(self.angle)
        # y points down, so that this turns counter-clockwise as seen.
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        if self.expand:
            fixed, goes_to = self.image_center, np.array([self.bound_w / 2, self.bound_h / 2])
        else:
            fixed = goes_to = np.asarray(self.center, dtype=float)
        shift = (goes_to + offset) - turn @ (fixed + offset)
        return np.concatenate([turn, shift[:, None]], axis=1)

    def inverse(self) -> Transform:
        """Rotates back and crops to the original size. Only for ``expand=True``, which has lost nothing."""
        if not self.expand:
            raise NotImplementedError("A RotationTransform with expand=False has cut corners off and has no inverse.")
        back = RotationTransform(self.bound_h, self.bound_w, -self.angle, True, None, self.interp)
        x0, y0 = (back.bound_w - self.w) // 2, (back.bound_h - self.h) // 2
        return TransformList([back, CropTransform(x0, y0, self.w, self.h, back.bound_w, back.bound_h)])


class ColorTransform(Transform):
    """A function over pixels alone: coordinates and masks stay."""

    def __init__(self, op) -> None:
        """
        Args:
            op: takes an image array and returns one of the same size.
        """
        if not callable(op):
            raise TypeError(f"ColorTransform needs a function of an image, but got {op!r}.")
        super().__init__()
        self._set_attributes(locals())

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        return self.op(img)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        return coords

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        return segmentation

    def inverse(self) -> Transform:
        """Nothing, because nothing moved."""
        return NoOpTransform()


class PILColorTransform(ColorTransform):
    """A function over a Pillow image, such as those of ``PIL.ImageEnhance``."""

    def __init__(self, op) -> None:
        """
        Args:
            op: takes a Pillow image and returns one of the same size.
        """
        super().__init__(op)

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """uint8 (H, W) or (H, W, 3)."""
        return np.asarray(self.op(Image.fromarray(np.ascontiguousarray(img))))


def _flip_rotated_box(transform: Any, rotated_boxes: np.ndarray) -> np.ndarray:
    """(N, 5) boxes as (centre x, centre y, width, height, angle in degrees), mirrored in place."""
    rotated_boxes[:, 0] = transform.width - rotated_boxes[:, 0]
    rotated_boxes[:, 4] = -rotated_boxes[:, 4]
    return rotated_boxes


HFlipTransform.register_type("rotated_box", _flip_rotated_box)
NoOpTransform.register_type("rotated_box", lambda t, x: x)
