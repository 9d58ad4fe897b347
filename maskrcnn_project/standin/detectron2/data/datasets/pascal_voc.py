"""Boxes in Pascal VOC's format: one XML file per image."""

from __future__ import annotations

import os
from typing import Any
from xml.etree import ElementTree

from detectron2.structures import BoxMode
from detectron2.utils._refused import refuse
from detectron2.utils.file_io import PathManager

__all__ = ["CLASS_NAMES", "load_voc_instances"]

# The 20 classes of Pascal VOC 2007 and 2012, in the order of the development kit.
CLASS_NAMES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)


def load_voc_instances(dirname: str, split: str, class_names: list[str] | tuple[str, ...]) -> list[dict[str, Any]]:
    """
    Args:
        dirname: folder with "Annotations", "ImageSets" and "JPEGImages".
        split: name of a list of image ids in "ImageSets/Main", such as "train".
        class_names: names in the order of the class indices.

    Returns:
        Records with boxes and without masks.

    Raises:
        FileNotFoundError: the list or an XML file does not exist.
        ValueError: an XML file cannot be read, or an object's class is not among ``class_names``.
    """
    list_file = os.path.join(dirname, "ImageSets", "Main", f"{split}.txt")
    image_ids = _read(list_file).split()
    return [_read_image(dirname, image_id, list(class_names)) for image_id in image_ids]


def _read(file_name: str) -> str:
    try:
        with PathManager.open(file_name) as f:
            return f.read()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"Pascal VOC file {file_name} does not exist: check the dataset's folder.") from error


def _read_image(dirname: str, image_id: str, class_names: list[str]) -> dict[str, Any]:
    xml_file = os.path.join(dirname, "Annotations", f"{image_id}.xml")
    try:
        root = ElementTree.fromstring(_read(xml_file))
        return {
            "file_name": os.path.join(dirname, "JPEGImages", f"{image_id}.jpg"),
            "image_id": image_id,
            "height": int(_text(root, "size/height")),
            "width": int(_text(root, "size/width")),
            "annotations": [_read_object(element, class_names) for element in root.findall("object")],
        }
    except (ElementTree.ParseError, ValueError) as error:
        raise ValueError(f"Pascal VOC file {xml_file} cannot be used: {error}") from error


def _text(element: ElementTree.Element, path: str) -> str:
    text = element.findtext(path)
    if text is None:
        raise ValueError(f"<{element.tag}> has no <{path}>.")
    return text.strip()


def _read_object(element: ElementTree.Element, class_names: list[str]) -> dict[str, Any]:
    name = _text(element, "name")
    if name not in class_names:
        raise ValueError(f"an object has class {name!r}, which is not among {', '.join(class_names)}.")
    x0, y0, x1, y1 = (float(_text(element, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax"))
    # VOC counts pixels from 1 and includes the last one, so that the left edge of pixel 1 is coordinate 0.
    box = [x0 - 1.0, y0 - 1.0, x1, y1]
    return {"category_id": class_names.index(name), "bbox": box, "bbox_mode": BoxMode.XYXY_ABS}


__getattr__ = refuse(__name__, {"register_pascal_voc": "the Pascal VOC benchmark"})
