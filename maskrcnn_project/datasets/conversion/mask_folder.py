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

A pixel is a pixel: its upper left corner is where COCO has it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from maskrcnn_project.datasets.conversion.collection import Collection, Conversion
from maskrcnn_project.datasets.conversion.counts import Counts
from maskrcnn_project.datasets.conversion.image_folder import ImageFolder
from maskrcnn_project.datasets.conversion.index_picture import SUFFIXES, masks_of_numbers, read_numbers
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import files_below
from maskrcnn_project.masks.mask_in_box import MaskInBox

LAYOUTS = ("ids", "instances", "binary")
CLASS_SOURCES = ("none", "folder", "suffix")
ONLY_CLASS = "object"  # the name of the class if nobody gives one
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
        source: the folder of the masks, which may lie in that of the images.
        images: the folder of the images.
        classes: the classes wanted, in their order; with ``class_from`` ``none`` the name of the one class.
        annotated_only: leave out images without a mask.
        layout: ids, instances or binary.
        class_from: none, folder or suffix.

    Raises:
        DatasetError: one sentence on the first thing that cannot be read.
    """
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
    collection = Collection(ImageFolder(images, but_not=source), classes)
    owners = _Owners(collection.images, layout, class_from, classes)
    masks = _masks_by_image(source, owners, collection.left_out)
    if not masks:
        image = collection.images.file_names[0]
        raise DatasetError(
            f"No mask in {source} has a name that belongs to an image of {images}: for {image} it would be "
            f"{owners.example(image)}."
        )
    for file_name, found in tqdm(masks.items(), desc="Masks", unit="image", disable=None, leave=False):
        size = collection.open_image(file_name, str(found[0][1]))
        for label, path in found:
            for where, mask in _objects(path, layout, size):
                collection.add(file_name, label, [mask], where)
    return collection.finish(*_own_classes(source, class_from), annotated_only=annotated_only)


def _own_classes(source: Path, class_from: str) -> tuple[list[str] | None, str]:
    """The classes in the order of the folder of masks, if it has one, and what that is."""
    if class_from == "folder":
        folders = sorted(folder.name for folder in source.iterdir() if folder.is_dir() and folder.name[0] != ".")
        return folders, "that of the names of the folders"
    return [ONLY_CLASS] if class_from == "none" else None, "that of the one class there is"


def _masks_by_image(source: Path, owners: _Owners, left_out: Counts) -> dict[str, list[tuple[str, Path]]]:
    """For each image (its ``file_name``) the classes and files of its masks."""
    masks: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for path in files_below(source, ("",)):
        if path.suffix.lower() not in SUFFIXES:
            left_out.add(f"file that is no mask ({', '.join(SUFFIXES)})", str(path))
            continue
        owner = owners.find(path, source)
        if owner is None:
            left_out.add("mask whose name belongs to no image (or to no class)", str(path))
        else:
            masks[owner[0]].append((owner[1], path))
    return masks


def _objects(path: Path, layout: str, size: tuple[int, int]) -> Iterator[tuple[str, MaskInBox]]:
    """The objects of one mask, each with its place in words."""
    numbers = read_numbers(path).pixels
    if numbers.shape != size:
        raise DatasetError(
            f"The mask {path} is {numbers.shape[0]}x{numbers.shape[1]} (height x width), but its image is "
            f"{size[0]}x{size[1]} upright: both should have one size."
        )
    if layout == "ids":
        yield from ((f"{path}, number {number}", mask) for number, mask in masks_of_numbers(numbers))
        return
    values = np.unique(numbers)
    if len(values[values != 0]) > 1:
        raise DatasetError(
            f"The mask {path} should have one value beside 0, but has {len(values[values != 0])} "
            f"({', '.join(str(value) for value in values[:4])}, ...): are they objects (--layout "
            "ids), or blurred edges?"
        )
    if layout == "instances":
        yield str(path), MaskInBox.at(0, 0, numbers != 0)
        return
    _, parts = cv2.connectedComponents((numbers != 0).astype(np.uint8), connectivity=CONNECTIVITY)
    yield from ((f"{path}, part {number}", mask) for number, mask in masks_of_numbers(parts))


class _Owners:
    """Finds out by the name of a mask which image and which class it belongs to."""

    def __init__(self, images: ImageFolder, layout: str, class_from: str, classes: Sequence[str] | None) -> None:
        self.images = images
        self.several = layout == "instances"  # masks of an image and class
        self.class_from = class_from
        self.classes = classes

    def find(self, path: Path, source: Path) -> tuple[str, str] | None:
        """
        The image's ``file_name`` and the class; None if there is no such image.

        Raises:
            DatasetError: the name fits several images or classes.
        """
        name = path.relative_to(source).with_suffix("").as_posix()
        label = self.classes[0] if self.classes else ONLY_CLASS
        if self.class_from == "folder":
            label, _, name = name.partition("/")
        found = []
        for stem, rest in _cuts(name):
            file_name = self.images.named(stem)
            if file_name is None:
                continue
            if self.class_from == "suffix":
                found += [(file_name, label) for label in self._labels(rest)]
            elif self.several or not rest:
                found.append((file_name, label))
        if len(found) > 1:
            told = " or ".join(f"{file_name} (class {label})" for file_name, label in found)
            raise DatasetError(
                f"The name of the mask {path} fits {told}: name the classes (--classes), or sort the masks "
                "into folders."
            )
        return found[0] if found else None

    def _labels(self, rest: str) -> list[str]:
        """The class that the end of a name tells, if it does."""
        number = r"(?:[_/][^_/]*)?" if self.several else ""
        if not self.classes:
            match = re.fullmatch(r"(.+?)(?:[_/]\d+)?" if self.several else r"([^/]+)", rest)
            return [match.group(1)] if match else []
        fitting = [label for label in self.classes if re.fullmatch(re.escape(label) + number, rest)]
        return [max(fitting, key=len)] if fitting else []

    def example(self, file_name: str) -> str:
        """What a mask of an image could be called."""
        name = file_name.rpartition(".")[0]
        if self.class_from == "suffix":
            name += "_CLASS"
        if self.several:
            name += "_1"
        return f"CLASS/{name}.png" if self.class_from == "folder" else f"{name}.png"


def _cuts(name: str) -> Iterator[tuple[str, str]]:
    """``name`` whole, and cut in two at each ``_`` and ``/``."""
    yield name, ""
    for match in re.finditer("[_/]", name):
        yield name[: match.start()], name[match.end() :]
