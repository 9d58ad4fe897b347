"""
Reading a COCO file so that what is wrong with it is said in one sentence, before a library stumbles over it.

Sizes are (height, width) in pixels; ``bbox`` is XYWH in pixels, as COCO writes it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from maskrcnn_project.datasets.coco_annotations import (
    check_annotations,
    check_unique,
    first_few,
    place_of,
)
from maskrcnn_project.datasets.coco_index import read_value
from maskrcnn_project.datasets.coco_rows import category_fault, image_fault
from maskrcnn_project.datasets.coco_tidying import tidy
from maskrcnn_project.datasets.text_files import read_json_value
from maskrcnn_project.errors import DatasetError

TABLES = ("images", "annotations", "categories")


@dataclass(frozen=True)
class CocoFile:
    """The three tables of a COCO file, checked, each a list of dicts in the order of the file."""

    path: Path
    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    image_root: Path = Path()  # the folder of the images; that of the file if none was named
    other: dict[str, Any] = field(default_factory=dict)  # what else the file holds: info, licenses, ...
    notes: tuple[str, ...] = ()  # what is read otherwise than the file on disk has it, see ``tidy``

    @property
    def class_names(self) -> list[str]:
        """By ascending category id, which is the order of Detectron2's contiguous class indices."""
        return [category["name"] for category in sorted(self.categories, key=lambda item: item["id"])]

    def as_dict(self) -> dict[str, Any]:
        """The content of the JSON file. The tables are the same lists, not copies."""
        return {**self.other, **{key: getattr(self, key) for key in TABLES}}

    def with_content(self, coco: dict[str, Any]) -> CocoFile:
        """The same file and image folder with other tables, as after a split."""
        return replace(self, **_contents(coco))


def read_coco_file(
    path: str | Path, image_root: str | Path | None = None, *, require_annotations: bool = True
) -> CocoFile:
    """
    Reads and checks a COCO JSON file.

    Args:
        image_root: folder that every image's ``file_name`` is relative to; None skips the look at the images.
        require_annotations: False allows a file of images to predict on, which has no annotations.

    Raises:
        DatasetError: one sentence on the first thing that is wrong.
    """
    return coco_file_of(Path(path), read_json(path), image_root, require_annotations=require_annotations)


def coco_file_of(
    path: Path, coco: dict[str, Any], image_root: str | Path | None = None, *, require_annotations: bool = True
) -> CocoFile:
    """As ``read_coco_file``, of what ``read_json`` has read from ``path``: a file is parsed once for all who ask."""
    _check_tables(path, coco, require_annotations)
    coco, notes = tidy(coco, path)
    root = Path(path.parent if image_root is None else image_root)
    file = CocoFile(path, **_contents(coco), image_root=root, notes=tuple(notes))
    _check_categories(path, file.categories)
    _check_images(path, file.images)
    check_annotations(path, file.images, file.annotations, file.categories)
    if image_root is not None:
        require_image_files(path, (image["file_name"] for image in file.images), file.image_root)
    return file


def _contents(coco: dict[str, Any]) -> dict[str, Any]:
    """The fields of a CocoFile that come from the JSON."""
    other = {key: value for key, value in coco.items() if key not in TABLES}
    return {**{key: coco.get(key, []) for key in TABLES}, "other": other}


def read_json(path: str | Path) -> dict[str, Any]:
    """The object that a JSON file holds. Raises DatasetError if there is no file, no JSON, or no object."""
    path = Path(path)
    if path.is_dir():
        raise DatasetError(f"Wanted a COCO JSON file, but {path} is a folder: name the file in it.")
    if not path.is_file():
        raise DatasetError(f"The COCO file {path} does not exist{_where_the_path_ends(path)}.")
    coco = read_json_value(path)
    if not isinstance(coco, dict):
        raise DatasetError(
            f"{path} holds a JSON {_kind(coco)}, but COCO wants an object with the keys {', '.join(TABLES)}"
            + ("; it looks like a results file of an evaluation." if _looks_like_results(coco) else ".")
        )
    return coco


def class_names(json_file: str | Path) -> list[str]:
    """The class names of a COCO file by ascending category id: the order of Detectron2's class indices."""
    return CocoFile(Path(json_file), [], [], read_categories(json_file)).class_names


def read_categories(json_file: str | Path) -> list[dict[str, Any]]:
    """The checked category table of a COCO file, in the order of the file."""
    categories = read_table(json_file, "categories")
    _check_categories(Path(json_file), categories)
    return categories


def read_table(json_file: str | Path, key: str) -> list[dict[str, Any]]:
    """One table of a COCO file, in the order of the file; the rest of a sound file is not parsed."""
    rows = read_value(json_file, key) if Path(json_file).is_file() else None
    if not isinstance(rows, list) or not rows:
        coco = read_json(json_file)
        rows = coco.get(key)
        if not isinstance(rows, list) or not rows:
            raise DatasetError(f"{json_file} has no {key}: {_found_keys(coco)}.")
    return tidy({key: rows})[0][key]


def root_candidates(categories: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """
    The rows that others name as their ``supercategory`` and that are below no other: roots, if no annotation has
    them. The name of such a row may stand twice in a table, as some exporters name it like the one class below it.
    """
    children = Counter(row["supercategory"] for row in categories if isinstance(row.get("supercategory"), str))
    parents = [row for row in categories if children[row["name"]] > (row.get("supercategory") == row["name"])]
    names = Counter(row["name"] for row in parents)
    return [row for row in parents if names[row.get("supercategory")] <= (row.get("supercategory") == row["name"])]


def _check_tables(path: Path, coco: dict[str, Any], require_annotations: bool) -> None:
    wanted = [key for key in TABLES if require_annotations or key != "annotations"]
    missing = [key for key in wanted if key not in coco]
    if missing:
        raise DatasetError(
            f"{path} is no COCO file: it wants the keys {', '.join(wanted)}, of which {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing; {_found_keys(coco)}."
        )
    for key in TABLES:
        rows = coco.get(key, [])
        if not isinstance(rows, list):
            raise DatasetError(f"{path}: {key!r} should be a list, but is a JSON {_kind(rows)}.")
        if not rows and key in wanted:
            raise DatasetError(f"{path} has no {key}: its list {key!r} is empty, so nothing can be learned from it.")
        if not set(map(type, rows)) <= {dict}:
            index, row = next((i, row) for i, row in enumerate(rows) if not isinstance(row, dict))
            raise DatasetError(f"{path}: {key}[{index}] should be an object, but is a JSON {_kind(row)}.")


def _check_categories(path: Path, categories: list[dict[str, Any]]) -> None:
    for index, category in enumerate(categories):
        fault = category_fault(category)
        if fault is not None:
            raise DatasetError(f"{path}: {place_of(category, 'category', f'categories[{index}]')} {fault}.")
    check_unique(path, "category id", [category["id"] for category in categories])
    roots = {category["id"] for category in root_candidates(categories)}
    check_unique(path, "category name", [category["name"] for category in categories if category["id"] not in roots])


def _check_images(path: Path, images: list[dict[str, Any]]) -> None:
    for index, image in enumerate(images):
        fault = image_fault(image)
        if fault is not None:
            raise DatasetError(f"{path}: {place_of(image, 'image', f'images[{index}]')} {fault}.")
    check_unique(path, "image id", [image["id"] for image in images])


def require_image_files(path: Path, file_names: Iterable[str], image_root: Path) -> None:
    """Raises DatasetError unless the images that ``path`` lists, by their names below ``image_root``, are there."""
    if not image_root.is_dir():
        raise DatasetError(f"The image folder {image_root} does not exist{_where_the_path_ends(image_root)}.")
    listings: dict[str, set[str]] = {}  # one look at each folder, not at each file: network disks are slow
    names, missing = list(file_names), []
    for file_name in names:
        folder, name = os.path.split(os.path.join(image_root, file_name))
        if folder not in listings:
            listings[folder] = set(os.listdir(folder)) if os.path.isdir(folder) else set()
        if name not in listings[folder]:
            missing.append(file_name)
    if missing:
        raise DatasetError(
            f"{len(missing)} of the {len(names)} images that {path} lists are not in {image_root}: "
            f"{first_few(missing)}; is it the right image folder?"
        )


def _kind(value: Any) -> str:
    """What JSON calls the type of a value."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    names = {dict: "object", list: "array", str: "string", int: "number", float: "number"}
    return names[type(value)]


def _looks_like_results(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and "score" in value[0]


def _found_keys(coco: dict[str, Any]) -> str:
    return f"its keys are {', '.join(map(str, coco))}" if coco else "it has no keys at all"


def _where_the_path_ends(path: Path) -> str:
    """Which part of a path is there, so that a slip is seen at once."""
    there = path.absolute().parent
    while not there.exists() and there != there.parent:
        there = there.parent
    return f" (of its path, {there} is there)" if there != path.absolute().parent else f" (its folder {there} is there)"
