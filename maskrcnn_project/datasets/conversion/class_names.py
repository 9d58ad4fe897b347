"""The names of classes, as formats and users list them: each has one, on one line, and no two have the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maskrcnn_project.datasets.coco_rows import is_control
from maskrcnn_project.datasets.conversion.text_lists import read_entries
from maskrcnn_project.errors import DatasetError


def one_line(name: str) -> str:
    """``name`` with blanks for line breaks and control characters, which tables and pictures cannot show."""
    return "".join(" " if is_control(letter) else letter for letter in name).strip()


def names_by_number(file: Path, names: Any) -> dict[int, str]:
    """
    The names by number, from a list or a mapping.

    Raises:
        DatasetError: neither of both, a name that is no text, or one that stands twice.
    """
    table = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(table, dict) or not table or not all(str(number).strip().isdecimal() for number in table):
        raise DatasetError(
            f"{file} should have 'names', a list or a mapping from 0, but has {str(names)[:60]!r}: write them there, "
            "or give them with --classes."
        )
    wrong = [name for name in table.values() if not isinstance(name, str) or not one_line(name)]
    if wrong:
        raise DatasetError(f"{file} should have a text for each class in 'names', but has {str(wrong[0])[:60]!r}.")
    numbered = {int(number): one_line(name) for number, name in table.items()}
    if len(set(numbered.values())) < len(table):
        raise DatasetError(f"{file} has one name for several classes, or one number twice: give each class its own.")
    return numbered


def read_class_list(file: Path, no_classes: Sequence[str] = ()) -> list[str]:
    """
    The names in a file of one a line, in its order; empty if there is none.

    Args:
        no_classes: lines that name no class.

    Raises:
        DatasetError: as ``names_by_number`` and ``read_lines``.
    """
    names = [line for line in read_entries(file) if line not in no_classes]
    return list(names_by_number(file, names).values()) if names else []


def parse_class_names(text: str) -> list[str]:
    """
    What ``--classes`` says: names with commas between, or a JSON list, which a name that has a comma needs.

    Raises:
        DatasetError: text that begins as a JSON list and is none of texts.
    """
    if not text.lstrip().startswith("["):
        return [name.strip() for name in text.split(",")]
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DatasetError(
            f'--classes should be a,b,c or a JSON list of texts, such as ["a", "b, c"], but is {text!r}: mind the '
            "quotes."
        )
    return [name.strip() for name in names]


def show_class_names(names: Sequence[str]) -> str:
    """The names as ``parse_class_names`` reads them, whatever they hold."""
    return json.dumps(list(names), ensure_ascii=False)
