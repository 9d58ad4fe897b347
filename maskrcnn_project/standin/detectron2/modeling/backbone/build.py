"""Looks a backbone up by its name in the configuration."""

from __future__ import annotations

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling.backbone.backbone import Backbone
from detectron2.utils.registry import Registry

__all__ = ["BACKBONE_REGISTRY", "build_backbone"]

BACKBONE_REGISTRY = Registry("BACKBONE")
BACKBONE_REGISTRY.__doc__ = "Callables ``(cfg, input_shape: ShapeSpec) -> Backbone``, named by MODEL.BACKBONE.NAME."


def build_backbone(cfg: CfgNode, input_shape: ShapeSpec | None = None) -> Backbone:
    """
    The backbone that MODEL.BACKBONE.NAME names.

    Args:
        input_shape: channels of the input image; by default as many as MODEL.PIXEL_MEAN has.

    Raises:
        TypeError: what is registered under that name made something that is not a Backbone.
    """
    if input_shape is None:
        input_shape = ShapeSpec(channels=len(cfg.MODEL.PIXEL_MEAN))
    name = cfg.MODEL.BACKBONE.NAME
    backbone = BACKBONE_REGISTRY.get(name)(cfg, input_shape)
    if not isinstance(backbone, Backbone):
        raise TypeError(
            f"MODEL.BACKBONE.NAME={name!r} must make a detectron2.modeling.Backbone, but made a "
            f"{type(backbone).__name__}: derive it from Backbone."
        )
    return backbone
