"""Images of rectangles whose overlaps a reader can work out."""

import json
from pathlib import Path

import numpy as np

import maskrcnn_project  # noqa: F401
from maskrcnn_project.evaluation.ground_truth import NO_MASK
from maskrcnn_project.evaluation.metrics.image_pairs import ImagePair, ImagePairs, TrueObjects
from maskrcnn_project.masks.coding import encode
from maskrcnn_project.masks.detections import Detections

SIZE = (20, 20)
NAMES = ("cell", "dirt")


def rectangle(x1, y1, x2, y2, size=SIZE):
    """The run lengths of a rectangle."""
    mask = np.zeros(size, dtype=bool)
    mask[y1:y2, x1:x2] = True
    return encode(mask)


def image(truth=(), found=(), crowd=(), *, image_id=1, masks=True, size=SIZE):
    """
    Args:
        truth: (class, x1, y1, x2, y2) of each object; ids are 10, 11, ...
        found: (class, score, x1, y1, x2, y2), the most confident first.
        crowd: indices of truth that are crowd regions.
        masks: False: there are boxes only.
    """
    boxes = np.array([row[1:] for row in truth], dtype=np.float64).reshape(-1, 4)
    objects = TrueObjects(
        np.arange(10, 10 + len(truth)),
        np.array([row[0] for row in truth], dtype=np.int64),
        boxes,
        np.prod(boxes[:, 2:] - boxes[:, :2], axis=1),
        np.isin(np.arange(len(truth)), crowd),
        [rectangle(*row[1:], size) if masks else NO_MASK for row in truth],
    )
    detections = Detections(
        size,
        np.array([row[2:] for row in found], dtype=np.float64).reshape(-1, 4),
        np.array([row[1] for row in found], dtype=np.float64),
        np.array([row[0] for row in found], dtype=np.int64),
        [rectangle(*row[2:], size) for row in found] if masks else None,
    )
    return ImagePair(image_id, f"{image_id}.png", objects, detections)


def together(*images, names=NAMES, max_detections=100):
    return ImagePairs("small", None, tuple(names), max_detections, list(images), [])


def write_coco(folder: Path, annotations, results, images=((1, 20, 20),), categories=((3, "cell"), (7, "dirt"))):
    """Both files, in a folder: rows as dicts, images (id, height, width), categories (id, name)."""
    coco = {
        "images": [{"id": i, "file_name": f"{i}.png", "height": h, "width": w} for i, h, w in images],
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in categories],
    }
    (folder / "truth.json").write_text(json.dumps(coco))
    (folder / "results.json").write_text(json.dumps(results))
    return folder / "truth.json", folder / "results.json"
