"""The base class of a backbone's building blocks."""

from __future__ import annotations

from detectron2.layers.batch_norm import FrozenBatchNorm2d
from torch import nn


class CNNBlockBase(nn.Module):
    """
    A block with one (N, C, H, W) input and one (N, C', H / stride, W / stride) output.

    Attributes:
        in_channels, out_channels: C and C'.
        stride: input cells per output cell.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride

    def freeze(self) -> CNNBlockBase:
        """Ends this block's training: no parameter gets a gradient, each batch norm becomes a frozen one."""
        for parameter in self.parameters():
            parameter.requires_grad = False
        FrozenBatchNorm2d.convert_frozen_batchnorm(self)
        return self
