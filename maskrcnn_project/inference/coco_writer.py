"""Predictions as one COCO JSON file: it can be opened by annotation tools, drawn, and evaluated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from detectron2.structures import Boxes, BoxMode, Instances
from pycocotools import mask as coco_mask

from maskrcnn_project.classes import ClassTable
from maskrcnn_project.files import write_beside


class CocoWriter:
    """
    Collects predictions image by image, run-length encoded at once, and writes them at the end.

    The file holds ``images``, ``categories`` and ``annotations``; an annotation has the usual keys and ``score``.
    """

    def __init__(self, classes: ClassTable):
        self.classes = classes
        self.images: list[dict] = []
        self.annotations: list[dict] = []

    def add(self, file_name: str, instances: Instances) -> None:
        """Adds one image's predictions (masks at the image's own size). Image ids count from 1 in order of calls."""
        height, width = instances.image_size
        image_id = len(self.images) + 1
        self.images.append({"id": image_id, "file_name": file_name, "height": height, "width": width})
        boxes: Boxes = instances.pred_boxes
        rows = np.asarray(BoxMode.convert(boxes.tensor.numpy(), BoxMode.XYXY_ABS, BoxMode.XYWH_ABS))
        masks = instances.pred_masks.numpy() if instances.has("pred_masks") else [None] * len(instances)
        for box, score, output, mask in zip(
            rows.tolist(), instances.scores.tolist(), instances.pred_classes.tolist(), masks, strict=True
        ):
            annotation = {
                "id": len(self.annotations) + 1,
                "image_id": image_id,
                "category_id": self.classes.ids[output],
                "bbox": [round(v, 2) for v in box],
                "score": round(score, 5),
                "iscrowd": 0,
                "area": box[2] * box[3],
            }
            if mask is not None:
                encoded = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
                annotation["area"] = int(mask.sum())
                annotation["segmentation"] = {
                    "size": encoded["size"],
                    "counts": encoded["counts"].decode("ascii"),
                }
            self.annotations.append(annotation)

    def write(self, path: Path) -> None:
        """Writes the file beside its place and renames it."""
        categories = [{"id": i, "name": n} for i, n in zip(self.classes.ids, self.classes.names, strict=True)]
        content = {"images": self.images, "annotations": self.annotations, "categories": categories}
        write_beside(path, json.dumps(content))
