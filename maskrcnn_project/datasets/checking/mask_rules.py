"""Rules on ``segmentation``: its form first, which is quick, then its pixels, one pass over the images for all."""

from __future__ import annotations

from collections.abc import Iterable

from maskrcnn_project.datasets.checking.drawn_masks import area_is_wrong, duplicates, groups_of, parts_of
from maskrcnn_project.datasets.checking.findings import Findings
from maskrcnn_project.datasets.checking.frames import Pair
from maskrcnn_project.datasets.checking.polygons import crossings, shapes_of
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.coco_rows import Row, is_crowd, short_repr
from maskrcnn_project.datasets.segmentations import can_be_drawn, points_of, without_short
from maskrcnn_project.masks.coding import Rle, areas_of, as_rle

FULL_SHARE = 0.99  # of the image; hand-drawn outlines stop a little before the edge
# Rectangles are the masks of a tool that had only boxes. A set of panels or books may have many; not nearly all.
BOXES_SHARE, MIN_BOXES = 0.9, 20
# COCO marks as crowds the run lengths of whole groups, one annotation in a hundred. Where half of a set's masks are
# crowds, and every one that is not a polygon, a tool did it.
CROWD_SHARE = 0.5


def check_masks(
    tables: SplitTables, findings: Findings, pairs: list[Pair], *, quick: bool = False, progress: bool = True
) -> None:
    """
    All rules on masks.

    Args:
        pairs: of all annotations, see ``pairs_of``.
        quick: leaves out those that need the pixels.
        progress: shows a bar where standard error is a terminal.
    """
    rectangles = masks = 0
    faults_of_each = (pair.faults for pair in pairs)  # in the same order
    for image, rows in tables.images_with_annotations("Checking the masks", progress):
        height, width = int(image["height"]), int(image["width"])
        sound = []
        for annotation in rows:
            faults = next(faults_of_each)
            for rule_id, detail in faults:
                findings.add(rule_id, tables.split, detail, **tables.place(annotation))
            if can_be_drawn(faults):
                sound.append(_as_drawn(annotation, faults))
        masks += len(sound)
        rectangles += sum(map(_is_rectangle, sound))
        if not quick and sound:
            _check_pixels(tables, sound, height, width, findings)
    if rectangles >= MIN_BOXES and rectangles > BOXES_SHARE * masks:
        detail = f"{rectangles} of {masks} masks are upright rectangles"
        findings.add("masks-all-boxes", tables.split, detail, count=rectangles)
    wrong = wrong_crowds(tables.sound_annotations)
    for annotation in wrong:
        detail = f"so {len(wrong)} of {len(tables.sound_annotations)} annotations"
        findings.add("rle-all-crowd", tables.split, detail, **tables.place(annotation))


def wrong_crowds(annotations: Iterable[Row]) -> list[Row]:
    """Annotations marked as crowds only because of the kind of their mask."""
    with_mask = [row for row in annotations if row.get("segmentation")]
    crowds = [row for row in with_mask if is_crowd(row)]
    if len(crowds) < len(with_mask):
        rle = [row for row in with_mask if isinstance(row["segmentation"], dict)]
        if not all(map(is_crowd, rle)) or len(rle) < CROWD_SHARE * len(with_mask):
            return []
        return rle
    return crowds


def _as_drawn(annotation: Row, faults: list[tuple[str, str]]) -> Row:
    """The annotation without the parts of its mask that training leaves out."""
    if all(rule_id != "polygon-part-short" for rule_id, _ in faults):
        return annotation
    return {**annotation, "segmentation": without_short(annotation["segmentation"])}


def _is_rectangle(annotation: Row) -> bool:
    """Whether a mask that can be drawn is one upright rectangle."""
    polygons = annotation["segmentation"]
    if isinstance(polygons, dict) or len(polygons) != 1 or points_of(polygons[0]) != 4:
        return False
    return len(set(polygons[0][::2])) == len(set(polygons[0][1::2])) == 2


def _check_pixels(tables: SplitTables, annotations: list[Row], height: int, width: int, findings: Findings) -> None:
    """The rules that need pixels, on the annotations of one image whose masks have a sound form."""
    rles: list[Rle] = [as_rle(annotation["segmentation"], height, width) for annotation in annotations]
    _check_crossings(tables, annotations, findings)
    areas = areas_of(rles)
    for annotation, area in zip(annotations, areas.tolist(), strict=True):
        _check_extent(tables, annotation, area, height, width, findings)
    for later, earlier, iou in duplicates(annotations, rles):
        if areas[later]:
            detail = f"as annotation {annotations[earlier]['id']}, IoU {iou:.2f}"
            findings.add("instance-duplicate", tables.split, detail, **tables.place(annotations[later]))


def _check_crossings(tables: SplitTables, annotations: list[Row], findings: Findings) -> None:
    owners = [(row, polygon) for row in annotations if isinstance(row["segmentation"], list)
              for polygon in row["segmentation"]]  # fmt: skip
    if not owners:
        return
    for (annotation, _), area in zip(owners, crossings(shapes_of([polygon for _, polygon in owners])), strict=True):
        if area:
            detail = f"{area:.1f} square pixels are turned inside out"
            findings.add("polygon-crossing", tables.split, detail, **tables.place(annotation))


def _check_extent(tables: SplitTables, annotation: Row, area: int, height: int, width: int, findings: Findings) -> None:
    """How much a mask covers, and where; ``area`` in pixels."""
    place, segmentation = tables.place(annotation), annotation["segmentation"]
    if area == 0:
        findings.add("mask-empty", tables.split, "no pixel", **place)
        return
    stated = annotation.get("area")
    if stated is not None and area_is_wrong(stated, segmentation, area):
        findings.add("area-wrong", tables.split, f"area {short_repr(stated)}, but the mask has {area} pixels", **place)
    if is_crowd(annotation):
        return
    if area >= FULL_SHARE * height * width:
        findings.add("mask-full", tables.split, f"{area / (height * width):.1%} of the image", **place)
    if isinstance(segmentation, list) and len(segmentation) == 1:
        return
    parts = parts_of(segmentation, height, width)
    groups = groups_of(parts)
    if groups > 1:
        detail = f"{len(parts)} parts in {groups} groups, each farther from the others than it is long"
        findings.add("mask-parts", tables.split, detail, **place)
