"""What was found in one image as a line of JSON, there and back to the last bit: how an interrupted run goes on."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np

from maskrcnn_project.masks.detections import Detections

KEYS = ("name", "size", "boxes", "scores", "classes", "masks")


def to_record(name: PurePosixPath, found: Detections) -> dict[str, Any]:
    """Plain values for ``json.dumps``; of the masks only the ``counts``, as all have the image's size."""
    return {
        "name": str(name),
        "size": [int(side) for side in found.size],
        "boxes": found.boxes.tolist(),  # float32 becomes float64, which JSON writes with all of its digits
        "scores": found.scores.tolist(),
        "classes": found.classes.tolist(),
        "masks": None if found.masks is None else [mask["counts"] for mask in found.masks],
    }


def from_record(record: dict[str, Any]) -> tuple[PurePosixPath, Detections]:
    """
    What ``to_record`` made it from.

    Raises:
        ValueError: a key is missing, or there are not as many boxes, scores, classes and masks.
    """
    missing = [key for key in KEYS if key not in record]
    if missing:
        raise ValueError(f"A record of an image should have the keys {', '.join(KEYS)}, but lacks {missing[0]}.")
    parts = [record[key] for key in ("boxes", "scores", "classes", "masks") if record[key] is not None]
    if len({len(part) for part in parts}) > 1:
        raise ValueError(f"The record of {record['name']} does not have as many boxes, scores, classes and masks.")
    height, width = record["size"]
    masks = None
    if record["masks"] is not None:
        masks = [{"size": [height, width], "counts": counts} for counts in record["masks"]]
    return PurePosixPath(record["name"]), Detections(
        (height, width),
        np.array(record["boxes"], np.float32).reshape(-1, 4),
        np.array(record["scores"], np.float32),
        np.array(record["classes"], np.int64),
        masks,
    )
