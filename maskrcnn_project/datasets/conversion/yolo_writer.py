"""COCO as YOLO segmentation: label files, lists of images and data.yaml, whose format ``yolo.py`` tells."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml
from tqdm import tqdm

from maskrcnn_project.datasets.coco_file import CocoFile
from maskrcnn_project.datasets.conversion.class_names import names_by_number
from maskrcnn_project.datasets.conversion.coco_source import names_of_files, rows_by_image, usable_part
from maskrcnn_project.datasets.conversion.collection import shift
from maskrcnn_project.datasets.conversion.counts import Counts
from maskrcnn_project.datasets.conversion.hole_bridges import join_rings
from maskrcnn_project.datasets.conversion.image_folder import Size
from maskrcnn_project.datasets.conversion.new_files import new_files
from maskrcnn_project.datasets.conversion.yolo_set import DATA_FILE, SPLITS, in_pixels, label_file, read_yaml
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import write_text
from maskrcnn_project.masks.coding import Polygon, as_rle, decode, outlines
from maskrcnn_project.masks.mask_in_box import MaskInBox

HEAD = "# Written by tools/convert_dataset.py, which adds further splits (--split).\n"
DECIMALS = 6  # 0.02 pixels in an image of 20,000: far below what moves a corner to another pixel
NEEDED = ("train", "val")  # the splits that Ultralytics wants to train


def write_yolo(data: CocoFile, output: Path, split: str = "train") -> Counts:
    """
    Writes label files, a list of the split's images and data.yaml, in which a further split is added to earlier ones.

    The images stay where they are. Unless they lie in ``output/images`` already, ``output/images/SPLIT`` becomes a
    link to their folder, since YOLO finds labels by the path of the image.

    Args:
        split: train, val or test.

    Raises:
        DatasetError: a file exists already, or nothing can be converted.
    """
    if split not in SPLITS:
        raise DatasetError(f"The split should be {', '.join(SPLITS)}, but is {split!r}.")
    left_out = Counts()
    data = usable_part(data, left_out)
    data_text = _data_file(output / DATA_FILE, split, data.class_names)
    place = _place_of_images(data.image_root, output, split)
    _check_places(names_of_files(data.images, ".txt"), data.image_root)
    listed = [f"{place}/{image['file_name']}" for image in data.images]
    names = [label_file(Path(path)).as_posix() for path in listed]
    numbers = {row["id"]: number for number, row in enumerate(sorted(data.categories, key=lambda row: row["id"]))}
    rows = rows_by_image(data)
    with new_files(output, [*names, f"{split}.txt"]) as folder:
        for image, name in zip(tqdm(data.images, unit="file", disable=None, leave=False), names, strict=True):
            polygons = [(numbers[row["category_id"]], _one_polygon(row, image, left_out)) for row in rows[image["id"]]]
            lines = [f"{number} {polygon}\n" for number, polygon in polygons if polygon]
            (folder / name).write_text("".join(lines), "utf-8")
        (folder / f"{split}.txt").write_text("".join(f"./{path}\n" for path in listed), "utf-8")
        _link_images(data.image_root, output / place)
    write_text(output / DATA_FILE, data_text)
    return left_out


def splits_wanted(output: Path) -> list[str]:
    """The splits that a set written to ``output`` still lacks to be trained on."""
    content = read_yaml(output / DATA_FILE)
    return [split for split in NEEDED if not content.get(split)]


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
        content = read_yaml(path) if path.read_bytes().startswith(HEAD.strip().encode()) else {}
        if not content or split in content:
            raise DatasetError(
                f"{path} exists already"
                + (f" and has a split {split!r}" if content else ", and this tool has not written it")
                + ": choose another --output or --split, or remove it."
            )
        there = names_by_number(path, content.get("names"))
        if there != dict(enumerate(class_names)):
            raise DatasetError(
                f"{path} has the classes {', '.join(there.values())}, but those to be written are "
                f"{', '.join(class_names)}: splits of one set have the same classes in the same order."
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
    wanted, got = as_rle(parts, *size), as_rle([in_pixels(values, size)], *size)
    return text if wanted["counts"] == got["counts"] else ""


def _normalise(polygon: Polygon, size: Size) -> str:
    height, width = size
    points = np.asarray(polygon).reshape(-1, 2) / (width, height)
    return " ".join(f"{value:.{DECIMALS}f}" for value in points.ravel().tolist())
