"""Records to COCO's JSON format, so that any registered dataset can be judged by the COCO metric."""

from __future__ import annotations

import datetime
import json
import logging
import os
from typing import Any

import numpy as np
import pycocotools.mask as coco_mask
from detectron2.data.catalog import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode, PolygonMasks
from detectron2.utils.file_io import PathManager
from iopath.common.file_io import file_lock

__all__ = ["convert_to_coco_dict", "convert_to_coco_json"]

logger = logging.getLogger(__name__)


def convert_to_coco_dict(dataset_name: str) -> dict[str, Any]:
    """
    A registered dataset in COCO's format.

    Args:
        dataset_name: its metadata must have "thing_classes". Where they have
            "thing_dataset_id_to_contiguous_id", the category ids are mapped back.

    Returns:
        What ``json.dump`` takes; without "annotations" where the records have none.
    """
    records = DatasetCatalog.get(dataset_name)
    metadata = MetadataCatalog.get(dataset_name)
    class_of_category = metadata.get("thing_dataset_id_to_contiguous_id", {})
    category_of_class = {index: category_id for category_id, index in class_of_category.items()}
    categories = [
        {"id": category_of_class.get(index, index), "name": name} for index, name in enumerate(metadata.thing_classes)
    ]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for position, record in enumerate(records):
        for key in ("width", "height", "file_name"):
            if key not in record:
                raise ValueError(f"Record {position} of dataset {dataset_name!r} has no {key!r}, which COCO needs.")
        image = {
            "id": record.get("image_id", position),
            "width": int(record["width"]),
            "height": int(record["height"]),
            "file_name": str(record["file_name"]),
        }
        images.append(image)
        for anno in record.get("annotations", []):
            converted = _convert(anno, image)
            converted["id"] = len(annotations) + 1  # not 0, which the COCO metric takes for "no match"
            converted["category_id"] = category_of_class.get(anno["category_id"], int(anno["category_id"]))
            annotations.append(converted)
    coco = {
        "info": {
            "date_created": str(datetime.datetime.now()),
            "description": f"Dataset {dataset_name!r}, written from its records.",
        },
        "images": images,
        "categories": categories,
        "licenses": None,
    }
    if annotations:
        coco["annotations"] = annotations
    logger.info("Dataset %s has %d images and %d annotations", dataset_name, len(images), len(annotations))
    return coco


def _convert(anno: dict[str, Any], image: dict[str, Any]) -> dict[str, Any]:
    """One annotation; its area is the mask's where there is one, else the box's."""
    box = anno["bbox"].tolist() if isinstance(anno["bbox"], np.ndarray) else list(anno["bbox"])
    box = [round(float(v), 3) for v in BoxMode.convert(box, anno["bbox_mode"], BoxMode.XYWH_ABS)]
    converted: dict[str, Any] = {
        "image_id": image["id"],
        "bbox": box,
        "area": box[2] * box[3],
        "iscrowd": int(anno.get("iscrowd", 0)),
    }
    segmentation = anno.get("segmentation")
    if segmentation is None:
        return converted
    if isinstance(segmentation, np.ndarray) and segmentation.ndim == 2:
        segmentation = coco_mask.encode(np.asfortranarray(segmentation, dtype=np.uint8))
    if isinstance(segmentation, list):
        converted["area"] = PolygonMasks([segmentation]).area()[0].item()
        converted["segmentation"] = [np.asarray(polygon).tolist() for polygon in segmentation]
    elif isinstance(segmentation, dict):
        if isinstance(segmentation["counts"], list):
            segmentation = coco_mask.frPyObjects(segmentation, *segmentation["size"])
        converted["area"] = coco_mask.area(segmentation).item()
        counts = segmentation["counts"]
        counts = counts.decode("ascii") if isinstance(counts, bytes) else counts
        converted["segmentation"] = {"size": list(segmentation["size"]), "counts": counts}
    else:
        raise ValueError(
            f"An annotation of image id {image['id']} has a segmentation of type "
            f"{type(segmentation).__name__}: only polygons, run lengths and (H, W) arrays can be written to "
            "COCO's format."
        )
    return converted


def convert_to_coco_json(dataset_name: str, output_file: str, allow_cached: bool = True) -> None:
    """
    Writes a registered dataset in COCO's format.

    Args:
        dataset_name: as for :func:`convert_to_coco_dict`.
        output_file: the file to write; its folder is made.
        allow_cached: leave a file that exists as it is.
    """
    PathManager.mkdirs(os.path.dirname(output_file) or ".")
    with file_lock(output_file):
        if PathManager.exists(output_file) and allow_cached:
            logger.warning(
                "Using the annotations of %s that were written to %s before: delete the file if the "
                "dataset has changed since.",
                dataset_name,
                output_file,
            )
            return
        coco = convert_to_coco_dict(dataset_name)
        # Written beside and renamed: a file cut short by an interruption would pass for the cached one.
        unfinished = f"{output_file}.tmp"
        with PathManager.open(unfinished, "w") as f:
            json.dump(coco, f)
        os.replace(PathManager.get_local_path(unfinished), PathManager.get_local_path(output_file))
