"""
The ground truth of a COCO file as columns, with every mask as run lengths: converted once, kept by content.

Shape vocabulary: A annotations of the whole file.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as mask_util

from maskrcnn_project.datasets.coco_file import CocoFile, read_coco_file
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import CACHE_VARIABLE, atomic_path, cache_folder
from maskrcnn_project.masks.coding import Rle, as_rle
from maskrcnn_project.masks.run_lengths import read_run_lengths

FORMAT = 2  # of the kept files; another number makes every file anew
NO_MASK: Rle = {"size": [0, 0], "counts": ""}  # stands for an object that has only a box: no image is of that size
MIN_POLYGON = 6  # numbers: three corners; fewer enclose nothing


@dataclass(frozen=True)
class GroundTruth:
    """
    Attributes:
        file_names: {image id: name}, in the order of the file.
        sizes: {image id: (height, width)}.
        categories: {category id: name}.
        ids, image_ids, category_ids: (A,) int64, in the order of the file.
        boxes: (A, 4) float64, XYXY.
        areas: (A,) float64, "area" of the file; where it has none, the pixels of the mask, or else of the box.
        crowd: (A,) bool.
        masks: A compressed run lengths, ``counts`` text; ``NO_MASK`` where the file has none.
    """

    file_names: dict[int, str]
    sizes: dict[int, tuple[int, int]]
    categories: dict[int, str]
    ids: np.ndarray
    image_ids: np.ndarray
    category_ids: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    masks: list[Rle]

    def rows_of_images(self) -> dict[int, np.ndarray]:
        """{image id: its rows, ascending}, for all images in the order of the file."""
        rows: dict[int, list[int]] = {image_id: [] for image_id in self.sizes}
        for row, image_id in enumerate(self.image_ids.tolist()):
            rows[image_id].append(row)
        return {image_id: np.array(places, dtype=np.int64) for image_id, places in rows.items()}


def read_ground_truth(annotations: Path) -> GroundTruth:
    """
    The ground truth of a COCO file: from the cache if a file of the same content was read before, wherever it lay.

    Raises:
        DatasetError: one sentence on the first thing that is wrong with the file.
    """
    if not annotations.is_file():
        return _convert(read_coco_file(annotations, require_annotations=False))  # which says what is wrong
    kept = _cached_file(annotations)
    if kept.is_file():
        return _load(kept)
    truth = _convert(read_coco_file(annotations, require_annotations=False))
    _cache(kept, truth)
    return truth


def _cached_file(annotations: Path) -> Path:
    with annotations.open("rb") as file:
        digest = hashlib.sha256(f"{FORMAT}:".encode())
        while block := file.read(1 << 20):
            digest.update(block)
    return cache_folder() / "ground_truth" / f"{digest.hexdigest()[:32]}.npz"


def _convert(file: CocoFile) -> GroundTruth:
    sizes = {image["id"]: (int(image["height"]), int(image["width"])) for image in file.images}
    rows = file.annotations
    masks = [_mask(file.path, row, sizes[row["image_id"]]) for row in rows]
    boxes = np.array([row["bbox"] for row in rows], dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return GroundTruth(
        {image["id"]: image["file_name"] for image in file.images},
        sizes,
        {category["id"]: category["name"] for category in file.categories},
        np.array([row["id"] for row in rows], dtype=np.int64),
        np.array([row["image_id"] for row in rows], dtype=np.int64),
        np.array([row["category_id"] for row in rows], dtype=np.int64),
        boxes,
        np.array([_area(row, mask) for row, mask in zip(rows, masks, strict=True)], dtype=np.float64),
        np.array([bool(row.get("iscrowd")) for row in rows], dtype=bool),
        masks,
    )


def _mask(path: Path, annotation: dict[str, Any], size: tuple[int, int]) -> Rle:
    height, width = size
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, list):
        segmentation = [part for part in segmentation if len(part) >= MIN_POLYGON and len(part) % 2 == 0]
    if not segmentation:
        return NO_MASK
    if isinstance(segmentation, dict) and read_run_lengths(segmentation["counts"], height * width) is None:
        raise DatasetError(
            f"{path}: the run lengths of annotation {annotation['id']} (image {annotation['image_id']}) do not fill "
            f"its [height, width] = [{height}, {width}]; write them anew, or remove the annotation."
        )
    counts = as_rle(segmentation, height, width)["counts"]
    return {"size": [height, width], "counts": counts if isinstance(counts, str) else counts.decode("ascii")}


def _area(annotation: dict[str, Any], mask: Rle) -> float:
    area = annotation.get("area")
    if isinstance(area, (int, float)) and not isinstance(area, bool):
        return float(area)
    if mask["size"][0]:
        return float(mask_util.area(mask))
    return float(annotation["bbox"][2] * annotation["bbox"][3])


def _cache(target: Path, truth: GroundTruth) -> None:
    """Written beside and renamed; where the cache cannot be written, the next evaluation converts again."""
    tables = {
        "images": [[key, truth.file_names[key], *truth.sizes[key]] for key in truth.sizes],
        "categories": list(truth.categories.items()),
    }
    counts = [mask["counts"].encode("ascii") for mask in truth.masks]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as beside:
            np.savez(
                beside,
                tables=np.frombuffer(json.dumps(tables).encode(), dtype=np.uint8),
                ids=truth.ids,
                image_ids=truth.image_ids,
                category_ids=truth.category_ids,
                boxes=truth.boxes,
                areas=truth.areas,
                crowd=truth.crowd,
                has_mask=np.array([mask["size"][0] > 0 for mask in truth.masks], dtype=bool),
                counts=np.frombuffer(b"".join(counts), dtype=np.uint8),
                lengths=np.array([len(text) for text in counts], dtype=np.int64),
            )
    except OSError as error:
        logging.getLogger(__name__).warning(
            "The converted ground truth is not kept, as %s cannot be written (%s): let %s name a folder that can.",
            target.parent,
            error.strerror or error,
            CACHE_VARIABLE,
        )


def _load(kept: Path) -> GroundTruth:
    with np.load(kept) as file:
        column = {key: file[key] for key in file.files}
    tables = json.loads(column["tables"].tobytes())
    sizes = {key: (height, width) for key, _, height, width in tables["images"]}
    text, ends = column["counts"].tobytes().decode("ascii"), np.cumsum(column["lengths"])
    masks = [
        {"size": list(sizes[image_id]), "counts": text[end - length : end]} if has_mask else NO_MASK
        for image_id, has_mask, end, length in zip(
            column["image_ids"].tolist(),
            column["has_mask"].tolist(),
            ends.tolist(),
            column["lengths"].tolist(),
            strict=True,
        )
    ]
    return GroundTruth(
        {key: file_name for key, file_name, _, _ in tables["images"]},
        sizes,
        dict(tables["categories"]),
        **{key: column[key] for key in ("ids", "image_ids", "category_ids", "boxes", "areas", "crowd")},
        masks=masks,
    )
