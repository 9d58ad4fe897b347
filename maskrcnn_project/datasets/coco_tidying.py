"""
What a COCO file means where it is written otherwise than COCO wants, and only one meaning is possible.

Every reader of a parsed file calls ``tidy`` first. A file with notes on disk is not what was read: who hands a path on
to a library writes the content anew (``CocoFile.notes`` tells).
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from maskrcnn_project.datasets.coco_index import holds
from maskrcnn_project.datasets.coco_rows import Row

# "height": 64.0, "size": [64.0, ...], "ignore".
UNTIDY = (
    rb'"(?:(?:id|image_id|category_id|height|width)"\s*:\s*-?\d+[.eE]|(?:size|counts)"\s*:\s*\[[\s\d,]*[.eE]|ignore")'
)
READS_AS_NO = ("", "0", "false", "no", "none", "null")  # in lower case, written as a text
# What is counted, each with the sentence's end.
IDS, SIZES, RUNS = "ids", "sizes", "run lengths"
IGNORED, NOT_IGNORED = "annotations with 'ignore' set", "annotations with 'ignore' not set"
MEANINGS = {
    IDS: "written with decimals are read as whole numbers",
    SIZES: "written with decimals are read as whole numbers",
    RUNS: "written with decimals are read as whole numbers",
    IGNORED: "are read as crowds (iscrowd 1)",
    NOT_IGNORED: "are read without it",
}


def tidy(coco: dict[str, Any], path: Path | None = None) -> tuple[dict[str, Any], list[str]]:
    """
    The content as it is meant, and a note on each kind of difference. ``coco`` itself stays as it is.

    Args:
        coco: what ``read_json`` has read; tables and rows may be anything.
        path: the file that it comes from; None if it comes from none.
    """
    counts: Counter[str] = Counter()
    changed = {}
    for table, tidy_row in ROWS.items():
        rows = coco.get(table)
        if isinstance(rows, list):
            tidied = [tidy_row(row, counts) if type(row) is dict else row for row in rows]
            if any(new is not old for new, old in zip(tidied, rows, strict=True)):
                changed[table] = tidied
    notes = [f"{counts[what]} {what} {meaning}" for what, meaning in MEANINGS.items() if counts[what]]
    if path is not None and has_byte_order_mark(path):
        notes.insert(0, "the file begins with a byte order mark, which is left out")
    return ({**coco, **changed} if changed else coco), notes


def has_byte_order_mark(path: Path) -> bool:
    """Whether a file begins as UTF-8 with a byte order mark, which JSON has not (RFC 8259, 8.1)."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8


def may_have_notes(path: Path) -> bool:
    """Whether ``tidy`` may have notes on a file, by a look at its bytes: it is not parsed. False is certain."""
    return has_byte_order_mark(path) or holds(path, UNTIDY)


def _tidy_image(row: Row, counts: Counter[str]) -> Row:
    row = _whole(row, ("id",), IDS, counts)
    return _whole(row, ("height", "width"), SIZES, counts)


def _tidy_category(row: Row, counts: Counter[str]) -> Row:
    return _whole(row, ("id",), IDS, counts)


def _tidy_annotation(row: Row, counts: Counter[str]) -> Row:
    row = _whole(row, ("id", "image_id", "category_id"), IDS, counts)
    if "ignore" in row:
        row = _without_ignore(row, counts)
    segmentation = row.get("segmentation")
    if type(segmentation) is dict:
        tidied = _tidy_run_lengths(segmentation, counts)
        if tidied is not segmentation:
            row = {**row, "segmentation": tidied}
    return row


def _tidy_run_lengths(rle: Row, counts: Counter[str]) -> Row:
    for key, what in (("size", SIZES), ("counts", RUNS)):
        values = rle.get(key)
        if type(values) is list and any(map(_is_whole_float, values)):
            rle = {**rle, key: [int(value) if _is_whole_float(value) else value for value in values]}
            counts[what] += 1
    return rle


def _without_ignore(row: Row, counts: Counter[str]) -> Row:
    """COCO's own evaluation ignores crowds and nothing else; Detectron2 refuses the key if it is set."""
    value = row["ignore"]
    is_set = value.strip().lower() not in READS_AS_NO if isinstance(value, str) else bool(value)
    counts[IGNORED if is_set else NOT_IGNORED] += 1
    rest = {key: value for key, value in row.items() if key != "ignore"}
    return {**rest, "iscrowd": 1} if is_set else rest


def _whole(row: Row, keys: tuple[str, ...], what: str, counts: Counter[str]) -> Row:
    """The row with whole numbers where they are written with decimals, as 64.0; a copy only if there are any."""
    for key in keys:
        if type(row.get(key)) is float and row[key].is_integer():
            row = {**row, key: int(row[key])}
            counts[what] += 1
    return row


def _is_whole_float(value: Any) -> bool:
    return type(value) is float and value.is_integer()


ROWS: dict[str, Callable[[Row, Counter[str]], Row]] = {
    "images": _tidy_image,
    "annotations": _tidy_annotation,
    "categories": _tidy_category,
}
