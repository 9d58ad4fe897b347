"""
RoIAlign (Mask R-CNN, section 3) as a module over ``torchvision.ops.roi_align``.

Shapes: N images, C channels, H x W cells of a feature map; R regions.
"""

from __future__ import annotations

import torch
from detectron2.layers.wrappers import is_symbolic
from torch import nn
from torch.nn.modules.utils import _pair
from torchvision.ops import roi_align


class ROIAlign(nn.Module):
    """
    Pools each region to a fixed grid by averaging bilinear samples.

    Args:
        output_size: int, or (height, width), of the grid.
        spatial_scale: feature cells per input pixel, i.e. 1 / stride.
        sampling_ratio: samples per grid cell and axis; 0 takes ceil(region size / grid size).
        aligned: True puts the centre of cell (0, 0) at (0.5, 0.5) and leaves region sizes as they are
            ("ROIAlignV2"); False is the first publication's rule, which is off by half a cell.
    """

    def __init__(
        self,
        output_size: int | tuple[int, int],
        spatial_scale: float,
        sampling_ratio: int,
        aligned: bool = True,
    ) -> None:
        super().__init__()
        self.output_size = _pair(output_size)
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def forward(self, input: torch.Tensor, rois: torch.Tensor) -> torch.Tensor:
        """
        Args:
            input: (N, C, H, W).
            rois: (R, 5): image index, then XYXY in input pixels.

        Returns:
            (R, C, *output_size), dtype of ``input``. Half precision is pooled in float32, because a coordinate
            above 1024 in float16 (above 128 in bfloat16) is off by a pixel and more.
        """
        if not is_symbolic() and (rois.dim() != 2 or rois.shape[1] != 5):
            raise ValueError(
                f"ROIAlign needs (R, 5) regions (image index, then XYXY), but was given {tuple(rois.shape)}."
            )
        dtype = torch.promote_types(input.dtype, torch.float32)
        pooled = roi_align(
            input.to(dtype),
            rois.to(dtype),
            self.output_size,
            self.spatial_scale,
            self.sampling_ratio,
            self.aligned,
        )
        return pooled.to(input.dtype)

    def __repr__(self) -> str:
        return (
            f"ROIAlign(output_size={self.output_size}, spatial_scale={self.spatial_scale}, "
            f"sampling_ratio={self.sampling_ratio}, aligned={self.aligned})"
        )
