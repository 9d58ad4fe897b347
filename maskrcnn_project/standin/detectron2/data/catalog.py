"""The two catalogs: dataset name -> function that loads it, dataset name -> what is known about it."""

from __future__ import annotations

import builtins
import logging
import types
from collections import UserDict
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["DatasetCatalog", "Metadata", "MetadataCatalog"]

# Names that old projects still use -> the name that holds the value.
_RENAMED = {
    "class_names": "thing_classes",
    "dataset_id_to_contiguous_id": "thing_dataset_id_to_contiguous_id",
    "stuff_class_names": "stuff_classes",
}


def _join_names(names: Any) -> str:
    return ", ".join(sorted(names)) or "(none)"


class _UnknownDataset(KeyError):
    """A KeyError that prints its sentence as it is; KeyError itself prints the repr of it."""

    def __str__(self) -> str:
        return str(self.args[0])


class _DatasetCatalog(UserDict):
    """
    Maps a dataset's name to a function without arguments that returns its records.

    The function must return the same records in the same order each time it is called. Records are
    ``list[dict]`` in Detectron2's dataset format, or a torch ``Dataset`` of such dicts.
    """

    def register(self, name: str, func: Callable[[], Any]) -> None:
        """
        Args:
            name: a name not yet registered, such as "coco_2017_train".
            func: takes nothing, returns the records.

        Raises:
            TypeError: ``func`` cannot be called.
            AssertionError: the name is taken.
        """
        if not callable(func):
            raise TypeError(
                f"DatasetCatalog.register({name!r}, func) needs a function that returns the records, but "
                f"got {type(func).__name__}: pass 'lambda: records' to register a list."
            )
        if name in self.data:
            raise AssertionError(
                f"Dataset {name!r} is already registered: choose another name, or call "
                f"DatasetCatalog.remove({name!r}) first."
            )
        self.data[name] = func

    def get(self, name: str) -> Any:  # type: ignore[override]
        """Calls the function registered under ``name``. Raises KeyError that lists the names that exist."""
        if name not in self.data:
            raise _UnknownDataset(
                f"Dataset {name!r} is not registered. Names that are: {_join_names(self.data)}. Register it "
                "before it is used, for example with register_coco_instances."
            )
        return self.data[name]()

    def list(self) -> builtins.list[str]:
        """All registered names, in the order of registration."""
        return builtins.list(self.data)

    def remove(self, name: str) -> None:
        """Forgets the function registered under ``name``, so that the name can be used again."""
        if name not in self.data:
            raise _UnknownDataset(
                f"Dataset {name!r} cannot be removed: it is not registered. Names that are: {_join_names(self.data)}."
            )
        del self.data[name]

    def __str__(self) -> str:
        return f"DatasetCatalog(registered datasets: {_join_names(self.data)})"

    __repr__ = __str__


class Metadata(types.SimpleNamespace):
    """
    What is known about one dataset: class names, colours, where its JSON lies.

    A value can be set once. Setting an equal value again is allowed, another value is an error: two parts of
    a program that disagree about a dataset's classes would otherwise train and evaluate different things.
    """

    name: str = "N/A"

    def __getattr__(self, key: str) -> Any:
        # Only reached when the ordinary look-up has failed.
        if key in _RENAMED:
            logging.getLogger(__name__).warning("Metadata %r is now called %r.", key, _RENAMED[key])
            return getattr(self, _RENAMED[key])
        if key.startswith("__"):
            raise AttributeError(key)
        raise AttributeError(
            f"Metadata of dataset {self.name!r} has no {key!r}. It has: {_join_names(self.__dict__)}. Set it "
            f"with MetadataCatalog.get({self.name!r}).set({key}=...)."
        )

    def __setattr__(self, key: str, value: Any) -> None:
        if key in _RENAMED:
            logging.getLogger(__name__).warning("Metadata %r is now called %r.", key, _RENAMED[key])
            key = _RENAMED[key]
        if key in self.__dict__:
            known = self.__dict__[key]
            if known is not value and not bool(np.all(known == value)):
                raise AssertionError(
                    f"Metadata {key!r} of dataset {self.name!r} is already set to {known!r} and cannot "
                    f"become {value!r}: metadata is set once; use another dataset name, or call "
                    f"MetadataCatalog.remove({self.name!r}) first."
                )
            return
        super().__setattr__(key, value)

    def as_dict(self) -> dict[str, Any]:
        """A new dict of all values; changing the dict does not change the metadata."""
        return dict(self.__dict__)

    def set(self, **kwargs: Any) -> Metadata:
        """Sets several values, each once, and returns itself so that calls chain."""
        for key, value in kwargs.items():
            setattr(self, key, value)
        return self

    def get(self, key: str, default: Any = None) -> Any:
        """The value of ``key``, or ``default`` if it was never set."""
        return getattr(self, key) if _RENAMED.get(key, key) in self.__dict__ else default


class _MetadataCatalog(UserDict):
    """Maps a dataset's name to its :class:`Metadata`, which is made on first use."""

    def get(self, name: str) -> Metadata:  # type: ignore[override]
        """The metadata of ``name``; the same object at each call."""
        if not isinstance(name, str) or not name:
            raise ValueError(f"MetadataCatalog.get needs a dataset's name, but got {name!r}.")
        if name not in self.data:
            self.data[name] = Metadata(name=name)
        return self.data[name]

    def list(self) -> builtins.list[str]:
        """All names that have metadata."""
        return builtins.list(self.data)

    def remove(self, name: str) -> None:
        """Forgets what is known about ``name``."""
        if name not in self.data:
            raise _UnknownDataset(
                f"There is no metadata of {name!r} to remove. Names that have: {_join_names(self.data)}."
            )
        del self.data[name]

    def __str__(self) -> str:
        return f"MetadataCatalog(datasets with metadata: {_join_names(self.data)})"

    __repr__ = __str__


DatasetCatalog = _DatasetCatalog()
MetadataCatalog = _MetadataCatalog()
