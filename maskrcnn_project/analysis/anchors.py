"""
How well anchors cover boxes: for each box the IoU with the best of all anchors of its image, without making them all.

Anchors of one shape lie on a regular grid, and a box and an anchor of given shapes overlap the more, the closer their
centres are, in x and in y independently. So of each shape only the anchor nearest to the box has to be looked at.
N boxes, A shapes of anchors over all feature maps. Boxes are XYXY in pixels of the image as the model gets it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data.transforms import ResizeShortestEdge
from detectron2.modeling import build_anchor_generator, build_backbone

from maskrcnn_project.analysis.objects import ROWS_AT_ONCE, ObjectTable

# A proposal or detection counts as found from 0.5 on; 0.7 is what makes an anchor positive (MODEL.RPN.IOU_THRESHOLDS).
RECALL_AT = (0.5, 0.7)


@dataclass(frozen=True)
class AnchorGrids:
    """The anchors of a model, as A shapes with a regular grid each; x before y."""

    sizes: np.ndarray  # (A, 2) width, height in pixels
    first: np.ndarray  # (A, 2) centre of the anchor in the upper left corner of the image
    steps: np.ndarray  # (A,) pixels from one anchor of this shape to the next, the stride of its feature map
    size_divisibility: int  # images are padded at the right and below to a multiple of this

    @classmethod
    def from_config(cls, cfg: CfgNode) -> AnchorGrids:
        """
        The anchors that the config's own generator makes.

        Raises:
            ValueError, KeyError: the config asks for what its generator or backbone cannot make.
        """
        backbone = build_backbone(cfg)
        shapes = backbone.output_shape()
        levels = [shapes[name] for name in cfg.MODEL.RPN.IN_FEATURES]
        generator = build_anchor_generator(cfg, levels)
        cells = generator([torch.zeros(1, 1, 1, 1) for _ in levels])  # maps of one cell: each shape once
        corners = torch.cat([cell.tensor for cell in cells]).double().numpy()  # (A, 4)
        steps = np.repeat([level.stride for level in levels], [len(cell) for cell in cells]).astype(float)
        return cls(
            sizes=corners[:, 2:] - corners[:, :2],
            first=(corners[:, 2:] + corners[:, :2]) / 2,
            steps=steps,
            size_divisibility=backbone.size_divisibility,
        )


def best_overlaps(boxes: np.ndarray, input_sizes: np.ndarray, grids: AnchorGrids) -> np.ndarray:
    """
    IoU of every box with the anchor that fits it best.

    Args:
        boxes: (N, 4), of some area.
        input_sizes: (N, 2) height, width of the image of each box as the model gets it, before padding.

    Returns:
        (N,) float64 from 0 to 1.
    """
    best = np.zeros(len(boxes))
    for start in range(0, len(boxes), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        low, high = boxes[part, :2], boxes[part, 2:]  # (n, 2) each, x before y
        centres, area = (low + high) / 2, (high - low).prod(axis=1)
        divisor = max(1, grids.size_divisibility)
        padded = np.ceil(input_sizes[part, ::-1] / divisor) * divisor
        for size, first, step in zip(grids.sizes, grids.first, grids.steps, strict=True):
            last = np.ceil(padded / step) - 1  # each halving of a feature map rounds up
            nearest = first + step * np.clip(np.round((centres - first) / step), 0, last)
            splits = np.minimum(high, nearest + size / 2) - np.maximum(low, nearest - size / 2)
            common = np.clip(splits, 0, None).prod(axis=1)
            np.maximum(best[part], common / (area + size.prod() - common), out=best[part])
    return best


def resize_boxes(objects: ObjectTable, short_edge: int, max_size: int) -> tuple[np.ndarray, np.ndarray]:
    """
    The objects as the model gets them at test time (INPUT.MIN_SIZE_TEST, INPUT.MAX_SIZE_TEST).

    Returns:
        (N, 4) boxes and (N, 2) height, width of the image of each.
    """
    different, which = np.unique(objects.image_sizes, axis=0, return_inverse=True)
    if short_edge > 0:  # 0 leaves the images as they are
        new = [ResizeShortestEdge.get_output_shape(int(h), int(w), short_edge, max_size) for h, w in different]
    else:
        new = different.tolist()
    after = np.array(new, dtype=np.float64).reshape(-1, 2)[which.reshape(-1)][objects.image_index]  # (N, 2)
    scale = after / objects.image_sizes[objects.image_index]
    return objects.boxes * scale[:, [1, 0, 1, 0]], after


def anchor_fit(objects: ObjectTable, cfg: CfgNode) -> np.ndarray:
    """(N,) IoU of every object with the best anchor of ``cfg``, at the size that ``cfg`` tests at."""
    boxes, input_sizes = resize_boxes(objects, cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)
    return best_overlaps(boxes, input_sizes, AnchorGrids.from_config(cfg))


def recalls(fit: np.ndarray) -> tuple[float, ...]:
    """Fractions of objects whose best anchor reaches each IoU of RECALL_AT; NaN where there is no object."""
    return tuple(float((fit >= threshold).mean()) if len(fit) else float("nan") for threshold in RECALL_AT)
