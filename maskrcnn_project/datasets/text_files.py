"""
JSON and YAML files of strangers: what they hold, or one sentence on why nothing can be read.

Neither reader makes an object of any class, or runs code.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from maskrcnn_project.datasets.coco_index import gc_paused
from maskrcnn_project.errors import DatasetError


def read_json_value(path: Path) -> Any:
    """The value in a JSON file, which may begin with a byte order mark. Raises DatasetError if it holds none."""
    try:
        with gc_paused():
            return json.loads(path.read_text("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"{path} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}; "
            "was it written or downloaded to its end?"
        ) from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text (byte {error.start}), so it is no JSON file.") from error
    except RecursionError as error:
        raise DatasetError(
            f"{path} nests its lists and objects too deep to be read, which no such file does: write it anew."
        ) from error
    except ValueError as error:  # Python reads no integer of more digits (sys.get_int_max_str_digits)
        raise DatasetError(
            f"{path} holds a number of more than {sys.get_int_max_str_digits()} digits: correct or remove it."
        ) from error


def read_yaml_value(path: Path, name: str = "", loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> Any:
    """
    The value in a YAML file, which may begin with a byte order mark; None of an empty one.

    Args:
        name: of the file in errors, where its path alone would not say what it is.

    Raises:
        DatasetError: it is not plain YAML.
    """
    name = name or str(path)
    try:
        return yaml.load(path.read_text("utf-8-sig"), loader)
    except RecursionError as error:
        raise DatasetError(f"{name} nests its lists and keys too deep to be read: write it anew.") from error
    except (yaml.YAMLError, ValueError, TypeError) as error:  # also dates that are none, keys that are lists
        raise DatasetError(f"{name} is not plain YAML: {' '.join(str(error).split())}.") from error
