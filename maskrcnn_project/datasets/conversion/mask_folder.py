"""
A folder of masks: pictures of the size of their images, found by their names.

What the pixels mean (``layout``):

- ``ids``: one picture for each image (and class), in which each number or colour but 0 (black) is one object;
- ``instances``: one picture for each object, whose pixels are those that are not 0;
- ``binary``: one picture for each image (and class), in which each connected part is one object (pixels that touch at
  a corner are connected). Objects that touch become one: only their annotator could part them.

Holes and several parts stay, except that ``binary`` takes parts for objects.

Where the class comes from (``class_from``), with STEM the path of the image in its folder, without suffix:

- ``none``: there is one class. Masks are ``STEM.png``; with ``instances`` ``STEM/anything.png``, ``STEM_anything.png``;
- ``folder``: the same below a folder for each class: ``CLASS/STEM.png``, ``CLASS/STEM/anything.png``, ...;
- ``suffix``: ``STEM_CLASS.png``; with ``instances`` ``STEM_CLASS_NUMBER.png``, ``STEM/CLASS_NUMBER.png``.

Without ``suffix``, a name may also end as tools write it (``STEM_cp_masks.png``, ``mask_names.MASK_ENDINGS``), and the
masks of ``ID/images/anything.png`` may lie in ``ID/masks``, as in the nuclei challenge of 2018.

Each page of a TIFF file is a picture of its own: with ``instances`` an object, else the objects that it has. What
Cellpose saves beside its masks (``STEM_flows.tif``) is neither image nor mask.

A pixel is a pixel: its upper left corner is where COCO has it.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from maskrcnn_project.datasets.conversion.coco_content import Conversion
from maskrcnn_project.datasets.conversion.collection import Collection
from maskrcnn_project.datasets.conversion.counts import Counts
from maskrcnn_project.datasets.conversion.image_folder import ImageFolder, Size
from maskrcnn_project.datasets.conversion.index_picture import SUFFIXES, Numbers, masks_of_numbers, read_pages
from maskrcnn_project.datasets.conversion.mask_names import ONLY_CLASS, MaskOwners, masks_among
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import files_below
from maskrcnn_project.masks.mask_in_box import MaskInBox

LAYOUTS = ("ids", "instances", "binary")
BINARY_VALUES = {1, 255, 65535, 0xFFFFFF}  # that pictures of black and white have for white
CONNECTIVITY = 8  # as COCO's outlines: pixels that touch at a corner share a border


def read_mask_folder(
    source: Path,
    images: Path,
    classes: Sequence[str] | None = None,
    annotated_only: bool = False,
    layout: str = "",
    class_from: str = "none",
) -> Conversion:
    """
    Args:
        source: the folder of the masks, which may lie in that of the images, or be it.
        images: the folder of the images.
        classes: the classes wanted, in their order; with ``class_from`` ``none`` the name of the one class.
        annotated_only: leave out images without a mask.
        layout: ids, instances or binary.
        class_from: none, folder or suffix.

    Raises:
        DatasetError: a set that cannot be read at all, or no object of it.
    """
    _check_options(source, classes, layout, class_from)
    folder = ImageFolder(images, but_not=source, are_masks=masks_among)
    collection = Collection(folder, classes)
    owners = MaskOwners(folder, layout, class_from, classes)
    masks = _masks_by_image(source, owners, collection)
    if not masks and not collection.left_out.refusals:
        image = folder.file_names[0]
        told = f" Left out:\n{collection.left_out.table()}" if collection.left_out.counts else ""
        raise DatasetError(
            f"No mask in {source} has a name that belongs to an image of {images}: for {image} it would be "
            f"{owners.example(image)}.{told}"
        )
    reader = _MaskReader(collection, layout)
    for file_name, found in tqdm(masks.items(), desc="Masks", unit="image", disable=None, leave=False):
        reader.read_image(file_name, found)
    reader.binary.check(source, collection.left_out)
    return collection.finish(*_own_classes(source, class_from), annotated_only=annotated_only)


def _check_options(source: Path, classes: Sequence[str] | None, layout: str, class_from: str) -> None:
    if layout not in LAYOUTS:
        raise DatasetError(
            "What do the pixels of a mask mean? --layout ids: each number is an object; instances: one picture is one "
            "object; binary: each connected part is an object."
        )
    if not source.is_dir():
        raise DatasetError(f"There is no folder {source}: the folder of the masks is wanted.")
    if class_from == "none" and classes is not None and len(classes) != 1:
        raise DatasetError(
            f"{len(classes)} classes are named, but nothing says which mask shows which: --class-from folder or suffix."
        )


def _own_classes(source: Path, class_from: str) -> tuple[list[str] | None, str]:
    """The classes in the order of the folder of masks, if it has one, and what that is."""
    if class_from == "folder":
        folders = sorted(folder.name for folder in source.iterdir() if folder.is_dir() and folder.name[0] != ".")
        return folders, "that of the names of the folders"
    return [ONLY_CLASS] if class_from == "none" else None, "that of the one class there is"


def _masks_by_image(source: Path, owners: MaskOwners, collection: Collection) -> dict[str, list[tuple[str, Path]]]:
    """For each image (its ``file_name``) the classes and files of its masks."""
    masks: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    left_out = collection.left_out
    for name in owners.images.masks:
        if not _contains(source, owners.images.root / name):
            left_out.add(f"picture among the images that is no image by its name, outside of {source}", name)
    shared = _contains(source, owners.images.root)
    for path in files_below(source, ("",)):
        if shared and owners.images.file_name_of(path) is not None:
            continue
        if path.suffix.lower() not in SUFFIXES:
            left_out.add(f"file that is no mask ({', '.join(SUFFIXES)})", str(path))
            continue
        if owners.is_by_product(path, source):
            left_out.add("by-product of Cellpose, which is no mask", str(path))
            continue
        with collection.image_at():
            owner = owners.find(path, source)
            if owner is None:
                left_out.add("mask whose name belongs to no image (or to no class)", str(path))
            else:
                masks[owner[0]].append((owner[1], path))
    return masks


def _contains(folder: Path, path: Path) -> bool:
    """Whether ``path`` is ``folder`` or lies below it."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


class _MaskReader:
    """Adds the objects of masks; one that cannot be read costs its object, or its image where it has several."""

    def __init__(self, collection: Collection, layout: str) -> None:
        self.collection = collection
        self.layout = layout
        self.binary = _BinaryPictures()

    def read_image(self, file_name: str, found: Sequence[tuple[str, Path]]) -> None:
        """Adds the objects of one image, from the classes and files of its masks."""
        with self.collection.image_at():
            size = self.collection.open_image(file_name, str(found[0][1]))
            for label, path in found:
                with self._one():
                    for number, page in enumerate(read_pages(path), 1):
                        where = f"{path}, page {number}" if number > 1 else str(path)
                        with self._one():
                            for place, mask in self._objects(page, path, where, size):
                                self.collection.add(file_name, label, [mask], place)

    def _one(self) -> AbstractContextManager[None]:
        """What an error costs: the object that a picture is, or all of the image."""
        return self.collection.object_at() if self.layout == "instances" else nullcontext()

    def _objects(self, page: Numbers, path: Path, where: str, size: Size) -> Iterator[tuple[str, MaskInBox]]:
        """The objects of one picture, each with its place in words."""
        _check_size(page, where, size)
        if page.from_alpha:
            self.collection.left_out.add("mask of one colour, which was read from its alpha channel", where)
        numbers = page.pixels
        if self.layout == "ids":
            self.binary.note(numbers, path)
            yield from ((f"{where}, number {number}", mask) for number, mask in masks_of_numbers(numbers))
            return
        _check_binary(numbers, where)
        if self.layout == "instances":
            yield where, MaskInBox.at(0, 0, numbers != 0)
            return
        parts = masks_of_numbers(connected_parts(numbers))
        yield from ((f"{where}, part {number}", mask) for number, mask in parts)


def _check_size(page: Numbers, where: str, size: Size) -> None:
    height, width = page.pixels.shape
    if (height, width) != size:
        raise DatasetError(
            f"The mask {where} is {height}x{width} (height x width), but its image is {size[0]}x{size[1]} upright: "
            "both should have one size."
        )


def _check_binary(numbers: np.ndarray, where: str) -> None:
    """Raises DatasetError for more than one value beside 0."""
    values = np.unique(numbers[numbers != 0])
    if len(values) > 1:
        raise DatasetError(
            f"The mask {where} should have one value beside 0, but has {len(values)} ("
            + ", ".join([*map(str, values[:4].tolist()), *(["..."] if len(values) > 4 else [])])
            + "): are they objects (--layout ids), or blurred edges?"
        )


def connected_parts(numbers: np.ndarray) -> np.ndarray:
    """(H, W) int32: which of the connected parts of what is not 0 a pixel belongs to, from 1; 0 for none."""
    return cv2.connectedComponents((numbers != 0).astype(np.uint8), connectivity=CONNECTIVITY)[1]


class _BinaryPictures:
    """Notes, among pictures that should number objects, those that only part objects from background."""

    def __init__(self) -> None:
        self._values: set[int] = set()  # of the pictures that have one beside 0
        self._numbering = False  # whether a picture has several
        self._parts: list[tuple[Path, int, int]] = []  # picture, its value, its connected parts, where several

    def note(self, numbers: np.ndarray, path: Path) -> None:
        """Looks at one picture (H, W)."""
        values = np.unique(numbers[numbers != 0]).tolist()
        self._numbering |= len(values) > 1
        if len(values) == 1:
            self._values.add(values[0])
            parts = int(connected_parts(numbers).max())
            if parts > 1:
                self._parts.append((path, values[0], parts))

    def check(self, source: Path, left_out: Counts) -> None:
        """
        Raises:
            DatasetError: no picture numbers objects, and one has several parts: that they are one object is unlikely.
        """
        if self._parts and not self._numbering and (len(self._values) == 1 or self._values <= BINARY_VALUES):
            path, value, parts = self._parts[0]
            raise DatasetError(
                f"The masks in {source} number no objects: {path} has one value beside 0 ({value}) in {parts} parts, "
                "and no other has more values; --layout binary makes each part an object, instances all of them one."
            )
        for path, value, _ in self._parts:
            if value in BINARY_VALUES - {1}:
                left_out.add("mask that is white on black, whose parts were taken for one object", str(path))
