"""Rules on a set as a whole, and on train against val."""

from __future__ import annotations

from collections import Counter

from maskrcnn_project.datasets.categories import class_differences
from maskrcnn_project.datasets.checking.findings import Findings
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.checking.table_rules import root_categories
from maskrcnn_project.datasets.coco_rows import Row, is_crowd, is_number

# The advised minimum for fine-tuning from COCO weights.
MIN_IMAGES = 500
MIN_INSTANCES = 1000  # of each class
# Below a twentieth of the most frequent class, one epoch shows the rare one too seldom to hold its own in the loss.
RAREST_SHARE = 0.05
MIN_NUMBERS = 12  # of an image's masks, for them to be no other's by chance
RECTANGLE_NUMBERS = 4  # different ones of an upright rectangle, as tools draw round a whole image


def check_set(tables: SplitTables, findings: Findings, detections_per_image: int | None = 100) -> None:
    """
    Counts against what training advises and what the model can find.

    Args:
        detections_per_image: ``TEST.DETECTIONS_PER_IMAGE``; the default is Detectron2's. None: chosen from the data.
    """
    for image in tables.image_by_id.values():
        rows = tables.annotations_by_image.get(image["id"], [])
        where = {"image_id": image["id"], "file_name": image["file_name"]}
        objects = sum(not is_crowd(row) for row in rows)
        if detections_per_image is not None and objects > detections_per_image:
            detail = f"{objects} instances, but at most {detections_per_image} are detected"
            findings.add("image-too-crowded", tables.split, detail, **where)
        elif not objects:
            detail = "crowds only" if rows else "no annotation"
            findings.add("images-without-objects", tables.split, detail, **where)
    if tables.split == "train":
        _check_amounts(tables, findings)


def _check_amounts(tables: SplitTables, findings: Findings) -> None:
    """Too few of something to learn from; validation gets along with less."""
    images = len(tables.image_by_id)
    if images < MIN_IMAGES:
        findings.add("images-few", tables.split, f"{images} images")
    counts = Counter(row["category_id"] for row in tables.sound_annotations if not is_crowd(row))
    most = max(counts.values(), default=0)
    for category in tables.sound_categories:
        count = counts[category["id"]]
        title = f"{category['name']!r} (id {category['id']}): {count} instances"
        if 0 < count < MIN_INSTANCES:  # a class of none is unused, or a root
            findings.add("instances-few", tables.split, title)
        if 0 < count < RAREST_SHARE * most:
            findings.add("class-imbalance", tables.split, f"{title}, the most frequent class has {most}")


def check_category_consistency(train: SplitTables, val: SplitTables, findings: Findings) -> None:
    """Ids, names and order, less the roots that are dropped when a set is registered: one model has to serve both."""
    names = []
    for tables, other in ((train, val), (val, train)):
        roots = {row["id"] for row in root_categories(tables, other)}
        names.append({row["id"]: row["name"] for row in tables.sound_categories if row["id"] not in roots})
    for difference in class_differences(names[0], names[1], (train.split, val.split)):
        findings.add("categories-differ", val.split, difference)


def check_shared_annotations(train: SplitTables, val: SplitTables, findings: Findings) -> None:
    """Images of both splits with the same masks to the last digit; hands do not draw so twice."""
    first: dict[int, Row] = {}
    for image, rows in train.images_with_annotations():
        key = _masks_key(rows)
        if key is not None:
            first.setdefault(key, image)
    for image, rows in val.images_with_annotations():
        twin = first.get(key) if (key := _masks_key(rows)) is not None else None
        if twin is not None:
            detail = f"those of image {twin['id']} of {train.split} ({twin['file_name']})"
            where = {"image_id": image["id"], "file_name": image["file_name"]}
            findings.add("annotations-in-both", val.split, detail, **where)


def _masks_key(rows: list[Row]) -> int | None:
    """Equal for images of equal masks; None where the masks are so plain that two images may have them by chance."""
    keys, numbers = [], 0
    for row in rows:
        mask = row.get("segmentation")
        if isinstance(mask, dict) and isinstance(mask.get("counts"), str):
            keys.append(hash(mask["counts"]))
            numbers += len(mask["counts"])
        elif isinstance(mask, list) and mask and isinstance(mask[0], list) and all(map(is_number, mask[0])):
            keys.append(hash(tuple(mask[0])))
            numbers += len(mask[0]) if len(set(mask[0])) > RECTANGLE_NUMBERS else 0
    return hash(tuple(sorted(keys))) if numbers >= MIN_NUMBERS else None
