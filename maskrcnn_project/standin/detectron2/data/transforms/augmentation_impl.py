"""The augmentations: random policies over the transforms. They draw from numpy's global generator."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from detectron2.data.transforms._random_crop import (
    FixedSizeCrop,
    MinIoURandomCrop,
    RandomCrop,
    RandomCrop_CategoryAreaConstraint,
    RandomExtent,
)
from detectron2.data.transforms.augmentation import Augmentation, _as_augmentation
from detectron2.data.transforms.transform import ResizeTransform, RotationTransform
from fvcore.transforms.transform import BlendTransform, HFlipTransform, NoOpTransform, Transform, VFlipTransform
from PIL import Image

__all__ = [
    "FixedSizeCrop",
    "MinIoURandomCrop",
    "RandomApply",
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomCrop_CategoryAreaConstraint",
    "RandomExtent",
    "RandomFlip",
    "RandomLighting",
    "RandomResize",
    "RandomRotation",
    "RandomSaturation",
    "Resize",
    "ResizeScale",
    "ResizeShortestEdge",
]

# Luma of red, green and blue, ITU-R BT.601.
_LUMA = np.array([0.299, 0.587, 0.114])
# Principal axes of ImageNet's colours (columns) and the deviation along each, from the AlexNet paper, section
# 4.1, as published with its reimplementations for pixels in RGB.
_COLOUR_AXES = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
_COLOUR_DEVIATIONS = np.array([0.2175, 0.0188, 0.0045])


def _check_probability(prob: float) -> None:
    if not 0.0 <= prob <= 1.0:
        raise ValueError(f"A probability lies in [0, 1], but prob is {prob}.")


def _check_sample_style(sample_style: str) -> None:
    if sample_style not in ("range", "choice"):
        raise ValueError(f"sample_style must be 'range' or 'choice', but is {sample_style!r}.")


class RandomApply(Augmentation):
    """Applies an augmentation or a transform with a given probability."""

    def __init__(self, tfm_or_aug, prob=0.5) -> None:
        """
        Args:
            tfm_or_aug: an Augmentation or a Transform.
            prob: of applying it, in [0, 1].
        """
        super().__init__()
        _check_probability(prob)
        self.aug = _as_augmentation(tfm_or_aug)
        self.prob = prob

    def get_transform(self, *args: Any) -> Transform:
        return self.aug.get_transform(*args) if self._rand_range() < self.prob else NoOpTransform()

    def __call__(self, aug_input: Any) -> Transform:
        # The inner augmentation names the attributes it needs, so it must see the input itself.
        return self.aug(aug_input) if self._rand_range() < self.prob else NoOpTransform()


class RandomFlip(Augmentation):
    """Mirrors the image, left to right or top to bottom, with a given probability."""

    def __init__(self, prob=0.5, *, horizontal=True, vertical=False) -> None:
        """
        Args:
            prob: of flipping, in [0, 1].
            horizontal, vertical: the direction; exactly one of them. Use two augmentations for both.
        """
        super().__init__()
        _check_probability(prob)
        if bool(horizontal) == bool(vertical):
            raise ValueError(
                f"RandomFlip needs exactly one of horizontal and vertical, but got horizontal={horizontal}, "
                f"vertical={vertical}: use two RandomFlip for both directions."
            )
        self.prob = prob
        self.horizontal = horizontal
        self.vertical = vertical

    def get_transform(self, image):
        height, width = image.shape[:2]
        if not self._rand_range() < self.prob:
            return NoOpTransform()
        return HFlipTransform(width) if self.horizontal else VFlipTransform(height)


class Resize(Augmentation):
    """Resizes to a fixed size; the aspect ratio is not kept."""

    def __init__(self, shape, interp=Image.Resampling.BILINEAR) -> None:
        """
        Args:
            shape: (height, width), or an int for a square.
            interp: a Pillow interpolation method.
        """
        super().__init__()
        self.shape = (shape, shape) if isinstance(shape, int) else tuple(shape)
        self.interp = interp

    def get_transform(self, image):
        height, width = image.shape[:2]
        return ResizeTransform(height, width, self.shape[0], self.shape[1], self.interp)


class RandomResize(Augmentation):
    """Resizes to one of several fixed sizes; the aspect ratio is not kept."""

    def __init__(self, shape_list, interp=Image.Resampling.BILINEAR) -> None:
        """
        Args:
            shape_list: (height, width) pairs, each as likely as the others.
            interp: a Pillow interpolation method.
        """
        super().__init__()
        if not len(shape_list):
            raise ValueError("RandomResize needs at least one (height, width) in shape_list, but got none.")
        self.shape_list = shape_list
        self.interp = interp

    def get_transform(self, image):
        new_height, new_width = self.shape_list[np.random.randint(low=0, high=len(self.shape_list))]
        height, width = image.shape[:2]
        return ResizeTransform(height, width, new_height, new_width, self.interp)


class ResizeShortestEdge(Augmentation):
    """
    Resizes to a drawn length of the shorter edge, keeping the aspect ratio; the longer edge has a limit.
    """

    def __init__(
        self, short_edge_length, max_size=sys.maxsize, sample_style="range", interp=Image.Resampling.BILINEAR
    ) -> None:
        """
        Args:
            short_edge_length: pixels. "range": (min, max), both included; "choice": the lengths to choose
                among. An int is itself always.
            max_size: limit of the longer edge in pixels.
            sample_style: "range" or "choice".
            interp: a Pillow interpolation method.
        """
        super().__init__()
        _check_sample_style(sample_style)
        self.is_range = sample_style == "range"
        if isinstance(short_edge_length, int):
            short_edge_length = (short_edge_length, short_edge_length)
        if self.is_range and len(short_edge_length) != 2:
            raise ValueError(
                "ResizeShortestEdge with sample_style 'range' needs two lengths (min, max), but got "
                f"{short_edge_length}: use sample_style 'choice' to choose among several."
            )
        if not len(short_edge_length):
            raise ValueError("ResizeShortestEdge needs at least one length to choose from, but got none.")
        self.short_edge_length = short_edge_length
        self.max_size = max_size
        self.sample_style = sample_style
        self.interp = interp

    def get_transform(self, image):
        height, width = image.shape[:2]
        if self.is_range:
            size = np.random.randint(self.short_edge_length[0], self.short_edge_length[1] + 1)
        else:
            size = np.random.choice(self.short_edge_length)
        if size == 0:  # means: leave the size as it is
            return NoOpTransform()
        new_height, new_width = self.get_output_shape(height, width, size, self.max_size)
        return ResizeTransform(height, width, new_height, new_width, self.interp)

    @staticmethod
    def get_output_shape(oldh: int, oldw: int, short_edge_length: int, max_size: int) -> tuple[int, int]:
        """
        (height, width) in whole pixels after resizing an image of size (oldh, oldw); each at least 1, where the real
        Detectron2 gives 0 for an image of 5000x1 and fails.
        """
        short = short_edge_length * 1.0
        scale = short / min(oldh, oldw)
        # The shorter edge is set, not multiplied: it must not miss its length by a rounding error.
        height, width = (short, scale * oldw) if oldh < oldw else (scale * oldh, short)
        longer = max(height, width)
        if longer > max_size:
            height, width = height * (max_size * 1.0 / longer), width * (max_size * 1.0 / longer)
        return max(1, int(height + 0.5)), max(1, int(width + 0.5))


class ResizeScale(Augmentation):
    """
    Resizes, keeping the aspect ratio, to fit into a target size times a drawn scale (large-scale jitter).
    """

    def __init__(
        self,
        min_scale: float,
        max_scale: float,
        target_height: int,
        target_width: int,
        interp: int = Image.Resampling.BILINEAR,
    ) -> None:
        """
        Args:
            min_scale, max_scale: the scale is drawn uniformly from [min, max).
            target_height, target_width: pixels at scale 1.
            interp: a Pillow interpolation method.
        """
        super().__init__()
        self.min_scale = min_scale
        self.max_scale = max_scale
        self.target_height = target_height
        self.target_width = target_width
        self.interp = interp

    def get_transform(self, image: np.ndarray) -> Transform:
        scale = np.random.uniform(self.min_scale, self.max_scale)
        return self._get_resize(image, scale)

    def _get_resize(self, image: np.ndarray, scale: float) -> Transform:
        size = np.array(image.shape[:2])
        target = np.array((self.target_height, self.target_width)) * scale
        new_height, new_width = np.round(size * np.min(target / size)).astype(int).tolist()
        height, width = image.shape[:2]
        return ResizeTransform(height, width, new_height, new_width, self.interp)


class RandomRotation(Augmentation):
    """Rotates by a drawn angle about the image's centre or a drawn point."""

    def __init__(self, angle, expand=True, center=None, sample_style="range", interp=None) -> None:
        """
        Args:
            angle: degrees, counter-clockwise. "range": (min, max); "choice": the angles to choose among.
                A number is itself always.
            expand: enlarge the output so that nothing is cut off.
            center: points as fractions (x, y) of the image. "range": the two corners ((x0, y0), (x1, y1)) of
                the rectangle to draw from; "choice": the points to choose among. None: the centre of the
                image.
            sample_style: "range" or "choice".
            interp: an OpenCV interpolation flag.
        """
        super().__init__()
        _check_sample_style(sample_style)
        self.is_range = sample_style == "range"
        if isinstance(angle, int | float):
            angle = (angle, angle)
        if center is not None and isinstance(center[0], int | float):
            center = (center, center)
        self.angle = angle
        self.expand = expand
        self.center = center
        self.sample_style = sample_style
        self.interp = interp

    def get_transform(self, image):
        height, width = image.shape[:2]
        center = None
        if self.is_range:
            angle = np.random.uniform(self.angle[0], self.angle[1])
            if self.center is not None:
                (x0, y0), (x1, y1) = self.center
                center = (np.random.uniform(x0, x1), np.random.uniform(y0, y1))
        else:
            angle = np.random.choice(self.angle)
            if self.center is not None:
                center = self.center[np.random.choice(len(self.center))]
        if center is not None:
            center = (width * center[0], height * center[1])
        if angle % 360 == 0:
            return NoOpTransform()
        return RotationTransform(height, width, angle, expand=self.expand, center=center, interp=self.interp)


class _RandomIntensity(Augmentation):
    """
    Mixes the image with a colourless one: weight 1 leaves it as it is, 0 replaces it, above 1 exaggerates.
    """

    def __init__(self, intensity_min, intensity_max) -> None:
        """
        Args:
            intensity_min, intensity_max: the image's weight is drawn uniformly from [min, max).
        """
        super().__init__()
        self.intensity_min = intensity_min
        self.intensity_max = intensity_max

    def _mix_with(self, other: np.ndarray | float) -> Transform:
        weight = np.random.uniform(self.intensity_min, self.intensity_max)
        return BlendTransform(src_image=other, src_weight=1 - weight, dst_weight=weight)


class RandomContrast(_RandomIntensity):
    """Mixes the image with its mean grey."""

    def get_transform(self, image):
        return self._mix_with(image.mean())


class RandomBrightness(_RandomIntensity):
    """Mixes the image with black."""

    def get_transform(self, image):
        return self._mix_with(0)


class RandomSaturation(_RandomIntensity):
    """Mixes the image, which should be in RGB, with its grey version."""

    def get_transform(self, image):
        if image.shape[-1] != 3:
            raise ValueError(f"RandomSaturation needs an image of three channels, but got shape {image.shape}.")
        return self._mix_with(image.dot(_LUMA)[:, :, np.newaxis])


class RandomLighting(Augmentation):
    """
    Adds one colour to all pixels, drawn along the principal axes of natural colours (AlexNet, section 4.1).
    """

    def __init__(self, scale) -> None:
        """
        Args:
            scale: standard deviation of the weight of each axis.
        """
        super().__init__()
        self.scale = scale

    def get_transform(self, image):
        if image.shape[-1] != 3:
            raise ValueError(f"RandomLighting needs an image of three channels, but got shape {image.shape}.")
        weights = np.random.normal(scale=self.scale, size=3)
        colour = _COLOUR_AXES.dot(weights * _COLOUR_DEVIATIONS)
        return BlendTransform(src_image=colour, src_weight=1.0, dst_weight=1.0)
