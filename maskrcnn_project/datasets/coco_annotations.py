"""The strict reading of annotation rows: the first that cannot be trained on ends it, in one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from maskrcnn_project.datasets.coco_rows import MAX_ID, Row, annotation_fault, is_box, is_id, short_repr
from maskrcnn_project.datasets.segmentations import form_faults, is_finite
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.run_lengths import read_run_lengths

MAX_NAMED = 3  # so many examples make an error readable; the rest is counted
# Faults of a mask's form that training cannot get past, and what to do about each.
REFUSED_FORMS = {
    "mask-malformed": "COCO wants a list of polygons [[x, y, ...], ...], or run lengths {size, counts}",
    "polygon-flat": "COCO wants a list of polygons, so write [[x, y, ...]]",
    "polygon-not-finite": "correct the coordinate",
    "rle-malformed": "encode the mask again, or remove the annotation",
    "rle-size": "write the mask anew at the size of its image",
}
NUMBER_TYPES = frozenset((int, float))  # of JSON; its true and false are of neither


def check_annotations(path: Path, images: Sequence[Row], annotations: Sequence[Row], categories: Sequence[Row]) -> None:
    """Raises DatasetError for the first annotation that is wrong; the other tables have been checked."""
    by_id = {image["id"]: image for image in images}
    sizes = {image["id"]: [image["height"], image["width"]] for image in images}
    names = {category["id"]: category["name"] for category in categories}
    for index, annotation in enumerate(annotations):
        if not _is_sound(annotation, sizes, names):
            _check_annotation(path, index, annotation, by_id, names)
    check_unique(path, "annotation id", [annotation["id"] for annotation in annotations])


def _is_sound(annotation: dict[str, Any], sizes: dict[int, list[int]], names: dict[int, str]) -> bool:
    """
    What ``_check_annotation`` asks, without the words: a file may have a million rows, and nearly all are sound.

    Args:
        sizes: {image id: [height, width]}.
        names: {category id: name}.
    """
    image_id, category_id = annotation.get("image_id"), annotation.get("category_id")
    box: Any = annotation.get("bbox")
    if type(annotation.get("id")) is not int or type(image_id) is not int or type(category_id) is not int:
        return False
    if not -MAX_ID <= annotation["id"] <= MAX_ID:
        return False
    if image_id not in sizes or category_id not in names:
        return False
    if not _are_numbers(box) or len(box) != 4 or box[2] < 0 or box[3] < 0:
        return False
    segmentation = annotation.get("segmentation")
    if type(segmentation) is list:
        return all(map(_are_numbers, segmentation))
    if type(segmentation) is dict:
        counts, size = segmentation.get("counts"), sizes[image_id]
        known = type(counts) is str or (type(counts) is list and set(map(type, counts)) <= {int})
        return known and segmentation.get("size") == size and read_run_lengths(counts, size[0] * size[1]) is not None
    return segmentation is None or segmentation == ""


def _check_annotation(
    path: Path, index: int, annotation: dict[str, Any], images: dict[int, dict[str, Any]], names: dict[int, str]
) -> None:
    fault = annotation_fault(annotation)
    if fault is not None:
        raise DatasetError(f"{path}: {place_of(annotation, 'annotation', f'annotations[{index}]')} {fault}.")
    image_id, category_id = annotation["image_id"], annotation["category_id"]
    where = f"{path}: annotation {annotation['id']} (image {image_id})"
    if image_id not in images:
        raise DatasetError(
            f"{where} belongs to no image: its 'image_id' is not among the {len(images)} image ids "
            f"({first_few([repr(key) for key in images])}); remove it, or add the image."
        )
    if category_id not in names:
        known = ", ".join(f"{key} ({name})" for key, name in sorted(names.items()))
        raise DatasetError(f"{where} has the unknown category_id {category_id}; the known categories are {known}.")
    _check_box(where, annotation)
    _check_segmentation(where, annotation.get("segmentation"), images[image_id])


def _check_box(where: str, annotation: dict[str, Any]) -> None:
    box = annotation.get("bbox")
    if not is_box(box):
        raise DatasetError(
            f"{where} wants a 'bbox' of four finite numbers [x, y, width, height], but has {short_repr(box)}."
        )
    if box[2] < 0 or box[3] < 0:
        raise DatasetError(
            f"{where} has the bbox {short_repr(box)} of negative size: COCO wants [x, y, width, height]; "
            "are its corners in the wrong order?"
        )


def _check_segmentation(where: str, segmentation: Any, image: dict[str, Any]) -> None:
    """Polygons [[x, y, ...], ...], run lengths {size, counts}, or nothing, as Detectron2 takes them."""
    for rule_id, detail in form_faults(segmentation, int(image["height"]), int(image["width"])):
        if rule_id in REFUSED_FORMS:
            raise DatasetError(
                f"{where} has a 'segmentation' that cannot be trained on: {detail}; {REFUSED_FORMS[rule_id]}."
            )


def place_of(row: Any, noun: str, place: str) -> str:
    """How an error calls a row: by its id where it has one, else by its place in the table."""
    if not isinstance(row, dict) or not is_id(row.get("id")):
        return place
    name = row.get("file_name")
    return f"{noun} {row['id']} ({name})" if isinstance(name, str) and name else f"{noun} {row['id']}"


def check_unique(path: Path, noun: str, values: list[Any]) -> None:
    if len(set(values)) == len(values):
        return
    repeated = [f"{value!r} ({count} times)" for value, count in Counter(values).items() if count > 1]
    raise DatasetError(
        f"{path}: every {noun} may occur once, but {len(repeated)} occur more often: {first_few(repeated)}; "
        "give each its own."
    )


def first_few(values: Iterable[str]) -> str:
    """The first three of them, and the sign that there are more: ``a, b, c, ...``."""
    values = list(values)
    return ", ".join(values[:MAX_NAMED]) + (", ..." if len(values) > MAX_NAMED else "")


def _are_numbers(values: Any) -> bool:
    """``is_number`` of each, by few calls for all; False may mean: ask each."""
    if type(values) is not list or not NUMBER_TYPES.issuperset(map(type, values)):
        return False
    return not values or is_finite(values)
