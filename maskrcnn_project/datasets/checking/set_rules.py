"""Rules on a set as a whole, and on train against val."""

from __future__ import annotations

from collections import Counter

from maskrcnn_project.datasets.categories import class_differences
from maskrcnn_project.datasets.checking.findings import Findings
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.checking.table_rules import root_categories
from maskrcnn_project.datasets.coco_rows import is_crowd

# The advised minimum for fine-tuning from COCO weights.
MIN_IMAGES = 500
MIN_INSTANCES = 1000  # of each class
# Below a twentieth of the most frequent class, one epoch shows the rare one too seldom to hold its own in the loss.
RAREST_SHARE = 0.05


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
