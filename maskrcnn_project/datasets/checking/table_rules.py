"""Rules on the rows of the three tables: ids, names, references, keys."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from maskrcnn_project.datasets.categories import find_roots
from maskrcnn_project.datasets.checking.findings import Findings
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.coco_rows import (
    Row,
    annotation_fault,
    category_fault,
    image_fault,
    is_id,
    is_thin,
    short_repr,
)

# Names that exporters (LabelMe's among them) give to a category that stands for no object.
BACKGROUND_NAMES = frozenset(("background", "_background_", "__background__", "__ignore__", "_ignore_", "root"))
FAULTS = {"images": image_fault, "annotations": annotation_fault, "categories": category_fault}


def check_tables(tables: SplitTables, findings: Findings, other: SplitTables | None = None) -> None:
    """
    Args:
        other: the other split; a category that has annotations there is no root.
    """
    for note in tables.notes:
        findings.add("values-tidied", tables.split, note)
    _check_rows(tables, findings)
    _check_images(tables, findings)
    _check_categories(tables, findings, other)
    _check_annotations(tables, findings)


def file_key(image: Row) -> str:
    """The file of an image, however its path is written."""
    return os.path.normpath(image["file_name"])


def root_categories(tables: SplitTables, other: SplitTables | None = None) -> list[Row]:
    """The categories of ``tables`` that are dropped when the set is registered, see ``find_roots``."""
    splits = [tables] if other is None else [tables, other]
    roots = find_roots((_with_texts(each.sound_categories), each.used_categories.__contains__) for each in splits)
    return [row for row in tables.sound_categories if (row["id"], row["name"]) in roots]


def _with_texts(categories: list[Row]) -> list[Row]:
    """The rows without a ``supercategory`` that is no text."""
    return [row if isinstance(row.get("supercategory"), str) else {**row, "supercategory": None} for row in categories]


def crowd_fault(annotation: Row) -> str | None:
    """Why ``iscrowd`` is neither 0 nor 1 (a phrase), or None, also where it is absent."""
    value = annotation.get("iscrowd", 0)
    # true and false, and 1.0, are read as 1 and 0 everywhere
    return None if isinstance(value, (int, float)) and value in (0, 1) else f"iscrowd is {short_repr(value)}"


def missing_keys(annotation: Row) -> list[str]:
    """The optional keys that an annotation lacks. An empty area is an absent one."""
    return [key for key in ("iscrowd", "area") if key not in annotation or (key == "area" and annotation[key] is None)]


def _check_rows(tables: SplitTables, findings: Findings) -> None:
    for table in FAULTS:
        # validation may be without an object
        if not getattr(tables, table) and (table != "annotations" or tables.split == "train"):
            findings.add("table-empty", tables.split, f"no {table}")
    for table, fault_of in FAULTS.items():
        for index, row in enumerate(getattr(tables, table)):
            fault = fault_of(row)
            if fault is not None:
                findings.add("row-malformed", tables.split, f"{table}[{index}] {fault}", **_ids(table, row))


def _ids(table: str, row: Any) -> dict[str, Any]:
    """What of a broken row can be named."""
    if not isinstance(row, dict) or table == "categories":
        return {}
    keys = {"image_id": "id", "file_name": "file_name"} if table == "images" else {"image_id": "image_id"}
    if table == "annotations":
        keys["annotation_id"] = "id"
    return {name: row[key] for name, key in keys.items() if is_id(row.get(key)) or isinstance(row.get(key), str)}


def _check_images(tables: SplitTables, findings: Findings) -> None:
    first_of_file: dict[str, Row] = {}
    for row in tables.sound_images:
        where = {"image_id": row["id"], "file_name": row["file_name"]}
        if is_thin(int(row["height"]), int(row["width"])):
            findings.add("image-thin", tables.split, f"{row['height']}x{row['width']} (height x width)", **where)
        first = tables.image_by_id[row["id"]]
        if first is not row:
            detail = "the same file again" if file_key(first) == file_key(row) else f"also {first['file_name']}"
            findings.add("image-id-repeated", tables.split, detail, **where)
        listed = first_of_file.setdefault(file_key(row), row)
        if listed["id"] != row["id"]:
            findings.add("file-repeated", tables.split, f"also image id {listed['id']}", **where)


def _check_categories(tables: SplitTables, findings: Findings, other: SplitTables | None) -> None:
    rows = tables.sound_categories
    for rule_id, key, told in (("category-id-repeated", "id", "name"), ("category-name-repeated", "name", "id")):
        seen: dict[Any, Row] = {}
        for row in rows:
            first = seen.setdefault(row[key], row)
            if first is not row:
                findings.add(rule_id, tables.split, f"{key} {row[key]!r}: {told} {first[told]!r} and {row[told]!r}")
    spellings: dict[str, str] = {}
    for row in rows:
        first_name = spellings.setdefault(row["name"].strip().casefold(), row["name"])
        if first_name != row["name"]:
            findings.add("category-name-case", tables.split, f"{first_name!r} and {row['name']!r}")
    roots = {row["id"] for row in root_categories(tables, other)}
    for row in rows:
        title = f"{row['name']!r} (id {row['id']})"
        if row["id"] in roots:
            findings.add("category-root", tables.split, title)
        elif row["id"] not in tables.used_categories:
            hint = ": a COCO file lists no background" if row["name"].lower() in BACKGROUND_NAMES else ""
            findings.add("category-unused", tables.split, title + hint)


def _check_annotations(tables: SplitTables, findings: Findings) -> None:
    split = tables.split
    # a row that is malformed otherwise is listed all the same
    images, categories = (
        {row["id"] for row in table if isinstance(row, dict) and is_id(row.get("id"))}
        for table in (tables.images, tables.categories)
    )
    times = Counter(row["id"] for row in tables.sound_annotations)
    seen: set[int] = set()
    for row in tables.sound_annotations:
        if row["image_id"] not in images:
            findings.add("image-unknown", split, f"image_id {row['image_id']}", **tables.place(row))
        if row["category_id"] not in categories:
            findings.add("category-unknown", split, f"category_id {row['category_id']}", **tables.place(row))
        if times[row["id"]] > 1:
            if row["id"] in seen:
                findings.add("annotation-id-repeated", split, f"{times[row['id']]} times", **tables.place(row))
            seen.add(row["id"])
        fault = crowd_fault(row)
        if fault is not None:
            findings.add("crowd-malformed", split, fault, **tables.place(row))
        missing = missing_keys(row)
        if missing:
            findings.add("key-missing", split, "no " + " and no ".join(missing), **tables.place(row))
