"""
Feature pyramid networks (Lin et al., arXiv:1612.03144).

Shapes: N images, C channels, H x W pixels; level ``p{k}`` has stride 2^k.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import fvcore.nn.weight_init as weight_init
import torch
import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.layers import Conv2d, ShapeSpec, get_norm
from detectron2.modeling.backbone.backbone import Backbone
from detectron2.modeling.backbone.build import BACKBONE_REGISTRY
from detectron2.modeling.backbone.resnet import build_resnet_backbone
from detectron2.utils._refused import refuse
from torch import nn

__all__ = ["FPN", "LastLevelMaxPool", "build_resnet_fpn_backbone", "build_retinanet_resnet_fpn_backbone"]


class FPN(Backbone):
    """
    Adds a top-down path to ``bottom_up``: levels ``p{k}``, all of ``out_channels`` channels.

    Args:
        bottom_up: its feature maps named in ``in_features`` have strides that double from one to the next.
        in_features: from the finest to the coarsest.
        norm: as in ``detectron2.layers.get_norm``; with one, the convolutions have no bias.
        top_block: a module that adds ``top_block.num_levels`` coarser levels from the map ``top_block.in_feature`` of
            ``bottom_up`` or of the pyramid.
        fuse_type: "sum", as in the paper, or "avg".
        square_pad: pads the input to a square of this side, if above 0.
    """

    def __init__(
        self,
        bottom_up: Backbone,
        in_features: Sequence[str],
        out_channels: int,
        norm: str = "",
        top_block: Any = None,
        fuse_type: str = "sum",
        square_pad: int = 0,
    ):
        super().__init__()
        if not in_features:
            raise ValueError("An FPN needs at least one input feature (MODEL.FPN.IN_FEATURES), but got none.")
        if fuse_type not in ("sum", "avg"):
            raise ValueError(f"MODEL.FPN.FUSE_TYPE must be 'sum' or 'avg', but is {fuse_type!r}.")
        shapes: list[Any] = [bottom_up.output_shape()[name] for name in in_features]
        levels = _levels_of_strides([shape.stride for shape in shapes])
        self._lateral_names = [f"fpn_lateral{level}" for level in levels]
        self._output_names = [f"fpn_output{level}" for level in levels]
        for shape, lateral_name, output_name in zip(shapes, self._lateral_names, self._output_names, strict=True):
            lateral = Conv2d(
                shape.channels, out_channels, kernel_size=1, bias=not norm, norm=get_norm(norm, out_channels)
            )
            output = Conv2d(
                out_channels,
                out_channels,
                kernel_size=3,
                padding=1,
                bias=not norm,
                norm=get_norm(norm, out_channels),
            )
            weight_init.c2_xavier_fill(lateral)
            weight_init.c2_xavier_fill(output)
            self.add_module(lateral_name, lateral)
            self.add_module(output_name, output)

        self.top_block: Any = top_block
        self.in_features = tuple(in_features)
        self.bottom_up = bottom_up
        self._levels = levels
        self._fuse_type = fuse_type
        self._square_pad = square_pad
        self._size_divisibility = 2 ** levels[-1]
        extra = top_block.num_levels if top_block is not None else 0
        all_levels = [*levels, *range(levels[-1] + 1, levels[-1] + 1 + extra)]
        self._out_features = [f"p{level}" for level in all_levels]
        self._out_feature_strides = {f"p{level}": 2**level for level in all_levels}
        self._out_feature_channels = dict.fromkeys(self._out_features, out_channels)

    @property
    def size_divisibility(self) -> int:
        """The coarsest fused stride: each map must be exactly half as large as the one below it."""
        return self._size_divisibility

    @property
    def padding_constraints(self) -> dict[str, int]:
        return {"square_size": self._square_pad}

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """(N, C, H, W) -> ``p{k}`` -> (N, out_channels, H / 2^k, W / 2^k), from fine to coarse."""
        bottom_up = self.bottom_up(x)
        pyramid: dict[str, torch.Tensor] = {}
        coarser: torch.Tensor | None = None
        steps = zip(self._levels, self.in_features, self._lateral_names, self._output_names, strict=True)
        for level, name, lateral_name, output_name in reversed(list(steps)):
            merged = self.get_submodule(lateral_name)(bottom_up[name])
            if coarser is not None:
                merged = merged + F.interpolate(coarser, scale_factor=2.0, mode="nearest")
                if self._fuse_type == "avg":
                    merged = merged / 2
            coarser = merged
            pyramid[f"p{level}"] = self.get_submodule(output_name)(merged)
        if self.top_block is not None:
            name = self.top_block.in_feature
            source = bottom_up[name] if name in bottom_up else pyramid[name]
            coarse_names = self._out_features[len(self._levels) :]
            pyramid.update(zip(coarse_names, self.top_block(source), strict=True))
        return {name: pyramid[name] for name in self._out_features}


def _levels_of_strides(strides: Sequence[int]) -> list[int]:
    """Strides 4, 8, 16 -> levels 2, 3, 4. Raises ValueError if they do not double."""
    levels = [int(math.log2(stride)) for stride in strides]
    if [2**level for level in levels] != list(strides) or levels != [*range(levels[0], levels[-1] + 1)]:
        raise ValueError(f"Strides of an FPN's inputs must double from one to the next, but are {list(strides)}.")
    return levels


class LastLevelMaxPool(nn.Module):
    """p6 as every second pixel of p5, for anchors of 512 (section 4.1, footnote 2, of the FPN paper)."""

    def __init__(self):
        super().__init__()
        self.num_levels = 1
        self.in_feature = "p5"

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """p5 (N, C, H, W) -> [p6 (N, C, ceil(H / 2), ceil(W / 2))]."""
        return [F.max_pool2d(x, kernel_size=1, stride=2, padding=0)]


class _LastLevelP6P7(nn.Module):
    """p6 and p7 by 3x3 convolutions of stride 2 on res5 (section 4 of the RetinaNet paper, arXiv:1708.02002)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.num_levels = 2
        self.in_feature = "res5"
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, stride=2, padding=1)
        weight_init.c2_xavier_fill(self.p6)
        weight_init.c2_xavier_fill(self.p7)

    def forward(self, res5: torch.Tensor) -> list[torch.Tensor]:
        p6 = self.p6(res5)
        return [p6, self.p7(F.relu(p6))]


@BACKBONE_REGISTRY.register()
def build_resnet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """A ResNet with a feature pyramid p2..p6: the backbone of Mask R-CNN."""
    return FPN(
        bottom_up=build_resnet_backbone(cfg, input_shape),
        in_features=cfg.MODEL.FPN.IN_FEATURES,
        out_channels=cfg.MODEL.FPN.OUT_CHANNELS,
        norm=cfg.MODEL.FPN.NORM,
        top_block=LastLevelMaxPool(),
        fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
    )


@BACKBONE_REGISTRY.register()
def build_retinanet_resnet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """A ResNet with a feature pyramid whose p6 and p7 are convolved from res5."""
    bottom_up = build_resnet_backbone(cfg, input_shape)
    out_channels = cfg.MODEL.FPN.OUT_CHANNELS
    return FPN(
        bottom_up=bottom_up,
        in_features=cfg.MODEL.FPN.IN_FEATURES,
        out_channels=out_channels,
        norm=cfg.MODEL.FPN.NORM,
        top_block=_LastLevelP6P7(bottom_up.output_shape()["res5"].channels, out_channels),
        fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
    )


__getattr__ = refuse(__name__, {"LastLevelP6P7": "RetinaNet"})
