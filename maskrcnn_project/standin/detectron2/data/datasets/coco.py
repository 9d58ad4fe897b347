"""COCO's JSON format: read into records, registered under a name, and written."""

from __future__ import annotations

import argparse
import datetime
import functools
import json
import logging
import os
import time
from typing import Any

import numpy as np
import pycocotools.mask as coco_mask
from detectron2.data._records import print_instances_class_histogram
from detectron2.data.catalog import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets._coco_records import (
    InvalidPolygons,
    check_categories,
    check_images,
    convert_annotation,
    group_annotations,
    read_coco_file,
)
from detectron2.structures import BoxMode, PolygonMasks
from detectron2.utils._refused import refuse
from detectron2.utils.file_io import PathManager
from detectron2.utils.logger import setup_logger
from iopath.common.file_io import file_lock

__all__ = [
    "convert_to_coco_dict",
    "convert_to_coco_json",
    "load_coco_json",
    "load_sem_seg",
    "register_coco_instances",
]

logger = logging.getLogger(__name__)

_ANNOTATION_KEYS = ("iscrowd", "bbox", "category_id")


def load_coco_json(
    json_file: str,
    image_root: str,
    dataset_name: str | None = None,
    extra_annotation_keys: list[str] | None = None,
) -> list[dict[str, Any]]:
    """
    Reads a file in COCO's instance format. Keypoints are not read.

    Args:
        json_file: the annotation file.
        image_root: the folder that the file's image names are relative to.
        dataset_name: name to store "thing_classes" and "thing_dataset_id_to_contiguous_id" under in
            ``MetadataCatalog``, and to map category ids to 0 ... C-1 by. None: neither is done.
        extra_annotation_keys: keys of the annotations to take over besides the usual ones.

    Returns:
        Records sorted by image id, of all images, also those without annotations.

    Raises:
        FileNotFoundError: the file or the folder does not exist.
        ValueError: the file is not COCO; the sentence has the ids.
    """
    started = time.perf_counter()
    content = read_coco_file(json_file)
    if image_root and not PathManager.isdir(image_root):
        raise FileNotFoundError(
            f"Image folder {image_root} of COCO file {json_file} does not exist: check the path that the "
            "dataset was registered with."
        )
    images = check_images(content, json_file)
    categories = check_categories(content, json_file)
    annotations = group_annotations(
        content,
        {image["id"] for image in images},
        {category["id"] for category in categories},
        json_file,
        unique_ids="minival" not in json_file,  # COCO's own minival file has some ids twice
    )
    del content  # so that each annotation is let go of as soon as it is converted: a file may hold a million
    class_of_category = _store_classes(dataset_name, categories) if dataset_name is not None else None
    keys = [*_ANNOTATION_KEYS, *(extra_annotation_keys or [])]
    invalid = InvalidPolygons()
    records = []
    for image in images:
        converted = [convert_annotation(a, image, keys, json_file, invalid) for a in annotations.pop(image["id"])]
        kept = [a for a in converted if a is not None]
        if class_of_category is not None:
            for a in kept:
                a["category_id"] = class_of_category[a["category_id"]]
        records.append(
            {
                "file_name": os.path.join(image_root, image["file_name"]),
                "height": image["height"],
                "width": image["width"],
                "image_id": image["id"],
                "annotations": kept,
            }
        )
    if invalid.polygons:
        logger.warning(
            "%s: left out %d polygons with an odd number, or fewer than six, of coordinates, and with them "
            "%d annotations that had no other.",
            json_file,
            invalid.polygons,
            invalid.annotations,
        )
    logger.info("Loaded %d images from %s in %.1f s", len(records), json_file, time.perf_counter() - started)
    return records


def _store_classes(dataset_name: str, categories: list[dict[str, Any]]) -> dict[int, int]:
    """Sets the dataset's classes in the catalog and returns category id -> class index, by sorted id."""
    ids = [category["id"] for category in categories]
    class_of_category = {category_id: index for index, category_id in enumerate(ids)}
    if ids != list(range(1, len(ids) + 1)):
        logger.info(
            "Category ids of %s are not 1 ... %d, so they are mapped to classes in their order: %s",
            dataset_name,
            len(ids),
            ", ".join(f"{c['id']} ({c['name']}) -> {class_of_category[c['id']]}" for c in categories),
        )
    metadata = MetadataCatalog.get(dataset_name)
    metadata.thing_classes = [category["name"] for category in categories]
    metadata.thing_dataset_id_to_contiguous_id = class_of_category
    return class_of_category


def register_coco_instances(name: str, metadata: dict[str, Any], json_file: str, image_root: str) -> None:
    """
    Registers a COCO file under a name. Nothing is read until the name is used.

    Args:
        name: such as "my_train".
        metadata: more about the dataset; may be empty. The classes are taken from the file.
        json_file: the annotation file.
        image_root: the folder that the file's image names are relative to.

    Raises:
        TypeError: an argument is of another type.
        AssertionError: the name is taken.
    """
    for what, value in (("name", name), ("json_file", json_file), ("image_root", image_root)):
        if not isinstance(value, str | os.PathLike):
            raise TypeError(f"register_coco_instances needs {what} as a string, but got {value!r}.")
    json_file, image_root = os.fspath(json_file), os.fspath(image_root)
    DatasetCatalog.register(name, functools.partial(load_coco_json, json_file, image_root, name))
    MetadataCatalog.get(name).set(json_file=json_file, image_root=image_root, evaluator_type="coco", **metadata)


def load_sem_seg(gt_root: str, image_root: str, gt_ext: str = "png", image_ext: str = "jpg") -> list[dict[str, Any]]:
    """
    Pairs images with semantic segmentations of the same name in another folder.

    Args:
        gt_root: folder of the segmentations; each is an image whose pixel values are classes.
        image_root: folder of the images.
        gt_ext, image_ext: file name endings.

    Returns:
        Records with "file_name" and "sem_seg_file_name", sorted by name. Files without a partner are left out
        with a warning.
    """
    truths = _files_by_stem(gt_root, gt_ext)
    pictures = _files_by_stem(image_root, image_ext)
    both = sorted(truths.keys() & pictures.keys())
    if not both:
        raise ValueError(
            f"No file in {gt_root} (*.{gt_ext}) has the name of one in {image_root} (*.{image_ext}): check "
            "both folders and endings."
        )
    alone = len(truths) + len(pictures) - 2 * len(both)
    if alone:
        logger.warning("%d files of %s and %s have no partner and are left out.", alone, gt_root, image_root)
    return [{"file_name": pictures[stem], "sem_seg_file_name": truths[stem]} for stem in both]


def _files_by_stem(folder: str, extension: str) -> dict[str, str]:
    if not PathManager.isdir(folder):
        raise FileNotFoundError(f"Folder {folder} does not exist.")
    names = [name for name in PathManager.ls(folder) if name.endswith(f".{extension}")]
    return {name[: -len(extension) - 1]: os.path.join(folder, name) for name in names}


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


def main() -> None:
    """Reads a COCO file as training would and prints what it holds: ``python -m detectron2.data.datasets.coco``."""
    parser = argparse.ArgumentParser(description="Check that a COCO file can be loaded, and count its objects.")
    parser.add_argument("json_file", help="annotation file")
    parser.add_argument("image_root", help="folder of the images")
    parser.add_argument("dataset_name", help="name to load it under")
    args = parser.parse_args()
    setup_logger(name="detectron2")
    records = load_coco_json(args.json_file, args.image_root, args.dataset_name)
    print_instances_class_histogram(records, MetadataCatalog.get(args.dataset_name).thing_classes)
    absent = [r["file_name"] for r in records if not PathManager.isfile(r["file_name"])]
    if absent:
        raise SystemExit(f"{len(absent)} of {len(records)} images do not exist; the first is {absent[0]}.")


__getattr__ = refuse(
    __name__,
    {
        "register_coco_panoptic": "panoptic segmentation",
        "register_coco_panoptic_separated": "panoptic segmentation",
    },
)

if __name__ == "__main__":
    main()
