"""
Pascal VOC segmentation: two pictures for each image, the size of the image, one of classes and one of objects.

``SegmentationObject/NAME.png`` numbers the objects of ``JPEGImages/NAME.jpg`` from 1 by palette entry,
``SegmentationClass/NAME.png`` says of each pixel which class it is; in both 0 is background and 255 is void (borders
and difficult things), which belongs to no object. Where objects are numbered in 16 bits, 255 is one of them.
``ImageSets/Segmentation/SPLIT.txt`` lists names. A pixel is a pixel: its upper left corner is where COCO has it.

The classes are those of ``labelmap.txt`` (``name:red,green,blue:parts:actions``, as CVAT and Datumaro write it), known
by their colours, which are VOC's in the order of the file where it gives none. Without that file, class 1 is the first
of VOC's twenty, unless other classes are given in order. Pictures in colours instead of a palette are read by VOC's
colour map.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from maskrcnn_project.datasets.conversion.collection import Collection, Conversion
from maskrcnn_project.datasets.conversion.image_folder import ImageFolder
from maskrcnn_project.datasets.conversion.index_picture import masks_of_numbers, pack, read_colours, read_numbers
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import IMAGE_SUFFIXES, OTHER_PICTURE_SUFFIXES, files_below
from maskrcnn_project.masks.mask_in_box import MaskInBox

CLASS_FOLDER, OBJECT_FOLDER, IMAGE_FOLDER = "SegmentationClass", "SegmentationObject", "JPEGImages"
SPLIT_FOLDER = Path("ImageSets") / "Segmentation"
LABEL_MAP = "labelmap.txt"
BACKGROUND = ("background", "__background__", "_background_")  # black where labelmap.txt gives it no colour
OF_ITS_OWN = "each class should have a name and a colour of its own"
OTHER_SUFFIXES = {*IMAGE_SUFFIXES, *OTHER_PICTURE_SUFFIXES} - {".png"}
VOID = 255
DEEP_VOID = 65535  # of a picture of 16 bits
# The classes of the challenge, by palette entry from 1.
VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def read_voc(
    source: Path,
    images: Path | None = None,
    classes: Sequence[str] | None = None,
    annotated_only: bool = False,
    split: str | None = None,
) -> Conversion:
    """
    Args:
        source: the folder that holds SegmentationClass and SegmentationObject.
        images: the folder of the images; None: JPEGImages in ``source``.
        classes: the classes wanted, in their order. Without labelmap.txt, and if they are not all among VOC's twenty,
            they are the names of the palette entries from 1.
        annotated_only: leave out images without the two pictures.
        split: a list of ImageSets/Segmentation, such as train or val; None: every image.

    Raises:
        DatasetError: one sentence on the first thing that cannot be read.
    """
    for folder in (CLASS_FOLDER, OBJECT_FOLDER):
        if not (source / folder).is_dir():
            raise DatasetError(
                f"{source} has no folder {folder}: objects are told apart by both {CLASS_FOLDER} and {OBJECT_FOLDER}."
            )
    collection = Collection(ImageFolder(images or source / IMAGE_FOLDER), classes)
    reader = _Pictures(source, classes)
    objects = _masks(source / OBJECT_FOLDER)
    _masks(source / CLASS_FOLDER)
    stems = {path.relative_to(source / OBJECT_FOLDER).with_suffix("").as_posix(): path for path in objects}
    file_names = None
    if split:
        where = str(SPLIT_FOLDER / f"{split}.txt")
        wanted = _names_of_split(source, split)
        file_names = [_image_named(collection.images, name, where) for name in wanted]
        stems = {name: stems[name] for name in wanted if name in stems}
    for stem, path in tqdm(stems.items(), desc="VOC", unit="file", disable=None, leave=False):
        _read_pictures(collection, reader, stem, path)
    return collection.finish(reader.own_classes, reader.own_order, annotated_only=annotated_only, among=file_names)


def _masks(folder: Path) -> list[Path]:
    """The PNG files below a folder. Raises DatasetError for a picture of another kind that has none beside it."""
    files = list(files_below(folder, ("",)))
    masks = [path for path in files if path.suffix.lower() == ".png"]
    known = {path.with_suffix("") for path in masks}
    for path in files:
        if path.suffix.lower() in OTHER_SUFFIXES and path.with_suffix("") not in known:
            raise DatasetError(
                f"The mask {path} is wanted as PNG, whose pixels are the numbers that were saved (JPEG mixes those of "
                "neighbours): export it anew."
            )
    return masks


def _names_of_split(source: Path, split: str) -> list[str]:
    path = source / SPLIT_FOLDER / f"{split}.txt"
    if not path.is_file():
        there = sorted(file.stem for file in (source / SPLIT_FOLDER).glob("*.txt"))
        raise DatasetError(f"There is no list {path} of the split {split!r}; there is {', '.join(there) or 'none'}.")
    return list(dict.fromkeys(line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()))


def _image_named(images: ImageFolder, stem: str, where: str) -> str:
    file_name = images.named(stem)
    if file_name is None:
        raise DatasetError(f"{where} has no image {stem} in {images.root}: name the right --images, or remove it.")
    return file_name


def _read_pictures(collection: Collection, reader: _Pictures, stem: str, path: Path) -> None:
    """The objects of one image."""
    file_name = _image_named(collection.images, stem, str(path))
    objects = reader.objects(path)
    collection.open_image(file_name, str(path), objects.shape)
    class_path = reader.source / CLASS_FOLDER / f"{stem}.png"
    labels = reader.classes(class_path)
    if labels.shape != objects.shape:
        raise DatasetError(
            f"{class_path} is {labels.shape[0]}x{labels.shape[1]} (height x width), but {path} is "
            f"{objects.shape[0]}x{objects.shape[1]}: they should show the same image."
        )
    for number, mask in masks_of_numbers(objects):
        where = f"{path}, object {number}"
        found = _most_frequent(labels, mask)
        if not found:
            collection.left_out.add("object whose pixels have no class", where)
            continue
        if len(found) > 1:
            collection.left_out.add("object of several classes (it got the most frequent)", where)
        collection.add(file_name, reader.name_of(found[0], class_path), [mask], where)


def _most_frequent(labels: np.ndarray, mask: MaskInBox) -> list[int]:
    """The classes under the pixels of ``mask``, the most frequent first, without background and void."""
    under = labels[mask.window.slices][mask.pixels]
    values, counts = np.unique(under[under > 0], return_counts=True)
    return values[np.argsort(-counts, kind="stable")].tolist()


class _Pictures:
    """Reads both pictures of a set, with the class names that its numbers or colours stand for."""

    def __init__(self, source: Path, classes: Sequence[str] | None) -> None:
        self.source = source
        self._by_colour = _label_map(source / LABEL_MAP) if (source / LABEL_MAP).is_file() else None
        self.own_classes: list[str] | None = None  # None if only ``classes`` says it
        self.own_order = f"that of {LABEL_MAP}"
        if self._by_colour is not None:
            self._names = list(self._by_colour.values())
            self.own_classes = self._names
        elif classes is None or set(classes) <= set(VOC_CLASSES):
            self._names = list(VOC_CLASSES)
            self.own_classes = self._names
            self.own_order = f"that of VOC's twenty classes, as there is neither {LABEL_MAP} nor --classes"
        else:
            self._names = list(classes)
        self._palette = {int(colour): number for number, colour in enumerate(pack(colour_map()))}

    def objects(self, path: Path) -> np.ndarray:
        """(H, W) int64: the number of the object at each pixel, 0 for none."""
        picture = read_numbers(path)
        if picture.deep:  # made for more objects than 8 bits can number, so that 255 is one of them
            return np.where(picture.pixels == DEEP_VOID, 0, picture.pixels)
        return self._without_void(self._numbered(picture.pixels, path) if picture.coloured else picture.pixels)

    def classes(self, path: Path) -> np.ndarray:
        """(H, W) int64: 1 + the index of the class at each pixel, 0 for none."""
        if not path.is_file():
            raise DatasetError(f"There is no {path}, so that the classes of the objects of that image are unknown.")
        if self._by_colour is None:
            picture = read_numbers(path)
            return self._without_void(self._numbered(picture.pixels, path) if picture.coloured else picture.pixels)
        void = int(pack(colour_map())[VOID])
        indices = {0: 0, void: 0, **{colour: index for index, colour in enumerate(self._by_colour, 1)}}
        return _look_up(read_colours(path), indices, path, LABEL_MAP)

    def name_of(self, number: int, path: Path) -> str:
        """The name of a class that ``classes`` gave."""
        if number > len(self._names):
            raise DatasetError(
                f"{path} has pixels of class {number}, but only {len(self._names)} classes are known "
                f"({', '.join(self._names[:3])}, ...): name all of them with --classes, in the order of their numbers."
            )
        return self._names[number - 1]

    def _numbered(self, colours: np.ndarray, path: Path) -> np.ndarray:
        return _look_up(colours, self._palette, path, "VOC's colour map")

    def _without_void(self, numbers: np.ndarray) -> np.ndarray:
        return np.where(numbers == VOID, 0, numbers)


def _look_up(colours: np.ndarray, table: dict[int, int], path: Path, source: str) -> np.ndarray:
    """The number that ``table`` has for each of (H, W) packed colours."""
    values, inverse = np.unique(colours, return_inverse=True)
    unknown = [value for value in values.tolist() if value not in table]
    if unknown:
        red, green, blue = unknown[0] >> 16, unknown[0] >> 8 & 255, unknown[0] & 255
        raise DatasetError(f"{path} has pixels of the colour {red},{green},{blue}, which is not in {source}.")
    return np.array([table[value] for value in values.tolist()], dtype=np.int64)[inverse].reshape(colours.shape)


def _label_map(path: Path) -> dict[int, str]:
    """
    Packed colour -> class, in the order of the file; black is background and no class. Classes without a colour have
    those of VOC's colour map in the order of the file, as Datumaro draws them.
    """
    table: dict[int, str] = {}
    palette = pack(colour_map()).tolist()
    for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, rest = line.partition(":")
        written = rest.split(":")[0].strip()
        if not colon or (written and not _is_colour(written)):
            raise DatasetError(f"{path}, line {number}, should be name:red,green,blue:: but is {line!r}.")
        if written:
            red, green, blue = map(int, written.split(","))
            colour = red << 16 | green << 8 | blue
        else:
            colour = 0 if name.strip().lower() in BACKGROUND else palette[(len(table) + 1) % len(palette)]
        if colour in table:
            raise DatasetError(
                f"{path}, line {number}, gives {name.strip()!r} the colour of {table[colour]!r}: {OF_ITS_OWN}."
            )
        if colour:
            table[colour] = name.strip()
    if not table or len(set(table.values())) < len(table):
        raise DatasetError(f"{path}: {OF_ITS_OWN}.")
    return table


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
