"""
Axis-aligned boxes, and how much they overlap.

Shapes: N and M boxes, (N, 4) float32 XYXY in absolute pixels. A box ends where its last pixel ends: width =
x1 - x0.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum, unique
from typing import Any, cast

import numpy as np
import torch
from detectron2.layers.wrappers import is_symbolic
from detectron2.utils._refused import refuse

MIN_AREA = torch.finfo(torch.float32).tiny  # instead of 0 under a fraction: no overlap divided by it stays 0
RawBox = list[float] | tuple[float, ...] | torch.Tensor | np.ndarray


@unique
class BoxMode(IntEnum):
    """What the numbers of a box mean. The values are stored in dataset files, so they stay."""

    XYXY_ABS = 0  # left, top, right, bottom in pixels
    XYWH_ABS = 1  # left, top, width, height in pixels (COCO)
    XYXY_REL = 2  # as XYXY_ABS, in fractions of the image's size
    XYWH_REL = 3  # as XYWH_ABS, in fractions of the image's size
    XYWHA_ABS = 4  # centre x, centre y, width, height, degrees counter-clockwise

    @staticmethod
    def convert(box: RawBox, from_mode: BoxMode, to_mode: BoxMode) -> RawBox:
        """
        One box, or many, in another mode.

        Args:
            box: list or tuple of 4 numbers, or a tensor or array (..., 4).

        Returns:
            The same type, dtype and shape. The input is not changed, but handed back itself where the modes
            are equal.

        Raises:
            NotImplementedError: a mode other than XYXY_ABS and XYWH_ABS.
        """
        if from_mode == to_mode:
            return box
        supported = (BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)
        for mode in (from_mode, to_mode):
            if mode not in supported:
                raise NotImplementedError(
                    f"BoxMode.convert was asked for {BoxMode(from_mode).name} -> {BoxMode(to_mode).name}, "
                    "but knows only XYXY_ABS and XYWH_ABS: turn the boxes into one of them first (rotated "
                    "boxes need the real Detectron2)."
                )
        sign = 1 if from_mode == BoxMode.XYWH_ABS else -1
        if isinstance(box, (list, tuple)):
            if len(box) != 4:
                raise ValueError(f"BoxMode.convert needs a box of 4 numbers, but was given {len(box)}: {box}.")
            x, y, u, v = box
            converted = [x, y, u + sign * x, v + sign * y]
            return converted if isinstance(box, list) else tuple(converted)
        if box.shape[-1] != 4:
            raise ValueError(f"BoxMode.convert needs boxes of shape (..., 4), but was given {tuple(box.shape)}.")
        corner, other = box[..., :2], box[..., 2:]
        if isinstance(box, torch.Tensor):
            return torch.cat([cast(torch.Tensor, corner), cast(torch.Tensor, other + sign * corner)], dim=-1)
        return np.concatenate([corner, other + sign * corner], axis=-1)


class Boxes:
    """
    N boxes with the operations a detector needs; indexing works as on the tensor's rows.

    Attributes:
        tensor: (N, 4) float32 XYXY, absolute pixels.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        """
        Args:
            tensor: (N, 4), or anything ``torch.as_tensor`` takes. No elements of any shape mean no boxes;
                they keep the device and the gradient path.
        """
        boxes = tensor if isinstance(tensor, torch.Tensor) else torch.as_tensor(tensor, device=torch.device("cpu"))
        boxes = boxes.to(torch.float32)
        if not is_symbolic():
            if boxes.shape[-1:] != (4,) and boxes.numel() == 0:
                boxes = boxes.reshape(0, 4)
            if boxes.dim() != 2 or boxes.shape[1] != 4:
                raise AssertionError(f"Boxes needs a tensor of shape (N, 4), but was given {tuple(boxes.shape)}.")
        self.tensor = boxes

    def clone(self) -> Boxes:
        return Boxes(self.tensor.clone())

    def to(self, device: torch.device, *args: Any, **kwargs: Any) -> Boxes:
        """As ``torch.Tensor.to``; boxes stay float32."""
        return Boxes(self.tensor.to(device, *args, **kwargs))

    def area(self) -> torch.Tensor:
        """(N,) square pixels."""
        x0, y0, x1, y1 = self.tensor.unbind(1)
        return (x1 - x0) * (y1 - y0)

    def clip(self, box_size: tuple[int, int]) -> None:
        """Cuts the boxes, in place, to an image of ``box_size`` = (height, width). A NaN stays NaN."""
        height, width = box_size
        x0, y0, x1, y1 = self.tensor.unbind(1)
        self.tensor = torch.stack(
            (
                x0.clamp(min=0, max=width),
                y0.clamp(min=0, max=height),
                x1.clamp(min=0, max=width),
                y1.clamp(min=0, max=height),
            ),
            dim=1,
        )

    def nonempty(self, threshold: float = 0.0) -> torch.Tensor:
        """(N,) bool: both sides are longer than ``threshold`` pixels."""
        x0, y0, x1, y1 = self.tensor.unbind(1)
        return (x1 - x0 > threshold) & (y1 - y0 > threshold)

    def __getitem__(self, item: Any) -> Boxes:
        """
        ``boxes[int]``, ``boxes[slice]``, ``boxes[(N,) bool]`` or ``boxes[(K,) integer]``, all as ``Boxes``.

        A slice shares memory with the original.
        """
        rows = self.tensor[item]
        if isinstance(item, int):
            rows = rows[None]
        if rows.dim() != 2:
            raise AssertionError(f"Indexing Boxes with {item!r} gives shape {tuple(rows.shape)} instead of (K, 4).")
        return Boxes(rows)

    def __len__(self) -> int:
        return self.tensor.shape[0]

    def __repr__(self) -> str:
        return f"Boxes({self.tensor})"

    def inside_box(self, box_size: tuple[int, int], boundary_threshold: int = 0) -> torch.Tensor:
        """(N,) bool: inside ``box_size`` = (height, width), grown by ``boundary_threshold`` pixels."""
        height, width = box_size
        x0, y0, x1, y1 = self.tensor.unbind(1)
        return (
            (x0 >= -boundary_threshold)
            & (y0 >= -boundary_threshold)
            & (x1 < width + boundary_threshold)
            & (y1 < height + boundary_threshold)
        )

    def get_centers(self) -> torch.Tensor:
        """(N, 2) x, y."""
        return (self.tensor[:, :2] + self.tensor[:, 2:]) / 2

    def scale(self, scale_x: float, scale_y: float) -> None:
        """Multiplies all x by ``scale_x`` and all y by ``scale_y``: the boxes on the resized image."""
        x0, y0, x1, y1 = self.tensor.unbind(1)
        self.tensor = torch.stack((x0 * scale_x, y0 * scale_y, x1 * scale_x, y1 * scale_y), dim=1)

    @classmethod
    def cat(cls, boxes_list: list[Boxes]) -> Boxes:
        """All boxes of all, in order, as a copy. An empty list gives no boxes."""
        if not isinstance(boxes_list, (list, tuple)) or not all(isinstance(boxes, Boxes) for boxes in boxes_list):
            raise AssertionError(f"Boxes.cat needs a list of Boxes, but was given {boxes_list!r}.")
        if len(boxes_list) == 0:
            return cls(torch.empty(0, 4))
        return cls(torch.cat([boxes.tensor for boxes in boxes_list], dim=0))

    @property
    def device(self) -> torch.device:
        return self.tensor.device

    def __iter__(self) -> Iterator[torch.Tensor]:
        """The rows, (4,) each."""
        yield from self.tensor


def _overlap(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """
    Square pixels common to ``first`` and ``second``, (..., 4) each, which broadcast.

    One plane a side and in place where it can be: with 20 objects and 200,000 anchors, memory is what costs.
    """
    ax0, ay0, ax1, ay1 = first.unbind(-1)
    bx0, by0, bx1, by1 = second.unbind(-1)
    width = torch.min(ax1, bx1).sub_(torch.max(ax0, bx0)).clamp_(min=0)
    height = torch.min(ay1, by1).sub_(torch.max(ay0, by0)).clamp_(min=0)
    return width.mul_(height)


def pairwise_intersection(boxes1: Boxes, boxes2: Boxes) -> torch.Tensor:
    """(N, M) square pixels common to each of ``boxes1`` and each of ``boxes2``."""
    return _overlap(boxes1.tensor[:, None], boxes2.tensor[None])


def pairwise_iou(boxes1: Boxes, boxes2: Boxes) -> torch.Tensor:
    """(N, M) intersection over union; 0 where boxes do not meet, so also for two without area."""
    return _iou(pairwise_intersection(boxes1, boxes2), boxes1.area()[:, None], boxes2.area()[None])


def pairwise_ioa(boxes1: Boxes, boxes2: Boxes) -> torch.Tensor:
    """(N, M) intersection over the area of ``boxes2``; 0 where they do not meet."""
    return pairwise_intersection(boxes1, boxes2) / boxes2.area().clamp(min=MIN_AREA)


def matched_pairwise_iou(boxes1: Boxes, boxes2: Boxes) -> torch.Tensor:
    """(N,) intersection over union of row i of ``boxes1`` with row i of ``boxes2``."""
    if len(boxes1) != len(boxes2):
        raise AssertionError(f"matched_pairwise_iou needs equally many boxes, but got {len(boxes1)} and {len(boxes2)}.")
    return _iou(_overlap(boxes1.tensor, boxes2.tensor), boxes1.area(), boxes2.area())


def _iou(common: torch.Tensor, area1: torch.Tensor, area2: torch.Tensor) -> torch.Tensor:
    union = (area1 + area2).sub_(common).clamp_(min=MIN_AREA)
    return common / union


def pairwise_point_box_distance(points: torch.Tensor, boxes: Boxes) -> torch.Tensor:
    """
    How far each point lies from each side of each box; all four are positive inside.

    Args:
        points: (N, 2) x, y.

    Returns:
        (N, M, 4): to the left, top, right and bottom side.
    """
    point = points[:, None]  # (N, 1, 2)
    corners = boxes.tensor[None]  # (1, M, 4)
    return torch.cat([point - corners[..., :2], corners[..., 2:] - point], dim=-1)


__getattr__ = refuse(__name__, {"RotatedBoxes": "rotated boxes"})
