"""
From pooled features to one vector per region, for classification and box regression.

Shapes: R regions, C channels, S x S the pooled size.
"""

from __future__ import annotations

from typing import Any

import fvcore.nn.weight_init as weight_init
import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import Conv2d, ShapeSpec, get_norm
from detectron2.utils.registry import Registry
from torch import nn

__all__ = ["ROI_BOX_HEAD_REGISTRY", "FastRCNNConvFCHead", "build_box_head"]

ROI_BOX_HEAD_REGISTRY = Registry("ROI_BOX_HEAD")
ROI_BOX_HEAD_REGISTRY.__doc__ = (
    "Callables ``(cfg, input_shape: ShapeSpec)`` named by MODEL.ROI_BOX_HEAD.NAME: modules from (R, C, S, S) to a "
    "feature of each region, with the property ``output_shape``."
)


def conv3x3_norm_relu(in_channels: int, out_channels: int, norm: str) -> Conv2d:
    """
    A 3x3 convolution that keeps height and width, a norm ("" for none) and ReLU, initialised after He et al.
    (arXiv:1502.01852); the norm's own shift stands in for the bias.
    """
    conv = Conv2d(
        in_channels,
        out_channels,
        kernel_size=3,
        padding=1,
        bias=not norm,
        norm=get_norm(norm, out_channels),
        activation=nn.ReLU(),
    )
    weight_init.c2_msra_fill(conv)
    return conv


@ROI_BOX_HEAD_REGISTRY.register()
class FastRCNNConvFCHead(nn.Sequential):
    """
    3x3 convolutions, then fully connected layers, each with ReLU; either part may be empty, not both.

    Args:
        conv_dims: channels of the convolutions.
        fc_dims: widths of the fully connected layers.
        conv_norm: as in ``detectron2.layers.get_norm``.
    """

    @configurable
    def __init__(self, input_shape: ShapeSpec, *, conv_dims: list[int], fc_dims: list[int], conv_norm: str = ""):
        super().__init__()
        if not conv_dims and not fc_dims:
            raise ValueError(
                "A FastRCNNConvFCHead needs a layer: set MODEL.ROI_BOX_HEAD.NUM_CONV or MODEL.ROI_BOX_HEAD.NUM_FC."
            )
        channels: Any = input_shape.channels
        height, width = input_shape.height, input_shape.width
        for i, dim in enumerate(conv_dims, start=1):
            self.add_module(f"conv{i}", conv3x3_norm_relu(channels, dim, conv_norm))
            channels = dim
        self._output_shape = ShapeSpec(channels=channels, height=height, width=width)

        in_features = channels * (height or 1) * (width or 1)
        for i, dim in enumerate(fc_dims, start=1):
            if i == 1:
                self.add_module("flatten", nn.Flatten())
            fc = nn.Linear(in_features, dim)
            weight_init.c2_xavier_fill(fc)
            self.add_module(f"fc{i}", fc)
            self.add_module(f"fc_relu{i}", nn.ReLU())
            in_features = dim
        if fc_dims:
            self._output_shape = ShapeSpec(channels=in_features)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict[str, Any]:
        head = cfg.MODEL.ROI_BOX_HEAD
        return {
            "input_shape": input_shape,
            "conv_dims": [head.CONV_DIM] * head.NUM_CONV,
            "fc_dims": [head.FC_DIM] * head.NUM_FC,
            "conv_norm": head.NORM,
        }

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(R, C, S, S) -> (R, D) after fully connected layers, else (R, D, S, S)."""
        return super().forward(x)

    @property
    def output_shape(self) -> ShapeSpec:
        """Channels of the output, and height and width if it has them."""
        return self._output_shape


def build_box_head(cfg: CfgNode, input_shape: ShapeSpec) -> nn.Module:
    """The head that MODEL.ROI_BOX_HEAD.NAME names, for pooled features of the given shape."""
    return ROI_BOX_HEAD_REGISTRY.get(cfg.MODEL.ROI_BOX_HEAD.NAME)(cfg, input_shape)
