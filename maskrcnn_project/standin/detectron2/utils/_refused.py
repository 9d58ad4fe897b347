"""Names of Detectron2 outside this stand-in's scope: importing one raises a sentence instead of a bare miss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def refuse(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """
    A module-level ``__getattr__`` (PEP 562) that refuses ``names`` with a sentence of their own.

    Args:
        module: ``__name__`` of the module that will own the returned function.
        names: refused public name -> the feature it belongs to, as a noun ("rotated boxes").

    Returns:
        A function to be bound to ``__getattr__``. It raises ImportError for a refused name and the
        ordinary AttributeError for a name that Detectron2 does not have either.
    """

    def __getattr__(name: str) -> Any:
        if name in names:
            raise ImportError(
                f"{module}.{name} is not in this stand-in, which covers the Mask R-CNN family and leaves out "
                f"{names[name]}; install the real Detectron2 to use it.",
                name=module,
            )
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return __getattr__
