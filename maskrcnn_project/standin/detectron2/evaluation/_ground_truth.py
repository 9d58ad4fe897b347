"""COCO ground truth made fit for the metric: the keys that other people's files leave out are filled in."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Mapping
from typing import Any

from detectron2.utils.file_io import PathManager
from pycocotools import mask as mask_util
from pycocotools.coco import COCO

# Three points: fewer enclose nothing, and pycocotools takes four numbers for a box.
MIN_POLYGON_NUMBERS = 6


def load_ground_truth(json_file: str) -> COCO:
    """
    Read a COCO annotation file, complete it (``complete_annotations``) and index it.

    Args:
        json_file: path or URL that the path manager knows.
    """
    with PathManager.open(json_file, "r") as file:
        dataset = json.load(file)
    if not isinstance(dataset, dict) or "images" not in dataset or "categories" not in dataset:
        found = sorted(dataset) if isinstance(dataset, dict) else type(dataset).__name__
        raise ValueError(
            f"{json_file} should be a COCO annotation file with the keys 'images' and 'categories', but holds {found}."
        )
    dataset.setdefault("info", {})
    complete_annotations(dataset, json_file)
    coco = COCO()
    coco.dataset = dataset
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        coco.createIndex()
    return coco


def complete_annotations(dataset: dict[str, Any], source: str) -> None:
    """
    Fill in, in place, what the metric reads of each annotation: ``id``, ``iscrowd``, ``bbox``, ``area``.
    Polygons of fewer than three points are dropped.

    Ids are numbered anew from 1 where they are missing, doubled, no integers, or 0: pycocotools marks a
    matched pair by the id, so that 0 counts as unmatched.

    Raises:
        ValueError: an annotation has neither box nor mask, or belongs to no category or image.
    """
    annotations = dataset.get("annotations", [])
    sizes = {image["id"]: (image.get("height"), image.get("width")) for image in dataset["images"]}
    for index, annotation in enumerate(annotations):
        name = f"annotation {annotation.get('id', f'number {index}')} of {source}"
        for key in ("image_id", "category_id"):
            if key not in annotation:
                raise ValueError(f"Every annotation needs an '{key}', but {name} has none; add it to the file.")
        annotation["iscrowd"] = int(annotation.get("iscrowd") or 0)
        if isinstance(annotation.get("segmentation"), list):
            annotation["segmentation"] = [p for p in annotation["segmentation"] if _encloses(p)]
        if annotation.get("bbox") is None or annotation.get("area") is None:
            _complete_geometry(annotation, sizes.get(annotation["image_id"]), name)

    ids = [annotation.get("id") for annotation in annotations]
    if not all(type(i) is int and i > 0 for i in ids) or len(set(ids)) < len(ids):
        logging.getLogger(__name__).warning(
            "Annotation ids of %s are missing, doubled, zero or no integers: numbered anew for the evaluation.",
            source,
        )
        for number, annotation in enumerate(annotations, start=1):
            annotation["id"] = number


def _complete_geometry(annotation: dict[str, Any], size: tuple[Any, Any] | None, name: str) -> None:
    """Box and area from the mask; the area from the box where there is no mask."""
    rle = _rle_of(annotation.get("segmentation"), size)
    if annotation.get("bbox") is None:
        if rle is None:
            if size is None:  # of an image that the file does not list: never evaluated
                annotation.update(bbox=[0, 0, 0, 0], area=0)
                return
            raise ValueError(
                f"The metric needs a 'bbox' or a 'segmentation', but {name} has neither; add one or remove it."
            )
        annotation["bbox"] = mask_util.toBbox(rle).tolist()
    if annotation.get("area") is None:
        box_width, box_height = annotation["bbox"][2:]
        annotation["area"] = float(mask_util.area(rle)) if rle is not None else float(box_width * box_height)


def _encloses(polygon: list[float]) -> bool:
    return len(polygon) >= MIN_POLYGON_NUMBERS and len(polygon) % 2 == 0


def _rle_of(segmentation: Any, size: tuple[Any, Any] | None) -> Mapping[str, Any] | None:
    """
    Any COCO segmentation (polygons, RLE compressed or not) -> compressed RLE, None where it encloses nothing.

    Args:
        segmentation: list of polygons [x0, y0, x1, y1, ...] in pixels, or {"size", "counts"}.
        size: (height, width) of the image; needed for polygons only.
    """
    if isinstance(segmentation, Mapping):
        if isinstance(segmentation["counts"], list):
            return mask_util.frPyObjects(dict(segmentation), *segmentation["size"])
        return segmentation
    if not segmentation or size is None or None in size:
        return None
    return mask_util.merge(mask_util.frPyObjects(segmentation, *size))
