"""The COCO file that becomes another format: its images and annotations, less those that cannot be converted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from maskrcnn_project.datasets.coco_annotations import REFUSED_FORMS
from maskrcnn_project.datasets.coco_file import CocoFile, coco_file_of, read_json
from maskrcnn_project.datasets.coco_rows import annotation_fault
from maskrcnn_project.datasets.coco_tidying import tidy
from maskrcnn_project.datasets.conversion.counts import Counts
from maskrcnn_project.datasets.conversion.image_folder import ImageFolder
from maskrcnn_project.datasets.segmentations import form_faults
from maskrcnn_project.errors import DatasetError

Row = dict[str, Any]

IMAGE = "image that cannot be used, with its annotations"
ANNOTATION = "annotation that cannot be converted"


def read_source(path: Path, images: Path) -> CocoFile:
    """
    A COCO file whose tables of images and classes are checked; ``usable_part`` looks at annotations and image files.

    Raises:
        DatasetError: one sentence on the first thing that is wrong.
    """
    coco, _ = tidy(read_json(path), path)
    rows = coco.get("annotations", [])
    if not isinstance(rows, list):
        coco_file_of(path, coco, require_annotations=False)  # tells what it should be
    data = coco_file_of(path, {**coco, "annotations": []}, require_annotations=False)
    return replace(data, annotations=rows, image_root=images)


def usable_part(data: CocoFile, left_out: Counts) -> CocoFile:
    """
    The images that are there in the size that ``data`` says, with the annotations that can be drawn; the others are
    counted.

    Raises:
        DatasetError: no annotation is left, as there was a reason to leave out each of them.
    """
    folder = ImageFolder(data.image_root)
    images = []
    for image in tqdm(data.images, desc="Image sizes", unit="image", disable=None, leave=False):
        with left_out.leaving_out(IMAGE):
            _check_image(data, folder, image)
            images.append(image)
    by_id = {image["id"]: image for image in data.images}
    unusable = by_id.keys() - {image["id"] for image in images}
    category_ids = {category["id"] for category in data.categories}
    annotations = []
    for index, row in enumerate(data.annotations):
        with left_out.leaving_out(ANNOTATION):
            _check_row(data, index, row, by_id, category_ids)
            if row["image_id"] not in unusable:
                _check_mask(data, row, by_id[row["image_id"]])
                annotations.append(row)
    left_out.raise_if_nothing_is_left(len(annotations))
    return replace(data, images=images, annotations=annotations)


def rows_by_image(data: CocoFile) -> dict[int, list[Row]]:
    """The annotations of each image, by its id."""
    rows: dict[int, list[Row]] = {image["id"]: [] for image in data.images}
    for row in data.annotations:
        rows[row["image_id"]].append(row)
    return rows


def names_of_files(images: Sequence[Row], suffix: str) -> list[str]:
    """For each image its ``file_name`` with another suffix, to be written below an output folder."""
    return [PurePosixPath(image["file_name"]).with_suffix(suffix).as_posix() for image in images]


def _check_image(data: CocoFile, folder: ImageFolder, image: Row) -> None:
    name = image["file_name"]
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise DatasetError(
            f"{data.path}: image {image['id']} has the file_name {name!r}, which should be a path below the image "
            "folder, with forward slashes."
        )
    if not (folder.root / name).is_file():
        raise DatasetError(
            f"{data.path} lists the image {name} (id {image['id']}), which is not in {folder.root}: add it, or name "
            "the right --images."
        )
    size = folder.size(name)
    if size != (image["height"], image["width"]):
        raise DatasetError(
            f"{folder.root / name} (image id {image['id']}) is {size[0]}x{size[1]} (height x width, upright), "
            f"but {data.path} says {image['height']}x{image['width']}: tools/check_dataset.py tells more."
        )


def _check_row(data: CocoFile, index: int, row: Any, images: Mapping[int, Row], category_ids: set[int]) -> None:
    fault = annotation_fault(row)
    if fault:
        raise DatasetError(f"{data.path}: annotations[{index}] {fault}: correct or remove it.")
    where = f"{data.path}: annotation {row['id']}"
    if row["image_id"] not in images:
        raise DatasetError(f"{where} has the image_id {row['image_id']}, which no image has: correct or remove it.")
    if row["category_id"] not in category_ids:
        raise DatasetError(
            f"{where} has the category_id {row['category_id']}, which no category has: correct or remove it."
        )


def _check_mask(data: CocoFile, row: Row, image: Row) -> None:
    size = int(image["height"]), int(image["width"])
    refused = [detail for rule, detail in form_faults(row.get("segmentation"), *size) if rule in REFUSED_FORMS]
    if refused:
        raise DatasetError(
            f"{data.path}: annotation {row['id']} of the image {image['file_name']} ({size[0]}x{size[1]}, height x "
            f"width) has a mask that cannot be drawn: {refused[0]}; export it anew, or let tools/check_dataset.py "
            "--fix leave it out."
        )
