"""
Reading a COCO file so that what is wrong with it is said in one sentence, before a library stumbles over it.

Sizes are (height, width) in pixels; ``bbox`` is XYWH in pixels, as COCO writes it.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from maskrcnn_project.datasets.coco_index import gc_paused, read_value
from maskrcnn_project.errors import DatasetError

TABLES = ("images", "annotations", "categories")
MAX_NAMED = 3  # so many examples make an error readable; the rest is counted
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
    path = Path(path)
    coco = read_json(path)
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
        if not isinstance(category, dict) or not _is_id(category.get("id")):
            raise DatasetError(f"{path}: categories[{index}] wants an integer 'id', but is {_short(category)}.")
        if not isinstance(category.get("name"), str) or not category["name"]:
            raise DatasetError(
                f"{path}: category {category['id']} wants a text 'name', but has {_short(category.get('name'))}."
            )
    _check_unique(path, "category id", [category["id"] for category in categories])
    roots = {category["id"] for category in root_candidates(categories)}
    _check_unique(path, "category name", [category["name"] for category in categories if category["id"] not in roots])


def _check_images(path: Path, images: list[dict[str, Any]]) -> None:
    for index, image in enumerate(images):
        if not _is_id(image.get("id")):
            raise DatasetError(f"{path}: images[{index}] wants an integer 'id', but has {_short(image.get('id'))}.")
        if not isinstance(image.get("file_name"), str) or not image["file_name"]:
            raise DatasetError(
                f"{path}: image {image['id']} wants a text 'file_name', but has {_short(image.get('file_name'))}."
            )
        for key in ("height", "width"):
            if not _is_number(image.get(key)) or image[key] < 1 or image[key] % 1:
                raise DatasetError(
                    f"{path}: image {image['id']} ({image['file_name']}) wants its {key!r} in whole pixels, "
                    f"but has {_short(image.get(key))}."
                )
    _check_unique(path, "image id", [image["id"] for image in images])


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
    return segmentation is None


def _check_annotation(
    path: Path, index: int, annotation: dict[str, Any], images: dict[int, dict[str, Any]], names: dict[int, str]
) -> None:
    if not _is_id(annotation.get("id")):
        raise DatasetError(
            f"{path}: annotations[{index}] wants an integer 'id', but has {_short(annotation.get('id'))}."
        )
    image_id, category_id = annotation.get("image_id"), annotation.get("category_id")
    where = f"{path}: annotation {annotation['id']} (image {_short(image_id)})"
    if not _is_id(image_id) or image_id not in images:
        raise DatasetError(
            f"{where} belongs to no image: its 'image_id' is not among the {len(images)} image ids "
            f"({_some([repr(key) for key in images])}); remove it, or add the image."
        )
    if not _is_id(category_id) or category_id not in names:
        known = ", ".join(f"{key} ({name})" for key, name in sorted(names.items()))
        raise DatasetError(
            f"{where} has the unknown category_id {_short(category_id)}; the known categories are {known}."
        )
    _check_box(where, annotation)
    _check_segmentation(where, annotation.get("segmentation"), images[image_id])


def _check_box(where: str, annotation: dict[str, Any]) -> None:
    box = annotation.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(value) for value in box):
        raise DatasetError(
            f"{where} wants a 'bbox' of four finite numbers [x, y, width, height], but has {_short(box)}."
        )
    if box[2] < 0 or box[3] < 0:
        raise DatasetError(
            f"{where} has the bbox {_short(box)} of negative size: COCO wants [x, y, width, height]; "
            "are its corners in the wrong order?"
        )


def _check_segmentation(where: str, segmentation: Any, image: dict[str, Any]) -> None:
    """Polygons [[x, y, ...], ...], run lengths {size, counts}, or nothing, as Detectron2 takes them."""
    if not segmentation and (segmentation is None or isinstance(segmentation, list)):
        return
    if isinstance(segmentation, dict):
        _check_run_lengths(where, segmentation, image)
    elif not isinstance(segmentation, list):
        raise DatasetError(
            f"{where} wants a 'segmentation' of polygons (a list) or RLE (an object), "
            f"but has a JSON {_kind(segmentation)}: {_short(segmentation)}."
        )
    elif all(_is_number(value) for value in segmentation):
        raise DatasetError(
            f"{where} has a 'segmentation' that is one flat list of numbers: COCO wants a list of polygons, "
            "so write [[x, y, ...]]."
        )
    else:
        for number, polygon in enumerate(segmentation):
            if not isinstance(polygon, list) or not all(_is_number(value) for value in polygon):
                raise DatasetError(
                    f"{where} wants polygon {number} of its 'segmentation' as a list of finite numbers "
                    f"[x, y, x, y, ...], but has {_short(polygon)}."
                )


def _check_run_lengths(where: str, rle: dict[str, Any], image: dict[str, Any]) -> None:
    size, counts = rle.get("size"), rle.get("counts")
    if not isinstance(counts, str) and not (isinstance(counts, list) and all(_is_id(run) for run in counts)):
        raise DatasetError(
            f"{where} wants the 'counts' of its RLE as text or a list of integers, but has {_short(counts)}."
        )
    if size != [image["height"], image["width"]]:
        raise DatasetError(
            f"{where} has an RLE of size {_short(size)}, but its image {image['file_name']} "
            f"has [height, width] = [{image['height']}, {image['width']}]."
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


def _is_id(value: Any) -> bool:
    """An integer; True and False, which Python counts as integers, are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    """A number that a float can hold: not NaN, not infinite, no integer of hundreds of digits."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _are_numbers(values: Any) -> bool:
    """``_is_number`` of each, by few calls for all; False also where the sum alone is too large."""
    if type(values) is not list or not NUMBER_TYPES.issuperset(map(type, values)):
        return False
    try:
        return abs(sum(values)) <= sys.float_info.max
    except OverflowError:  # the sum of a float and an integer that no float can hold
        return False


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


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


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
