"""Finds the real Detectron2, or puts the stand-in where ``import detectron2`` will find it."""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import NamedTuple

STANDIN_ROOT = Path(__file__).resolve().parent / "standin"
CHOICE_VARIABLE = "MASKRCNN_DETECTRON2"
CHOICES = ("auto", "installed", "standin")


class Detectron2Info(NamedTuple):
    """Which Detectron2 answers to ``import detectron2``, and where it lies."""

    kind: str  # "installed" or "standin"
    location: Path

    def __str__(self) -> str:
        name = "the installed Detectron2" if self.kind == "installed" else "the stand-in for Detectron2"
        return f"Using {name} at {self.location}"


def provide_detectron2() -> Detectron2Info:
    """
    Makes ``import detectron2`` work: with the installed package if there is one, else with the stand-in.

    The environment variable ``MASKRCNN_DETECTRON2`` overrides: ``auto`` (default), ``installed``, ``standin``.

    Raises:
        ImportError: ``installed`` was asked for and is absent, the variable has another value, the other one
            was imported already, or a folder named ``detectron2`` that is no package hides the real one.
    """
    choice = os.environ.get(CHOICE_VARIABLE, "auto").strip().lower() or "auto"
    if choice not in CHOICES:
        raise ImportError(f"{CHOICE_VARIABLE} must be one of {', '.join(CHOICES)}, but is {choice!r}.")
    if "detectron2" in sys.modules:
        return _check_choice(choice, detectron2_info())
    if choice == "standin":
        _put_standin_on_path(first=True)
        return detectron2_info()
    spec = _find_real()
    if spec is None:
        if choice == "installed":
            raise ImportError(
                f"{CHOICE_VARIABLE}=installed, but no package named detectron2 is installed in {sys.prefix}: "
                f"install it, or set {CHOICE_VARIABLE}=auto to use the stand-in."
            )
        _put_standin_on_path(first=False)
    return detectron2_info()


def detectron2_info() -> Detectron2Info:
    """Which Detectron2 is (or would be) imported. Raises ImportError if there is none."""
    module = sys.modules.get("detectron2")
    spec = module.__spec__ if module is not None else importlib.util.find_spec("detectron2")
    if spec is None or spec.origin is None:
        raise ImportError("No detectron2 can be imported: call maskrcnn_project.provide_detectron2() first.")
    location = Path(spec.origin).resolve().parent
    return Detectron2Info("standin" if STANDIN_ROOT in location.parents else "installed", location)


def _find_real() -> ModuleSpec | None:
    """The spec of a real package, or None. A stray folder is an error: Python takes it for a namespace package."""
    standin = str(STANDIN_ROOT)
    on_path = standin in sys.path
    if on_path:
        sys.path.remove(standin)
    try:
        spec = importlib.util.find_spec("detectron2")
    finally:
        if on_path:
            sys.path.append(standin)
    if spec is not None and spec.origin is None:
        folders = ", ".join(str(Path(p)) for p in spec.submodule_search_locations or [])
        raise ImportError(
            f"A folder named detectron2 without an __init__.py lies on Python's path ({folders}) : "
            "rename or move the folder, or start Python from another directory (a source checkout of Detectron2 holds "
            "its package one level deeper, in detectron2/detectron2)."
        )
    return spec


def _check_choice(choice: str, info: Detectron2Info) -> Detectron2Info:
    if choice not in ("auto", info.kind):
        raise ImportError(
            f"{CHOICE_VARIABLE}={choice}, but detectron2 was imported already from {info.location}: "
            "import maskrcnn_project before detectron2."
        )
    return info


def _put_standin_on_path(first: bool) -> None:
    """Appended, so that a real install wins; in front only when the stand-in was asked for by name."""
    standin = str(STANDIN_ROOT)
    if standin in sys.path:
        sys.path.remove(standin)
    sys.path.insert(0, standin) if first else sys.path.append(standin)
    importlib.invalidate_caches()
