"""The registry of hooks. A hook joins by ``@HOOK_REGISTRY.register()`` and its name in ``cfg.HOOKS.NAMES``."""

from __future__ import annotations

from detectron2.config import CfgNode
from detectron2.engine import HookBase
from detectron2.utils.registry import Registry

HOOK_REGISTRY = Registry("HOOK")
HOOK_REGISTRY.__doc__ = """
Hooks by name. An entry has a classmethod ``from_config(cfg)`` that returns the hook; its own keys lie in
``cfg.HOOKS.<Name>``.
"""


def build_named_hooks(cfg: CfgNode) -> list[HookBase]:
    """The hooks that ``cfg.HOOKS.NAMES`` lists, in order. Raises KeyError with the known names for an unknown one."""
    return [HOOK_REGISTRY.get(name).from_config(cfg) for name in cfg.HOOKS.NAMES]
