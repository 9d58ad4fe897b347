"""
From a checked COCO file to the dataset dicts that Detectron2 trains on: what its public ``load_coco_json`` would give,
without parsing the file once more.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from detectron2.structures import BoxMode
from pycocotools import mask as mask_util

from maskrcnn_project.datasets.coco_file import CocoFile

logger = logging.getLogger(__name__)

TAKEN_OVER = ("iscrowd", "bbox", "keypoints", "category_id")  # keys of an annotation that stay as they are
MIN_POLYGON_NUMBERS = 6  # three points; fewer enclose nothing


def class_indices(file: CocoFile) -> dict[int, int]:
    """{category id: class index}, by ascending category id: Detectron2's contiguous numbers."""
    return {key: index for index, key in enumerate(sorted(row["id"] for row in file.categories))}


def records_of(file: CocoFile) -> list[dict[str, Any]]:
    """
    One dict per image, by ascending image id: ``file_name`` (the path), ``height``, ``width`` (pixels), ``image_id``
    and ``annotations``, each with ``bbox`` (XYWH pixels, see ``bbox_mode``), ``category_id`` (the class index from 0),
    ``iscrowd`` where the file has it, and ``segmentation``: polygons [[x, y, ...], ...] or compressed run lengths.

    Polygons of fewer than three points are left out, and annotations that consist of such only.
    """
    indices = class_indices(file)
    of_image = defaultdict(list)
    for annotation in file.annotations:
        of_image[annotation["image_id"]].append(annotation)
    records, invalid = [], 0
    for image in sorted(file.images, key=lambda row: row["id"]):
        rows = of_image[image["id"]]
        converted = [row for row in (_convert(row, indices) for row in rows) if row is not None]
        invalid += len(rows) - len(converted)
        records.append(
            {
                "file_name": os.path.join(str(file.image_root), image["file_name"]),
                "height": image["height"],
                "width": image["width"],
                "image_id": image["id"],
                "annotations": converted,
            }
        )
    if invalid:
        logger.warning(
            "%s: %d annotations are left out, whose polygons all have fewer than three points.", file.path, invalid
        )
    return records


def _convert(annotation: Mapping[str, Any], indices: Mapping[int, int]) -> dict[str, Any] | None:
    """An annotation as Detectron2 writes it; None if none of its polygons encloses anything."""
    converted: dict[str, Any] = {key: annotation[key] for key in TAKEN_OVER if key in annotation}
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, dict):
        if isinstance(segmentation["counts"], list):
            segmentation = mask_util.frPyObjects(segmentation, *segmentation["size"])
        converted["segmentation"] = segmentation
    elif segmentation:
        polygons = [part for part in segmentation if len(part) % 2 == 0 and len(part) >= MIN_POLYGON_NUMBERS]
        if not polygons:
            return None
        converted["segmentation"] = polygons
    converted["bbox_mode"] = BoxMode.XYWH_ABS
    converted["category_id"] = indices[annotation["category_id"]]
    return converted
