"""Norms with fixed statistics become part of the convolution before them: the same function with less work."""

from __future__ import annotations

from detectron2.layers import Conv2d, FrozenBatchNorm2d
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


def fold_norms(model: nn.Module) -> int:
    """
    Folds every batch norm of ``model``, which will not be trained any more, into its convolution, in place.

    A norm with statistics that stand is an affine map of each channel, as is the end of a convolution; outputs differ
    by rounding only. Group norms depend on the input and stay.

    Returns:
        How many norms were folded.
    """
    folded = 0
    for module in model.modules():
        if not isinstance(module, Conv2d) or not isinstance(module.norm, (FrozenBatchNorm2d, nn.BatchNorm2d)):
            continue
        norm = module.norm
        assert norm.running_mean is not None and norm.running_var is not None, "no statistics that stand"
        module.weight, module.bias = fuse_conv_bn_weights(
            module.weight, module.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        module.norm = None
        folded += 1
    return folded
