"""
What is evaluated: the ground truth of each image beside what was found in it.

Shape vocabulary: G objects of the ground truth and N found ones per image, K classes. Boxes are XYXY in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from maskrcnn_project.masks.coding import Rle
from maskrcnn_project.masks.detections import Detections


@dataclass(frozen=True)
class TrueObjects:
    """
    The ground truth of one image, in the order of its file.

    Attributes:
        ids: (G,) int64 annotation ids.
        classes: (G,) int64, 0..K-1.
        boxes: (G, 4) float64, XYXY absolute pixels.
        areas: (G,) float64, COCO's "area" in square pixels; it decides between small, medium and large.
        crowd: (G,) bool: regions of many objects, which nothing has to be found in.
        masks: G compressed run lengths of the image's size; ``NO_MASK``, of size [0, 0], for one that has only a box.
    """

    ids: np.ndarray
    classes: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    masks: list[Rle]

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def none(cls) -> TrueObjects:
        """An image with nothing in it."""
        return cls(
            np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0), np.zeros(0, bool), masks=[]
        )

    def kept(self, which: np.ndarray) -> TrueObjects:
        """Those where ``which``, (G,) bool, is True."""
        masks = [self.masks[index] for index in np.flatnonzero(which)]
        columns = {key: getattr(self, key)[which] for key in ("ids", "classes", "boxes", "areas", "crowd")}
        return TrueObjects(**columns, masks=masks)

    @property
    def has_mask(self) -> np.ndarray:
        """(G,) bool: False where there is only a box."""
        return np.array([mask["size"][0] > 0 for mask in self.masks], dtype=bool)


@dataclass(frozen=True)
class ImagePair:
    """
    One image: what is there, and what was found, the most confident first (boxes and scores float64, as the file has
    them).
    """

    image_id: int
    file_name: str
    truth: TrueObjects
    found: Detections


@dataclass(frozen=True)
class ImagePairs:
    """
    The images of one evaluation.

    Attributes:
        name: of the data set.
        image_root: folder that every ``file_name`` is relative to, where the images are at hand.
        class_names: K names; class k of truth and found is ``class_names[k]``.
        max_detections: most detections of an image and class that count, as COCO counts them.
        pairs: in the order of the annotation file.
        page: of images that are stacks, to look at.
        over_limit: (image id, objects) where there are more objects than ``max_detections``.
    """

    name: str
    image_root: Path | None
    class_names: tuple[str, ...]
    max_detections: int
    pairs: list[ImagePair]
    over_limit: list[tuple[int, int]]
    page: int = 0

    @property
    def has_masks(self) -> bool:
        """False where the truth or what was found has boxes only: then boxes stand in for masks."""
        no_found = any(len(pair.found) and pair.found.masks is None for pair in self.pairs)
        return not no_found and any(pair.truth.has_mask.any() for pair in self.pairs)

    @property
    def evaluated(self) -> list[ImagePair]:
        """Where masks are compared, without the objects that have only a box: nothing can be measured against those."""
        if not self.has_masks:
            return self.pairs
        return [replace(pair, truth=pair.truth.kept(pair.truth.has_mask)) for pair in self.pairs]
