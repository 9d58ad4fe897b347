"""Detections with masks that are given as pixels, for tests."""

import numpy as np

from maskrcnn_project.masks.coding import box_xywh_of, encode
from maskrcnn_project.masks.detections import Detections


def found_of(*masks, scores=None, classes=None):
    """Detections of (H, W) masks, at least one, in their own boxes; scores fall from 0.9 on, and all are of class 0."""
    pixels = [np.asarray(mask, dtype=bool) for mask in masks]
    boxes = [(x, y, x + width, y + height) for x, y, width, height in map(box_xywh_of, pixels)]
    return Detections(
        pixels[0].shape,
        np.array(boxes, np.float32),
        np.array(scores or [0.9 - 0.1 * index for index in range(len(pixels))], np.float32),
        np.array(classes or [0] * len(pixels), np.int64),
        [encode(mask) for mask in pixels],
    )


def pixels_of(*rows):
    """(H, W) bool of rows of text: "#" is in the mask."""
    return np.array([[letter == "#" for letter in row] for row in rows])
