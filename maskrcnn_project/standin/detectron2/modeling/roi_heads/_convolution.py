"""The layer that the convolutional part of every region head repeats."""

from __future__ import annotations

import fvcore.nn.weight_init as weight_init
from detectron2.layers import Conv2d, get_norm
from torch import nn


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
