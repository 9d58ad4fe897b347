"""Looks the whole model up by its name in the configuration."""

from __future__ import annotations

from detectron2.config import CfgNode
from detectron2.config._honoured import refuse_unhonoured
from detectron2.utils.registry import Registry
from torch import nn

__all__ = ["META_ARCH_REGISTRY", "build_model"]

META_ARCH_REGISTRY = Registry("META_ARCH")
META_ARCH_REGISTRY.__doc__ = "Callables ``(cfg) -> nn.Module``, named by MODEL.META_ARCHITECTURE."


def build_model(cfg: CfgNode) -> nn.Module:
    """
    The model that MODEL.META_ARCHITECTURE names, on MODEL.DEVICE; no weights are loaded.

    Raises:
        ValueError: ``cfg`` asks for something that only the real Detectron2 does.
    """
    refuse_unhonoured(cfg)
    model = META_ARCH_REGISTRY.get(cfg.MODEL.META_ARCHITECTURE)(cfg)
    return model.to(cfg.MODEL.DEVICE)
