"""A detector that sees drawn shapes exactly: what a perfect model would find in an image or in a part of it."""

import cv2
import numpy as np

from maskrcnn_project.masks.coding import box_xywh_of, encode
from maskrcnn_project.masks.detections import Detections


def painting(height, width, *shapes):
    """
    (H, W, 3) uint8: each shape (H, W) bool, or (shape, class), in a colour of its own; later ones cover earlier ones.

    Blue and red make the number of the shape, from 1, green is its class.
    """
    image = np.zeros((height, width, 3), np.uint8)
    for number, shape in enumerate(shapes, 1):
        mask, category = shape if isinstance(shape, tuple) else (shape, 0)
        image[mask] = (number % 256, category, number // 256)
    return image


def disc(height, width, x, y, radius):
    """The pixels whose centres lie in a circle about the point (x, y)."""
    rows, columns = np.ogrid[:height, :width]
    return (columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 <= radius**2


def rectangle(height, width, x1, y1, x2, y2):
    mask = np.zeros((height, width), bool)
    mask[y1:y2, x1:x2] = True
    return mask


class Seeing:
    """Finds every connected piece of every colour. ``sizes`` collects the (height, width) of all that it was shown."""

    def __init__(self, score=lambda number, area: 0.9, least=1, most=10**9):
        """``score`` of a piece by its number and pixels; pieces of other than ``least`` to ``most`` are overlooked."""
        self.score, self.least, self.most = score, least, most
        self.sizes = []

    def __call__(self, images):
        return [self.one(image) for image in images]

    def one(self, image):
        self.sizes.append(image.shape[:2])
        numbers = image[:, :, 0].astype(int) + 256 * image[:, :, 2].astype(int)
        rows = []
        for number in np.unique(numbers[numbers > 0]):
            of_number = numbers == number
            count, pieces = cv2.connectedComponents(of_number.astype(np.uint8), connectivity=4)
            for piece in (pieces == label for label in range(1, count)):
                if self.least <= piece.sum() <= self.most:
                    x, y, w, h = box_xywh_of(piece)
                    category = int(image[:, :, 1][piece][0])
                    rows.append(((x, y, x + w, y + h), self.score(number, piece.sum()), category, encode(piece)))
        rows.sort(key=lambda row: -row[1])
        if not rows:
            return Detections.none(image.shape[:2])
        boxes, scores, classes, masks = zip(*rows, strict=True)
        return Detections(
            image.shape[:2],
            np.array(boxes, np.float32),
            np.array(scores, np.float32),
            np.array(classes, np.int64),
            list(masks),
        )
