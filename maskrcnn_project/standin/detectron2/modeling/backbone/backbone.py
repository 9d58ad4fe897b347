"""What every feature extractor of a detector promises: named feature maps and their channels and strides."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import Any

import torch
from detectron2.layers import ShapeSpec
from torch import nn

__all__ = ["Backbone"]


class Backbone(nn.Module, metaclass=ABCMeta):
    """
    A network from an image batch (N, C, H, W) to a dict of named feature maps (N, C_f, H / stride_f, W / stride_f).

    A subclass sets ``_out_features`` (names), ``_out_feature_channels`` and ``_out_feature_strides`` (name -> int),
    from which :meth:`output_shape` is read.
    """

    _out_features: list[str]
    _out_feature_channels: dict[str, int]
    _out_feature_strides: dict[str, int]

    @abstractmethod
    def forward(self, *args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        """The feature maps by name. To be written by the subclass, usually as ``forward(x)``, (N, C, H, W)."""

    @property
    def size_divisibility(self) -> int:
        """Height and width of the input must be multiples of this; 0 asks for nothing."""
        return 0

    @property
    def padding_constraints(self) -> dict[str, int]:
        """Further demands on padding: ``square_size`` pads the batch to a square of that side (0: no)."""
        return {}

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Channels and stride of each feature map, by name."""
        return {
            name: ShapeSpec(channels=self._out_feature_channels[name], stride=self._out_feature_strides[name])
            for name in self._out_features
        }
