"""Which images belong together, so that no split parts them: of one patient, one part number, one large photograph."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from maskrcnn_project.errors import DatasetError

# The key of an image record, or a regular expression on its file name.
GroupBy = str | re.Pattern[str]
SOURCE_KEY = "source_file_name"  # of a tile: the photograph it was cut from (tile.py writes it)
MERGED_NAME_KEY = "merged_file_name"  # of an image whose file name changed: the old one (merge.py writes it)


def group_of_each(images: Sequence[Mapping[str, Any]], group_by: GroupBy | None = None) -> list[Hashable]:
    """
    The group of each image record, in their order.

    Args:
        group_by: the key whose value names the group; or a compiled expression, searched for in ``file_name``, whose
            first bracket (all of it where there is none) is the group. None: tiles belong to the photograph they were
            cut from, and to that photograph if it is in the set itself; every other image to itself.

    Raises:
        DatasetError: an image without that key, or whose file name does not fit the expression.
    """
    if group_by is None:
        # only among tiles, as the files of two cameras may well have the same names before they are merged
        keys = (
            (SOURCE_KEY, MERGED_NAME_KEY, "file_name") if any(SOURCE_KEY in row for row in images) else ("file_name",)
        )
        return [next((image[key] for key in keys if key in image), image["id"]) for image in images]
    if isinstance(group_by, str):
        return [_value_of(image, group_by) for image in images]
    return [_part_of_name(image["file_name"], group_by) for image in images]


def name_pattern(expression: str) -> re.Pattern[str]:
    """The compiled expression. Raises DatasetError where it is none."""
    try:
        return re.compile(expression)
    except re.error as error:
        raise DatasetError(f"{expression!r} is no regular expression for file names ({error}): correct it.") from error


def _value_of(image: Mapping[str, Any], key: str) -> Hashable:
    value = image.get(key)
    if isinstance(value, (str, int, float)):
        return value
    raise DatasetError(
        f"Image {image['id']} ({image.get('file_name')}) wants a text or a number under the key {key!r}, by which the "
        f"images are to be grouped, but has {value!r}; its keys are {', '.join(image)}."
    )


def _part_of_name(file_name: str, pattern: re.Pattern[str]) -> str:
    found = pattern.search(file_name)
    if found is None:
        raise DatasetError(
            f"The file name {file_name} does not fit the expression {pattern.pattern!r}, by which the images are to be "
            "grouped: change the expression so that it finds something in every name."
        )
    part = found.group(1) if pattern.groups else found.group()
    return part if part is not None else found.group()
