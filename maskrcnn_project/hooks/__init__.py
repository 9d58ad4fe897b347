"""Trainer hooks chosen by name in ``cfg.HOOKS.NAMES``; one file a hook."""

from maskrcnn_project.hooks.loss_curves import LossCurves
from maskrcnn_project.hooks.registry import HOOK_REGISTRY, build_named_hooks

__all__ = ["HOOK_REGISTRY", "LossCurves", "build_named_hooks"]
