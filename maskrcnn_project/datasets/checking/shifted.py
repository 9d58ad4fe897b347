"""
Annotations that belong to the next image of the file, or to the one before: a list of images and one of annotations
that were paired one place too far. In a file of images of several sizes the sizes tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from maskrcnn_project.datasets.checking.frames import Pair
from maskrcnn_project.datasets.coco_rows import Row
from maskrcnn_project.datasets.segmentations import is_outside

NEIGHBOURS = {"the next image": 1, "the image before": -1}
MIN_IMAGES = 2  # with annotations that do not fit; and
MIN_SHARE = 0.1  # of the images with any
LEFT_SHARE = 0.1  # of these may not fit into the other image either


def shift_fault(images: Sequence[Row], pairs: Sequence[Pair]) -> tuple[str, list[Row]] | None:
    """
    A phrase, and the rows that do not fit into their image, where those of most such images fit into a neighbour.

    Args:
        images: in the order of the file.
        pairs: the annotations of these images.
    """
    of_image: defaultdict[int, list[Pair]] = defaultdict(list)
    for pair in pairs:
        of_image[pair.row["image_id"]].append(pair)
    misfits = [image["id"] for image in images if not _fit(of_image[image["id"]], image)]
    annotated = sum(bool(of_image[image["id"]]) for image in images)
    if len(misfits) < MIN_IMAGES or len(misfits) < MIN_SHARE * annotated:
        return None
    for where, step in NEIGHBOURS.items():
        left = _misfits_when_moved(images, of_image, step)
        if left <= LEFT_SHARE * len(misfits):
            rows = [pair.row for image_id in misfits for pair in of_image[image_id]]
            detail = (
                f"{len(misfits)} of {annotated} images have annotations that do not fit, but fit {where} of the file"
            )
            return detail, rows
    return None


def _misfits_when_moved(images: Sequence[Row], of_image: Mapping[int, list[Pair]], step: int) -> int:
    """How many images have annotations that do not fit into the image ``step`` places on; round the end is none."""
    count = 0
    for place, image in enumerate(images):
        if 0 <= place + step < len(images):
            count += not _fit(of_image[image["id"]], images[place + step])
    return count


def _fit(pairs: Sequence[Pair], image: Row) -> bool:
    """Whether all boxes and masks lie in an image, and run lengths have its size."""
    height, width = int(image["height"]), int(image["width"])
    for pair in pairs:
        if any(box is not None and is_outside(box, height, width) for box in (pair.box, pair.mask_box)):
            return False
        mask = pair.row.get("segmentation")
        if isinstance(mask, dict) and mask.get("size") != [height, width]:
            return False
    return True
