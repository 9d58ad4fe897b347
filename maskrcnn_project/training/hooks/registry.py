"""The registry of hooks. A hook joins by ``@HOOK_REGISTRY.register()`` and its name in ``cfg.HOOKS.NAMES``."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from detectron2.config import CfgNode
from detectron2.engine import HookBase
from detectron2.engine.hooks import EvalHook, PeriodicCheckpointer, PeriodicWriter
from detectron2.utils.registry import Registry

HOOK_REGISTRY = Registry("HOOK")
HOOK_REGISTRY.__doc__ = """
Hooks by name. An entry has a classmethod ``from_config(cfg)`` that returns the hook, or a constructor that needs
nothing or the config alone; its own keys lie in ``cfg.HOOKS.<Name>``. It may have an attribute ``place``, see
``HookPlace``.
"""


class HookPlace(IntEnum):
    """Where among Detectron2's hooks one of ours runs."""

    BEFORE_CHECKPOINTS = 0  # its state of this very iteration must be in the checkpoint of this iteration
    BEFORE_WRITERS = 1  # it logs: a writer drops what is put for an iteration that it has written already
    AFTER_WRITERS = 2  # it reads what was logged or saved
    LAST = 3  # it may stop the training, when all others have seen the iteration


def build_named_hooks(cfg: CfgNode) -> list[HookBase]:
    """The hooks that ``cfg.HOOKS.NAMES`` lists, in order. Raises KeyError with the known names for an unknown one."""
    return [build_hook(HOOK_REGISTRY.get(name), cfg) for name in cfg.HOOKS.NAMES]


def build_hook(kind: Any, cfg: CfgNode) -> HookBase:
    """
    ``kind.from_config(cfg)`` where there is one; else ``kind()``, or ``kind(cfg)`` if it requires one argument.

    Raises:
        ValueError: it requires more than that.
    """
    if hasattr(kind, "from_config"):
        return kind.from_config(cfg)
    required = _required_arguments(kind)
    if len(required) > 1 or any(each.kind is inspect.Parameter.KEYWORD_ONLY for each in required):
        raise ValueError(
            f"The hook {kind.__name__} should be made of the config alone, but requires "
            f"{', '.join(each.name for each in required)}: give it a classmethod from_config(cls, cfg) that returns it."
        )
    return kind(cfg) if required else kind()


def _required_arguments(kind: Any) -> list[inspect.Parameter]:
    """Of its constructor, those without a default."""
    free = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(kind).parameters.values()
    return [each for each in parameters if each.default is inspect.Parameter.empty and each.kind not in free]


def resolve_hook_names(default: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
    """
    The hooks of a run, each once, in order: ``given`` in place of ``default``, or changes to it where all of ``given``
    have a sign: "+Name" adds one at the end, "-Name" takes one away. To add what is there, or to take away what is
    not, changes nothing.

    Raises:
        ValueError: some names with a sign and some without, one that is both added and taken away, or an unknown one.
    """
    signed = [name for name in given if name[:1] in ("+", "-")]
    if signed and len(signed) < len(given):
        plain = next(name for name in given if name not in signed)
        raise ValueError(
            "HOOKS.NAMES wants either names, which replace the default list, or only +Name and -Name, which change it, "
            f"but has both {plain} and {signed[0]}: write +{plain}, or leave out the signs."
        )
    added = [name[1:] for name in signed if name[0] == "+"]
    removed = [name[1:] for name in signed if name[0] == "-"]
    both = sorted(set(added) & set(removed))
    if both:
        raise ValueError(
            f"HOOKS.NAMES wants each hook added or taken away, but has +{both[0]} and -{both[0]}: keep one."
        )
    _check_known([*added, *removed] if signed else given)
    names = [name for name in (*default, *added) if name not in removed] if signed else given
    return tuple(dict.fromkeys(names))


def _check_known(names: Sequence[str]) -> None:
    known = sorted(name for name, _ in HOOK_REGISTRY)
    for name in names:
        if name not in known:
            raise ValueError(f"HOOKS.NAMES wants names of {', '.join(known)}, but has {name!r}: correct it.")


def arrange_hooks(detectron2s: Sequence[HookBase | None], named: Sequence[HookBase]) -> list[HookBase | None]:
    """
    One list of both: Detectron2's in their order, and each of ``named`` at its ``place`` (default: before the
    writers), those of one place in the order given.
    """
    at = {place: [h for h in named if getattr(h, "place", HookPlace.BEFORE_WRITERS) == place] for place in HookPlace}
    arranged = list(detectron2s)
    writers = _first(arranged, PeriodicWriter)  # only the main process has writers and checkpoints
    arranged[writers:writers] = at[HookPlace.BEFORE_WRITERS]
    checkpoints = _first(arranged, (PeriodicCheckpointer, EvalHook))
    arranged[checkpoints:checkpoints] = at[HookPlace.BEFORE_CHECKPOINTS]
    return [*arranged, *at[HookPlace.AFTER_WRITERS], *at[HookPlace.LAST]]


def _first(hooks: Sequence[HookBase | None], kind: type | tuple[type, ...]) -> int:
    return next((i for i, hook in enumerate(hooks) if isinstance(hook, kind)), len(hooks))
