"""With which orientation annotations agree: the picture as its file stores it, or turned upright as EXIF says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from maskrcnn_project.datasets.checking.image_reading import TURNS, DecodedImage, Size
from maskrcnn_project.datasets.coco_rows import Row, is_box
from maskrcnn_project.datasets.segmentations import form_faults, is_outside

STORED, UPRIGHT, UNKNOWN = "stored", "upright", "unknown"


def annotated_orientation(picture: DecodedImage, image: Row, annotations: Sequence[Row]) -> tuple[str, str]:
    """
    Args:
        picture: with an EXIF orientation other than 1.
        image: its row in the JSON.
        annotations: its annotations.

    Returns:
        STORED, UPRIGHT or UNKNOWN: with which of both the annotations agree; and the reason, as a phrase.
    """
    if picture.stored == picture.upright:
        return UNKNOWN, "size and annotations fit both ways: look at the drawn annotations"
    size = (image["height"], image["width"])
    outside_stored = sum(not fits_into(annotation, picture.stored) for annotation in annotations)
    outside_upright = sum(not fits_into(annotation, picture.upright) for annotation in annotations)
    # The annotations themselves come before the size, which a program may have written from either picture.
    if bool(outside_stored) != bool(outside_upright):
        agreed = UPRIGHT if outside_stored else STORED
        other = STORED if outside_stored else UPRIGHT
        beyond = outside_stored or outside_upright
        reason = f"{beyond} of {len(annotations)} do not fit into the {other} picture"
        if size == (picture.stored if other == STORED else picture.upright):
            reason += ", though the JSON has its size"
        return agreed, reason
    for agreed, wanted in ((STORED, picture.stored), (UPRIGHT, picture.upright)):
        if size == wanted:
            return agreed, f"the JSON has the size of the {agreed} picture, {_by(size)} (height x width)"
    return UNKNOWN, f"the size in the JSON, {_by(size)} (height x width), is that of neither"


def turn_of(picture: DecodedImage) -> str:
    """The EXIF orientation of a picture in words."""
    return f"EXIF orientation {picture.orientation}: the stored picture is {TURNS[picture.orientation][1]} when read"


def fits_into(annotation: Row, size: Size) -> bool:
    """Whether box and mask lie in a picture of ``size``; what cannot be read does."""
    height, width = size
    box: Any = annotation.get("bbox")
    if is_box(box) and is_outside((box[0], box[1], box[0] + box[2], box[1] + box[3]), height, width):
        return False
    broken = {rule_id for rule_id, _ in form_faults(annotation.get("segmentation"), height, width)}
    return not broken & {"mask-outside", "rle-size"}


def _by(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
