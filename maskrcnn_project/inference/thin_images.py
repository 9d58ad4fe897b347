"""
Images so long and thin that at the model's size their short side would round to no pixel at all, such as a scanned line
of 5000x1: they are shown to the model a little wider, and what is found is brought back.
"""

from __future__ import annotations

import cv2
import numpy as np
from detectron2.config import CfgNode

from maskrcnn_project.inference.tiling.tiles import DetectImages
from maskrcnn_project.masks.coding import encode_crop
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.masks.mask_in_box import MaskInBox


def with_thin_images(detect_images: DetectImages, cfg: CfgNode) -> DetectImages:
    """``detect_images`` (``Predictor.detect``) for images of any shape."""
    max_size = min(cfg.INPUT.MAX_SIZE_TEST, cfg.TEST.AUG.MAX_SIZE) if cfg.TEST.AUG.ENABLED else cfg.INPUT.MAX_SIZE_TEST

    def detect(images: list[np.ndarray]) -> list[Detections]:
        found = detect_images([widened(image, max_size) for image in images])
        return [brought_back(one, image.shape[:2]) for one, image in zip(found, images, strict=True)]

    return detect


def widened(image: np.ndarray, max_size: int) -> np.ndarray:
    """
    An image (H, W, 3) whose short side, repeated pixel by pixel, keeps at least half a pixel, which rounds to one,
    where the long side is brought to ``max_size``; as it is where that holds already.
    """
    height, width = image.shape[:2]
    wanted = max(height, width) // (2 * max_size) + 1
    if min(height, width) >= wanted:
        return image
    size = (max(width, wanted), max(height, wanted))  # OpenCV's order
    return cv2.resize(image, size, interpolation=cv2.INTER_NEAREST)


def brought_back(found: Detections, size: tuple[int, int]) -> Detections:
    """What was found in a widened image, in the image of ``size`` (height, width) that it was made from."""
    if found.size == size:
        return found
    (height, width), (from_height, from_width) = size, found.size
    boxes = found.boxes * np.array([width / from_width, height / from_height] * 2, np.float32)
    if found.masks is None:
        return Detections(size, boxes, found.scores, found.classes, None)
    # the pixel in which the centre of each of the image's own lies
    rows = ((np.arange(height) + 0.5) * from_height / height).astype(int)
    columns = ((np.arange(width) + 0.5) * from_width / width).astype(int)
    masks, kept = [], []
    for index in range(len(found)):
        whole = np.zeros(found.size, dtype=bool)
        mask = found.crop(index)
        whole[mask.window.slices] = mask.pixels
        pixels = whole[np.ix_(rows, columns)]
        masks.append(encode_crop(MaskInBox.at(0, 0, pixels), size))
        kept.append(bool(pixels.any()))
    return Detections(size, boxes, found.scores, found.classes, masks).kept(np.array(kept, dtype=bool))
