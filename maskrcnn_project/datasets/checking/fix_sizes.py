"""Run lengths of another size than their image, read as the mask of the image that the boxes tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import cv2
import numpy as np

from maskrcnn_project.datasets.checking.fix_forms import transposed
from maskrcnn_project.datasets.checking.fixes import Fixes
from maskrcnn_project.datasets.checking.frames import agree, are_of_one_shape, pair_of
from maskrcnn_project.datasets.coco_rows import Row, is_side
from maskrcnn_project.datasets.segmentations import form_faults
from maskrcnn_project.masks.coding import Rle, decode, encode
from maskrcnn_project.masks.run_lengths import read_run_lengths

MAX_ENLARGED = 64  # times the pixels of the image that a mask may have, and the other way round


def fix_run_length_sizes(work: Fixes, images: Mapping[int, tuple[int, int]]) -> None:
    """
    Reads each as the one mask of the image's size that its box agrees with; where the box does not decide, as most
    others of the file are read. What cannot be read so stays.

    Args:
        images: {image id: (height, width)}.
    """
    candidates: list[tuple[Row, dict[str, Rle], list[str]]] = []
    for row in work.annotations:
        size = images[row["image_id"]]
        if any(rule_id == "rle-size" for rule_id, _ in form_faults(row.get("segmentation"), *size)):
            readings = _readings(row["segmentation"], *size)
            fitting = [how for how, rle in readings.items() if _fits(row, rle, *size)]
            candidates.append((row, readings, fitting))
    votes = Counter(fitting[0] for _, _, fitting in candidates if len(fitting) == 1)
    usual = votes.most_common(1)[0][0] if votes else None
    for row, readings, fitting in candidates:
        how = fitting[0] if len(fitting) == 1 else usual
        if how in readings:
            work.set("rle-size", "annotations", row, "segmentation", readings[how])


def _readings(rle: Rle, height: int, width: int) -> dict[str, Rle]:
    """Every way to read run lengths of another size as a mask of (height, width)."""
    readings: dict[str, Rle] = {}
    counts = rle["counts"]
    if read_run_lengths(counts, height * width) is not None:
        readings["its size is written wrongly"] = {"size": [height, width], "counts": counts}
        readings["along the rows"] = transposed(rle, height, width)
    if not all(map(is_side, rle["size"])):
        return readings
    rows, columns = (int(side) for side in rle["size"])
    alike = are_of_one_shape((rows, columns), (height, width))
    near = height * width <= MAX_ENLARGED * rows * columns <= MAX_ENLARGED**2 * height * width
    if alike and near and read_run_lengths(counts, rows * columns) is not None:
        mask = decode({"size": [rows, columns], "counts": counts}, rows, columns)
        resized = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        readings["of another scale"] = encode(resized)
    return readings


def _fits(row: Row, rle: Rle, height: int, width: int) -> bool:
    pair = pair_of({**row, "segmentation": rle}, height, width)
    return agree(pair.box, pair.mask_box)
