"""
Reading a COCO file so that what is wrong with it is said in one sentence, before a library stumbles over it.

Sizes are (height, width) in pixels; ``bbox`` is XYWH in pixels, as COCO writes it.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from maskrcnn_project.datasets.coco_index import gc_paused, read_value
from maskrcnn_project.datasets.coco_rows import (
    annotation_fault,
    category_fault,
    image_fault,
    is_box,
    is_id,
    short_repr,
)
from maskrcnn_project.datasets.segmentations import form_faults, is_finite
from maskrcnn_project.errors import DatasetError

TABLES = ("images", "annotations", "categories")
MAX_NAMED = 3  # so many examples make an error readable; the rest is counted
# Faults of a mask's form that training cannot get past, and what to do about each.
REFUSED_FORMS = {
    "mask-malformed": "COCO wants a list of polygons [[x, y, ...], ...], or run lengths {size, counts}",
    "polygon-flat": "COCO wants a list of polygons, so write [[x, y, ...]]",
    "polygon-not-finite": "correct the coordinate",
    "rle-size": "write the mask anew at the size of its image",
}
NUMBER_TYPES = frozenset((int, float))  # of JSON; its true and false are of neither


@dataclass(frozen=True)
class CocoFile:
    """The three tables of a COCO file, checked, each a list of dicts in the order of the file."""

    path: Path
    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    image_root: Path = Path()  # the folder of the images; that of the file if none was named
    other: dict[str, Any] = field(default_factory=dict)  # what else the file holds: info, licenses, ...

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
    file = CocoFile(path, **_contents(coco), image_root=Path(path.parent if image_root is None else image_root))
    _check_categories(path, file.categories)
    _check_images(path, file.images)
    _check_annotations(file)
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
    try:
        with gc_paused():
            coco = json.loads(path.read_text("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"{path} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}; "
            "was it written or downloaded to its end?"
        ) from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text (byte {error.start}), so it is no JSON file.") from error
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
    return rows


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
            raise DatasetError(f"{path}: {_place(category, 'category', f'categories[{index}]')} {fault}.")
    _check_unique(path, "category id", [category["id"] for category in categories])
    roots = {category["id"] for category in root_candidates(categories)}
    _check_unique(path, "category name", [category["name"] for category in categories if category["id"] not in roots])


def _check_images(path: Path, images: list[dict[str, Any]]) -> None:
    for index, image in enumerate(images):
        fault = image_fault(image)
        if fault is not None:
            raise DatasetError(f"{path}: {_place(image, 'image', f'images[{index}]')} {fault}.")
    _check_unique(path, "image id", [image["id"] for image in images])


def _place(row: Any, noun: str, place: str) -> str:
    """How an error calls a row: by its id where it has one, else by its place in the table."""
    if not isinstance(row, dict) or not is_id(row.get("id")):
        return place
    name = row.get("file_name")
    return f"{noun} {row['id']} ({name})" if isinstance(name, str) and name else f"{noun} {row['id']}"


def _check_annotations(file: CocoFile) -> None:
    images = {image["id"]: image for image in file.images}
    sizes = {image["id"]: [image["height"], image["width"]] for image in file.images}
    names = {category["id"]: category["name"] for category in file.categories}
    for index, annotation in enumerate(file.annotations):
        if not _is_sound(annotation, sizes, names):
            _check_annotation(file.path, index, annotation, images, names)
    _check_unique(file.path, "annotation id", [annotation["id"] for annotation in file.annotations])


def _is_sound(annotation: dict[str, Any], sizes: dict[int, list[int]], names: dict[int, str]) -> bool:
    """
    What ``_check_annotation`` asks, without the words: a file may have a million rows, and nearly all are sound.

    Args:
        sizes: {image id: [height, width]}.
        names: {category id: name}.
    """
    image_id, category_id = annotation.get("image_id"), annotation.get("category_id")
    box: Any = annotation.get("bbox")
    if type(annotation.get("id")) is not int or type(image_id) is not int or type(category_id) is not int:
        return False
    if image_id not in sizes or category_id not in names:
        return False
    if not _are_numbers(box) or len(box) != 4 or box[2] < 0 or box[3] < 0:
        return False
    segmentation = annotation.get("segmentation")
    if type(segmentation) is list:
        return all(map(_are_numbers, segmentation))
    if type(segmentation) is dict:
        counts = segmentation.get("counts")
        known = type(counts) is str or (type(counts) is list and set(map(type, counts)) <= {int})
        return known and segmentation.get("size") == sizes[image_id]
    return segmentation is None or segmentation == ""


def _check_annotation(
    path: Path, index: int, annotation: dict[str, Any], images: dict[int, dict[str, Any]], names: dict[int, str]
) -> None:
    fault = annotation_fault(annotation)
    if fault is not None:
        raise DatasetError(f"{path}: {_place(annotation, 'annotation', f'annotations[{index}]')} {fault}.")
    image_id, category_id = annotation["image_id"], annotation["category_id"]
    where = f"{path}: annotation {annotation['id']} (image {image_id})"
    if image_id not in images:
        raise DatasetError(
            f"{where} belongs to no image: its 'image_id' is not among the {len(images)} image ids "
            f"({_some([repr(key) for key in images])}); remove it, or add the image."
        )
    if category_id not in names:
        known = ", ".join(f"{key} ({name})" for key, name in sorted(names.items()))
        raise DatasetError(f"{where} has the unknown category_id {category_id}; the known categories are {known}.")
    _check_box(where, annotation)
    _check_segmentation(where, annotation.get("segmentation"), images[image_id])


def _check_box(where: str, annotation: dict[str, Any]) -> None:
    box = annotation.get("bbox")
    if not is_box(box):
        raise DatasetError(
            f"{where} wants a 'bbox' of four finite numbers [x, y, width, height], but has {short_repr(box)}."
        )
    if box[2] < 0 or box[3] < 0:
        raise DatasetError(
            f"{where} has the bbox {short_repr(box)} of negative size: COCO wants [x, y, width, height]; "
            "are its corners in the wrong order?"
        )


def _check_segmentation(where: str, segmentation: Any, image: dict[str, Any]) -> None:
    """Polygons [[x, y, ...], ...], run lengths {size, counts}, or nothing, as Detectron2 takes them."""
    for rule_id, detail in form_faults(segmentation, int(image["height"]), int(image["width"])):
        if rule_id in REFUSED_FORMS:
            raise DatasetError(
                f"{where} has a 'segmentation' that cannot be trained on: {detail}; {REFUSED_FORMS[rule_id]}."
            )


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
            f"{_some(missing)}; is it the right image folder?"
        )


def _check_unique(path: Path, noun: str, values: list[Any]) -> None:
    if len(set(values)) == len(values):
        return
    repeated = [f"{value!r} ({count} times)" for value, count in Counter(values).items() if count > 1]
    raise DatasetError(
        f"{path}: every {noun} may occur once, but {len(repeated)} occur more often: {_some(repeated)}; "
        "give each its own."
    )


def _are_numbers(values: Any) -> bool:
    """``is_number`` of each, by few calls for all; False may mean: ask each."""
    if type(values) is not list or not NUMBER_TYPES.issuperset(map(type, values)):
        return False
    return not values or is_finite(values)


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


def _some(values: Iterable[str]) -> str:
    """The first three of them, and the sign that there are more: ``a, b, c, ...``."""
    values = list(values)
    return ", ".join(values[:MAX_NAMED]) + (", ..." if len(values) > MAX_NAMED else "")


def _where_the_path_ends(path: Path) -> str:
    """Which part of a path is there, so that a slip is seen at once."""
    there = path.absolute().parent
    while not there.exists() and there != there.parent:
        there = there.parent
    return f" (of its path, {there} is there)" if there != path.absolute().parent else f" (its folder {there} is there)"
