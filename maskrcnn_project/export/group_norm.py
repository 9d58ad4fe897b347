"""Group norms (Wu and He, arXiv:1803.08494) in a form that ONNX runs on no regions at all."""

from __future__ import annotations

import copy

import torch
from torch import nn


class GroupNormByMeans(nn.Module):
    """
    What ``norm`` computes, from means over the groups.

    PyTorch writes its own norm to ONNX as a reshape to (R, groups, -1), which fails where R is 0: the -1 could then be
    any number. Here every side but R is a number.
    """

    def __init__(self, norm: nn.GroupNorm):
        super().__init__()
        self.norm = norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(R, C, H, W) -> (R, C, H, W)."""
        groups = x.unflatten(1, (self.norm.num_groups, -1))  # (R, groups, C / groups, H, W)
        centred = groups - groups.mean(dim=(2, 3, 4), keepdim=True)
        variance = (centred * centred).mean(dim=(2, 3, 4), keepdim=True)
        normed = (centred / (variance + self.norm.eps).sqrt()).flatten(1, 2)
        if not self.norm.affine:
            return normed
        return normed * self.norm.weight[:, None, None] + self.norm.bias[:, None, None]


def with_group_norms_by_means(module: nn.Module, below: str) -> nn.Module:
    """
    A copy of ``module`` with GroupNormByMeans, which are slower, in the parts whose name holds ``below``; ``module``
    itself where these have no group norm.
    """
    names = [name for name, part in module.named_modules() if isinstance(part, nn.GroupNorm) and below in name]
    if not names:
        return module
    copied = copy.deepcopy(module)
    for name in names:
        parent, _, own = name.rpartition(".")
        setattr(copied.get_submodule(parent), own, GroupNormByMeans(copied.get_submodule(name)))  # type: ignore[arg-type]
    return copied
