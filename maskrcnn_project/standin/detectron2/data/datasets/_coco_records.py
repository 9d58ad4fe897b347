"""
A COCO file to records: checks what a file made by hand or by a tool may get wrong, and says it with the ids.

"Annotation" is an entry of the file's "annotations", "image" one of its "images".
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pycocotools.mask as coco_mask
from detectron2.structures import BoxMode
from detectron2.utils.file_io import PathManager

_IMAGE_KEYS: dict[str, type] = {"file_name": str, "height": int, "width": int}
# Three points: fewer enclose nothing.
_MIN_POLYGON_NUMBERS = 6
_REFERENCES = ("id", "image_id", "category_id")
_ID_TYPES = (int, str)
_NUMBER_TYPES = frozenset((int, float))


def read_coco_file(json_file: str) -> dict[str, Any]:
    """
    The file as a dict with the lists "images", "categories" and "annotations" (empty where it has none).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not JSON, or not COCO.
    """
    local_file = PathManager.get_local_path(json_file)
    if not os.path.isfile(local_file):
        raise FileNotFoundError(
            f"COCO file {json_file} does not exist: check the path that the dataset was registered with."
        )
    try:
        with open(local_file, encoding="utf-8") as f:
            content = json.load(f)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"COCO file {json_file} is not JSON ({error}): export it again.") from error
    if not isinstance(content, dict):
        raise ValueError(
            f"COCO file {json_file} must hold an object with 'images', 'annotations' and 'categories', but "
            f"holds a {type(content).__name__}: a COCO result file, for example, is a list and no dataset."
        )
    content.setdefault("annotations", [])  # the files of test images have none
    for key in ("images", "categories", "annotations"):
        if key not in content:
            raise ValueError(
                f"COCO file {json_file} has no {key!r}; it has {', '.join(map(str, content)) or 'nothing'}."
            )
        if not isinstance(content[key], list) or not set(map(type, content[key])) <= {dict}:
            raise ValueError(f"In COCO file {json_file}, {key!r} must be a list of objects.")
    return content


def check_images(content: dict[str, Any], json_file: str) -> list[dict[str, Any]]:
    """The images sorted by id. Raises ValueError where one lacks a key, or two have one id."""
    images = content["images"]
    for position, image in enumerate(images):
        if not isinstance(image.get("id"), int | str):
            raise ValueError(f"In COCO file {json_file}, image number {position} must have an 'id', but is {image}.")
        for key, kind in _IMAGE_KEYS.items():
            if not isinstance(image.get(key), kind):
                raise ValueError(
                    f"In COCO file {json_file}, image number {position} (image id "
                    f"{image.get('id', 'unknown')}) must have {key!r} as {kind.__name__}, but has "
                    f"{image.get(key)!r}."
                )
    _refuse_duplicates([image["id"] for image in images], "images", json_file)
    return sorted(images, key=lambda image: image["id"])


def check_categories(content: dict[str, Any], json_file: str) -> list[dict[str, Any]]:
    """The categories sorted by id. Raises ValueError where one lacks a key, or two have one id."""
    categories = content["categories"]
    for position, category in enumerate(categories):
        for key, kind in (("id", int), ("name", str)):
            if not isinstance(category.get(key), kind):
                raise ValueError(
                    f"In COCO file {json_file}, category number {position} must have {key!r} of type "
                    f"{kind.__name__}, but is {category}."
                )
    _refuse_duplicates([category["id"] for category in categories], "categories", json_file)
    return sorted(categories, key=lambda category: category["id"])


def group_annotations(
    content: dict[str, Any], image_ids: set[Any], category_ids: set[int], json_file: str, unique_ids: bool
) -> dict[Any, list[dict[str, Any]]]:
    """
    Image id -> its annotations, in the file's order.

    Raises:
        ValueError: an annotation has no id, or an image or a category that does not exist; with
            ``unique_ids`` also where two annotations have one id.
    """
    grouped: dict[Any, list[dict[str, Any]]] = {image_id: [] for image_id in image_ids}
    for position, anno in enumerate(content["annotations"]):
        for key in _REFERENCES:
            if not isinstance(anno.get(key), _ID_TYPES):
                raise ValueError(
                    f"{_where(anno, json_file, position)} must have a {key!r} that is a number or a name, but has "
                    f"{anno.get(key)!r}."
                )
        if anno["image_id"] not in image_ids:
            raise ValueError(
                f"{_where(anno, json_file, position)} belongs to image id {anno['image_id']!r}, which is not among "
                "the images: remove the annotation, or add the image."
            )
        if anno["category_id"] not in category_ids:
            raise ValueError(
                f"{_where(anno, json_file, position)} (image id {anno['image_id']}) has category_id "
                f"{anno['category_id']!r}, which is not among the categories (ids "
                f"{', '.join(map(str, sorted(category_ids))) or 'none'}): add the category, or correct the annotation."
            )
        grouped[anno["image_id"]].append(anno)
    if unique_ids:
        _refuse_duplicates([anno["id"] for anno in content["annotations"]], "annotations", json_file)
    return grouped


def _where(anno: dict[str, Any], json_file: str, position: int) -> str:
    """How an error begins. Made for an error only: a file may have a million annotations."""
    return f"In COCO file {json_file}, annotation {anno.get('id', f'number {position}, which has no id,')}"


def _refuse_duplicates(ids: list[Any], what: str, json_file: str) -> None:
    if len(set(ids)) < len(ids):
        doubled = [i for i, count in Counter(ids).items() if count > 1]
        raise ValueError(
            f"In COCO file {json_file}, the ids of the {what} must be unique, but these occur more than "
            f"once: {', '.join(map(str, doubled[:10]))}."
        )


class InvalidPolygons:
    """Counts what was left out, for one line in the log at the end."""

    def __init__(self) -> None:
        self.polygons = 0
        self.annotations = 0


def convert_annotation(
    anno: dict[str, Any],
    image: dict[str, Any],
    keys: Sequence[str],
    json_file: str,
    invalid: InvalidPolygons,
) -> dict[str, Any] | None:
    """
    One annotation in Detectron2's format.

    Args:
        anno: the annotation.
        image: its image.
        keys: what to take over as it is.
        json_file: for error sentences.
        invalid: counts polygons of an odd number, or fewer than six, of coordinates.

    Returns:
        A dict; None if none of its polygons is valid.

    Raises:
        ValueError: the box or the segmentation is of an unknown form.
    """
    try:
        return _convert(anno, image, keys, invalid)
    except ValueError as error:  # named here: a million annotations that are in order need no name
        where = f"In COCO file {json_file}, annotation {anno['id']} (image id {image['id']})"
        raise ValueError(f"{where} {error}") from None


def _convert(
    anno: dict[str, Any], image: dict[str, Any], keys: Sequence[str], invalid: InvalidPolygons
) -> dict[str, Any] | None:
    """``convert_annotation``, whose errors begin after the name of the annotation."""
    if anno.get("ignore", 0) != 0:
        raise ValueError("has 'ignore' set, which is not supported: use 'iscrowd', or remove it.")
    box = anno.get("bbox")
    if not isinstance(box, list) or not _is_list_of_numbers(box) or len(box) != 4 or not all(map(math.isfinite, box)):
        raise ValueError(f"must have 'bbox' [x, y, width, height], but has {box!r}.")
    converted = {key: anno[key] for key in keys if key in anno}
    converted["bbox_mode"] = BoxMode.XYWH_ABS
    segmentation = anno.get("segmentation")
    if segmentation:
        if isinstance(segmentation, dict):
            converted["segmentation"] = _check_run_lengths(segmentation, image)
        else:
            polygons = _valid_polygons(segmentation)
            invalid.polygons += len(segmentation) - len(polygons)
            if not polygons:
                invalid.annotations += 1
                return None
            converted["segmentation"] = polygons
    return converted


def _check_run_lengths(segmentation: dict[str, Any], image: dict[str, Any]) -> dict[str, Any]:
    if "counts" not in segmentation or "size" not in segmentation:
        raise ValueError("has a run-length segmentation without 'size' or 'counts'.")
    size = [image["height"], image["width"]]
    if list(segmentation["size"]) != size:
        raise ValueError(
            f"has a run-length segmentation of size {segmentation['size']}, but its image is of "
            f"size {size} (height, width)."
        )
    counts = segmentation["counts"]
    if isinstance(counts, str | bytes):
        return segmentation
    if not _is_list_of_numbers(counts) or sum(counts) != size[0] * size[1]:
        raise ValueError(
            f"has a run-length segmentation whose counts do not add up to the {size[0] * size[1]} pixels of its image."
        )
    return coco_mask.frPyObjects(segmentation, *size)


def _valid_polygons(segmentation: Any) -> list[list[float]]:
    supported = "use a list of polygons [[x0, y0, x1, y1, ...], ...] or run lengths {'size': ..., 'counts': ...}"
    if not isinstance(segmentation, list):
        raise ValueError(f"has a segmentation of type {type(segmentation).__name__}: {supported}.")
    if _is_list_of_numbers(segmentation):
        raise ValueError(f"has a segmentation that is one flat list of numbers: {supported}.")
    for polygon in segmentation:
        if not _is_list_of_numbers(polygon):
            raise ValueError(f"has a polygon that is not a list of numbers, {str(polygon)[:60]}: {supported}.")
    return [p for p in segmentation if len(p) % 2 == 0 and len(p) >= _MIN_POLYGON_NUMBERS]


def _is_list_of_numbers(value: Any) -> bool:
    # By sets of types, not number by number: COCO's training file has thirty million of them.
    return isinstance(value, list) and _NUMBER_TYPES.issuperset(map(type, value))
