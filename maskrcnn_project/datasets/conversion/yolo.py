"""
YOLO segmentation, as Ultralytics reads it: ``data.yaml`` and a text file for each image, an object per line.

A line is the number of the class (from 0, in the order of ``names`` in data.yaml) and one polygon ``x y x y ...``,
divided by the width and height of the upright image: 0 is the left or upper edge of the image, 1 the other one. The
label file of ``.../images/train/a.jpg`` is ``.../labels/train/a.txt``: the last folder ``images`` of the path counts.

One polygon a line is all there is, so parts and holes are joined by seams without width (``seams``). Lines of a
detection set (class and box) have no mask and are left out, counted. YOLO knows no crowd regions: they are left out.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml
from tqdm import tqdm

from maskrcnn_project.datasets.coco_file import CocoFile
from maskrcnn_project.datasets.conversion.collection import Collection, Conversion, ObjectPart, shift
from maskrcnn_project.datasets.conversion.counts import Counts
from maskrcnn_project.datasets.conversion.hole_bridges import join_rings, touches_itself
from maskrcnn_project.datasets.conversion.image_folder import ImageFolder, Size
from maskrcnn_project.datasets.conversion.new_files import new_files, stems_of
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import IMAGE_SUFFIXES, files_below, write_text
from maskrcnn_project.masks.coding import Polygon, as_rle, decode, outlines
from maskrcnn_project.masks.mask_in_box import MaskInBox

DATA_FILE = "data.yaml"
HEAD = "# Written by tools/convert_dataset.py, which adds further splits (--split).\n"
SPLITS = ("train", "val", "test")
DECIMALS = 6  # 0.02 pixels in an image of 20,000: far below what moves a corner to another pixel
MAX_BEYOND = 0.01  # of the side of the image: slips of a hand; more, and the numbers are pixels


@dataclass(frozen=True)
class YoloSet:
    """What data.yaml says; without one, the folder and no names."""

    root: Path
    names: dict[int, str] | None
    entries: dict[str, list[Path]]  # split -> folders, lists of images, or images


def read_yolo(
    source: Path,
    images: Path | None = None,
    classes: Sequence[str] | None = None,
    annotated_only: bool = False,
    split: str | None = None,
) -> Conversion:
    """
    Args:
        source: data.yaml or the folder that holds it. A folder without one needs ``classes``.
        images: the folder that ``file_name`` is relative to; None: ``images`` below the set's folder, or that itself.
        classes: the classes wanted, in their order; without data.yaml, the names of the classes from 0.
        annotated_only: leave out images without a label file.
        split: train, val or test of data.yaml; None: every image of the folder.

    Raises:
        DatasetError: one sentence on the first thing that cannot be read.
    """
    data = _read_set(source)
    names = data.names or (dict(enumerate(classes)) if classes else None)
    if names is None:
        raise DatasetError(
            f"{source} has no {DATA_FILE}, so that the names of the classes are unknown: give them in their order "
            "with --classes name,name,..."
        )
    if images is None:
        images = data.root / "images" if (data.root / "images").is_dir() else data.root
    folder = ImageFolder(images)
    paths = _paths_of_split(data, split) if split else [folder.root / name for name in folder.file_names]
    file_names = [_file_name(folder, path) for path in paths]
    labelled = [pair for pair in zip(map(label_file, paths), file_names, strict=True) if pair[0].is_file()]
    if not labelled:
        raise DatasetError(
            f"None of the {len(paths)} images of {source} has a label file; the one of {paths[0]} would be "
            f"{label_file(paths[0])}."
        )
    collection = Collection(folder, classes)
    for path, file_name in tqdm(labelled, desc="YOLO", unit="file", disable=None, leave=False):
        _read_labels(collection, path, file_name, names)
    own = [names[number] for number in sorted(names)]
    return collection.finish(own, annotated_only=annotated_only, among=file_names)


def _file_name(folder: ImageFolder, path: Path) -> str:
    name = folder.file_name_of(path)
    if name is None:
        raise DatasetError(f"The image {path} is not in the image folder {folder.root}: name the right --images.")
    return name


def label_file(image: Path) -> Path:
    """Where the labels of an image lie: in ``labels`` instead of the last ``images`` of its path, else beside it."""
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _read_set(source: Path) -> YoloSet:
    file = source / DATA_FILE if source.is_dir() else source
    if source.is_dir() and not file.is_file():
        return YoloSet(source, None, {})
    content = _read_yaml(file)
    root = file.parent
    if content.get("path"):  # Ultralytics also looks in a folder of its settings, which is unknown here
        root = next((path for path in (root / str(content["path"]), root) if path.is_dir()), root)
    entries = {}
    for split in SPLITS:
        entry = content.get(split)
        if entry:
            entries[split] = [_place_of(root, str(item)) for item in (entry if isinstance(entry, list) else [entry])]
    return YoloSet(root, _names(file, content.get("names")), entries)


def _read_yaml(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise DatasetError(f"There is no {file}: YOLO's data.yaml, or the folder that holds it, is wanted.")
    try:
        content = yaml.safe_load(file.read_text("utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file} is not plain YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{file} should hold the keys names, train and val, but has no keys.")
    return content


def _names(file: Path, names: Any) -> dict[int, str]:
    """The names by number, from a list or a mapping."""
    table = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(table, dict) or not table or not all(type(number) is int for number in table):
        raise DatasetError(f"{file} should have 'names', a list or a mapping from 0, but has {str(names)[:60]!r}.")
    if len({str(name) for name in table.values()}) < len(table):
        raise DatasetError(f"{file} has one name for several classes in 'names': give each class its own.")
    return {number: str(name) for number, name in table.items()}


def _place_of(root: Path, entry: str) -> Path:
    path = root / entry
    # some exporters write ../train/images beside train/, and Ultralytics forgives it
    return root / entry[3:] if not path.exists() and entry.startswith("../") else path


def _paths_of_split(data: YoloSet, split: str) -> list[Path]:
    """The images of a split, from folders and from lists of images."""
    if split not in data.entries:
        raise DatasetError(f"The split {split!r} is not in {DATA_FILE}; it has {', '.join(data.entries) or 'none'}.")
    found: list[Path] = []
    for entry in data.entries[split]:
        if entry.is_dir():
            found += files_below(entry, IMAGE_SUFFIXES)
        elif entry.suffix == ".txt" and entry.is_file():
            lines = [line.strip() for line in entry.read_text("utf-8-sig").splitlines()]
            found += [entry.parent / line for line in lines if line]
        elif entry.is_file():
            found.append(entry)
        else:
            raise DatasetError(f"{entry}, the split {split!r} of {DATA_FILE}, does not exist.")
    if not found:
        raise DatasetError(f"The split {split!r} has no image.")
    return [Path(path) for path in dict.fromkeys(map(os.path.normpath, found))]


def _read_labels(collection: Collection, path: Path, file_name: str, names: dict[int, str]) -> None:
    size = collection.open_image(file_name, str(path))
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is no text file ({error}).") from error
    for number, line in enumerate(lines, 1):
        where = f"{path}, line {number}"
        values = _numbers(line.split(), where)
        if not values:
            continue
        if len(values) == 5:
            collection.left_out.add("box without a mask (a class and 4 numbers)", where)
        elif len(values) < 7 or len(values) % 2 == 0:
            raise DatasetError(
                f"{where} should be a class and at least 3 pairs x y, but has {len(values)} numbers: "
                "was it written for segmentation?"
            )
        elif values[0] not in names:
            collection.left_out.add(f"object of class {values[0]:g}, which has no name", where)
        else:
            collection.add(file_name, names[int(values[0])], [_part(values[1:], size, where)], where)


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
    if min(values) < -MAX_BEYOND or max(values) > 1 + MAX_BEYOND:
        raise DatasetError(
            f"{where} has a coordinate of {max(values, key=abs):g}, but all should lie between 0 and 1: "
            "divide them by the width and height of the image."
        )
    polygon = _in_pixels(values, size)
    return MaskInBox.at(0, 0, decode([polygon], *size)).trim() if touches_itself(polygon) else polygon


def _in_pixels(values: Sequence[float], size: Size) -> Polygon:
    height, width = size
    return (np.asarray(values).reshape(-1, 2) * (width, height)).ravel().tolist()


def write_yolo(data: CocoFile, output: Path, split: str = "train") -> Counts:
    """
    Writes label files, a list of the split's images and data.yaml, in which a further split is added to earlier ones.

    The images stay where they are. Unless they lie in ``output/images`` already, ``output/images/SPLIT`` becomes a
    link to their folder, since YOLO finds labels by the path of the image.

    Args:
        split: train, val or test.

    Raises:
        DatasetError: a file exists already, or an image is not as ``data`` says.
    """
    if split not in SPLITS:
        raise DatasetError(f"The split should be {', '.join(SPLITS)}, but is {split!r}.")
    data_text = _data_file(output / DATA_FILE, split, data.class_names)
    place = _place_of_images(data.image_root, output, split)
    _check_places(stems_of(data, ".txt"), data.image_root)
    listed = [f"{place}/{image['file_name']}" for image in data.images]
    names = [label_file(Path(path)).as_posix() for path in listed]
    numbers = {row["id"]: number for number, row in enumerate(sorted(data.categories, key=lambda row: row["id"]))}
    rows: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in data.annotations:
        rows[row["image_id"]].append(row)
    left_out = Counts()
    with new_files(output, [*names, f"{split}.txt"]) as folder:
        for image, name in zip(tqdm(data.images, unit="file", disable=None, leave=False), names, strict=True):
            polygons = [(numbers[row["category_id"]], _one_polygon(row, image, left_out)) for row in rows[image["id"]]]
            lines = [f"{number} {polygon}\n" for number, polygon in polygons if polygon]
            (folder / name).write_text("".join(lines), "utf-8")
        (folder / f"{split}.txt").write_text("".join(f"./{path}\n" for path in listed), "utf-8")
        _link_images(data.image_root, output / place)
    write_text(output / DATA_FILE, data_text)
    return left_out


def _check_places(names: Sequence[str], images: Path) -> None:
    inner = next((name for name in names if "images" in PurePosixPath(name).parts[:-1]), None)
    if inner:
        raise DatasetError(
            f"{inner} lies in a folder called images below {images}, by which YOLO would look for its labels "
            "elsewhere: give that folder as --images, with file names relative to it."
        )


def _data_file(path: Path, split: str, class_names: Sequence[str]) -> str:
    """The text of data.yaml: new, or the one that this tool wrote with one split more."""
    content: dict[str, Any] = {}
    if path.exists():
        text = path.read_text("utf-8")
        content = _read_yaml(path) if text.startswith(HEAD) else {}
        if not content or split in content:
            raise DatasetError(
                f"{path} exists already"
                + (f" and has a split {split!r}" if content else ", and this tool has not written it")
                + ": choose another --output or --split, or remove it."
            )
        if _names(path, content.get("names")) != dict(enumerate(class_names)):
            raise DatasetError(
                f"{path} has the classes {', '.join(_names(path, content['names']).values())}, but those to be written "
                f"are {', '.join(class_names)}: splits of one set have the same classes in the same order."
            )
    splits = {name: f"{name}.txt" for name in SPLITS if name == split or name in content}
    return HEAD + yaml.safe_dump({**splits, "names": dict(enumerate(class_names))}, sort_keys=False, allow_unicode=True)


def _place_of_images(images: Path, output: Path, split: str) -> str:
    """The folder of the images below ``output``: where they are, if that is below its ``images``, or a link to be."""
    there = Path(os.path.relpath(images, output))
    if there.parts[:1] == ("images",):
        return there.as_posix()
    link = output / "images" / split
    if (link.exists() or link.is_symlink()) and not (link.exists() and link.samefile(images)):
        raise DatasetError(f"{link} exists already and is not the image folder {images}: choose another --output.")
    return f"images/{split}"


def _link_images(images: Path, place: Path) -> None:
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        place.symlink_to(images.resolve(), target_is_directory=True)
    except OSError as error:
        raise DatasetError(
            f"No link to the images can be made at {place} ({error}): put the images there, and name that folder "
            "with --images."
        ) from error


def _one_polygon(row: dict[str, Any], image: dict[str, Any], left_out: Counts) -> str:
    """The coordinates of an annotation's line; empty (and a word in the tally) if it has none."""
    size, where = (image["height"], image["width"]), f"annotation {row['id']} of {image['file_name']}"
    segmentation = row.get("segmentation")
    if not segmentation:
        left_out.add("annotation without a mask", where)
        return ""
    if row.get("iscrowd", 0):
        left_out.add("crowd region, which YOLO does not know", where)
        return ""
    if not isinstance(segmentation, dict):
        text = _as_drawn(segmentation, size)
        if text:
            return text
    mask = MaskInBox.at(0, 0, decode(segmentation, *size)).trim()
    outer, holes = outlines(mask.pixels)
    if not outer:
        left_out.add("annotation whose mask is empty", where)
        return ""
    return _normalise(shift(join_rings([*outer, *holes]), mask.window.x, mask.window.y), size)


def _as_drawn(polygons: Sequence[Polygon], size: Size) -> str:
    """
    The corners as annotated; empty where that would not give the same pixels: where parts overlap, or a corner lies
    outside the image (which Ultralytics refuses) or just where rounding moves a pixel.
    """
    parts = [polygon for polygon in polygons if len(polygon) >= 6 and len(polygon) % 2 == 0]
    if not parts:
        return ""
    text = _normalise(join_rings(parts), size)
    values = [float(word) for word in text.split()]
    if min(values) < 0 or max(values) > 1:
        return ""
    wanted, got = as_rle(parts, *size), as_rle([_in_pixels(values, size)], *size)
    return text if wanted["counts"] == got["counts"] else ""


def _normalise(polygon: Polygon, size: Size) -> str:
    height, width = size
    points = np.asarray(polygon).reshape(-1, 2) / (width, height)
    return " ".join(f"{value:.{DECIMALS}f}" for value in points.ravel().tolist())
