"""Fixes of boxes and masks that stand in two frames, where it is certain which of the two is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from maskrcnn_project.datasets.checking.box_rules import xywh
from maskrcnn_project.datasets.checking.fix_forms import transposed
from maskrcnn_project.datasets.checking.fix_sizes import fix_run_length_sizes
from maskrcnn_project.datasets.checking.fixes import Fixes
from maskrcnn_project.datasets.checking.frame_faults import PERCENT, frame_faults
from maskrcnn_project.datasets.checking.frames import pair_of
from maskrcnn_project.datasets.checking.rules import RULES
from maskrcnn_project.datasets.checking.shifted import shift_fault
from maskrcnn_project.datasets.checking.turns import turned_box, turned_mask
from maskrcnn_project.datasets.coco_rows import is_box
from maskrcnn_project.datasets.segmentations import can_be_drawn, form_faults
from maskrcnn_project.errors import DatasetError

Sizes = Mapping[int, tuple[int, int]]  # image id -> (height, width)


def fix_frames(work: Fixes, images: Sizes, json_file: Any, mirrored: str = "", masks_fit: bool = False) -> None:
    """
    Brings boxes and masks into pixels of the image. Rows and references are sound already.

    Args:
        mirrored: how all of them are, as their pictures tell; empty if they are not.
        masks_fit: their pictures tell that the masks are where the objects are.

    Raises:
        DatasetError: they do not belong together, and which of them is wrong cannot be told: a box of a wrong mask
            would be written over a right one.
    """
    shifted = shift_fault(work.images, [pair_of(row, *images[row["image_id"]]) for row in work.annotations])
    if shifted is not None:
        raise refusal("annotations-shifted", shifted[0], json_file)
    fix_run_length_sizes(work, images)
    for _ in RULES:  # one frame may hide another; each is fixed once at most
        faults = frame_faults([pair_of(row, *images[row["image_id"]]) for row in work.annotations])
        if masks_fit:
            faults.pop("boxes-differ", None)  # so it is the boxes that are wrong, and get those of the masks
        if not faults:
            break
        for rule_id, (detail, rows) in faults.items():
            if rule_id not in FRAME_FIXES:
                raise refusal(rule_id, detail, json_file)
            key, fixed = FRAME_FIXES[rule_id]
            for row in rows:
                work.set(rule_id, "annotations", row, key, fixed(row[key], *images[row["image_id"]]))
    if mirrored:
        _mirror_back(work, images, mirrored)


def _mirror_back(work: Fixes, images: Sizes, how: str) -> None:
    for row in work.annotations:
        height, width = images[row["image_id"]]
        box, mask = row.get("bbox"), row.get("segmentation")
        if is_box(box):
            turned = turned_box((box[0], box[1], box[0] + box[2], box[1] + box[3]), how, height, width)
            work.set("annotations-mirrored", "annotations", row, "bbox", xywh(turned))
        if mask and can_be_drawn(form_faults(mask, height, width)):
            work.set("annotations-mirrored", "annotations", row, "segmentation", turned_mask(mask, how, height, width))


def refusal(rule_id: str, detail: str, json_file: Any) -> DatasetError:
    """What is raised where nothing can be fixed."""
    rule = RULES[rule_id]
    return DatasetError(
        f"{json_file} is not fixed, and nothing is written: {rule.title} ({rule_id}: {detail}); {rule.advice}."
    )


def _box_in_pixels(box: list[float], height: int, width: int) -> list[float]:
    return [box[0] * width, box[1] * height, box[2] * width, box[3] * height]


def _polygons_in_pixels(polygons: list[list[float]], height: int, width: int) -> list[list[float]]:
    return [[value * (height if index % 2 else width) for index, value in enumerate(polygon)] for polygon in polygons]


def _box_from_percent(box: list[float], height: int, width: int) -> list[float]:
    return [value / PERCENT for value in _box_in_pixels(box, height, width)]


def _polygons_from_percent(polygons: list[list[float]], height: int, width: int) -> list[list[float]]:
    return [[value / PERCENT for value in polygon] for polygon in _polygons_in_pixels(polygons, height, width)]


def _box_swapped(box: list[float], height: int, width: int) -> list[float]:
    return [box[1], box[0], box[3], box[2]]


def _polygons_swapped(polygons: list[list[float]], height: int, width: int) -> list[list[float]]:
    return [
        [polygon[index ^ 1] if index ^ 1 < len(polygon) else value for index, value in enumerate(polygon)]
        for polygon in polygons
    ]


FRAME_FIXES: dict[str, tuple[str, Callable[[Any, int, int], Any]]] = {
    "boxes-normalised": ("bbox", _box_in_pixels),
    "polygons-normalised": ("segmentation", _polygons_in_pixels),
    "boxes-percent": ("bbox", _box_from_percent),
    "polygons-percent": ("segmentation", _polygons_from_percent),
    "boxes-centred": ("bbox", lambda box, height, width: [box[0] - box[2] / 2, box[1] - box[3] / 2, *box[2:]]),
    "boxes-swapped": ("bbox", _box_swapped),
    "polygons-swapped": ("segmentation", _polygons_swapped),
    "rle-row-major": ("segmentation", transposed),
}
