"""Fixes that need the image files: names that mean a file of the folder, sizes that are missing."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

from maskrcnn_project.datasets.checking.fixes import Fixes
from maskrcnn_project.datasets.checking.image_listing import LikelyNames, Listings, image_path
from maskrcnn_project.datasets.checking.image_reading import read_pictures
from maskrcnn_project.datasets.coco_rows import Row, is_side


def fix_file_names(work: Fixes, root: Path) -> set[int]:
    """
    Names the files that missing names mean, where one file only can be meant and no other image has it.

    Returns:
        the ``id()`` of the rows that name a file now.
    """
    rows = [row for row in work.images if isinstance(row, dict) and _is_text(row)]
    listings = Listings()
    missing = [row for row in rows if not listings.holds(image_path(root, row["file_name"]))]
    if not missing:
        return set()
    likely = LikelyNames(root.absolute(), listings.images_below([os.path.abspath(root)]))
    taken = {image_path(root, row["file_name"]) for row in rows}
    meant = [(row, likely.find(row["file_name"])) for row in missing]
    times = Counter(name for _, name in meant)
    renamed = set()
    for row, name in meant:
        if name is not None and times[name] == 1 and image_path(root, name) not in taken:
            work.set("image-missing", "images", row, "file_name", Path(name).as_posix())
            renamed.add(id(row))
    return renamed


def measure_sizes(work: Fixes, root: Path) -> None:
    """Writes the size of the file, upright as Detectron2 reads it, where a row states none."""
    unsized = {
        image_path(root, row["file_name"]): row
        for row in work.images
        if isinstance(row, dict) and _is_text(row) and not (is_side(row.get("height")) and is_side(row.get("width")))
    }
    pictures = read_pictures(unsized, hashed=False, progress=False)
    for path, row in unsized.items():
        if not pictures[path].rule:
            for key, value in zip(("height", "width"), pictures[path].upright, strict=True):
                if row.get(key) != value:
                    work.set("row-malformed", "images", row, key, value)


def _is_text(row: Row) -> bool:
    name: Any = row.get("file_name")
    return isinstance(name, str) and bool(name) and "\0" not in name
