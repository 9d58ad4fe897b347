"""
What a dataset consists of: how many, how large, how long, how crowded, and which masks.

Sizes are in pixels of the images as they lie on disk. Aspect ratios are height / width, as those of anchors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_project.datasets.coco_file import CocoFile

# The quartiles, and both tails: what anchors and input sizes have to cover.
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
# COCO's bounds between small, medium and large, as square roots of areas (pixels).
SMALL, LARGE = 32.0, 96.0
Quantiles = dict[float, float]  # QUANTILES -> value; empty if there is nothing to measure


@dataclass(frozen=True)
class DatasetStatistics:
    """
    The statistics of one COCO file.

    Crowd regions count in ``num_instances`` and ``crowd_fraction`` and enter no other measure, since training
    leaves them out: the fractions of polygons, RLE and missing masks are of the instances that are no crowd.
    """

    num_images: int
    num_instances: int
    class_counts: dict[str, int]  # instances that are no crowd, in the order of the class indices
    class_image_counts: dict[str, int]  # images that show at least one of them
    images_without_objects: int
    median_short_edge: float  # of the images
    median_long_edge: float
    image_height_quantiles: Quantiles
    image_width_quantiles: Quantiles
    object_size_quantiles: Quantiles  # sqrt(width * height) of the box
    aspect_ratio_quantiles: Quantiles  # height / width of the box
    instances_per_image_quantiles: Quantiles
    max_instances_per_image: int
    polygon_fraction: float
    rle_fraction: float
    missing_mask_fraction: float
    crowd_fraction: float  # of all instances
    mask_format: str  # what ``mask_format_of`` says of the annotations

    @property
    def num_classes(self) -> int:
        return len(self.class_counts)

    @property
    def num_training_images(self) -> int:
        """Images with objects: training leaves out the others (DATALOADER.FILTER_EMPTY_ANNOTATIONS)."""
        return self.num_images - self.images_without_objects

    def table(self) -> str:
        """The statistics as text of some thirty lines."""
        facts = [
            ("images", f"{self.num_images}"),
            ("images without objects", f"{self.images_without_objects}"),
            ("instances", f"{self.num_instances}"),
            ("most instances in an image", f"{self.max_instances_per_image}"),
            ("masks: polygons", f"{self.polygon_fraction:.1%}"),
            ("masks: RLE", f"{self.rle_fraction:.1%}"),
            ("masks: missing", f"{self.missing_mask_fraction:.1%}"),
            ("crowd regions", f"{self.crowd_fraction:.1%}"),
            ("INPUT.MASK_FORMAT", self.mask_format),
        ]
        measures = [
            ("image height", self.image_height_quantiles, 0),
            ("image width", self.image_width_quantiles, 0),
            ("object size sqrt(w h)", self.object_size_quantiles, 1),
            ("aspect ratio h / w", self.aspect_ratio_quantiles, 2),
            ("instances per image", self.instances_per_image_quantiles, 1),
        ]
        rows = [
            [name, *([f"{value:.{digits}f}" for value in values.values()] or ["-"] * len(QUANTILES))]
            for name, values, digits in measures
        ]
        total = sum(self.class_counts.values())
        classes = [
            [name, f"{count}", f"{count / total:.1%}" if total else "-", f"{self.class_image_counts[name]}"]
            for name, count in self.class_counts.items()
        ]
        return "\n\n".join(
            [
                _align(facts),
                _align([["quantiles", *(f"{quantile:.0%}" for quantile in QUANTILES)], *rows]),
                _align([["class", "instances", "share", "images"], *classes]),
            ]
        )


def dataset_statistics(coco: CocoFile | Mapping[str, Any]) -> DatasetStatistics:
    """Counts and measures a COCO file that ``read_coco_file`` has checked, or a dict of the same content."""
    if not isinstance(coco, CocoFile):
        coco = CocoFile(Path(), coco["images"], coco.get("annotations", []), coco["categories"])
    objects = [annotation for annotation in coco.annotations if not annotation.get("iscrowd", 0)]
    names = {category["id"]: category["name"] for category in coco.categories}
    counts = Counter(names[item["category_id"]] for item in objects)
    shown = {(item["image_id"], item["category_id"]) for item in objects}
    image_counts = Counter(names[category_id] for _, category_id in shown)
    per_image = Counter(item["image_id"] for item in objects)
    crowding = [per_image[image["id"]] for image in coco.images]
    edges = np.array([(image["height"], image["width"]) for image in coco.images], dtype=np.float64).reshape(-1, 2)
    boxes = np.array([item["bbox"] for item in objects], dtype=np.float64).reshape(-1, 4)  # XYWH
    widths, heights = boxes[:, 2], boxes[:, 3]
    real = (widths > 0) & (heights > 0)  # a box without area has no shape
    masks = Counter(_mask_kind(item.get("segmentation")) for item in objects)
    crowds = len(coco.annotations) - len(objects)
    return DatasetStatistics(
        num_images=len(coco.images),
        num_instances=len(coco.annotations),
        class_counts={name: counts[name] for name in coco.class_names},
        class_image_counts={name: image_counts[name] for name in coco.class_names},
        images_without_objects=crowding.count(0),
        median_short_edge=float(np.median(edges.min(axis=1))) if len(edges) else 0.0,
        median_long_edge=float(np.median(edges.max(axis=1))) if len(edges) else 0.0,
        image_height_quantiles=_quantiles(edges[:, 0]),
        image_width_quantiles=_quantiles(edges[:, 1]),
        object_size_quantiles=_quantiles(np.sqrt(widths * heights)[real]),
        aspect_ratio_quantiles=_quantiles(heights[real] / widths[real]),
        instances_per_image_quantiles=_quantiles(crowding),
        max_instances_per_image=max(crowding, default=0),
        polygon_fraction=_fraction(masks["polygon"], len(objects)),
        rle_fraction=_fraction(masks["rle"], len(objects)),
        missing_mask_fraction=_fraction(masks["missing"], len(objects)),
        crowd_fraction=_fraction(crowds, len(coco.annotations)),
        mask_format=mask_format_of(objects),
    )


def mask_format_of(annotations: Iterable[Mapping[str, Any]]) -> str:
    """
    What ``INPUT.MASK_FORMAT`` has to be for annotations of a COCO file or of Detectron2's records: "bitmask" if an
    object's mask is run-length encoded, else "polygon". Polygons are exact at any scale, but only bitmasks hold
    both. Crowd regions, which are RLE in COCO itself, do not decide: training leaves them out.
    """
    encoded = any(_mask_kind(a.get("segmentation")) == "rle" and not a.get("iscrowd", 0) for a in annotations)
    return "bitmask" if encoded else "polygon"


def _mask_kind(segmentation: Any) -> str:
    if not segmentation:
        return "missing"
    return "rle" if isinstance(segmentation, dict) else "polygon"


def _fraction(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _quantiles(values: Iterable[float]) -> Quantiles:
    numbers = np.array(list(values), dtype=np.float64)
    if not numbers.size:
        return {}
    return dict(zip(QUANTILES, np.quantile(numbers, QUANTILES).tolist(), strict=True))


def _align(rows: Iterable[Iterable[str]]) -> str:
    """Columns as wide as their longest cell: the first one to the left, the others to the right."""
    cells = [list(row) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return "\n".join(
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in cells
    )
