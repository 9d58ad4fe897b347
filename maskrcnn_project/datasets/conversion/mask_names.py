"""Which image and which class a mask belongs to, by its name, and which pictures are masks by theirs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath

from maskrcnn_project.datasets.conversion.image_folder import AmbiguousImageError, ImageFolder

ONLY_CLASS = "object"  # the name of the class if nobody gives one
# How the names of masks end that Cellpose and others write beside the image of that name.
MASK_ENDINGS = (
    *("_cp_masks", "_masks", "_mask", "_labels", "_label", "_seg", "_segmentation", "_instances"),
    *("-masks", "-mask", "-labels", "-label"),
)
IMAGE_ENDINGS = ("", "_img", "_image")  # of the image: 000_img.png and 000_masks.png are Cellpose's own examples
# What Cellpose saves beside an image and its masks, behind the image's name: a_flows_cp_masks.tif, a_cp_output.png.
BY_PRODUCT = re.compile(r"(_cp)?_(flows|outlines|dP)|_cp_output")
MASK_FOLDERS, IMAGE_FOLDERS = ("masks", "mask"), ("images", "image")  # side by side, as in the nuclei challenge of 2018


def image_stems(name: str) -> list[str]:
    """What the image could be called of a mask (path without suffix) by the ending of its name; empty without one."""
    ending = next((ending for ending in MASK_ENDINGS if name.lower().endswith(ending)), None)
    return [name[: -len(ending)] + other for other in IMAGE_ENDINGS] if ending else []


def image_folder_of(name: str) -> str | None:
    """``ID/images`` for a mask called ``ID/masks/anything``; None for another name."""
    folder = PurePosixPath(name).parent
    kind = folder.name.lower()
    if kind not in MASK_FOLDERS:
        return None
    return (folder.parent / IMAGE_FOLDERS[MASK_FOLDERS.index(kind)]).as_posix()


def is_by_product(name: str, stems: Collection[str]) -> bool:
    """Whether a picture (path without suffix) is one of ``BY_PRODUCT`` of an image of ``stems``."""
    return any(name[: match.start()] in stems for match in BY_PRODUCT.finditer(name))


def masks_among(file_names: Sequence[str]) -> set[str]:
    """Those of some pictures (paths in their folder) that are masks or by-products of others by their names."""
    stems = {PurePosixPath(name).with_suffix("").as_posix() for name in file_names}
    folders = {PurePosixPath(name).parent.as_posix() for name in file_names}
    found = set()
    for name in file_names:
        stem = PurePosixPath(name).with_suffix("").as_posix()
        is_mask = not stems.isdisjoint(image_stems(stem)) or image_folder_of(name) in folders
        if is_mask or is_by_product(stem, stems):
            found.add(name)
    return found


class MaskOwners:
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
            AmbiguousImageError: the name fits several images or classes.
        """
        label, name = self._label_and_name(path, source)
        found = []
        for stem, rest in _cuts(name):
            file_name = self.images.named(stem)
            if file_name is None:
                continue
            if self.class_from == "suffix":
                found += [(file_name, label) for label in self._labels(rest)]
            elif self.several or not rest:
                found.append((file_name, label))
        if not found and self.class_from != "suffix":
            file_name = self._by_ending(name) or self._beside(name)
            found = [(file_name, label)] if file_name else []
        if len(found) > 1:
            told = " or ".join(f"{file_name} (class {label})" for file_name, label in found)
            raise AmbiguousImageError(
                f"The name of the mask {path} fits {told}: name the classes (--classes), or sort the masks "
                "into folders.",
                [file_name for file_name, _ in found],
            )
        return found[0] if found else None

    def is_by_product(self, path: Path, source: Path) -> bool:
        """Whether a file is what Cellpose saves beside a mask; where names end in classes, these go before."""
        return self.class_from != "suffix" and is_by_product(self._label_and_name(path, source)[1], self.images.stems)

    def _label_and_name(self, path: Path, source: Path) -> tuple[str, str]:
        """The class, as far as a folder or the user says it, and what else the path says, without suffix."""
        name = path.relative_to(source).with_suffix("").as_posix()
        if self.class_from == "folder":
            label, _, name = name.partition("/")
            return label, name
        return self.classes[0] if self.classes else ONLY_CLASS, name

    def _by_ending(self, name: str) -> str | None:
        """The image of a mask whose name ends as tools write it: ``a_cp_masks`` for ``a``."""
        for stem in image_stems(name):
            file_name = self.images.named(stem)
            if file_name is not None:
                return file_name
        return None

    def _beside(self, name: str) -> str | None:
        """The image of ``ID/masks/anything``: ``ID/images/anything``, or the only one of ``ID/images``."""
        folder = image_folder_of(name)
        if folder is None:
            return None
        same = self.images.named(f"{folder}/{PurePosixPath(name).name}")
        there = [image for image in self.images.file_names if PurePosixPath(image).parent.as_posix() == folder]
        return same or (there[0] if len(there) == 1 else None)

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
