"""The configuration tree: fvcore's CfgNode, made safe, with errors that name file, key and what was meant."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

import yaml
from detectron2.config.compat import modernize
from detectron2.utils.file_io import PathManager
from fvcore.common.config import CfgNode as _CfgNode

__all__ = ["CfgNode"]


class CfgNode(_CfgNode):
    """
    A tree of keys. Nodes are CfgNodes, leaves are str, int, float, bool, None, list or tuple.

    Differs from fvcore's in four things: it opens files through PathManager, converts files of older
    versions, never runs code that a file holds, and leaves the tree as it was where a merge fails.
    """

    __module__ = "detectron2.config.config"  # the public path, which pickles name

    @classmethod
    def _open_cfg(cls, filename: str) -> Any:
        return PathManager.open(filename, "r")

    @classmethod
    def load_yaml_with_base(cls, filename: str, allow_unsafe: bool = False) -> dict[str, Any]:
        """
        The file's tree merged on top of the trees of its ``_BASE_``. ``allow_unsafe`` is without effect.
        """
        return load_with_bases(filename)

    @classmethod
    def _load_cfg_py_source(cls, filename: str) -> NoReturn:
        raise ValueError(f"{filename} is a Python file, and configs are never run: write it as YAML.")

    def merge_from_file(self, cfg_filename: str, allow_unsafe: bool = True) -> None:
        """
        Merges a YAML file (and its ``_BASE_`` files) into this tree.

        Args:
            cfg_filename: path or URL.
            allow_unsafe: accepted for compatibility, without effect: only plain YAML is ever read.

        Raises:
            FileNotFoundError, ValueError: the file is missing, not plain YAML, newer than this tree, or gives a key
                a value of another type than its default.
            KeyError: the file has a key that this tree lacks.
        """
        filename = str(cfg_filename)
        tree = modernize(self.load_yaml_with_base(filename), self.get("VERSION"), filename)
        other = type(self)(tree)
        self._check(other, filename)
        self.merge_from_other_cfg(other)

    def merge_from_other_cfg(self, cfg_other: _CfgNode) -> None:
        """Merges another tree into this one. Raises as ``merge_from_file`` does."""
        self._check(cfg_other, "the other config")
        super().merge_from_other_cfg(cfg_other)

    def merge_from_list(self, cfg_list: list[Any]) -> None:
        """
        Merges ``[key, value, key, value, ...]``, as a command line gives them. A string that reads as a
        Python literal becomes that literal.

        Raises:
            AssertionError: the list's length is odd.
            KeyError: this tree lacks a key.
            ValueError: a value's type is not its default's.
        """
        if len(cfg_list) % 2:
            raise AssertionError(
                "Options come in pairs, KEY VALUE, but got an odd number of words: " + " ".join(map(str, cfg_list))
            )
        pairs = list(zip(cfg_list[0::2], cfg_list[1::2], strict=True))
        absent = [key for key, _ in pairs if not self._has(key) and key not in self._retired_keys()]
        if absent:
            raise UnknownKeyError(unknown_keys(self, absent, "The option list"))
        for key, value in pairs:
            if self._has(key):
                self._check_type(key, self._at(key), self._decode_cfg_value(value), "the option list")
        super().merge_from_list(cfg_list)

    def dump(self, *args: Any, **kwargs: Any) -> str | None:
        """
        The tree as YAML text (tuples as lists). Arguments are those of ``yaml.safe_dump`` after the data.
        """
        return dump_plain(self, *args, **kwargs)

    def _check(self, other: _CfgNode, source: str) -> None:
        """Raises, before anything has changed, what merging ``other`` would raise."""
        absent: list[str] = []

        def walk(theirs: _CfgNode, ours: _CfgNode, prefix: str) -> None:
            for key, value in theirs.items():
                name = f"{prefix}{key}"
                if key in ours:
                    value = ours._decode_cfg_value(value)
                    self._check_type(name, ours[key], value, source)
                    if isinstance(value, _CfgNode):
                        walk(value, ours[key], f"{name}.")
                elif not ours.is_new_allowed() and name not in self._retired_keys():
                    absent.append(name)

        walk(other, self, "")
        absent = [name for name in absent if name != BASE_KEY]  # fvcore has its own error for it
        if absent:
            raise UnknownKeyError(unknown_keys(self, absent, source))

    @staticmethod
    def _check_type(key: str, old: Any, new: Any, source: str) -> None:
        """The rule of yacs: the same type, or list for tuple, or None on either side."""
        if isinstance(old, _CfgNode):
            fits = isinstance(new, _CfgNode)
        elif isinstance(new, _CfgNode):
            fits = False
        else:
            sequences = isinstance(old, (list, tuple)) and isinstance(new, (list, tuple))
            fits = type(old) is type(new) or sequences or old is None or new is None
        if not fits:
            raise ValueError(type_mismatch(key, old, new, source))

    def _retired_keys(self) -> set[str]:
        """Deprecated and renamed keys, for which yacs has its own messages."""
        return self.__dict__[self.DEPRECATED_KEYS] | set(self.__dict__[self.RENAMED_KEYS])

    def _has(self, full_key: str) -> bool:
        node: Any = self
        for part in full_key.split("."):
            if not isinstance(node, _CfgNode) or part not in node:
                return False
            node = node[part]
        return True

    def _at(self, full_key: str) -> Any:
        node: Any = self
        for part in full_key.split("."):
            node = node[part]
        return node


MAX_OFFERED = 3  # keys offered for one that does not exist


class UnknownKeyError(KeyError, AssertionError):
    """
    A key that the tree lacks. Also an AssertionError, which Detectron2 raises for one in an option list.
    """

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would print the sentence's repr


def unknown_keys(cfg: Mapping[str, Any], keys: Sequence[str], source: str) -> str:
    """One sentence on ``keys``, which ``cfg`` lacks: who set them, and the closest that exist."""
    named = "; ".join(f"{key} (closest: {', '.join(closest_keys(cfg, key)) or 'none'})" for key in keys)
    noun = "a key that does not exist" if len(keys) == 1 else "keys that do not exist"
    return (
        f"{source} sets {noun}: {named}; correct the name, or add the key to the cfg, with a default, before merging."
    )


def type_mismatch(key: str, old: Any, new: Any, source: str) -> str:
    """One sentence on a value of the wrong type."""
    if isinstance(old, Mapping):
        return f"{key} is a group of keys, but {source} gives it the value {new!r}: set keys inside it."
    if isinstance(new, Mapping):
        return f"{key} is one value (default {old!r}), but {source} makes it a group of keys: set the value."
    advice = {
        (float, int): f": write {new}.0",
        (str, int): f": write it in quotes, {str(new)!r}",
        (str, float): f": write it in quotes, {str(new)!r}",
        (tuple, str): f": write a list, ({new!r},)",
        (list, str): f": write a list, [{new!r}]",
        (bool, int): ": write True or False",
    }.get((type(old), type(new)), "")
    wanted, came = type(old).__name__, type(new).__name__
    return f"{key} needs {wanted} (now {old!r}), but {source} gives {came} {new!r}{advice}."


def closest_keys(cfg: Mapping[str, Any], key: str) -> list[str]:
    """At most three existing keys for a missing one: those of the same last word first, then by spelling."""
    # Not the groups that the key itself names: SOLVER is no answer to SOLVER.LR.
    existing = [name for name in _dotted_names(cfg) if not key.startswith(f"{name}.")]
    spelled = difflib.get_close_matches(key.upper(), existing, n=MAX_OFFERED, cutoff=0.6)
    word = key.rpartition(".")[2].upper()
    # The right word in the wrong group; sorted by how much of the group is right.
    same_word = [name for name in existing if name.rpartition(".")[2] == word]
    same_word.sort(key=lambda name: -difflib.SequenceMatcher(None, name, key.upper()).ratio())
    return list(dict.fromkeys(same_word + spelled))[:MAX_OFFERED]


def _dotted_names(cfg: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in cfg.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _dotted_names(value, f"{prefix}{key}.")


BASE_KEY = "_BASE_"


def load_with_bases(filename: str, _chain: tuple[str, ...] = ()) -> dict[str, Any]:
    """
    The file's tree on top of its bases' trees.

    ``_BASE_`` is a path or a list of paths, later ones on top; a path is relative to the file that names it,
    or absolute, or begins with ``~`` or a scheme such as ``https://``.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is not a plain YAML mapping, names a base that builds on it again, or puts a group
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
            raise ValueError(f"{filename} is not YAML text in UTF-8 ({error}).") from None
        except RecursionError:
            raise ValueError(f"{filename} nests its lists and keys too deep to be read: write it anew.") from None
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
