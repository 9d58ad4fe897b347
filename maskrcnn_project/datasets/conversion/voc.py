"""
Pascal VOC segmentation: two pictures for each image, the size of the image, one of classes and one of objects.

``SegmentationObject/NAME.png`` numbers the objects of ``JPEGImages/NAME.jpg`` from 1 by palette entry,
``SegmentationClass/NAME.png`` says of each pixel which class it is; in both 0 is background and 255 is void (borders
and difficult things), which belongs to no object. Where objects are numbered in 16 bits, 255 is one of them.
``ImageSets/Segmentation/SPLIT.txt`` lists names. A pixel is a pixel: its upper left corner is where COCO has it.

The classes are those of ``labelmap.txt`` (``name:red,green,blue:parts:actions``, as CVAT and Datumaro write it), known
by their colours, which are VOC's in the order of the file where it gives none. Without that file, class 1 is the first
of VOC's twenty, unless other classes are given in order. Pictures in colours instead of a palette are read by VOC's
colour map; those of objects may have any other colours, each of which is an object.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from maskrcnn_project.datasets.conversion.coco_content import Conversion
from maskrcnn_project.datasets.conversion.collection import Collection
from maskrcnn_project.datasets.conversion.image_folder import ImageFolder
from maskrcnn_project.datasets.conversion.index_picture import masks_of_numbers
from maskrcnn_project.datasets.conversion.text_lists import read_entries
from maskrcnn_project.datasets.conversion.voc_pictures import VocPictures, name_number
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import IMAGE_SUFFIXES, OTHER_PICTURE_SUFFIXES, files_below
from maskrcnn_project.masks.mask_in_box import MaskInBox

CLASS_FOLDER, OBJECT_FOLDER, IMAGE_FOLDER = "SegmentationClass", "SegmentationObject", "JPEGImages"
SPLIT_FOLDER = Path("ImageSets") / "Segmentation"
OTHER_SUFFIXES = {*IMAGE_SUFFIXES, *OTHER_PICTURE_SUFFIXES} - {".png"}


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
        DatasetError: a set that cannot be read at all, or no object of it.
    """
    for folder in (CLASS_FOLDER, OBJECT_FOLDER):
        if not (source / folder).is_dir():
            raise DatasetError(
                f"{source} has no folder {folder}: objects are told apart by both {CLASS_FOLDER} and {OBJECT_FOLDER}."
            )
    collection = Collection(ImageFolder(images or source / IMAGE_FOLDER), classes)
    pictures = VocPictures(source, classes)
    objects, labels = _masks(source / OBJECT_FOLDER), _masks(source / CLASS_FOLDER)
    stems = list(objects | labels)
    file_names = None
    if split:
        where = str(SPLIT_FOLDER / f"{split}.txt")
        wanted = _names_of_split(source, split)
        file_names = []
        for name in wanted:
            with collection.image_at():
                file_names.append(_image_named(collection.images, name, where))
        stems = [name for name in wanted if name in objects or name in labels]
    for stem in tqdm(stems, desc="VOC", unit="file", disable=None, leave=False):
        with collection.image_at(stem):
            object_path = objects.get(stem, source / OBJECT_FOLDER / f"{stem}.png")
            class_path = labels.get(stem, source / CLASS_FOLDER / f"{stem}.png")
            _read_pictures(collection, pictures, stem, object_path, class_path)
    return collection.finish(pictures.own_classes, pictures.own_order, annotated_only=annotated_only, among=file_names)


def _masks(folder: Path) -> dict[str, Path]:
    """
    The PNG files below a folder by their paths in it without suffix. Raises DatasetError for a picture of another kind
    that has none beside it.
    """
    files = list(files_below(folder, ("",)))
    masks = {path.with_suffix(""): path for path in files if path.suffix.lower() == ".png"}
    for path in files:
        if path.suffix.lower() in OTHER_SUFFIXES and path.with_suffix("") not in masks:
            raise DatasetError(
                f"The mask {path} is wanted as PNG, whose pixels are the numbers that were saved (JPEG mixes those of "
                "neighbours): export it anew."
            )
    return {place.relative_to(folder).as_posix(): path for place, path in masks.items()}


def _names_of_split(source: Path, split: str) -> list[str]:
    path = source / SPLIT_FOLDER / f"{split}.txt"
    if not path.is_file():
        there = sorted(file.stem for file in (source / SPLIT_FOLDER).glob("*.txt"))
        raise DatasetError(f"There is no list {path} of the split {split!r}; there is {', '.join(there) or 'none'}.")
    return list(dict.fromkeys(read_entries(path)))


def _image_named(images: ImageFolder, stem: str, where: str) -> str:
    file_name = images.named(stem)
    if file_name is None:
        raise DatasetError(f"{where} has no image {stem} in {images.root}: name the right --images, or remove it.")
    return file_name


def _read_pictures(
    collection: Collection, pictures: VocPictures, stem: str, object_path: Path, class_path: Path
) -> None:
    """The objects of one image."""
    file_name = _image_named(collection.images, stem, str(object_path if object_path.is_file() else class_path))
    if not object_path.is_file():
        raise DatasetError(
            f"There is no {object_path} beside {class_path}, so that the objects of that image are not told apart: "
            "export both."
        )
    objects = pictures.objects(object_path)
    collection.open_image(file_name, str(object_path), objects.shape)
    labels = pictures.classes(class_path)
    if labels.shape != objects.shape:
        raise DatasetError(
            f"{class_path} is {labels.shape[0]}x{labels.shape[1]} (height x width), but {object_path} is "
            f"{objects.shape[0]}x{objects.shape[1]}: they should show the same image."
        )
    for number, mask in masks_of_numbers(objects):
        where = f"{object_path}, object {name_number(number)}"
        found = _most_frequent(labels, mask)
        if not found:
            collection.left_out.add("object whose pixels have no class", where)
            continue
        with collection.object_at():
            collection.add(file_name, pictures.name_of(found[0], class_path, where), [mask], where)
            if len(found) > 1:
                collection.left_out.add("object of several classes (it got the most frequent)", where)


def _most_frequent(labels: np.ndarray, mask: MaskInBox) -> list[int]:
    """The classes under the pixels of ``mask``, the most frequent first, without background and void."""
    under = labels[mask.window.slices][mask.pixels]
    values, counts = np.unique(under[under > 0], return_counts=True)
    return values[np.argsort(-counts, kind="stable")].tolist()
