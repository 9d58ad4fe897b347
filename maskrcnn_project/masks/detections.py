"""What was found in one image, in little memory: boxes, scores, classes, and masks as run lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from detectron2.structures import Boxes, Instances

from maskrcnn_project.masks.coding import Rle, decode_crop, encode_crop
from maskrcnn_project.masks.mask_in_box import MaskInBox


@dataclass(frozen=True)
class Detections:
    """
    N instances of one image, the most confident first. All of them as pixels would take N * height * width bytes; here
    a mask takes what its outline does.

    Attributes:
        size: (height, width) of the image in pixels.
        boxes: (N, 4) float32, XYXY absolute pixels.
        scores: (N,) float32, 0 to 1.
        classes: (N,) int64, the model's class numbers, from 0.
        masks: N run lengths of the image's size; None where the model has no masks.
        category_ids: of each class, as the data set of the training has them; None: unknown.
    """

    size: tuple[int, int]
    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    masks: list[Rle] | None
    category_ids: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def none(cls, size: tuple[int, int]) -> Detections:
        """Nothing found in an image of ``size`` (height, width)."""
        return cls(size, np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), [])

    @classmethod
    def from_instances(cls, instances: Instances) -> Detections:
        """Of predictions whose masks, if any, are pixels (N, H, W) of the whole image."""
        masks = None
        if instances.has("pred_masks"):
            masks = [
                encode_crop(MaskInBox.at(0, 0, mask.numpy()), instances.image_size)
                for mask in instances.pred_masks.cpu()
            ]
        return cls(
            instances.image_size,
            instances.pred_boxes.tensor.detach().cpu().numpy(),
            instances.scores.detach().cpu().numpy(),
            instances.pred_classes.cpu().numpy(),
            masks,
        )

    def kept(self, which: Sequence[int] | np.ndarray) -> Detections:
        """Those at the indices ``which`` (or where a boolean (N,) is True), in that order."""
        places = np.asarray(which)
        indices = np.flatnonzero(places) if places.dtype == bool else places.astype(np.int64)
        masks = None if self.masks is None else [self.masks[index] for index in indices]
        boxes, scores, classes = self.boxes[indices], self.scores[indices], self.classes[indices]
        return Detections(self.size, boxes, scores, classes, masks, self.category_ids)

    def crop(self, index: int) -> MaskInBox:
        """The mask of one instance in the smallest window round it."""
        assert self.masks is not None, "these detections have no masks"
        return decode_crop(self.masks[index])

    def to_instances(self) -> Instances:
        """With masks as pixels (N, H, W) bool: N * height * width bytes."""
        instances = Instances(self.size)
        instances.pred_boxes = Boxes(torch.from_numpy(self.boxes))
        instances.scores = torch.from_numpy(self.scores)
        instances.pred_classes = torch.from_numpy(self.classes)
        if self.masks is not None:
            pixels = np.zeros((len(self), *self.size), dtype=bool)
            for index in range(len(self)):
                mask = self.crop(index)
                pixels[index][mask.window.slices] = mask.pixels
            instances.pred_masks = torch.from_numpy(pixels)
        return instances

    def to_results(self, image_id: int) -> list[dict[str, Any]]:
        """
        COCO's results: dicts with "image_id", "category_id" (of the data set, or the class number where that is
        unknown), "bbox" (XYWH), "score" and "segmentation", the mask, if any.
        """
        sides = self.boxes[:, 2:] - self.boxes[:, :2]
        known = self.category_ids
        categories = [number if known is None else known[number] for number in self.classes.tolist()]
        results: list[dict[str, Any]] = [
            {"image_id": image_id, "category_id": category, "bbox": box, "score": score}
            for category, box, score in zip(
                categories,
                np.concatenate([self.boxes[:, :2], sides], axis=1).tolist(),
                self.scores.tolist(),
                strict=True,
            )
        ]
        for result, mask in zip(results, self.masks or (), strict=self.masks is not None):
            result["segmentation"] = mask
        return results
