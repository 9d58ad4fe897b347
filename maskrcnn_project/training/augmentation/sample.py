"""
An image with its objects as pixels: what mosaic and copy-paste read, cut and join.

N objects in an image of H x W pixels and C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T
from detectron2.structures import BitMasks, Instances

from maskrcnn_project.datasets.image_file import ValueRange, read_image

# What of an annotation is moved along with its image. Keypoints and others would be left behind at the old place.
_KEYS = ("bbox", "bbox_mode", "category_id", "segmentation")


@dataclass
class Sample:
    """Masks may overlap, as they may in a COCO file."""

    image: np.ndarray  # (H, W, C) uint8
    masks: np.ndarray  # (N, H, W) bool
    classes: np.ndarray  # (N,) int64

    def __len__(self) -> int:
        return len(self.classes)

    def chosen(self, rows: np.ndarray) -> Sample:
        """The same image with only the objects at ``rows``: (N,) bool, or (K,) indices."""
        return Sample(self.image, self.masks[rows], self.classes[rows])

    def to_instances(self) -> Instances:
        """Instances with gt_boxes (the tight box of each mask), gt_classes and gt_masks (BitMasks)."""
        instances = Instances(self.image.shape[:2])
        masks = BitMasks(torch.from_numpy(np.ascontiguousarray(self.masks)))
        instances.gt_boxes = masks.get_bounding_boxes()
        instances.gt_classes = torch.from_numpy(self.classes)
        instances.gt_masks = masks
        return instances


def read_sample(
    record: dict[str, Any],
    augmentations: Sequence[T.Augmentation],
    image_format: str,
    min_visible: float = 0.0,
    values: ValueRange | None = None,
) -> Sample:
    """
    Reads the image of a record and moves its objects along with the ``augmentations``. Crowd regions are left out.

    Args:
        record: Detectron2's dataset dict; not changed.
        image_format: as for Detectron2's ``read_image``.
        min_visible: objects of whose box a smaller fraction is left in the image are left out, 0 to 1; those without
            a pixel always are.
        values: how an image of more than 8 bits is read.

    Raises:
        ValueError: an object without a mask, or a mask that does not fit its image.
        OSError: no such image, or a broken one.
    """
    image = read_image(record["file_name"], image_format, values)
    utils.check_image_size(dict(record), image)
    aug_input = T.AugInput(image)
    transforms = aug_input.apply_augmentations(list(augmentations))
    size = aug_input.image.shape[:2]
    moved = []
    try:
        for annotation in record["annotations"]:
            if annotation.get("iscrowd", 0):
                continue
            whole = transforms.apply_box(np.array([utils.get_bbox(annotation)], dtype=np.float64))[0]
            fraction = visible_fraction(whole, size)
            if fraction == 0 or fraction < min_visible:  # known before the costly part, the drawing of the mask
                continue
            kept = {key: annotation[key] for key in _KEYS if key in annotation}
            moved.append(utils.transform_instance_annotations(kept, transforms, size))
        instances = utils.annotations_to_instances(moved, size, mask_format="bitmask")
        masks = _pixels(instances)
    except ValueError as error:
        name, number = record["file_name"], record.get("image_id", "unknown")
        raise ValueError(f"Image {name} (image id {number}): {error}") from error
    sample = Sample(aug_input.image, masks, instances.gt_classes.numpy())
    seen = np.logical_or.reduce(masks, axis=(1, 2))
    return sample if seen.all() else sample.chosen(seen)


def _pixels(instances: Instances) -> np.ndarray:
    """(N, H, W) bool; Detectron2 gives no gt_masks where there is no object."""
    if instances.has("gt_masks"):
        return instances.gt_masks.tensor.numpy()
    if len(instances):
        raise ValueError(
            "an object has no segmentation, but mosaic and copy-paste need the mask of every object: annotate it, or "
            "set INPUT.AUGMENT.MOSAIC.PROBABILITY 0 INPUT.AUGMENT.COPY_PASTE.PROBABILITY 0."
        )
    return np.zeros((0, *instances.image_size), dtype=bool)


def visible_fraction(box: np.ndarray, size: tuple[int, int]) -> float:
    """The fraction of the area of a box (4,), XYXY in pixels, that lies in an image of ``size`` (height, width)."""
    x0, y0, x1, y1 = box.tolist()
    height, width = size
    inside = max(0.0, min(x1, width) - max(x0, 0.0)) * max(0.0, min(y1, height) - max(y0, 0.0))
    return inside / ((x1 - x0) * (y1 - y0)) if inside else 0.0
