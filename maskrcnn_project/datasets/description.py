"""
Dataset descriptions: a YAML file that says where the splits of a dataset lie (datasets/README.md shows one).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from maskrcnn_project.datasets.categories import ClassChanges
from maskrcnn_project.datasets.text_files import read_yaml_value
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.resources import find_resource

# key of a description -> argument of ClassChanges
CHANGE_KEYS = {
    "rename_classes": "rename",
    "merge_classes": "merge",
    "keep_classes": "keep",
    "keep_root_category": "keep_root_category",
}
KEYS = ("name", "description", "licence", "splits", "classes", *CHANGE_KEYS, "colours", "draw_shapes_into")
TEXT_KEYS = ("name", "description", "licence", "draw_shapes_into")
SPLIT_KEYS = ("json", "images")


def read_description(file: str | Path) -> dict[str, Any]:
    """
    Reads and checks a description. Paths in it stay as they are written.

    Raises:
        DatasetError: one sentence on the first thing that is wrong.
    """
    file = Path(file)
    if not file.is_file():
        raise DatasetError(f"The dataset description {file} does not exist.")
    description = read_yaml_value(file, f"The dataset description {file}")
    if not isinstance(description, dict):
        raise DatasetError(f"The dataset description {file} should hold the keys name and splits, but has no keys.")
    unknown = [str(key) for key in description if key not in KEYS]
    if unknown:
        raise DatasetError(
            f"The dataset description {file} has the unknown key {', '.join(unknown)}; the keys are {', '.join(KEYS)}."
        )
    if "name" not in description:
        raise DatasetError(f"The dataset description {file} has no 'name', which its splits are registered under.")
    for key in TEXT_KEYS:
        if key in description and not (isinstance(description[key], str) and description[key]):
            raise DatasetError(f"{file}: {key!r} should be text, but is {description[key]!r}.")
    _check_splits(file, description.get("splits"))
    _check_classes(file, description)
    try:
        class_changes_of(description)
    except DatasetError as error:
        raise DatasetError(f"{file}: {error}") from error
    return description


def class_changes_of(description: Mapping[str, Any]) -> ClassChanges:
    """What a description wants of the classes. Raises DatasetError if a key has a value of another type."""
    given = {argument: description[key] for key, argument in CHANGE_KEYS.items() if key in description}
    if given.get("keep", ...) is None:
        raise DatasetError("'keep_classes' should be a list of names, but is empty.")
    return ClassChanges(**given)


def colours_of_classes(files: Sequence[str | Path], class_names: Sequence[str]) -> list[tuple[int, int, int]] | None:
    """
    The colours, (red, green, blue) from 0 to 255, that the first of the descriptions ``files`` gives to all of the
    classes. None where none does: a model is used without its dataset, too, so that a description may have gone.
    """
    for file in files:
        try:
            colours = read_description(find_resource(file)).get("colours", {})
        except (FileNotFoundError, DatasetError):
            continue
        if class_names and set(class_names) <= set(colours):
            return [parse_colour(colours[name]) for name in class_names]
    return None


def parse_colour(text: str) -> tuple[int, int, int]:
    """ "#rrggbb" -> (red, green, blue) from 0 to 255."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def _check_splits(file: Path, splits: Any) -> None:
    if not isinstance(splits, dict) or not splits:
        raise DatasetError(
            f"{file}: 'splits' should map names such as train and val to {{json: ..., images: ...}}, but is {splits!r}."
        )
    for split, paths in splits.items():
        if (
            not isinstance(paths, dict)
            or set(paths) != set(SPLIT_KEYS)
            or not all(isinstance(path, str) and path for path in paths.values())
        ):
            raise DatasetError(f"{file}: split {split!r} should have the paths json and images, but is {paths!r}.")


def _check_classes(file: Path, description: dict[str, Any]) -> None:
    """``classes`` and ``colours`` are optional; where both are given they name the same classes."""
    if "classes" in description:
        classes = description["classes"]
        if not isinstance(classes, list) or not classes or not all(isinstance(name, str) for name in classes):
            raise DatasetError(f"{file}: 'classes' should be a list of names, but is {classes!r}.")
    if "colours" in description:
        colours = description["colours"]
        if not isinstance(colours, dict) or not all(_is_color(value) for value in colours.values()):
            raise DatasetError(f"{file}: 'colours' should map each class name to a \"#rrggbb\", but is {colours!r}.")


def _is_color(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("#[0-9a-fA-F]{6}", value) is not None
