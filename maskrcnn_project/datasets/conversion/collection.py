"""Objects as other formats hold them are collected here and become the content of a COCO file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as mask_util
from tqdm import tqdm

from maskrcnn_project.datasets.conversion.class_names import one_line
from maskrcnn_project.datasets.conversion.coco_content import Conversion
from maskrcnn_project.datasets.conversion.image_folder import ImageFolder, Size
from maskrcnn_project.datasets.conversion.refusals import IMAGE, AnnotatedTwiceError, Refusals
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.coding import (
    Polygon,
    Segmentation,
    as_rle,
    decode,
    encode_crop,
    polygon_box_xywh,
    segmentation_of,
)
from maskrcnn_project.masks.mask_in_box import MaskInBox, unite
from maskrcnn_project.masks.window import Window

MAX_REACH = 1_000_000  # of a corner, in pixels: pycocotools draws farther ones slowly, or ends the process
ObjectPart = Polygon | MaskInBox  # an object is the union of its parts


class Collection(Refusals):
    """Images with their objects, as a reader finds them; classes get their ids at the end."""

    def __init__(self, images: ImageFolder, classes: Sequence[str] | None = None) -> None:
        """
        Args:
            classes: the classes wanted, in their order; other labels are left out. None: all of them.

        Raises:
            DatasetError: a class named twice or without a name.
        """
        if classes is not None and (not classes or not all(classes) or len(set(classes)) < len(classes)):
            raise DatasetError(f"The classes should be different names, at least one, but are {', '.join(classes)!r}.")
        super().__init__(images)
        self._classes = classes
        self._sizes: dict[str, Size] = {}  # of the images that can be used
        self._annotated_in: dict[str, str] = {}
        self._objects: list[dict[str, Any]] = []

    def open_image(self, file_name: str, where: str, stated: Size | None = None) -> Size:
        """
        Notes an image as annotated and returns its (height, width).

        Args:
            where: the annotation file.
            stated: the (height, width) that its annotations were made for.

        Raises:
            DatasetError: the image is annotated twice, cannot be read, or has another size than ``stated``.
        """
        if file_name in self._annotated_in:
            raise AnnotatedTwiceError(
                f"The image {file_name} is annotated twice, in {self._annotated_in[file_name]} and in {where}: "
                "leave one of them out."
            )
        self._annotated_in[file_name] = where
        self._sizes[file_name] = self.check_size(file_name, where, stated)
        return self._sizes[file_name]

    def check_size(self, file_name: str, where: str, stated: Size | None) -> Size:
        """The (height, width) of an image. Raises DatasetError as ``open_image``."""
        self.current = file_name
        size = self.images.size(file_name)
        if stated is not None and stated != size:
            hint = "; it was annotated lying on its side, or is another picture" if stated == size[::-1] else ""
            raise DatasetError(
                f"{where} was made for an image of {stated[0]}x{stated[1]} (height x width), but "
                f"{self.images.root / file_name} is {size[0]}x{size[1]} upright{hint}: "
                "give the image that was annotated."
            )
        return size

    def add(
        self,
        file_name: str,
        label: str,
        parts: Sequence[ObjectPart],
        where: str,
        crowd: bool = False,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        """
        Adds one object of an image that was opened; one without a pixel in the image is left out.

        Args:
            where: the file and the place in it.
            attributes: what else the format says of the object; the COCO key of that name.

        Raises:
            DatasetError: a label that shows nothing.
        """
        label = one_line(label)
        if not label:
            raise DatasetError(f"{where} has a label without a letter that can be shown: name its class.")
        if any(abs(value) > MAX_REACH for part in parts if isinstance(part, list) for value in part):
            self.left_out.add(f"object with a corner more than {MAX_REACH} pixels away", where)
            return
        segmentation, box, area = _measure(parts, *self._sizes[file_name])
        if not area:
            self.left_out.add("object without a pixel in its image", where)
            return
        row = {"bbox": box, "area": area, "iscrowd": int(crowd), "segmentation": segmentation}
        if attributes:
            row["attributes"] = attributes
        self._objects.append({"file_name": file_name, "label": label, "where": where, "row": row})

    def finish(
        self,
        own_classes: Sequence[str] | None = None,
        own_order: str = "the annotations' own",
        *,
        annotated_only: bool = False,
        among: Iterable[str] | None = None,
        image_ids: Mapping[str, int] | None = None,
    ) -> Conversion:
        """
        Args:
            own_classes: the class list of the format, if it has one.
            own_order: where that comes from, as a phrase.
            annotated_only: leave out images that were never opened.
            among: the images of the dataset, where it does not have all of the folder.
            image_ids: {file_name: id}; None: they are numbered from 1.

        Raises:
            DatasetError: no object is left, as there was a reason to leave out each of them; or there is no class
                list, and no object that would name a class.
        """
        unusable = self.unusable_images(self._annotated_in, {item["file_name"] for item in self._objects})
        self._objects = [item for item in self._objects if item["file_name"] not in unusable]
        names = sorted((set(self.images.file_names) if among is None else set(among)) - unusable)
        unannotated = [name for name in names if name not in self._sizes]
        if not annotated_only:
            self._measure_images(unannotated)
        self.left_out.raise_if_nothing_is_left(len(self._objects))
        classes, order = self._class_list(own_classes, own_order)
        listed = [name for name in names if name in self._sizes]
        ids = image_ids or {name: number for number, name in enumerate(listed, 1)}
        listed.sort(key=lambda name: ids[name])
        coco = {
            "images": [
                {"id": ids[name], "file_name": name, "height": self._sizes[name][0], "width": self._sizes[name][1]}
                for name in listed
            ],
            "annotations": self._annotations(ids, classes),
            "categories": [{"id": number, "name": name} for number, name in enumerate(classes, 1)],
        }
        without = sum(name in self._sizes for name in unannotated)
        return Conversion(coco, self.images.root, order, without, self.left_out)

    def _measure_images(self, file_names: Sequence[str]) -> None:
        """Notes the sizes of images that nobody has annotated; one that cannot be read is left out."""
        for name in tqdm(file_names, desc="Image sizes", unit="image", disable=None, leave=False):
            with self.left_out.leaving_out(IMAGE):
                self._sizes[name] = self.images.size(name)

    def _class_list(self, own_classes: Sequence[str] | None, own_order: str) -> tuple[list[str], str]:
        """The classes in the order of their ids, and where that comes from."""
        if self._classes is not None:
            return list(self._classes), "the one given"
        if own_classes:
            return list(own_classes), own_order
        found = sorted({item["label"] for item in self._objects})
        if not found:
            told = f" Left out:\n{self.left_out.table()}" if self.left_out.counts else ""
            raise DatasetError(
                "No object was found, so that no class is known: look at --input, or name the classes "
                f"(--classes).{told}"
            )
        return found, "that of their names, as no list was given (--classes name,name,... chooses one)"

    def _annotations(self, image_ids: Mapping[str, int], classes: Sequence[str]) -> list[dict[str, Any]]:
        """The rows, image by image, in the order in which the objects were added."""
        category_ids = {name: number for number, name in enumerate(classes, 1)}
        rows: list[dict[str, Any]] = []
        for item in sorted(self._objects, key=lambda item: image_ids[item["file_name"]]):
            if item["label"] not in category_ids:
                self.left_out.add(f"object whose label {item['label']!r} is not among the classes", item["where"])
                continue
            ids = {"image_id": image_ids[item["file_name"]], "category_id": category_ids[item["label"]]}
            rows.append({"id": len(rows) + 1, **ids, **item["row"]})
        return rows


def _measure(parts: Sequence[ObjectPart], height: int, width: int) -> tuple[Segmentation, list[float], int]:
    """COCO segmentation, box (XYWH) and number of pixels of the union of ``parts``."""
    polygons = [part for part in parts if not isinstance(part, MaskInBox) and len(part) >= 6]
    masks = [part for part in parts if isinstance(part, MaskInBox)]
    if not masks:
        area = int(mask_util.area(as_rle(polygons, height, width)))
        return polygons, _clip(polygon_box_xywh(polygons), height, width) if area else [0.0] * 4, area
    if polygons:
        masks.append(MaskInBox.at(0, 0, decode(polygons, height, width)).trim())
    mask = unite(masks, Window(0, 0, width, height)).trim()
    window = mask.window
    # borders are searched in the object's box only, and run lengths made without drawing the image: in a large one
    # that is many times faster
    segmentation = segmentation_of(mask.pixels)
    if isinstance(segmentation, dict):
        segmentation = encode_crop(mask, (height, width))
    else:
        segmentation = [shift(polygon, window.x, window.y) for polygon in segmentation]
    box = [float(value) for value in (window.x, window.y, window.width, window.height)]
    return segmentation, box, mask.area


def shift(polygon: Polygon, x: float, y: float) -> Polygon:
    """``polygon`` moved by ``x`` to the right and by ``y`` downwards."""
    return (np.asarray(polygon).reshape(-1, 2) + (x, y)).ravel().tolist()


def _clip(box_xywh: list[float], height: int, width: int) -> list[float]:
    """The part of a box (XYWH) that lies in the image."""
    x, y, w, h = box_xywh
    left, top, right, bottom = max(x, 0.0), max(y, 0.0), min(x + w, float(width)), min(y + h, float(height))
    return [left, top, right - left, bottom - top]
