"""Look-up of objects by name: registries filled by decorators, and dotted import paths."""

from __future__ import annotations

import importlib
from typing import Any

from fvcore.common.registry import Registry as _Registry

__all__ = ["Registry", "locate"]

# Registered names of upstream configs that lie outside this stand-in -> the feature they belong to.
_LEFT_OUT = {
    "RROIHeads": "rotated boxes",
    "RRPN": "rotated boxes",
    "RotatedAnchorGenerator": "rotated boxes",
    "KRCNNConvDeconvUpsampleHead": "keypoints",
    "PointRendROIHeads": "PointRend",
    "PrecomputedProposals": "precomputed proposals",
    "RetinaNet": "RetinaNet",
    "FCOS": "FCOS",
    "PanopticFPN": "panoptic segmentation",
    "SemanticSegmentor": "semantic segmentation",
    "SemSegFPNHead": "semantic segmentation",
}


class Registry(_Registry):
    """fvcore's registry, whose error lists the names that exist."""

    def get(self, name: str) -> Any:
        """The object registered as ``name``. Raises KeyError that lists the names there are."""
        if name in self:
            return super().get(name)
        known = ", ".join(sorted(key for key, _ in self)) or "none yet"
        if name in _LEFT_OUT:
            advice = f"{_LEFT_OUT[name]} is not in this stand-in: install the real Detectron2 to use it"
        else:
            advice = "register it before the model is built (import the module that defines it)"
        raise _SentenceKeyError(
            f"No object named {name!r} is in the {self._name} registry; registered: {known}; {advice}."
        )


class _SentenceKeyError(KeyError):
    """A KeyError that prints as its sentence; the built-in one prints the repr, with quotes and escapes."""

    def __str__(self) -> str:
        return str(self.args[0])


def locate(name: str) -> Any:
    """
    The object at a dotted path such as ``"package.module.Class.method"``.

    Raises:
        ImportError: nothing lies there. An import error inside an existing module passes through as it is.
    """
    parts = name.split(".")
    for size in range(len(parts), 0, -1):
        prefix = ".".join(parts[:size])
        try:
            found: Any = importlib.import_module(prefix)
        except ModuleNotFoundError as error:
            absent = error.name or ""
            if prefix == absent or prefix.startswith(absent + "."):
                continue  # this prefix is no module: its last part may be an attribute of a shorter one
            raise
        for depth, attribute in enumerate(parts[size:], start=size):
            if not hasattr(found, attribute):
                raise ImportError(f"Cannot locate {name!r}: {'.'.join(parts[:depth])} has no {attribute!r}.")
            found = getattr(found, attribute)
        return found
    raise ImportError(f"Cannot locate {name!r}: no module named {parts[0]!r} is installed.")
