"""The registry of hooks. A hook joins by ``@HOOK_REGISTRY.register()`` and its name in ``cfg.HOOKS.NAMES``."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from detectron2.config import CfgNode
from detectron2.engine import HookBase
from detectron2.engine.hooks import EvalHook, PeriodicCheckpointer, PeriodicWriter
from detectron2.utils.registry import Registry

HOOK_REGISTRY = Registry("HOOK")
HOOK_REGISTRY.__doc__ = """
Hooks by name. An entry has a classmethod ``from_config(cfg)`` that returns the hook; its own keys lie in
``cfg.HOOKS.<Name>``. It may have an attribute ``place``, see ``HookPlace``.
"""


class HookPlace(IntEnum):
    """Where among Detectron2's hooks one of ours runs."""

    BEFORE_CHECKPOINTS = 0  # its state of this very iteration must be in the checkpoint of this iteration
    BEFORE_WRITERS = 1  # it logs: a writer drops what is put for an iteration that it has written already
    AFTER_WRITERS = 2  # it reads what was logged or saved
    LAST = 3  # it may stop the training, when all others have seen the iteration


def build_named_hooks(cfg: CfgNode) -> list[HookBase]:
    """The hooks that ``cfg.HOOKS.NAMES`` lists, in order. Raises KeyError with the known names for an unknown one."""
    return [HOOK_REGISTRY.get(name).from_config(cfg) for name in cfg.HOOKS.NAMES]


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
