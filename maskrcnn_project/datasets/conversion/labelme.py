"""
LabelMe (https://labelme.io), version 5: a JSON file for each image, with a list of shapes.

What its shapes mean stands in ``labelme_shapes.py``, what is written in ``labelme_file.py``. LabelMe has no list of
classes of its own; ``labels.txt``, a name a line, is the file that its ``--labels`` takes. It is read from the input
folder where it is there, and written, so that the order of the classes survives. An object that COCO calls a crowd
carries the flag ``crowd``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from maskrcnn_project.datasets.coco_file import CocoFile
from maskrcnn_project.datasets.conversion.class_names import read_class_list
from maskrcnn_project.datasets.conversion.coco_content import Conversion
from maskrcnn_project.datasets.conversion.coco_source import names_of_files, rows_by_image, usable_part
from maskrcnn_project.datasets.conversion.collection import Collection, ObjectPart, shift
from maskrcnn_project.datasets.conversion.counts import Counts
from maskrcnn_project.datasets.conversion.image_folder import ImageFolder, Size
from maskrcnn_project.datasets.conversion.labelme_file import (
    CLASS_LIST,
    file_content,
    free_group,
    mask_shape,
    polygon_shapes,
)
from maskrcnn_project.datasets.conversion.labelme_shapes import group_of, is_crowd, label_of, part_of
from maskrcnn_project.datasets.conversion.new_files import new_files
from maskrcnn_project.datasets.conversion.refusals import SHAPE
from maskrcnn_project.datasets.conversion.text_lists import read_entries
from maskrcnn_project.datasets.text_files import read_json_value
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import files_below
from maskrcnn_project.masks.coding import decode, outlines
from maskrcnn_project.masks.mask_in_box import MaskInBox

# What stands first in the class lists of LabelMe's own examples.
NO_CLASSES = ("__ignore__", "_background_", "__background__")


def read_labelme(
    source: Path,
    images: Path | None = None,
    classes: Sequence[str] | None = None,
    annotated_only: bool = False,
) -> Conversion:
    """
    Args:
        source: the folder of the JSON files, at any depth.
        images: the folder that ``file_name`` is relative to; None: ``source``.
        classes: the classes wanted, in their order.
        annotated_only: leave out images without a JSON file.

    Raises:
        DatasetError: a set that cannot be read at all, or no object of it.
    """
    if not source.is_dir():
        raise DatasetError(f"LabelMe's annotations are wanted as the folder of its JSON files, but {source} is none.")
    collection = Collection(ImageFolder(images or source), classes)
    class_list = source / CLASS_LIST
    names = read_class_list(class_list, NO_CLASSES) if class_list.is_file() else None
    found = 0
    for path in tqdm(list(files_below(source, (".json",))), desc="LabelMe", unit="file", disable=None, leave=False):
        with collection.image_at(path.relative_to(source).with_suffix("").as_posix()):
            content = _content(path)
            if content is None:
                collection.left_out.add("JSON file that is not LabelMe's (it has no 'shapes')", str(path))
                continue
            found += 1
            _read_file(collection, source, path, content)
    if not found and not collection.left_out.refusals:
        raise DatasetError(f"{source} holds no LabelMe file: wanted are JSON files with the keys shapes and imagePath.")
    return collection.finish(names, annotated_only=annotated_only)


def _content(path: Path) -> dict[str, Any] | None:
    """The JSON object of a LabelMe file; None for other JSON. Raises DatasetError for what cannot be read."""
    content = read_json_value(path)
    if not isinstance(content, dict) or "shapes" not in content:
        return None
    if not isinstance(content["shapes"], list):
        raise DatasetError(f"{path} should have a list of 'shapes', but has {str(content['shapes'])[:60]!r}.")
    return content


def _read_file(collection: Collection, source: Path, path: Path, content: dict[str, Any]) -> None:
    file_name = _image_of(collection.images, source, path, content.get("imagePath"))
    size = collection.open_image(file_name, str(path), _stated_size(content, path, collection.left_out))
    objects: dict[tuple[str, ...], list[tuple[str, bool, ObjectPart]]] = defaultdict(list)
    for index, shape in enumerate(content["shapes"]):
        where = f"{path}, shapes[{index}]"
        with collection.object_at(SHAPE):
            label = label_of(shape, where)
            part = part_of(shape, where, size, collection.left_out)
            if part is not None:
                group = group_of(shape)
                key = (label, "alone", str(index)) if group is None else (label, group)
                objects[key].append((where, is_crowd(shape), part))
    for (label, *_), found in objects.items():
        where, crowd, _ = found[0]
        collection.add(file_name, label, [part for _, _, part in found], where, crowd)


def _stated_size(content: dict[str, Any], path: Path, left_out: Counts) -> Size | None:
    """(height, width) that a file says its image has; None where it says none that is a number."""
    stated = [content.get(key) for key in ("imageHeight", "imageWidth")]
    if None in stated:
        return None
    try:
        height, width = (float(side) for side in stated)  # type: ignore[arg-type]
        if height.is_integer() and width.is_integer():
            return int(height), int(width)
    except (TypeError, ValueError, OverflowError):
        pass
    left_out.add("file whose imageHeight and imageWidth are no whole numbers (the image's own count)", str(path))
    return None


def _image_of(images: ImageFolder, source: Path, path: Path, image_path: Any) -> str:
    """The ``file_name`` that a LabelMe file means: beside it, or in the image folder."""
    if not isinstance(image_path, str) or not image_path:
        raise DatasetError(f"{path} has no 'imagePath', so that its image is unknown.")
    written = image_path.replace("\\", "/")  # LabelMe on Windows
    name = PurePosixPath(written).name
    places = (path.parent / written, images.root / path.parent.relative_to(source) / name, images.root / name)
    for place in places:
        file_name = images.file_name_of(place)
        if file_name is not None:
            return file_name
    raise DatasetError(
        f"{path} is about the image {image_path!r}, which is neither beside it nor in {images.root}: "
        "name the right --images, or remove the JSON file."
    )


def write_labelme(data: CocoFile, output: Path) -> Counts:
    """
    Writes a JSON file for each image of ``data`` and ``labels.txt``; images stay where they are and are pointed to.

    Polygons stay as they are, the parts of an object share a ``group_id``; run lengths become polygons along the edges
    of the pixels, or a ``mask`` shape where there is a hole. What cannot be converted is counted.

    Raises:
        DatasetError: a file exists already, or nothing can be converted.
    """
    left_out = Counts()
    data = usable_part(data, left_out)
    names = names_of_files(data.images, ".json")
    labels = "".join(f"{name}\n" for name in data.class_names)
    class_list = output / CLASS_LIST
    same = class_list.is_file() and read_entries(class_list) == data.class_names
    class_names = {category["id"]: category["name"] for category in data.categories}
    rows = rows_by_image(data)
    with new_files(output, names if same else [*names, CLASS_LIST]) as folder:
        for image, name in zip(tqdm(data.images, unit="file", disable=None, leave=False), names, strict=True):
            shapes: list[dict[str, Any]] = []
            for row in rows[image["id"]]:
                where = f"annotation {row['id']} of {image['file_name']}"
                shapes += _shapes(row, image, class_names[row["category_id"]], free_group(shapes), where, left_out)
            size = (image["height"], image["width"])
            content = file_content(shapes, data.image_root / image["file_name"], (output / name).parent, size)
            (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False), "utf-8")
        if not same:
            (folder / CLASS_LIST).write_text(labels, "utf-8")
    return left_out


def _shapes(
    row: dict[str, Any], image: dict[str, Any], label: str, group: int, where: str, left_out: Counts
) -> list[dict[str, Any]]:
    """The shapes of one COCO annotation."""
    segmentation = row.get("segmentation")
    if not segmentation:
        left_out.add("annotation without a mask", where)
        return []
    crowd = bool(row.get("iscrowd", 0))
    if isinstance(segmentation, dict):
        mask = MaskInBox.at(0, 0, decode(segmentation, image["height"], image["width"])).trim()
        outer, holes = outlines(mask.pixels)
        if holes:
            return [mask_shape(label, mask, crowd)]
        polygons = [shift(polygon, mask.window.x, mask.window.y) for polygon in outer]
    else:
        polygons = [polygon for polygon in segmentation if len(polygon) >= 6 and len(polygon) % 2 == 0]
        for _ in range(len(segmentation) - len(polygons)):
            left_out.add("polygon that is not at least 3 pairs of x and y", where)
    if not polygons and isinstance(segmentation, dict):
        left_out.add("annotation whose mask is empty", where)
    return polygon_shapes(label, polygons, group, crowd)
