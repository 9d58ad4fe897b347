"""Rules on ``bbox``, which COCO writes as [x, y, width, height] in pixels."""

from __future__ import annotations

from maskrcnn_project.datasets.checking.findings import Findings
from maskrcnn_project.datasets.checking.frame_faults import frame_faults
from maskrcnn_project.datasets.checking.frames import Pair, differ, pair_of
from maskrcnn_project.datasets.checking.pixel_centres import centre_fault
from maskrcnn_project.datasets.checking.shifted import shift_fault
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.coco_rows import Row, is_box, is_crowd, short_repr
from maskrcnn_project.datasets.segmentations import Box, cut_box, is_outside

# Detectron2 drops boxes of a smaller side (filter_empty_instances).
EMPTY_SIDE = 1e-5
# Without masks corners show only in boxes that leave the image, as wrong boxes do too. In a file of corners, though,
# every box would also be a box if read as corners.
CORNER_SHARE = 0.9


def check_boxes(tables: SplitTables, findings: Findings, pairs: list[Pair]) -> None:
    """
    All rules on boxes; what is wrong with the masks is left to theirs.

    Args:
        pairs: of all annotations, see ``pairs_of``.
    """
    framed = set()
    shifted = shift_fault(list(tables.image_by_id.values()), pairs)
    if shifted is not None:
        for row in shifted[1]:
            findings.add("annotations-shifted", tables.split, shifted[0], **tables.place(row))
            framed.add(id(row))
    for rule_id, (detail, rows) in frame_faults(pairs).items():
        for row in rows:
            findings.add(rule_id, tables.split, detail, **tables.place(row))
            framed.add(id(row))
    centred = centre_fault(pairs)
    if centred is not None:
        for row in centred[1]:
            findings.add("polygon-centres", tables.split, centred[0], **tables.place(row))
    likely_corners = reads_as_corners(tables)
    corners = []
    for pair in pairs:
        if id(pair.row) in framed:
            continue  # what its box has beside comes from there
        mask_box = None if pair.mask_box is None else cut_box(pair.mask_box, pair.height, pair.width)
        for rule_id, detail in box_faults(pair.row, mask_box, pair.height, pair.width, likely_corners):
            if rule_id == "box-corners":
                corners.append((detail, pair.row))
            else:
                findings.add(rule_id, tables.split, detail, **tables.place(pair.row))
    total = len(tables.sound_annotations)
    for detail, annotation in corners:
        detail += f"; so {len(corners)} of the {total} boxes of the file"
        findings.add("box-corners", tables.split, detail, **tables.place(annotation))


def pairs_of(tables: SplitTables, *, progress: bool = True) -> list[Pair]:
    """
    Every sound annotation of a listed image, image by image, with what its box and its mask are by their form.

    Args:
        progress: shows a bar where standard error is a terminal.
    """
    return [
        pair_of(row, int(image["height"]), int(image["width"]))
        for image, rows in tables.images_with_annotations("Reading boxes and masks", progress)
        for row in rows
    ]


def reads_as_corners(tables: SplitTables) -> bool:
    """
    Whether nearly every box of the file would also be a box if read as [x1, y1, x2, y2] in its image.

    False as well where every annotation has a mask, which tells better.
    """
    if all(row.get("segmentation") for row in tables.sound_annotations):
        return False
    total = fits = 0
    for image, rows in tables.images_with_annotations():
        for annotation in rows:
            box = annotation.get("bbox")
            if is_box(box):
                total += 1
                fits += _are_corners(box, image["height"], image["width"])
    return fits >= CORNER_SHARE * total > 0


def box_faults(
    annotation: Row, mask_box: Box | None, height: int, width: int, likely_corners: bool
) -> list[tuple[str, str]]:
    """
    The rules that the box of an annotation breaks, each with a phrase; the first has to be fixed first.

    Args:
        mask_box: x1, y1, x2, y2 round the mask; None if there is none to compare with.
        likely_corners: whether nearly all boxes of the file would fit as corners, see :func:`reads_as_corners`.
    """
    box = annotation.get("bbox")
    if not is_box(box):
        return [("box-malformed", f"bbox {short_repr(box)}" if "bbox" in annotation else "no bbox")]
    x, y, w, h = box
    as_written = (x, y, x + w, y + h)
    outside = is_outside(as_written, height, width)
    if _are_corners(box, height, width):
        if mask_box is None:
            seems_so = outside and likely_corners
        else:
            seems_so = differ(as_written, mask_box) and not differ((x, y, w, h), mask_box)
        if seems_so:
            why = "reaches beyond the image" if outside else "is not that of the mask"
            return [("box-corners", f"bbox {short_repr(box)} {why}, but fits as corners")]
    if w < EMPTY_SIDE or h < EMPTY_SIDE:
        return [("box-empty", f"bbox {short_repr(box)}")]
    faults = []
    if outside:
        faults.append(("box-outside", f"bbox {short_repr(box)} in an image of {height} x {width} (height x width)"))
    # a crowd's box may be that of a part of it
    if mask_box is not None and not is_crowd(annotation) and differ(cut(as_written, height, width), mask_box):
        faults.append(
            ("box-mask-differ", f"bbox {short_repr(box)}, but that of the mask is {short_repr(xywh(mask_box))}")
        )
    return faults


def xywh(box: Box) -> list[float]:
    """x1, y1, x2, y2 -> [x, y, width, height]."""
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def cut(box: Box, height: int, width: int) -> Box:
    """The part of a box that lies in the image; of no width or height if there is none."""
    x1, y1, x2, y2 = box
    return min(max(x1, 0), width), min(max(y1, 0), height), min(max(x2, 0), width), min(max(y2, 0), height)


def _are_corners(box: list[float], height: int, width: int) -> bool:
    """Whether [x1, y1, x2, y2] would be a box inside of the image."""
    x1, y1, x2, y2 = box
    return x2 > x1 and y2 > y1 and not is_outside((x1, y1, x2, y2), height, width)
