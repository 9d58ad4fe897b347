"""A COCO file of some of the images or classes of another: by number, by class, by image. Ids and images stay."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskrcnn_project.datasets.coco_annotations import MAX_NAMED
from maskrcnn_project.datasets.coco_file import read_coco_file
from maskrcnn_project.datasets.editing.stratification import PART, Sharing, strata_of
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import write_text

Coco = Mapping[str, Any]  # the content of a COCO file


@dataclass(frozen=True)
class SubsetOptions:
    """What a subset is to hold; None: all."""

    images: Sequence[int] | Sequence[str] | None = None  # ids or file names
    classes: Sequence[str] | None = None
    keep_empty: bool = False  # images that show none of the classes
    number: int | None = None  # of images
    seed: int = 0  # of the draw of that number


def with_classes(coco: Coco, names: Sequence[str], *, keep_empty: bool = False) -> dict[str, Any]:
    """
    Only these classes, and only the images that show one of them; ids and the order of the file stay.

    Args:
        keep_empty: keep the other images too, as images without objects.

    Raises:
        DatasetError: there is no such class.
    """
    known: dict[str, set[int]] = {}
    for category in coco["categories"]:  # a root category may have the name of its only class
        known.setdefault(category["name"], set()).add(category["id"])
    unknown = [name for name in names if name not in known]
    if unknown:
        raise DatasetError(f"There is no class {', '.join(unknown)}; the classes are {', '.join(known)}.")
    wanted = {category_id for name in names for category_id in known[name]}
    annotations = [row for row in coco.get("annotations", []) if row["category_id"] in wanted]
    shown = {row["image_id"] for row in annotations}
    return {
        **coco,
        "images": [image for image in coco["images"] if keep_empty or image["id"] in shown],
        "annotations": annotations,
        "categories": [category for category in coco["categories"] if category["id"] in wanted],
    }


def with_images(coco: Coco, wanted: Iterable[int] | Iterable[str]) -> dict[str, Any]:
    """
    Only these images with all of their annotations, in the order of the file.

    Args:
        wanted: image ids (integers) or file names (texts, as the file writes them).

    Raises:
        DatasetError: an image is not in the file.
    """
    keys: set[int | str] = set(wanted)
    known = {key for image in coco["images"] for key in (image["id"], image["file_name"])}
    unknown = sorted(map(repr, keys - known))
    if unknown:
        raise DatasetError(
            f"{len(unknown)} of the {len(keys)} wanted images are not among the {len(coco['images'])} "
            f"of the file, e.g. {', '.join(unknown[:MAX_NAMED])}: ids are numbers, and names are written as under "
            "file_name, folders included."
        )
    return _with_ids(coco, {image["id"] for image in coco["images"] if keys & {image["id"], image["file_name"]}})


def with_number(coco: Coco, number: int, seed: int = 0) -> dict[str, Any]:
    """
    ``number`` images with all of their annotations, drawn so that every class is shown where ``number`` allows it and
    keeps its share of the images roughly. Equal arguments give equal subsets.

    Raises:
        DatasetError: ``number`` is below 1 or above the number of images.
    """
    images = coco["images"]
    if not 1 <= number <= len(images):
        raise DatasetError(f"A subset of {number} images was wanted, but it can have 1 to {len(images)}: change it.")
    units = [[strata] for strata in strata_of(coco)]
    sides = Sharing(units, number / len(images), seed, keep=0).take_exactly()
    return _with_ids(coco, {image["id"] for image, side in zip(images, sides, strict=True) if side == PART})


def subset_coco(coco: Coco, options: SubsetOptions) -> dict[str, Any]:
    """
    ``with_images``, ``with_classes`` and ``with_number``, one after the other as far as they are wished for.

    Raises:
        DatasetError: as those three, or nothing is wished for, or no image is left.
    """
    if options.classes is None and options.images is None and options.number is None:
        raise DatasetError("A subset wants to know what of: a number of images, classes, or a list of images.")
    part = dict(coco)
    if options.images is not None:
        part = with_images(part, options.images)
    if options.classes is not None:
        part = with_classes(part, options.classes, keep_empty=options.keep_empty)
    if not part["images"]:
        raise DatasetError("No image is left in the subset: none of the wanted images shows one of the wanted classes.")
    return part if options.number is None else with_number(part, options.number, options.seed)


def write_subset(json_file: str | Path, output_file: str | Path, options: SubsetOptions) -> dict[str, Any]:
    """
    Writes a subset of a COCO file into a new file; the images stay where they are.

    Returns:
        the content of the new file.

    Raises:
        DatasetError: as ``subset_coco``, or ``output_file`` exists.
    """
    output_file = Path(output_file)
    if output_file.exists():
        raise DatasetError(f"{output_file} exists already and is not overwritten: choose another name.")
    part = subset_coco(read_coco_file(json_file).as_dict(), options)
    output_file.parent.mkdir(parents=True, exist_ok=True)
    write_text(output_file, json.dumps(part))
    return part


def image_keys(texts: Sequence[str]) -> list[int] | list[str]:
    """The texts as ids if every one is a whole number, else as file names."""
    return [int(text) for text in texts] if all(text.isdecimal() for text in texts) else list(texts)


def read_image_list(path: str | Path) -> list[int] | list[str]:
    """
    The ``image_keys`` of the lines of a text file, empty ones left out.

    Raises:
        DatasetError: there is no such file, or it lists nothing.
    """
    path = Path(path)
    if not path.is_file():
        raise DatasetError(f"The list of images {path} does not exist: write one image id or file name a line into it.")
    lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    lines = [line for line in lines if line]
    if not lines:
        raise DatasetError(f"The list of images {path} is empty: write one image id or file name a line into it.")
    return image_keys(lines)


def _with_ids(coco: Coco, ids: set[int]) -> dict[str, Any]:
    return {
        **coco,
        "images": [image for image in coco["images"] if image["id"] in ids],
        "annotations": [row for row in coco.get("annotations", []) if row["image_id"] in ids],
    }
