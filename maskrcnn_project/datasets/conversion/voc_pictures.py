"""The two pictures of Pascal VOC, read as numbers of objects and of classes, and the lists that name the classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from maskrcnn_project.datasets.conversion.class_names import one_line
from maskrcnn_project.datasets.conversion.index_picture import pack, read_colours, read_numbers
from maskrcnn_project.datasets.conversion.text_lists import read_lines
from maskrcnn_project.errors import DatasetError

LABEL_MAP = "labelmap.txt"
BACKGROUND = ("background", "__background__", "_background_")  # black where labelmap.txt gives it no colour
OF_ITS_OWN = "each class should have a name and a colour of its own"
VOID = 255
DEEP_VOID = 65535  # of a picture of 16 bits
COLOUR = 1 << 24  # a number from here on is the packed colour above it, which is in no table
# The classes of the challenge, by palette entry from 1.
VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


class VocPictures:
    """Reads both pictures of a set, with the class names that its numbers or colours stand for."""

    def __init__(self, source: Path, classes: Sequence[str] | None) -> None:
        """
        Args:
            source: the folder of the set.
            classes: as ``read_voc`` takes them.

        Raises:
            DatasetError: a labelmap.txt that is none.
        """
        self._label_map = read_label_map(source / LABEL_MAP) if (source / LABEL_MAP).is_file() else None
        self.own_classes: list[str] | None = None  # None if only ``classes`` says it
        self.own_order = f"that of {LABEL_MAP}"
        if self._label_map is not None:
            self._names = list(self._label_map.names.values())
            self.own_classes = self._names
        elif classes is None or set(classes) <= set(VOC_CLASSES):
            self._names = list(VOC_CLASSES)
            self.own_classes = self._names
            self.own_order = f"that of VOC's twenty classes, as there is neither {LABEL_MAP} nor --classes"
        else:
            self._names = list(classes)
        self._palette = {int(colour): number for number, colour in enumerate(pack(colour_map()))}

    def objects(self, path: Path) -> np.ndarray:
        """(H, W) int64: the number of the object at each pixel, 0 for none; ``name_number`` tells it in words."""
        picture = read_numbers(path)
        if picture.deep:  # made for more objects than 8 bits can number, so that 255 is one of them
            return np.where(picture.pixels == DEEP_VOID, 0, picture.pixels)
        return _without_void(_look_up(picture.pixels, self._palette) if picture.coloured else picture.pixels)

    def classes(self, path: Path) -> np.ndarray:
        """(H, W) int64: 1 + the index of the class at each pixel, 0 for none; ``name_of`` may not know it."""
        if not path.is_file():
            raise DatasetError(f"There is no {path}, so that the classes of the objects of that image are unknown.")
        if self._label_map is None:
            picture = read_numbers(path)
            return _without_void(_look_up(picture.pixels, self._palette) if picture.coloured else picture.pixels)
        void = int(pack(colour_map())[VOID])
        numbers = {colour: number for number, colour in enumerate(self._label_map.names, 1)}
        return _look_up(read_colours(path), {void: 0, **numbers, **dict.fromkeys(self._label_map.background, 0)})

    def name_of(self, number: int, path: Path, where: str) -> str:
        """
        The name of a class that ``classes`` gave of the picture ``path``.

        Args:
            where: the object.

        Raises:
            DatasetError: it has none.
        """
        if 0 < number <= len(self._names):
            return self._names[number - 1]
        if number >= COLOUR:
            table = "VOC's colour map" if self._label_map is None else LABEL_MAP
            raise DatasetError(
                f"{where}: {path} has {name_number(number)} there, which is not in {table}: add the class of that "
                "colour, or correct the picture."
            )
        raise DatasetError(
            f"{where}: {path} has pixels of class {number} there, but only {len(self._names)} classes are known "
            f"({', '.join(self._names[:3])}, ...): name all of them with --classes, in the order of their numbers."
        )


def name_number(number: int) -> str:
    """How to call a number that ``VocPictures`` gave: the colour that it stands for, if it does."""
    red, green, blue = number >> 16 & 255, number >> 8 & 255, number & 255
    return f"the colour {red},{green},{blue}" if number >= COLOUR else str(number)


def _without_void(numbers: np.ndarray) -> np.ndarray:
    return np.where(numbers == VOID, 0, numbers)


def _look_up(colours: np.ndarray, table: dict[int, int]) -> np.ndarray:
    """The number that ``table`` has for each of (H, W) packed colours, or that of the colour itself from COLOUR on."""
    values, inverse = np.unique(colours, return_inverse=True)
    numbers = [table.get(value, COLOUR + value) for value in values.tolist()]
    return np.array(numbers, dtype=np.int64)[inverse].reshape(colours.shape)


class LabelMap(NamedTuple):
    """What labelmap.txt says of colours, as ``pack`` makes numbers of them."""

    names: dict[int, str]  # colour -> class, in the order of the file
    background: set[int]


def read_label_map(path: Path) -> LabelMap:
    """
    Black is background, and so is the colour of a class of that name. Classes without a colour have those of VOC's
    colour map in the order of the file, as Datumaro draws them.

    Raises:
        DatasetError: a line that names no class, or one colour or name for several classes.
    """
    names: dict[int, str] = {}
    background = {0}
    palette = pack(colour_map()).tolist()
    for number, line in enumerate(read_lines(path), 1):
        if not line or line.startswith("#"):
            continue
        written, colon, rest = line.partition(":")
        name, colour = one_line(written), rest.split(":")[0].strip()
        if not colon or (colour and not _is_colour(colour)):
            raise DatasetError(f"{path}, line {number}, should be name:red,green,blue:: but is {line!r}.")
        if colour:
            red, green, blue = map(int, colour.split(","))
            packed = red << 16 | green << 8 | blue
        else:
            packed = 0 if name.lower() in BACKGROUND else palette[(len(names) + 1) % len(palette)]
        if packed in names:
            raise DatasetError(f"{path}, line {number}, gives {name!r} the colour of {names[packed]!r}: {OF_ITS_OWN}.")
        if name.lower() in BACKGROUND:
            background.add(packed)
        elif packed:
            names[packed] = name
    if not names or len(set(names.values())) < len(names) or "" in names.values() or background & names.keys():
        raise DatasetError(f"{path}: {OF_ITS_OWN}.")
    return LabelMap(names, background)


def _is_colour(written: str) -> bool:
    values = [value.strip() for value in written.split(",")]
    return len(values) == 3 and all(value.isdecimal() and int(value) <= 255 for value in values)


def colour_map() -> np.ndarray:
    """VOC's palette, (256, 3) uint8 RGB: the bits of the number, dealt to red, green and blue from the highest down."""
    numbers = np.arange(256)
    colours = np.zeros((256, 3), dtype=np.uint8)
    for place in range(8):
        for channel in range(3):
            colours[:, channel] |= ((numbers >> (3 * place + channel) & 1) << (7 - place)).astype(np.uint8)
    return colours
