"""
Points in boxes: where to look closer, and what the feature maps hold there (PointRend, arXiv:1912.08193).

Shapes: R regions, P points of each, C channels, (S, S) a grid over a box. A point is (x, y) in [0, 1] from the upper
left to the lower right corner of its box; the centre of cell (row i, column j) of the grid is
((j + 0.5) / S, (i + 0.5) / S).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F


def sample_grids(grids: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """
    Bilinear values of (R, C, S, S) grids at (R, P, 2) points, each of its own box.

    Returns:
        (R, C, P); beyond the outermost centres the border's value.
    """
    where = points.to(grids.dtype).unsqueeze(2) * 2 - 1  # (R, P, 1, 2) in [-1, 1], as grid_sample takes them
    return F.grid_sample(grids, where, align_corners=False, padding_mode="border").squeeze(3)


def sample_map(feature_map: torch.Tensor, boxes: torch.Tensor, points: torch.Tensor, stride: float) -> torch.Tensor:
    """
    Bilinear values of one image's (C, H, W) map at (R, P, 2) points of its (R, 4) boxes.

    Args:
        boxes: XYXY in pixels of the input image.
        stride: pixels of the input image a cell of the map, whose centres lie at half of it.

    Returns:
        (R, C, P); zeros beyond the map, as where a picture is padded.
    """
    in_image = boxes[:, None, :2] + points * (boxes[:, None, 2:] - boxes[:, None, :2])  # (R, P, 2) pixels
    height, width = feature_map.shape[1:]
    # An axis at a time: in a graph, the sides of a map are symbols that no tensor can be made of.
    axes = [in_image[:, :, axis] / (side * stride) for axis, side in enumerate((width, height))]
    where = (torch.stack(axes, dim=2) * 2 - 1).to(feature_map.dtype)
    # All regions of an image at once: one row of R * P points.
    values = F.grid_sample(feature_map[None], where.reshape(1, 1, -1, 2), align_corners=False)
    return values[0, :, 0].unflatten(1, (-1, points.shape[1])).transpose(0, 1)


def uncertainty(logits: torch.Tensor) -> torch.Tensor:
    """How near a mask logit is to one half: the negative distance to 0 (section 3.1 of the paper)."""
    return -logits.abs()


def uncertain_cells(logits: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """
    The ``count`` most uncertain cells of (R, 1, S, S) logits.

    Returns:
        Flat indices (R, P) of the cells and their centres (R, P, 2); P = min(count, S * S).
    """
    side = logits.shape[-1]
    indices = uncertainty(logits).flatten(1).topk(min(count, side * side), dim=1).indices
    columns, rows = indices % side, torch.div(indices, side, rounding_mode="floor")
    return indices, (torch.stack([columns, rows], dim=2) + 0.5) / side


@torch.no_grad()
def training_points(logits: torch.Tensor, count: int, oversample: float, important: float) -> torch.Tensor:
    """
    Random points, most of them where the (R, 1, S, S) logits are uncertain (section 3.1 of the paper).

    Args:
        oversample: ``count`` times this many candidates are drawn uniformly.
        important: the fraction of ``count`` that are the most uncertain candidates; the rest is uniform.

    Returns:
        (R, count, 2).
    """
    regions, chosen = logits.shape[0], round(count * important)
    candidates = torch.rand(regions, round(count * oversample), 2, device=logits.device)
    values = uncertainty(sample_grids(logits, candidates))[:, 0]  # (R, candidates)
    best = values.topk(chosen, dim=1).indices.unsqueeze(2).expand(-1, -1, 2)
    uniform = torch.rand(regions, count - chosen, 2, device=logits.device)
    return torch.cat([candidates.gather(1, best), uniform], dim=1)
