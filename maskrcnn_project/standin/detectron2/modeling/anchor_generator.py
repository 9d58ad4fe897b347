"""
Anchors: boxes of fixed sizes and shapes around every cell of the feature maps (arXiv:1506.01497, section 3.1.1).

Shapes: A anchors a cell, H x W cells of a map. Boxes are XYXY in absolute pixels of the padded input.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.structures import Boxes
from detectron2.utils._refused import refuse
from detectron2.utils.registry import Registry
from torch import nn

__all__ = ["ANCHOR_GENERATOR_REGISTRY", "BufferList", "DefaultAnchorGenerator", "build_anchor_generator"]

ANCHOR_GENERATOR_REGISTRY = Registry("ANCHOR_GENERATOR")
ANCHOR_GENERATOR_REGISTRY.__doc__ = (
    "Callables ``(cfg, input_shape: list[ShapeSpec])`` named by MODEL.ANCHOR_GENERATOR.NAME: modules from a list of "
    "feature maps to a list of Boxes, one per map."
)


class BufferList(nn.Module):
    """A list of tensors that move with the module and are not saved with it."""

    def __init__(self, buffers: Sequence[torch.Tensor]):
        super().__init__()
        for i, buffer in enumerate(buffers):
            self.register_buffer(str(i), buffer, persistent=False)

    def __len__(self) -> int:
        return len(self._buffers)

    def __iter__(self) -> Iterator[torch.Tensor]:
        return iter(self._buffers.values())  # type: ignore[arg-type]


def _one_per_level(values: Sequence[Any], num_levels: int, name: str) -> list[Sequence[float]]:
    """``values`` as one list a feature map; a flat list, or a list of one list, serves all maps alike."""
    nested: list[Sequence[float]] = [list(v) for v in values] if isinstance(values[0], Sequence) else [list(values)]
    if len(nested) == 1:
        nested = nested * num_levels
    if len(nested) != num_levels:
        raise ValueError(
            f"MODEL.ANCHOR_GENERATOR.{name.upper()} must hold one list for each of the {num_levels} feature maps, "
            f"or one for all, but holds {len(nested)}: {values}."
        )
    return nested


def _cell_centers(length: int, stride: int, offset: float, device: torch.device) -> torch.Tensor:
    """(length,) float32 positions, in pixels, of the cells along one axis."""
    return torch.arange(length, dtype=torch.float32, device=device) * stride + offset * stride


class DefaultAnchorGenerator(nn.Module):
    """
    Anchors of every given size in every given shape.

    Args:
        sizes: square roots of the anchors' areas, in pixels: one list a feature map, or one list for all.
        aspect_ratios: height / width: one list a feature map, or one list for all.
        strides: of the feature maps, in pixels.
        offset: place of the first anchor's centre as a fraction of the stride, in [0, 1).
    """

    box_dim: int = 4  # numbers that describe a box; the RPN head predicts as many deltas for each anchor

    @configurable
    def __init__(
        self,
        *,
        sizes: Sequence[Any],
        aspect_ratios: Sequence[Any],
        strides: Sequence[int],
        offset: float = 0.5,
    ):
        super().__init__()
        if not 0.0 <= offset < 1.0:
            raise ValueError(f"MODEL.ANCHOR_GENERATOR.OFFSET must lie in [0, 1), but is {offset}.")
        self.strides = list(strides)
        self.num_features = len(self.strides)
        self.offset = offset
        sizes = _one_per_level(sizes, self.num_features, "sizes")
        aspect_ratios = _one_per_level(aspect_ratios, self.num_features, "aspect_ratios")
        self.cell_anchors = BufferList(
            [self.generate_cell_anchors(s, r) for s, r in zip(sizes, aspect_ratios, strict=True)]
        )

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: list[ShapeSpec]) -> dict[str, Any]:
        return {
            "sizes": cfg.MODEL.ANCHOR_GENERATOR.SIZES,
            "aspect_ratios": cfg.MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS,
            "strides": [shape.stride for shape in input_shape],
            "offset": cfg.MODEL.ANCHOR_GENERATOR.OFFSET,
        }

    @property
    def num_anchors(self) -> list[int]:
        """Anchors at each cell, for each feature map."""
        return [len(cell) for cell in self.cell_anchors]

    @property
    def num_cell_anchors(self) -> list[int]:
        """:attr:`num_anchors` under the name of older releases."""
        return self.num_anchors

    def generate_cell_anchors(
        self,
        sizes: Sequence[float] = (32, 64, 128, 256, 512),
        aspect_ratios: Sequence[float] = (0.5, 1, 2),
    ) -> torch.Tensor:
        """
        The anchors of one cell, centred at 0 and not rounded: (len(sizes) * len(aspect_ratios), 4).

        Sizes vary slowest. An anchor of size s and ratio r has the area s^2 and a height r times its width.
        """
        anchors = []
        for size in sizes:
            for ratio in aspect_ratios:
                half_w = 0.5 * math.sqrt(size**2 / ratio)
                half_h = ratio * half_w
                anchors.append([-half_w, -half_h, half_w, half_h])
        return torch.tensor(anchors)

    def forward(self, features: list[torch.Tensor]) -> list[Boxes]:
        """
        Args:
            features: maps (N, C, H, W), in the order of ``strides``; only H and W are looked at.

        Returns:
            For each map Boxes of (H * W * A, 4): rows of the map first, then columns, then anchors.
        """
        if len(features) != self.num_features:
            raise ValueError(
                f"The anchor generator was made for {self.num_features} feature maps, but got {len(features)}."
            )
        boxes = []
        for feature, stride, cell in zip(features, self.strides, self.cell_anchors, strict=True):
            height, width = feature.shape[-2:]
            y = _cell_centers(height, stride, self.offset, cell.device)
            x = _cell_centers(width, stride, self.offset, cell.device)
            grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")  # (H, W) each
            shifts = torch.stack((grid_x, grid_y, grid_x, grid_y), dim=-1).reshape(-1, 1, 4)  # (H * W, 1, 4)
            boxes.append(Boxes((shifts + cell).reshape(-1, 4)))
        return boxes


ANCHOR_GENERATOR_REGISTRY.register(DefaultAnchorGenerator)


def build_anchor_generator(cfg: CfgNode, input_shape: list[ShapeSpec]) -> nn.Module:
    """The anchor generator that MODEL.ANCHOR_GENERATOR.NAME names, for feature maps of the given strides."""
    return ANCHOR_GENERATOR_REGISTRY.get(cfg.MODEL.ANCHOR_GENERATOR.NAME)(cfg, input_shape)


__getattr__ = refuse(__name__, {"RotatedAnchorGenerator": "rotated boxes"})
