"""
Pasting: a mask predicted inside a box becomes a mask of the whole image.

Shapes: R masks, M x M cells each; H x W image; boxes (R, 4) XYXY in image pixels. The centre of pixel (0, 0)
lies at (0.5, 0.5), and a box's mask cells divide it evenly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from detectron2.layers.wrappers import is_symbolic
from PIL import Image

if TYPE_CHECKING:
    from detectron2.structures import Boxes

__all__ = ["pad_masks", "paste_mask_in_image_old", "paste_masks_in_image", "scale_boxes"]

# Largest float32 buffer of one chunk on an accelerator. Enough to keep it busy, little beside a detector's
# own features.
CHUNK_BYTES = 2**28
BYTES_PER_FLOAT = 4


def paste_masks_in_image(
    masks: torch.Tensor, boxes: torch.Tensor | Boxes, image_shape: tuple[int, int], threshold: float = 0.5
) -> torch.Tensor:
    """
    Resamples each mask bilinearly at the pixel centres of its box; everything else is background.

    Args:
        masks: (R, M, M) probabilities, or any number type.
        boxes: ``Boxes`` of length R, or an (R, 4) tensor.
        image_shape: (H, W).
        threshold: at or above 0, a pixel belongs to the object where the mask reaches it; below 0, soft
            masks.

    Returns:
        (R, H, W): bool, or uint8 of the mask * 255 (rounded down) for soft masks. R = 0 gives the same dtype.
    """
    if masks.shape[-1] != masks.shape[-2]:
        raise ValueError(
            f"paste_masks_in_image needs square (R, M, M) masks, but was given {tuple(masks.shape)}."
        )
    corners = boxes if isinstance(boxes, torch.Tensor) else boxes.tensor
    if is_symbolic():
        return _binarize(_resample(_as_float(masks), corners, *image_shape), threshold)
    if len(corners) != len(masks):
        raise ValueError(
            f"paste_masks_in_image needs one box a mask, but got {len(corners)} and {len(masks)}."
        )
    pasted = masks.new_zeros((len(masks), *image_shape), dtype=torch.bool if threshold >= 0 else torch.uint8)
    with torch.autocast(masks.device.type, enabled=False):  # the products below need float32's precision
        if masks.device.type == "cpu":
            _paste_box_by_box(_as_float(masks), corners, threshold, pasted)
        else:
            _paste_by_chunks(_as_float(masks), corners, threshold, pasted)
    return pasted


def _paste_box_by_box(
    masks: torch.Tensor, boxes: torch.Tensor, threshold: float, pasted: torch.Tensor
) -> None:
    """Fills ``pasted`` by work in proportion to the boxes' areas, not to R times the image's."""
    height, width = pasted.shape[1:]
    limit = boxes.new_tensor([width, height, width, height])
    first, last = _reach(boxes[:, :2], boxes[:, 2:])
    regions = torch.cat([first, last], 1).nan_to_num().clamp(min=boxes.new_zeros(4), max=limit)
    for mask, box, target, (x0, y0, x1, y1) in zip(
        masks, boxes, pasted, regions.long().tolist(), strict=True
    ):
        if x0 < x1 and y0 < y1:
            values = _resample(mask[None], box[None], y1, x1, y0, x0)[0]
            target[y0:y1, x0:x1] = _binarize(values, threshold)


def _paste_by_chunks(
    masks: torch.Tensor, boxes: torch.Tensor, threshold: float, pasted: torch.Tensor
) -> None:
    """Fills ``pasted`` by few large products, as many masks at once as ``CHUNK_BYTES`` hold."""
    height, width = pasted.shape[1:]
    step = max(1, CHUNK_BYTES // max(1, height * width * BYTES_PER_FLOAT))
    for start in range(0, len(masks), step):
        part = slice(start, start + step)
        pasted[part] = _binarize(_resample(masks[part], boxes[part], height, width), threshold)


def _resample(
    masks: torch.Tensor, boxes: torch.Tensor, bottom: int, right: int, top: int = 0, left: int = 0
) -> torch.Tensor:
    """
    The masks' values at the pixel centres of rows [top, bottom) and columns [left, right), by bilinear
    interpolation with zeros outside the mask: ``grid_sample(align_corners=False)``, written as one matrix
    product an axis.

    Returns: (R, bottom - top, right - left).
    """
    x0, y0, x1, y1 = boxes.to(masks.dtype).unbind(1)
    rows = _axis_weights(y0, y1, top, bottom, masks.shape[1])  # (R, H, M)
    columns = _axis_weights(x0, x1, left, right, masks.shape[2])  # (R, W, M)
    return rows @ masks @ columns.transpose(1, 2)


def _axis_weights(start: torch.Tensor, end: torch.Tensor, first: int, last: int, cells: int) -> torch.Tensor:
    """
    How much each of ``cells`` mask cells, spread over [start, end], gives to each pixel of [first, last).

    Linear interpolation is the hat function max(0, 1 - |distance in cells|); cells outside the mask do not
    exist.

    Args:
        start, end: (R,).

    Returns: (R, last - first, cells).
    """
    centres = torch.arange(first, last, device=start.device, dtype=start.dtype) + 0.5
    extent = (end - start).clamp(
        min=torch.finfo(start.dtype).tiny
    )  # a box without area covers no pixel centre
    position = (centres - start[:, None]) * (
        cells / extent[:, None]
    ) - 0.5  # in cells, 0 = centre of the first
    weights = (1 - (position[:, :, None] - torch.arange(cells, device=start.device)).abs()).clamp(min=0)
    reach_first, reach_last = _reach(start, end)
    inside = (centres > reach_first[:, None]) & (centres < reach_last[:, None])
    return weights * inside[:, :, None]


def _reach(start: torch.Tensor, end: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """
    The whole pixels that a box may touch: its own and one more each side, as Detectron2 counts them.

    Large mask cells would fade out over many pixels beyond the box; soft masks show that, and it is cut off
    here.
    """
    return start.floor() - 1, end.ceil() + 1


def _binarize(values: torch.Tensor, threshold: float) -> torch.Tensor:
    return values >= threshold if threshold >= 0 else (values * 255).to(torch.uint8)


def _as_float(masks: torch.Tensor) -> torch.Tensor:
    """At least float32."""
    return masks.to(torch.promote_types(masks.dtype, torch.float32))


def paste_mask_in_image_old(
    mask: torch.Tensor, box: torch.Tensor, img_h: int, img_w: int, threshold: float
) -> torch.Tensor:
    """
    Pastes one mask as Mask R-CNN's first release did: the box is cut to whole pixels, its last ones included,
    and the mask is resized to it. Kept for comparisons; ``paste_masks_in_image`` is free of its rounding.

    Args:
        mask: (M, M) float probabilities.
        box: (4,) XYXY.
        threshold: as in ``paste_masks_in_image``, but a pixel must exceed it.

    Returns:
        (img_h, img_w) uint8: 0 and 1, or 0 to 255 for soft masks.
    """
    x0, y0, x1, y1 = (int(v) for v in box.tolist())
    width, height = max(x1 - x0 + 1, 1), max(y1 - y0 + 1, 1)
    small = Image.fromarray(mask.detach().cpu().numpy().astype(np.float32))
    resized = torch.from_numpy(np.array(small.resize((width, height), resample=Image.Resampling.BILINEAR)))
    hard = resized > threshold if threshold >= 0 else resized * 255
    pasted = torch.zeros((img_h, img_w), dtype=torch.uint8)
    top, bottom, left, right = max(y0, 0), min(y0 + height, img_h), max(x0, 0), min(x0 + width, img_w)
    if top < bottom and left < right:
        pasted[top:bottom, left:right] = hard[top - y0 : bottom - y0, left - x0 : right - x0].to(torch.uint8)
    return pasted


def pad_masks(masks: torch.Tensor, padding: int) -> tuple[torch.Tensor, float]:
    """(R, M, M) masks with ``padding`` zero cells on every side, and the factor by which a side has grown."""
    size = masks.shape[-1]
    return F.pad(masks, (padding,) * 4), (size + 2 * padding) / size


def scale_boxes(boxes: torch.Tensor, scale: float) -> torch.Tensor:
    """(R, 4) boxes grown by ``scale`` about their centres, to match ``pad_masks``."""
    low, high = boxes[:, :2], boxes[:, 2:]
    centre, half = (low + high) / 2, (high - low) / 2 * scale
    return torch.cat([centre - half, centre + half], 1)
