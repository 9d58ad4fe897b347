"""Fixes of ids, references and keys."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from maskrcnn_project.datasets.checking.fix_files import measure_sizes
from maskrcnn_project.datasets.checking.fixes import Fixes
from maskrcnn_project.datasets.checking.frames import MAX_ASPECT_DIFFERENCE, are_of_one_shape
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.checking.table_rules import FAULTS, crowd_fault, file_key, root_categories
from maskrcnn_project.datasets.coco_rows import (
    MAX_CATEGORY_ID,
    MAX_ID,
    Row,
    is_box,
    is_category_id,
    is_class_name,
    is_control,
    is_id,
    is_image_id,
    is_thin,
    is_whole,
    short_repr,
)
from maskrcnn_project.datasets.segmentations import form_faults, is_outside

WHOLE_NUMBERS = ("id", "image_id", "category_id", "height", "width")
IDS = {"images": is_image_id, "annotations": is_id, "categories": is_category_id}
READS_AS_CROWD = ("1", "true")  # in lower case, written as a text


def fix_rows(work: Fixes, root: Path | None = None) -> None:
    """
    After this, every row is sound. Removed is only what refers to nothing, and images whose size nobody knows.

    Args:
        root: folder of the images, to measure those without a size; None leaves them.
    """
    for table, fault_of in FAULTS.items():
        for row in getattr(work, table):
            if isinstance(row, dict) and fault_of(row) is not None:
                for key in WHOLE_NUMBERS:
                    number = _as_integer(row.get(key))
                    if number is not None:
                        work.set("row-malformed", table, row, key, number)
    for table, reference in (("images", "image_id"), ("categories", "category_id"), ("annotations", "")):
        _fix_ids(work, table, reference)
    _fix_references_by_name(work)
    _fix_names(work)
    if root is not None:
        measure_sizes(work, root)
    for table, fault_of in FAULTS.items():
        work.remove("row-malformed", table, [row for row in getattr(work, table) if fault_of(row) is not None])


def _fix_ids(work: Fixes, table: str, reference: str) -> None:
    """Numbers for rows whose id is none, or too long; what refers to such an id by its text follows."""
    is_right = IDS[table]
    rows = [row for row in getattr(work, table) if isinstance(row, dict)]
    # not one that an annotation refers to either: it would become another image's, or another class's
    referred = [row.get(reference) for row in work.annotations if isinstance(row, dict)] if reference else []
    taken: list[Any] = [value for value in (*(row.get("id") for row in rows), *referred) if is_right(value)]
    free = _free_ids(taken)
    numbers: dict[str, int] = {}
    for row in rows:
        value = row.get("id")
        if not is_right(value):
            key = _key(value)
            number = next(free) if key is None or key not in numbers else numbers[key]
            if key is not None:
                numbers[key] = number
            work.set("row-malformed", table, row, "id", number)
    if not reference or not numbers:
        return
    for row in work.annotations:
        if isinstance(row, dict) and not is_right(row.get(reference)) and (key := _key(row.get(reference))) in numbers:
            work.set("row-malformed", "annotations", row, reference, numbers[str(key)])


def _fix_references_by_name(work: Fixes) -> None:
    """Annotations that name their class or image by its name; the only class there is, where one names none."""
    categories = _named(work.categories, "name", is_category_id)
    images = _named(work.images, "file_name", is_image_id)
    ids = {row["id"] for row in work.categories if isinstance(row, dict) and is_category_id(row.get("id"))}
    for row in work.annotations:
        if not isinstance(row, dict):
            continue
        for key, names in (("category_id", categories), ("image_id", images)):
            value = row.get(key)
            if isinstance(value, str) and value in names:
                work.set("row-malformed", "annotations", row, key, names[value])
        if row.get("category_id") is None and len(ids) == 1:
            work.set("row-malformed", "annotations", row, "category_id", next(iter(ids)))


def _named(rows: Iterable[Any], key: str, is_right: Callable[[Any], bool]) -> dict[str, int]:
    """{name: id} of rows whose name is theirs alone."""
    sound = [row for row in rows if isinstance(row, dict) and isinstance(row.get(key), str) and is_right(row.get("id"))]
    times = Counter(row[key] for row in sound)
    return {row[key]: row["id"] for row in sound if times[row[key]] == 1}


def _key(value: Any) -> str | None:
    """What an unusable id is known by; None if it is nothing that another row can refer to."""
    if isinstance(value, (str, float)) or is_whole(value):
        return short_repr(value) if isinstance(value, float) else str(value)
    return None


def _free_ids(used: Iterable[int]) -> Iterator[int]:
    """Numbers that no row has: above the largest, or from 1 on where there is little room above."""
    taken = set(used)
    start = max(taken, default=0) + 1
    return (number for number in itertools.count(start if start < MAX_CATEGORY_ID // 2 else 1) if number not in taken)


def _fix_names(work: Fixes) -> None:
    """Class names that are numbers become texts, of several lines one; a class without a name is called by its id."""
    for row in work.categories:
        if isinstance(row, dict) and not is_class_name(row.get("name")):
            name = row.get("name")
            text = str(name) if isinstance(name, (str, float)) or is_whole(name) else ""
            line = " ".join("".join(" " if is_control(letter) else letter for letter in text).split())
            work.set("row-malformed", "categories", row, "name", line or f"class {row['id']}")


def fix_images(work: Fixes, unusable: Mapping[int, str], true_sizes: Mapping[int, tuple[int, int]]) -> None:
    """
    Removes images that cannot be used, fixes their sizes, and lists each file once, under an id of its own.

    Args:
        unusable: {image id: rule} of files that are missing or cannot be decoded.
        true_sizes: {image id: (height, width)} of files whose size is not the one in the JSON.
    """
    for rule_id in sorted(set(unusable.values())):
        bad = {image_id for image_id, rule in unusable.items() if rule == rule_id}
        work.remove(rule_id, "images", [row for row in work.images if row["id"] in bad])
        work.remove(rule_id, "annotations", [row for row in work.annotations if row["image_id"] in bad])
    _fix_sizes(work, true_sizes)
    thin = {row["id"] for row in work.images if is_thin(int(row["height"]), int(row["width"]))}
    work.remove("image-thin", "images", [row for row in work.images if row["id"] in thin])
    work.remove("image-thin", "annotations", [row for row in work.annotations if row["image_id"] in thin])
    _fix_image_ids(work)
    _fix_files(work)


def fix_categories(work: Fixes, tables: SplitTables, other: SplitTables | None) -> None:
    """Removes what an exporter added; ``other`` as in ``check_tables``."""
    current = SplitTables(tables.split, tables.json_file, None, work.images, work.annotations, work.categories)
    work.remove("category-root", "categories", root_categories(current, other))


def fix_references(work: Fixes) -> None:
    """Removes annotations of nothing, and gives each an id of its own and a right ``iscrowd``."""
    images = {row["id"] for row in work.images}
    work.remove("image-unknown", "annotations", [row for row in work.annotations if row["image_id"] not in images])
    categories = {row["id"] for row in work.categories}
    strays = [row for row in work.annotations if row["category_id"] not in categories]
    work.remove("category-unknown", "annotations", strays)
    seen: set[int] = set()
    free = _free_ids(row["id"] for row in work.annotations)
    for row in work.annotations:
        if row["id"] in seen:
            work.set("annotation-id-repeated", "annotations", row, "id", next(free))
        seen.add(row["id"])
        if "iscrowd" not in row:
            work.set("key-missing", "annotations", row, "iscrowd", 0)
        elif crowd_fault(row) is not None:
            value = int(str(row["iscrowd"]).strip().lower() in READS_AS_CROWD)
            work.set("crowd-malformed", "annotations", row, "iscrowd", value)


def _fix_sizes(work: Fixes, true_sizes: Mapping[int, tuple[int, int]]) -> None:
    outgrown = {
        row["image_id"]
        for row in work.annotations
        if row["image_id"] in true_sizes and not _lies_within(row, *true_sizes[row["image_id"]])
    }
    for row in work.images:
        if row["id"] in true_sizes and row["id"] not in outgrown and not _is_rescaled(row, *true_sizes[row["id"]]):
            for key, value in zip(("height", "width"), true_sizes[row["id"]], strict=True):
                if row[key] != value:
                    work.set("image-size", "images", row, key, value)


def _is_rescaled(image: Row, height: int, width: int) -> bool:
    """Whether the file shows the picture at another scale than the JSON: then its annotations are of that one, too."""
    stated = image["height"], image["width"]
    return are_of_one_shape((height, width), stated) and abs(width / image["width"] - 1) > MAX_ASPECT_DIFFERENCE


def _lies_within(annotation: Row, height: int, width: int) -> bool:
    """Whether box and mask, as far as they can be read, lie in an image of this size."""
    box: Any = annotation.get("bbox")
    if is_box(box) and is_outside((box[0], box[1], box[0] + box[2], box[1] + box[3]), height, width):
        return False
    faults = form_faults(annotation.get("segmentation"), height, width)
    return not any(rule_id in ("mask-outside", "rle-size") for rule_id, _ in faults)


def _fix_image_ids(work: Fixes) -> None:
    first: dict[int, Row] = {}
    again: list[Row] = []
    referred = (row["image_id"] for row in work.annotations)
    free = _free_ids(itertools.chain((row["id"] for row in work.images), referred))
    for row in work.images:
        listed = first.setdefault(row["id"], row)
        if listed is row:
            continue
        if file_key(listed) == file_key(row):
            again.append(row)
        else:
            work.set("image-id-repeated", "images", row, "id", next(free))
    work.remove("image-id-repeated", "images", again)


def _fix_files(work: Fixes) -> None:
    first: dict[str, Row] = {}
    again = [row for row in work.images if first.setdefault(file_key(row), row) is not row]
    moved = {row["id"]: first[file_key(row)]["id"] for row in again}
    for row in work.annotations:
        if row["image_id"] in moved:
            work.set("file-repeated", "annotations", row, "image_id", moved[row["image_id"]])
    work.remove("file-repeated", "images", again)


def _as_integer(value: Any) -> int | None:
    """The integer that a text or a number without a fraction stands for; None if it is one already, or none."""
    if isinstance(value, str):
        text = value.strip()
        is_number = text.isascii() and text.removeprefix("-").isdigit() and len(text) <= len(str(MAX_ID))
        return int(text) if is_number else None
    return int(value) if isinstance(value, float) and value.is_integer() else None
