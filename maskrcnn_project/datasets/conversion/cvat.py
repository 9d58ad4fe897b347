"""
CVAT, its XML "CVAT for images 1.1": one file for all images, with polygons and masks.

Points are in pixels of the upright image, from the upper left corner of the upper left pixel, as in COCO. A ``mask``
has the box (``left``, ``top``, ``width``, ``height``, in whole pixels) and run lengths row by row within it, beginning
with background (COCO counts column by column in the whole image). Shapes of one label with the same ``group_id`` other
than 0 are one object. Objects come in ascending ``z_order``, so that the last one lies on top; ``z_order``,
``occluded`` and the attributes go into the COCO key ``attributes``.

Files from strangers: document types and entities, with which XML can be made to grow or to read files, are refused.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np
from tqdm import tqdm

from maskrcnn_project.datasets.conversion import primitive_shapes as figures
from maskrcnn_project.datasets.conversion.class_names import one_line
from maskrcnn_project.datasets.conversion.coco_content import Conversion
from maskrcnn_project.datasets.conversion.collection import Collection, ObjectPart
from maskrcnn_project.datasets.conversion.counts import Counts
from maskrcnn_project.datasets.conversion.image_folder import ImageFolder, Size
from maskrcnn_project.datasets.conversion.refusals import SHAPE
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.mask_in_box import MaskInBox

IMAGE_FOLDER = "images"  # beside the XML in CVAT's own exports
LINE = ":line"  # where in the file an element begins; no XML attribute can have this name
UNLISTED = "picture in the image folder that the XML does not list, so that it is no part of the set"
WITHOUT_MASK = {"box": "box", "cuboid": "cuboid", "polyline": "line", "points": "point", "skeleton": "skeleton"}


def read_cvat(
    source: Path,
    images: Path | None = None,
    classes: Sequence[str] | None = None,
    annotated_only: bool = False,
) -> Conversion:
    """
    Args:
        source: the XML file.
        images: the folder that the names in it are relative to; None: ``images`` beside the file.
        classes: the classes wanted, in their order; None: the labels of the task, in its order.
        annotated_only: leave out images that the file lists without a shape. Those that it does not list at all are
            no part of the set.

    Raises:
        DatasetError: a set that cannot be read at all, or no object of it.
    """
    root = _parse(source)
    if root.tag != "annotations" or root.find("track") is not None:
        what = "for video (it has tracks)" if root.tag == "annotations" else f"not CVAT's (it begins with {root.tag!r})"
        raise DatasetError(f'{source} is {what}: export the task as "CVAT for images 1.1".')
    collection = Collection(ImageFolder(images or source.parent / IMAGE_FOLDER), classes)
    elements = root.findall("image")
    file_names: dict[str, Element] = {}  # of the images of the file that are in the folder
    for image in tqdm(elements, desc="CVAT", unit="image", disable=None, leave=False):
        place = f"{source}, line {image.get(LINE)}"
        with collection.image_at():
            file_name = _image_of(collection.images, image, place)
            file_names.setdefault(file_name, image)
            _read_image(collection, source, image, file_name)
    for name in collection.images.file_names:
        if name not in file_names:
            collection.left_out.add(UNLISTED, name)
    labels = [one_line(name.text or "") for name in root.iterfind("./meta/*/labels/label/name")]
    return collection.finish(
        list(dict.fromkeys(labels)),
        annotated_only=annotated_only,
        among=file_names,
        image_ids=_image_ids(elements, file_names),
    )


def _image_ids(elements: Sequence[Element], file_names: Mapping[str, Element]) -> dict[str, int] | None:
    """The ids that the file gives its images, one up where one is 0; None where they are not all different numbers."""
    written = [element.get("id", "") for element in elements]
    if not all(re.fullmatch("[0-9]{1,18}", text) for text in written):
        return None
    numbers = set(map(int, written))
    first = 1 if 0 in numbers else 0
    if len(numbers) < len(written):
        return None
    return {name: int(element.get("id", "")) + first for name, element in file_names.items()}


def _parse(path: Path) -> Element:
    """The tree of an XML file without entities, each element with its line."""
    if not path.is_file():
        raise DatasetError(f"There is no file {path}: CVAT's annotations.xml is wanted.")
    builder = TreeBuilder()
    parser = expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        builder.start(name, {**attributes, LINE: str(parser.CurrentLineNumber)})

    def refuse(*_: Any) -> None:
        raise DatasetError(f"{path} declares a document type, which CVAT's files do not have: it is not read.")

    parser.StartElementHandler = start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise DatasetError(f"{path} is no XML file ({error}): was it written to its end?") from error
    return builder.close()


def _read_image(collection: Collection, source: Path, image: Element, file_name: str) -> None:
    place = f"{source}, line {image.get(LINE)}"
    stated = (_number(image, "height", place), _number(image, "width", place))
    whole = int(stated[0]), int(stated[1])
    if not len(image):  # CVAT lists what nobody has annotated like this
        collection.check_size(file_name, place, whole)
        return
    size = collection.open_image(file_name, place, whole)
    objects: dict[tuple[str, ...], list[tuple[Element, ObjectPart]]] = defaultdict(list)
    for index, shape in enumerate(image):
        where = f"{source}, line {shape.get(LINE)}"
        with collection.object_at(SHAPE):
            part = _part(shape, where, size, collection.left_out)
            if part is not None:
                label, group = _label(shape, where), shape.get("group_id", "0")
                objects[(label, "alone", str(index)) if group in ("", "0") else (label, group)].append((shape, part))
    for (label, *_), pairs in sorted(objects.items(), key=lambda item: _level([shape for shape, _ in item[1]])):
        shapes = [shape for shape, _ in pairs]
        where = f"{source}, line {shapes[0].get(LINE)}"
        collection.add(file_name, label, [part for _, part in pairs], where, attributes=_attributes(shapes))


def _image_of(images: ImageFolder, image: Element, where: str) -> str:
    """The ``file_name`` of an image, which exports of whole projects sort into folders by subset."""
    name = _text(image, "name", where).replace("\\", "/")
    for place in (images.root / name, images.root / image.get("subset", "") / name):
        file_name = images.file_name_of(place)
        if file_name is not None:
            return file_name
    raise DatasetError(f"{where}: the image {name!r} is not in {images.root}: name the right --images.")


def _level(shapes: Sequence[Element]) -> int:
    """``z_order`` of an object: that of its uppermost shape."""
    orders = [shape.get("z_order", "0") for shape in shapes]
    return max((int(order) for order in orders if re.fullmatch(r"-?\d+", order)), default=0)


def _attributes(shapes: Sequence[Element]) -> dict[str, Any]:
    """What CVAT knows of an object beside its mask; what has its default is left out."""
    found: dict[str, Any] = {
        item.get("name", ""): (item.text or "").strip() for shape in shapes for item in shape.iterfind("attribute")
    }
    if any(shape.get("occluded") == "1" for shape in shapes):
        found["occluded"] = True
    level = _level(shapes)
    return found | ({"z_order": level} if level else {})


def _part(shape: Element, where: str, size: Size, left_out: Counts) -> ObjectPart | None:
    """What a shape covers; None (and a word in the tally) if that is nothing."""
    if shape.tag == "polygon":
        points = _points(shape, where) if shape.get("points") else []
        if len(points) < 3:
            left_out.add("polygon of fewer than 3 points", where)
            return None
        return figures.polygon(points)
    if shape.tag == "mask":
        return _mask_in_box(shape, where, size)
    if shape.tag == "ellipse":
        centre_x, centre_y, radius_x, radius_y = (_number(shape, key, where) for key in ("cx", "cy", "rx", "ry"))
        turn = _number(shape, "rotation", where) if shape.get("rotation") else 0.0
        return figures.ellipse((centre_x, centre_y), radius_x, radius_y, turn)
    if shape.tag in WITHOUT_MASK:
        left_out.add(f"{WITHOUT_MASK[shape.tag]} without a mask", where)
    elif shape.tag == "tag":
        left_out.add("tag of an image, which is no object", where)
    else:
        left_out.add(f"shape of the unknown type {shape.tag!r}", where)
    return None


def _points(shape: Element, where: str) -> list[figures.Point]:
    """``"x,y;x,y"`` as pairs."""
    text = _text(shape, "points", where)
    try:
        points = [(float(x), float(y)) for x, y in (pair.split(",") for pair in text.split(";") if pair.strip())]
    except ValueError as error:
        raise DatasetError(f'{where} should have points "x,y;x,y;...", but has {text[:60]!r}.') from error
    if not all(math.isfinite(value) for point in points for value in point):
        raise DatasetError(f"{where} has a point that is no finite number.")
    return points


def _mask_in_box(shape: Element, where: str, size: Size) -> MaskInBox:
    left, top, width, height = (int(_number(shape, key, where)) for key in ("left", "top", "width", "height"))
    text = _text(shape, "rle", where)
    try:
        lengths = np.array([int(run) for run in text.split(",")], dtype=np.int64)
    except ValueError as error:
        raise DatasetError(f'{where} should have run lengths "n, n, ...", but has {text[:60]!r}.') from error
    if min(width, height) < 1 or height > size[0] or width > size[1]:
        raise DatasetError(
            f"{where} has a mask in a box of {width}x{height} pixels (width x height), but its image has "
            f"{size[1]}x{size[0]}."
        )
    if np.any(lengths < 0) or int(lengths.sum()) != width * height:
        raise DatasetError(
            f"{where} has a mask whose run lengths cover {int(lengths.sum())} pixels, but its box has {width}x{height} "
            f"(width x height) = {width * height}."
        )
    inside = np.arange(len(lengths)) % 2 == 1  # the first run is background
    return MaskInBox.at(left, top, np.repeat(inside, lengths).reshape(height, width))


def _label(shape: Element, where: str) -> str:
    label = one_line(_text(shape, "label", where))
    if not label:
        raise DatasetError(f"{where} has a label without a letter that can be shown: name its class.")
    return label


def _text(element: Element, key: str, where: str) -> str:
    value = element.get(key)
    if not value:
        raise DatasetError(f"{where} wants the attribute {key!r} in <{element.tag}>, but it is missing or empty.")
    return value


def _number(element: Element, key: str, where: str) -> float:
    text = _text(element, key, where)
    try:
        value = float(text)
    except ValueError as error:
        raise DatasetError(f"{where} wants a number as {key!r} in <{element.tag}>, but has {text!r}.") from error
    if not math.isfinite(value):
        raise DatasetError(f"{where} wants a finite number as {key!r} in <{element.tag}>, but has {text!r}.")
    return value
