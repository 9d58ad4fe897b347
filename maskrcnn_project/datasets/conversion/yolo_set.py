"""What a YOLO set consists of: data.yaml or classes.txt, its splits, and where the labels of an image lie."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from maskrcnn_project.datasets.conversion.class_names import names_by_number, read_class_list
from maskrcnn_project.datasets.conversion.image_folder import Size
from maskrcnn_project.datasets.conversion.text_lists import read_entries
from maskrcnn_project.datasets.text_files import read_yaml_value
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import IMAGE_SUFFIXES, files_below
from maskrcnn_project.masks.coding import Polygon

DATA_FILE = "data.yaml"
DATA_FILES = (DATA_FILE, "data.yml", "dataset.yaml")  # looked for in a folder, in this order
CLASS_FILES = ("classes.txt", "labels/classes.txt", "obj.names")  # a name a line: of labelImg, Label Studio, Darknet
SPLITS = ("train", "val", "test")
NO_VALUES = ("", "~", "null", "none")  # what YAML and people write for a split that is not there


@dataclass(frozen=True)
class YoloSet:
    """What data.yaml or classes.txt says; without either, the folder and no names."""

    root: Path
    names: dict[int, str] | None
    entries: dict[str, list[Path]]  # split -> folders, lists of images, or images
    data_file: Path | None = None


class _TextLoader(yaml.SafeLoader):
    """Reads every plain word as the text that was written: ``no`` is a name and no truth value, ``007`` no number."""

    yaml_implicit_resolvers: dict[str, Any] = {}


def read_set(source: Path) -> YoloSet:
    """
    Args:
        source: data.yaml, or the folder of the set.

    Raises:
        DatasetError: a data.yaml that is not as Ultralytics reads it, or that describes key points.
    """
    file = source
    if source.is_dir():
        there = [source / name for name in DATA_FILES if (source / name).is_file()]
        if not there:
            return YoloSet(source, _listed_names(source), {})
        file = there[0]
    content = read_yaml(file)
    if _is_given(content.get("kpt_shape")):
        raise DatasetError(
            f"{file} has 'kpt_shape', so that this is a set of key points, whose lines hold no masks: export the set "
            "for segmentation."
        )
    root = file.parent
    if _is_given(content.get("path")):  # Ultralytics also looks in a folder of its settings, which is unknown here
        root = next((path for path in (_place_of(root, str(content["path"])), root) if path.is_dir()), root)
    entries = {}
    for split in SPLITS:
        entry = content.get(split)
        if _is_given(entry):
            entries[split] = [_place_of(root, str(item)) for item in (entry if isinstance(entry, list) else [entry])]
    names = content.get("names")
    return YoloSet(root, None if names is None else names_by_number(file, names), entries, file)


def _is_given(value: Any) -> bool:
    return value.strip().lower() not in NO_VALUES if isinstance(value, str) else bool(value)


def read_yaml(file: Path) -> dict[str, Any]:
    """The mapping in a YAML file, with every plain word as text. Raises DatasetError if there is none."""
    if not file.is_file():
        raise DatasetError(f"There is no {file}: YOLO's data.yaml, or the folder that holds it, is wanted.")
    content = read_yaml_value(file, loader=_TextLoader)
    if not isinstance(content, dict):
        raise DatasetError(f"{file} should hold the keys names, train and val, but has no keys.")
    return content


def _listed_names(folder: Path) -> dict[int, str] | None:
    """The names of a class list in ``folder``; None where it has none."""
    for name in CLASS_FILES:
        if (folder / name).is_file():
            return dict(enumerate(read_class_list(folder / name))) or None
    return None


def _place_of(root: Path, entry: str) -> Path:
    """The path of an entry, which may have the backslashes of Windows."""
    path = root / entry
    if "\\" in entry and not path.exists():
        entry = entry.replace("\\", "/")
        path = root / entry
    # some exporters write ../train/images beside train/, and Ultralytics forgives it
    return root / entry[3:] if not path.exists() and entry.startswith("../") else path


def paths_of_split(data: YoloSet, split: str) -> list[Path]:
    """The images of a split, from folders and from lists of images."""
    if split not in data.entries:
        raise DatasetError(f"The split {split!r} is not in {DATA_FILE}; it has {', '.join(data.entries) or 'none'}.")
    found: list[Path] = []
    for entry in data.entries[split]:
        if entry.is_dir():
            found += files_below(entry, IMAGE_SUFFIXES)
        elif entry.suffix == ".txt" and entry.is_file():
            found += [_listed_image(data.root, entry.parent, line) for line in read_entries(entry)]
        elif entry.is_file():
            found.append(entry)
        else:
            raise DatasetError(f"{entry}, the split {split!r} of {DATA_FILE}, does not exist.")
    if not found:
        raise DatasetError(f"The split {split!r} has no image.")
    return [Path(path) for path in dict.fromkeys(map(os.path.normpath, found))]


def _listed_image(root: Path, folder: Path, line: str) -> Path:
    """An image of a list: as seen from the list, or else from the set."""
    path = _place_of(folder, line)
    return path if path.exists() or not _place_of(root, line).exists() else _place_of(root, line)


def label_file(image: Path) -> Path:
    """Where the labels of an image lie: in ``labels`` instead of the last ``images`` of its path, else beside it."""
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def in_pixels(values: Sequence[float], size: Size) -> Polygon:
    """A polygon in shares of an image of (height, width) as one in pixels."""
    height, width = size
    return (np.asarray(values).reshape(-1, 2) * (width, height)).ravel().tolist()
