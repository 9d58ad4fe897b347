"""Reads and writes configuration files: plain YAML only, with ``_BASE_`` naming the files that one builds on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import yaml
from detectron2.utils.file_io import PathManager

BASE_KEY = "_BASE_"


def load_with_bases(filename: str, _chain: tuple[str, ...] = ()) -> dict[str, Any]:
    """
    The file's tree on top of its bases' trees.

    ``_BASE_`` is a path or a list of paths, later ones on top; a path is relative to the file that names it,
    or absolute, or begins with ``~`` or a scheme such as ``https://``.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is no plain YAML mapping, names a base that builds on it again, or puts a group
            where a base has a value.
    """
    if filename in _chain:
        raise ValueError(
            f"{filename} builds on itself ({' -> '.join((*_chain, filename))}): remove one {BASE_KEY} of that circle."
        )
    if not PathManager.isfile(filename) and "://" not in filename:
        asked = f", which {_chain[-1]} names as its {BASE_KEY}" if _chain else ""
        raise FileNotFoundError(
            f"There is no config file {filename}{asked} (working directory: {os.getcwd()}): correct the path."
        )
    tree = _read(filename)
    bases = tree.pop(BASE_KEY, [])
    merged: dict[str, Any] = {}
    for base in bases if isinstance(bases, list) else [bases]:
        _put_on_top(load_with_bases(_resolve(base, filename), (*_chain, filename)), merged, filename)
    _put_on_top(tree, merged, filename)
    return merged


def dump_plain(tree: Mapping[str, Any], stream: Any = None, **kwargs: Any) -> str | None:
    """The tree as YAML, equal values written out instead of named by anchors. Returned if ``stream`` is None."""
    return yaml.dump(_as_dict(tree), stream, Dumper=_PlainDumper, **kwargs)


class _PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _as_dict(tree: Any) -> Any:
    return {key: _as_dict(value) for key, value in tree.items()} if isinstance(tree, Mapping) else tree


def _read(filename: str) -> dict[str, Any]:
    with PathManager.open(filename, "r") as file:
        try:
            tree = yaml.safe_load(file)
        except yaml.MarkedYAMLError as error:
            raise ValueError(_bad_yaml(filename, error)) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f"{filename} is no YAML text in UTF-8 ({error}).") from None
    if tree is None:  # an empty file changes nothing
        return {}
    if not isinstance(tree, dict):
        raise ValueError(f"{filename} must hold keys and values, but holds a {type(tree).__name__}.")
    return tree


def _bad_yaml(filename: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = filename if mark is None else f"{filename}, line {mark.line + 1},"
    problem = str(error.problem).replace("tag:yaml.org,2002:", "!!")  # as it stands in the file
    if isinstance(error, yaml.constructor.ConstructorError) and "!!python" in problem:
        tag = problem[problem.index("!!python") :].rstrip("'")
        advice = "write the value out, a tuple as a [list]"
        return f"{place} holds {tag}, a tag that can run code and is never obeyed: {advice}."
    return f"{place} is not plain YAML: {problem}."


def _resolve(base: Any, filename: str) -> str:
    if not isinstance(base, str):
        raise ValueError(f"{BASE_KEY} in {filename} must be a path or a list of paths, but is {base!r}.")
    base = os.path.expanduser(base)
    if os.path.isabs(base) or "://" in base:
        return base
    if "://" in filename:
        return f"{filename.rpartition('/')[0]}/{base}"
    return os.path.normpath(os.path.join(os.path.dirname(filename), base))


def _put_on_top(upper: dict[str, Any], lower: dict[str, Any], filename: str, prefix: str = "") -> None:
    """Merges ``upper`` into ``lower`` in place, group by group."""
    for key, value in upper.items():
        if isinstance(value, dict) and key in lower:
            if not isinstance(lower[key], dict):
                raise ValueError(
                    f"{filename} makes {prefix}{key} a group of keys, but its {BASE_KEY} gives it the value "
                    f"{lower[key]!r}: keep one of the two."
                )
            _put_on_top(value, lower[key], filename, f"{prefix}{key}.")
        else:
            lower[key] = value
