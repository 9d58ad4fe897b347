"""What to tell after COCO was written as another format: how to open it, and what the format has no place for."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from maskrcnn_project.datasets.coco_file import CocoFile
from maskrcnn_project.datasets.conversion.class_names import show_class_names
from maskrcnn_project.datasets.conversion.counts import Counts
from maskrcnn_project.datasets.conversion.labelme_file import CLASS_LIST

Row = dict[str, Any]

MAX_COMMANDS = 20
# COCO's own keys, which the formats keep or which follow from what they keep.
KEPT = frozenset(
    (
        *("id", "image_id", "category_id", "file_name", "height", "width", "name"),
        *("segmentation", "bbox", "area", "iscrowd"),
    )
)
NOTHING: tuple[Any, ...] = (None, "", 0, [], {})  # values that say nothing
# What COCO files hold beside, in words; the key itself where it is none of these.
WORDS = {
    "attributes": "attributes",
    "keypoints": "keypoints",
    "num_keypoints": "keypoints",
    "skeleton": "keypoints",
    "score": "scores",
    "supercategory": "supercategories",
    "license": "licences",
    "licenses": "licences",
}


def labelme_commands(data: CocoFile, images: Path, output: Path) -> list[str]:
    """
    The commands that open what ``write_labelme`` wrote. LabelMe looks for the file of an image beside the image or,
    with ``--output``, right in that folder: images in sub folders need a command for each.
    """
    labels = ["--labels", str(output / CLASS_LIST)]
    if output.exists() and images.exists() and output.samefile(images):
        return [shlex.join(["labelme", str(images), *labels])]
    folders = sorted({PurePosixPath(image["file_name"]).parent for image in data.images})
    commands = [
        shlex.join(["labelme", str(images / folder), "--output", str(output / folder), *labels]) for folder in folders
    ]
    if len(commands) > MAX_COMMANDS:
        left = len(commands) - MAX_COMMANDS
        commands[MAX_COMMANDS:] = [f"... and {left} more folders in the same way"]
    return commands


def report(data: CocoFile, target: str, left_out: Counts) -> str:
    """The classes, and what did not go along."""
    lines = [
        f"The classes, in this order: {show_class_names(data.class_names)}",
        f"Not kept, as the format has no place for it: {not_kept(data, target)}.",
    ]
    return "\n".join([*lines, *(["Left out:", left_out.table()] if left_out.counts else [])])


def not_kept(data: CocoFile, target: str) -> str:
    """What ``data`` holds and the format ``target`` (labelme or yolo) has no place for, as a list in words."""
    keys = {*_keys(data.images), *_keys(data.annotations), *_keys(data.categories), *_keys([data.other])}
    names = sorted({WORDS.get(key, repr(key)) for key in keys - KEPT})
    crowds = target == "yolo" and any(isinstance(row, dict) and row.get("iscrowd") for row in data.annotations)
    return ", ".join(["ids of images, annotations and classes", *(["crowd regions"] if crowds else []), *names])


def _keys(rows: Iterable[Any]) -> set[str]:
    """The keys of rows that have a value there which says something."""
    return {key for row in rows if isinstance(row, dict) for key, value in row.items() if value not in NOTHING}
