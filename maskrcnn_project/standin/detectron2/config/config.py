"""The configuration tree: fvcore's CfgNode, made safe, with errors that name file, key and what was meant."""

from __future__ import annotations

from typing import Any, NoReturn

from detectron2.config._configurable import configurable
from detectron2.config._errors import UnknownKeyError, type_mismatch, unknown_keys
from detectron2.config._yaml import BASE_KEY, dump_plain, load_with_bases
from detectron2.utils.file_io import PathManager
from fvcore.common.config import CfgNode as _CfgNode

__all__ = ["CfgNode", "configurable", "get_cfg", "global_cfg", "set_global_cfg"]


class CfgNode(_CfgNode):
    """
    A tree of keys. Nodes are CfgNodes, leaves are str, int, float, bool, None, list or tuple.

    Differs from fvcore's in four things: it opens files through PathManager, converts files of older
    versions, never runs code that a file holds, and leaves the tree as it was where a merge fails.
    """

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
            FileNotFoundError, ValueError: the file is missing, no plain YAML, newer than this tree, or gives
            a key
                a value of another type than its default.
            KeyError: the file has a key that this tree lacks.
        """
        from detectron2.config.compat import modernize

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
                "Options come in pairs, KEY VALUE, but an odd number of words came: " + " ".join(map(str, cfg_list))
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


# A tree that code without access to a cfg may look into. Empty until set_global_cfg().
global_cfg = CfgNode()


def get_cfg() -> CfgNode:
    """A fresh copy of the default tree."""
    from detectron2.config.defaults import _C  # defaults.py needs this module's CfgNode

    return _C.clone()


def set_global_cfg(cfg: CfgNode) -> None:
    """
    Makes ``global_cfg`` hold what ``cfg`` holds. For experiments: code that takes values is easier to follow.
    """
    global_cfg.clear()
    global_cfg.update(cfg)
