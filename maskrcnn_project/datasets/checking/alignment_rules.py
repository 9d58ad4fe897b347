"""The rules that compare annotations with the pictures that they are drawn on, in a sample of the images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from maskrcnn_project.datasets.checking.alignment import MIN_FIT, Borders, Displacement, Laid, displacement, fit_of
from maskrcnn_project.datasets.checking.findings import Findings, ImageFaults
from maskrcnn_project.datasets.checking.frames import are_of_one_shape
from maskrcnn_project.datasets.checking.grey import read_grey
from maskrcnn_project.datasets.checking.image_listing import image_path
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.coco_rows import Row, is_crowd
from maskrcnn_project.datasets.segmentations import can_be_drawn, form_faults, without_short
from maskrcnn_project.masks.coding import as_rle, decode_crop, outlines

RUNS, RUN_LENGTH = 3, 12  # images looked at: the first, the middle and the last of the file
MAX_OBJECTS = 200  # of an image


def check_alignment(tables: SplitTables, findings: Findings, page: int = 0) -> None:
    """
    Whether most annotations are mirrored, or those of another image. Images that cannot be read are passed over.

    Args:
        page: of images that are stacks.
    """
    if tables.image_root is None:
        return
    runs = list(_runs(tables, page))
    faults = findings.image_faults.setdefault(tables.split, ImageFaults())
    found = displacement(runs)
    if found is None:
        faults.masks_fit = fit_of(runs) > MIN_FIT
        return
    rule_id = "annotations-off-edges"
    if found.mirrored or found.beside:
        rule_id = "annotations-mirrored" if found.mirrored else "annotations-shifted"
    if not findings.of(rule_id):  # the sizes may have told already
        count = len(tables.sound_annotations)
        findings.add(rule_id, tables.split, _told(found), count=count)
    faults.mirrored = found.mirrored


def _told(found: Displacement) -> str:
    share = f"in {found.images} of {found.of} images that were looked at"
    if found.mirrored:
        return f"{found.mirrored} they lie on edges of the picture, as they are they do not, {share}"
    if found.beside:
        return f"they lie on edges of {found.beside} of the file, not of their own, {share}"
    return f"they lie on edges no more than by chance, {share}"


def _runs(tables: SplitTables, page: int) -> Iterator[list[Laid]]:
    """The images of the sample, parted also where one cannot be read: those of a run are neighbours."""
    images = list(tables.image_by_id.values())
    last = max(0, len(images) - RUN_LENGTH)
    starts = sorted({round(last * place / (RUNS - 1)) for place in range(RUNS)})
    for start, end in zip(starts, [*starts[1:], len(images)], strict=True):
        run: list[Laid] = []
        for image in images[start : min(start + RUN_LENGTH, end)]:
            laid = _laid(tables, image, page)
            if laid is None:
                yield run
                run = []
            else:
                run.append(laid)
        yield run


def _laid(tables: SplitTables, image: Row, page: int) -> Laid | None:
    height, width = int(image["height"]), int(image["width"])
    picture = read_grey(image_path(str(tables.image_root), image["file_name"]), page)
    if picture is None or not are_of_one_shape(picture.shape, (height, width)):
        return None
    rows = tables.annotations_by_image.get(image["id"], [])[:MAX_OBJECTS]
    borders = [points for row in rows if not is_crowd(row) for points in _borders(row, height, width)]
    return Laid.of(picture, borders, (height, width))


def _borders(row: Row, height: int, width: int) -> Borders:
    """The borders of an annotation's mask, in pixels of the image; none if it cannot be drawn."""
    segmentation = row.get("segmentation")
    if not can_be_drawn(form_faults(segmentation, height, width)):
        return []
    if isinstance(segmentation, dict):
        if segmentation["size"] != [height, width]:
            return []
        mask = decode_crop(as_rle(segmentation, height, width))
        polygons = [polygon for part in outlines(mask.pixels) for polygon in part]
        return [np.array(polygon).reshape(-1, 2) + (mask.window.x, mask.window.y) for polygon in polygons]
    return [np.array(polygon, dtype=float).reshape(-1, 2) for polygon in without_short(segmentation or [])]
