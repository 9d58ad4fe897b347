"""Augmentations of colour alone. Each draws from numpy's global generator."""

from __future__ import annotations

import numpy as np
from detectron2.data.transforms.augmentation import Augmentation
from fvcore.transforms.transform import BlendTransform, Transform

__all__ = ["RandomBrightness", "RandomContrast", "RandomLighting", "RandomSaturation"]

# Luma of red, green and blue, ITU-R BT.601.
_LUMA = np.array([0.299, 0.587, 0.114])

# Principal axes of ImageNet's colours (columns) and the deviation along each, from the AlexNet paper, section
# 4.1, as published with its reimplementations for pixels in RGB.
_COLOUR_AXES = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
_COLOUR_DEVIATIONS = np.array([0.2175, 0.0188, 0.0045])


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
            raise ValueError(f"RandomSaturation wants an image of three channels, but got shape {image.shape}.")
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
            raise ValueError(f"RandomLighting wants an image of three channels, but got shape {image.shape}.")
        weights = np.random.normal(scale=self.scale, size=3)
        colour = _COLOUR_AXES.dot(weights * _COLOUR_DEVIATIONS)
        return BlendTransform(src_image=colour, src_weight=1.0, dst_weight=1.0)
