"""Masks of 56x56 cells at the cost of one more deconvolution."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling import ROI_MASK_HEAD_REGISTRY
from detectron2.modeling.roi_heads.mask_head import MaskRCNNConvUpsampleHead
from fvcore.nn import weight_init
from torch import nn


@ROI_MASK_HEAD_REGISTRY.register()
class UpsampleTwiceMaskHead(MaskRCNNConvUpsampleHead):
    """
    MaskRCNNConvUpsampleHead with a second deconvolution before the predictor: 14x14 -> 28x28 -> 56x56.

    The convolutions still run on 14x14 cells; POOLER_RESOLUTION 28 gives the same grid at four times their cost. COCO
    weights of a Mask R-CNN fit all of it but the new layer, which begins as a smooth enlargement.
    """

    @configurable
    def __init__(self, input_shape: ShapeSpec, *, conv_dims: list[int], **kwargs: Any):
        super().__init__(input_shape, conv_dims=conv_dims, **kwargs)
        predictor = self.predictor
        del self.predictor  # the layers run in the order in which they were added
        channels = conv_dims[-1]
        self.deconv2 = nn.ConvTranspose2d(channels, channels, kernel_size=2, stride=2)
        self.add_module("deconv2_relu", nn.ReLU())
        self.predictor = predictor
        weight_init.c2_msra_fill(self.deconv2)
        with torch.no_grad():  # each channel passes through at first, so that a trained predictor still fits
            self.deconv2.weight.copy_(torch.eye(channels)[:, :, None, None].expand_as(self.deconv2.weight))
