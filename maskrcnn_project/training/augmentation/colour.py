"""Hue with saturation, blur and noise: what Detectron2's own colour augmentations leave out. Images are (H, W, C)."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
from detectron2.data import transforms as T

# OpenCV's 8-bit HSV with the whole circle of hues in 0..255 (its other one has two degrees per step).
_TO_HSV = {"BGR": cv2.COLOR_BGR2HSV_FULL, "RGB": cv2.COLOR_RGB2HSV_FULL}
_FROM_HSV = {"BGR": cv2.COLOR_HSV2BGR_FULL, "RGB": cv2.COLOR_HSV2RGB_FULL}


def shift_hue(image: np.ndarray, degrees: float, saturation: float, image_format: str) -> np.ndarray:
    """
    Turns every hue by ``degrees`` and multiplies every saturation. Greys stay as they are.

    Args:
        image: (H, W, 3) uint8.
        image_format: "BGR" or "RGB".
    """
    levels = np.arange(256)
    hues = ((levels + round(degrees * 256 / 360)) % 256).astype(np.uint8)
    saturations = np.clip(levels * saturation, 0, 255).astype(np.uint8)
    table = np.stack([hues, saturations, levels.astype(np.uint8)], axis=-1)[None]  # (1, 256, 3)
    hsv = cv2.cvtColor(np.ascontiguousarray(image), _TO_HSV[image_format])
    return cv2.cvtColor(cv2.LUT(hsv, table), _FROM_HSV[image_format])


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """``image`` under a Gaussian of ``sigma`` pixels."""
    return cv2.GaussianBlur(np.ascontiguousarray(image), (0, 0), sigma).reshape(image.shape)


def add_noise(image: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """A uint8 ``image`` with normal noise of ``sigma`` grey levels, drawn for each pixel and channel."""
    noise = np.random.default_rng(seed).standard_normal(image.shape, dtype=np.float32)
    return np.clip(np.rint(image + sigma * noise), 0, 255).astype(np.uint8)


class RandomHueSaturation(T.Augmentation):
    """Turns the hues by up to ``hue`` degrees and scales the saturation by a factor in 1 ± ``saturation``."""

    def __init__(self, hue: float, saturation: float, image_format: str):
        """
        Args:
            hue: degrees, 0 to 180.
            saturation: 0 to 1.
            image_format: "BGR" or "RGB".
        """
        super().__init__()
        self.hue = hue
        self.saturation = saturation
        self.image_format = image_format

    def get_transform(self, image: np.ndarray) -> T.Transform:
        degrees = np.random.uniform(-self.hue, self.hue)
        factor = np.random.uniform(1 - self.saturation, 1 + self.saturation)
        return T.ColorTransform(partial(shift_hue, degrees=degrees, saturation=factor, image_format=self.image_format))


class RandomBlur(T.Augmentation):
    """A Gaussian blur whose width is drawn evenly from [0, ``sigma``) pixels."""

    def __init__(self, sigma: float):
        super().__init__()
        self.sigma = sigma

    def get_transform(self, image: np.ndarray) -> T.Transform:
        sigma = np.random.uniform(0, self.sigma)
        # OpenCV takes a width of 0 as "choose one"; below a fifth of a pixel no neighbour weighs one grey level
        return T.NoOpTransform() if sigma < 0.2 else T.ColorTransform(partial(blur, sigma=sigma))


class RandomNoise(T.Augmentation):
    """Normal noise whose deviation is drawn evenly from [0, ``sigma``) grey levels."""

    def __init__(self, sigma: float):
        super().__init__()
        self.sigma = sigma

    def get_transform(self, image: np.ndarray) -> T.Transform:
        sigma = np.random.uniform(0, self.sigma)
        seed = np.random.randint(2**31)
        return T.ColorTransform(partial(add_noise, sigma=sigma, seed=seed))
