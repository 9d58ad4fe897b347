"""
YOLO segmentation, as Ultralytics reads it: ``data.yaml`` and a text file for each image, an object per line.

A line is the number of the class (from 0, in the order of ``names`` in data.yaml) and one polygon ``x y x y ...``,
divided by the width and height of the upright image: 0 is the left or upper edge of the image, 1 the other one. A
confidence may follow, as in predictions. The label file of ``.../images/train/a.jpg`` is ``.../labels/train/a.txt``:
the last folder ``images`` of the path counts.

One polygon a line is all there is, so parts and holes are joined by seams without width (``hole_bridges``). Lines of a
detection set (class and box) have no mask and are left out, counted; a set of nothing else is refused. YOLO knows no
crowd regions: they are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from maskrcnn_project.datasets.conversion.class_names import names_by_number
from maskrcnn_project.datasets.conversion.coco_content import Conversion
from maskrcnn_project.datasets.conversion.collection import Collection, ObjectPart
from maskrcnn_project.datasets.conversion.counts import Counts
from maskrcnn_project.datasets.conversion.hole_bridges import touches_itself
from maskrcnn_project.datasets.conversion.image_folder import ImageFolder, Size
from maskrcnn_project.datasets.conversion.text_lists import read_lines
from maskrcnn_project.datasets.conversion.yolo_set import (
    DATA_FILE,
    YoloSet,
    in_pixels,
    label_file,
    paths_of_split,
    read_set,
)
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.coding import decode
from maskrcnn_project.masks.mask_in_box import MaskInBox

MAX_BEYOND = 0.01  # of the side of the image: slips of a hand; more, and the numbers are pixels
BOX = "box without a mask (a class and 4 numbers)"


def read_yolo(
    source: Path,
    images: Path | None = None,
    classes: Sequence[str] | None = None,
    annotated_only: bool = False,
    split: str | None = None,
    labels: Path | str | None = None,
) -> Conversion:
    """
    Args:
        source: data.yaml or the folder of the set. A folder with neither it nor classes.txt needs ``classes``.
        images: the folder that ``file_name`` is relative to; None: ``images`` below the set's folder, or that itself.
        classes: the classes wanted, in their order; without names in data.yaml or classes.txt, those of the classes
            from 0.
        annotated_only: leave out images without a label file.
        split: train, val or test of data.yaml; None: every image of the folder.
        labels: the folder of the label files; None: where YOLO looks for them.

    Raises:
        DatasetError: a set that cannot be read at all, such as one of boxes only, or no object of it.
    """
    data = read_set(source)
    names = _names(data, source, classes)
    if images is None:
        images = data.root / "images" if (data.root / "images").is_dir() else data.root
    folder = ImageFolder(images)
    paths = paths_of_split(data, split) if split else [folder.root / name for name in folder.file_names]
    collection = Collection(folder, classes)
    places: dict[str, Path] = {}  # file_name -> label file
    for path in paths:
        with collection.image_at():
            file_name = _file_name(folder, path)
            places[file_name] = _label_place(path, file_name, labels)
    if places:
        _read_all(collection, places, names, source)
    own = [names[number] for number in sorted(names)]
    return collection.finish(own, annotated_only=annotated_only, among=places)


def _read_all(collection: Collection, places: Mapping[str, Path], names: dict[int, str], source: Path) -> None:
    """Adds the objects of those label files (one an image, by its ``file_name``) that are there."""
    labelled = {name: place for name, place in places.items() if place.is_file()}
    if not labelled:
        name, place = next(iter(places.items()))
        raise DatasetError(
            f"None of the {len(places)} images of {source} has a label file; the one of "
            f"{collection.images.root / name} would be {place}: name the folder of the label files with --labels."
        )
    outlined = 0
    for file_name, path in tqdm(labelled.items(), desc="YOLO", unit="file", disable=None, leave=False):
        with collection.image_at():
            outlined += _read_labels(collection, path, file_name, names)
    boxes = collection.left_out.counts.get(BOX, 0)
    if boxes and not outlined:
        raise DatasetError(
            f"{source} is a set of boxes: each of its objects ({boxes}) is a class and 4 numbers, none has a "
            "mask, which training needs: export the set for segmentation, or draw the masks."
        )


def _names(data: YoloSet, source: Path, classes: Sequence[str] | None) -> dict[int, str]:
    names = data.names or (dict(enumerate(classes)) if classes else None)
    if names is None and data.data_file is not None:
        return names_by_number(data.data_file, None)  # tells that they are wanted
    if names is None:
        raise DatasetError(
            f"{source} has no {DATA_FILE}, so that the names of the classes are unknown: give them in their order "
            "with --classes name,name,..., or a name a line in classes.txt."
        )
    return names


def _file_name(folder: ImageFolder, path: Path) -> str:
    name = folder.file_name_of(path)
    if name is None:
        raise DatasetError(f"The image {path} is not in the image folder {folder.root}: name the right --images.")
    return name


def _label_place(image: Path, file_name: str, labels: Path | str | None) -> Path:
    """The label file of an image: where YOLO looks, or below ``labels`` by the image's path in its folder."""
    return label_file(image) if labels is None else (Path(labels) / file_name).with_suffix(".txt")


def _read_labels(collection: Collection, path: Path, file_name: str, names: dict[int, str]) -> int:
    """Adds the objects of one label file; gives the number of its lines with a polygon."""
    size = collection.open_image(file_name, str(path))
    outlined = 0
    for number, line in enumerate(read_lines(path), 1):
        where = f"{path}, line {number}"
        with collection.object_at():
            values = _numbers(line.split(), where)
            if len(values) == 5:
                collection.left_out.add(BOX, where)
            elif values:
                polygon = _coordinates(values, where, collection.left_out)
                outlined += 1
                if values[0] in names:
                    collection.add(file_name, names[int(values[0])], [_part(polygon, size, where)], where)
                else:
                    collection.left_out.add(f"object of class {values[0]:g}, which has no name", where)
    return outlined


def _coordinates(values: Sequence[float], where: str, left_out: Counts) -> Sequence[float]:
    """The corners ``x y x y ...`` of a line of a class and these, and maybe a confidence behind them."""
    if len(values) >= 8 and len(values) % 2 == 0 and 0 <= values[-1] <= 1:
        left_out.add("confidence behind a polygon, which COCO's annotations do not have", where)
        return values[1:-1]
    if len(values) < 7 or len(values) % 2 == 0:
        raise DatasetError(
            f"{where} should be a class and at least 3 pairs x y, but has {len(values)} numbers: "
            "was it written for segmentation?"
        )
    return values[1:]


def _numbers(words: Iterable[str], where: str) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise DatasetError(f"{where} should hold numbers only: {error}.") from error
    if not all(math.isfinite(value) for value in values):
        raise DatasetError(f"{where} holds a number that is not finite.")
    return values


def _part(values: Sequence[float], size: Size, where: str) -> ObjectPart:
    """A polygon in pixels; its pixels where it was joined from several borders, since COCO has a way to say that."""
    farthest = max(values, key=lambda value: abs(value - 0.5))
    if abs(farthest - 0.5) > 0.5 + MAX_BEYOND:
        raise DatasetError(
            f"{where} has a coordinate of {farthest:g}, but all should lie between 0 and 1: "
            "divide them by the width and height of the image if they are pixels, else cut the object at its edge."
        )
    polygon = in_pixels(values, size)
    return MaskInBox.at(0, 0, decode([polygon], *size)).trim() if touches_itself(polygon) else polygon
