"""
Features of a fixed size for boxes of any size, each from the pyramid level that suits it.

Shapes: N images, R boxes of all images, C channels, S x S the pooled size, L levels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.layers import ROIAlign, ShapeSpec, cat, nonzero_tuple
from detectron2.layers.wrappers import is_symbolic
from detectron2.structures import Boxes
from torch import nn
from torchvision.ops import RoIPool

__all__ = ["ROIPooler", "assign_boxes_to_levels", "convert_boxes_to_pooler_format"]


def assign_boxes_to_levels(
    box_lists: list[Boxes],
    min_level: int,
    max_level: int,
    canonical_box_size: int,
    canonical_level: int,
) -> torch.Tensor:
    """
    The pyramid level of each box, by its size: Eqn. (1) of the FPN paper (arXiv:1612.03144).

    Args:
        box_lists: one Boxes per image, R boxes in all.
        min_level, max_level: the levels there are; a level is log2 of a stride.
        canonical_box_size: side in pixels (square root of the area) of a box that belongs to ``canonical_level``.

    Returns:
        (R,) int64 of levels counted from ``min_level``.
    """
    sizes = cat([boxes.area() for boxes in box_lists]).sqrt()
    # A box of exactly twice the canonical size belongs to the next level, whatever the rounding of log2.
    epsilon = 1e-8
    levels = torch.floor(canonical_level + torch.log2(sizes / canonical_box_size + epsilon))
    return levels.clamp(min=min_level, max=max_level).to(torch.int64) - min_level


def convert_boxes_to_pooler_format(box_lists: list[Boxes]) -> torch.Tensor:
    """One Boxes per image, R boxes in all -> (R, 5) of image index, x1, y1, x2, y2."""
    return cat([F.pad(boxes.tensor, (1, 0), value=i) for i, boxes in enumerate(box_lists)])


def _indices_of_levels(levels: torch.Tensor, num_levels: int) -> Sequence[torch.Tensor]:
    """(R,) levels -> for each level the ascending indices of its boxes."""
    if is_symbolic():  # sizes must stay symbolic there
        return [nonzero_tuple(levels == level)[0] for level in range(num_levels)]
    # One look at the device for all levels instead of one for each.
    counts = torch.bincount(levels, minlength=num_levels).tolist()
    return torch.argsort(levels, stable=True).split(counts)


class ROIPooler(nn.Module):
    """
    Pools boxes from several feature maps, each box from the one that suits its size.

    Args:
        output_size: S, or (height, width).
        scales: 1 / stride of each map; strides are powers of two that double from one to the next.
        sampling_ratio: points per bin and axis of ROIAlign; 0 takes as many as the bin has pixels.
        pooler_type: "ROIAlignV2" (half-pixel exact), "ROIAlign" (shifted by half a pixel, as in the first
            releases) or "ROIPool".
        canonical_box_size, canonical_level: see :func:`assign_boxes_to_levels`; 224 is ImageNet's input size,
            level 4 (stride 16) the map that a C4 model pools from.
    """

    def __init__(
        self,
        output_size: int | Sequence[int],
        scales: Sequence[float],
        sampling_ratio: int,
        pooler_type: str,
        canonical_box_size: int = 224,
        canonical_level: int = 4,
    ):
        super().__init__()
        size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        if len(size) != 2:
            raise ValueError(f"output_size of a ROIPooler must be (height, width), but is {output_size}.")
        if pooler_type not in ("ROIAlign", "ROIAlignV2", "ROIPool"):
            raise ValueError(
                f"POOLER_TYPE must be ROIAlignV2, ROIAlign or ROIPool, but is {pooler_type!r}; rotated boxes need the "
                "real Detectron2."
            )
        self.output_size = size
        self.canonical_box_size = canonical_box_size
        self.canonical_level = canonical_level
        self.level_poolers = nn.ModuleList(
            RoIPool(size, spatial_scale=scale)
            if pooler_type == "ROIPool"
            else ROIAlign(size, scale, sampling_ratio=sampling_ratio, aligned=pooler_type == "ROIAlignV2")
            for scale in scales
        )
        levels = [-math.log2(scale) for scale in scales]
        self.min_level, self.max_level = int(levels[0]), int(levels[-1])
        if levels != [*range(self.min_level, self.max_level + 1)] or self.min_level < 0:
            raise ValueError(
                f"Scales of a ROIPooler must be powers of two that halve from one to the next, but are {scales}."
            )
        if canonical_box_size <= 0:
            raise ValueError(f"canonical_box_size must be above 0, but is {canonical_box_size}.")

    def forward(self, x: list[torch.Tensor], box_lists: list[Boxes]) -> torch.Tensor:
        """
        Args:
            x: L feature maps (N, C, H / stride, W / stride), in the order of ``scales``.
            box_lists: N Boxes in pixels of the input, R in all.

        Returns:
            (R, C, S, S), images in order; R may be 0.
        """
        if len(x) != len(self.level_poolers):
            raise ValueError(f"This ROIPooler takes {len(self.level_poolers)} feature maps, but got {len(x)}.")
        if not box_lists:
            return x[0].new_zeros((0, x[0].shape[1], *self.output_size))
        if len(box_lists) != x[0].shape[0]:
            raise ValueError(f"Boxes of {len(box_lists)} images came with features of {x[0].shape[0]} images.")
        boxes = convert_boxes_to_pooler_format(box_lists)
        if len(x) == 1:
            return self.level_poolers[0](x[0], boxes)

        levels = assign_boxes_to_levels(
            box_lists, self.min_level, self.max_level, self.canonical_box_size, self.canonical_level
        )
        output = x[0].new_zeros((boxes.shape[0], x[0].shape[1], *self.output_size))
        per_level = _indices_of_levels(levels, len(x))
        for feature, pooler, indices in zip(x, self.level_poolers, per_level, strict=True):
            output.index_put_((indices,), pooler(feature, boxes[indices]))
        return output


def build_roi_pooler(
    cfg: CfgNode, head: CfgNode, input_shape: dict[str, ShapeSpec]
) -> tuple[list[str], int, ROIPooler | None]:
    """The features that a head pools from, their channels, and its pooler (None with an empty POOLER_TYPE)."""
    in_features = cfg.MODEL.ROI_HEADS.IN_FEATURES
    shapes: list[Any] = [input_shape[name] for name in in_features]
    channels = {shape.channels for shape in shapes}
    if len(channels) != 1:
        raise ValueError(f"All of MODEL.ROI_HEADS.IN_FEATURES must have the same channels, but have {channels}.")
    pooler = None
    if head.POOLER_TYPE:
        pooler = ROIPooler(
            output_size=head.POOLER_RESOLUTION,
            scales=tuple(1.0 / shape.stride for shape in shapes),
            sampling_ratio=head.POOLER_SAMPLING_RATIO,
            pooler_type=head.POOLER_TYPE,
        )
    return in_features, channels.pop(), pooler


def select_features(features: dict[str, torch.Tensor], names: list[str]) -> list[torch.Tensor]:
    """The maps of those names, in that order."""
    missing = [name for name in names if name not in features]
    if missing:
        raise ValueError(f"The heads need the features {names}, but the backbone gives {list(features)}.")
    return [features[name] for name in names]
