"""
Pasting: a mask predicted inside a box becomes a mask of the whole image.

Shapes: R masks, M x M cells each; H x W image; boxes (R, 4) XYXY in image pixels. The centre of pixel (0, 0)
lies at (0.5, 0.5), and a box's mask cells divide it evenly.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from detectron2.layers.wrappers import is_symbolic
from PIL import Image

__all__ = ["pad_masks", "paste_mask_in_image_old", "paste_masks_in_image", "scale_boxes"]

# Largest float32 buffer of one chunk on an accelerator: enough to keep it busy, little beside a detector's
# features.
CHUNK_BYTES = 2**28
BYTES_PER_FLOAT = 4
MIN_SIDE = 1e-6  # pixels; a box without area stays out of divisions by zero, and covers no pixel centre

Array = TypeVar("Array", torch.Tensor, np.ndarray)


def paste_masks_in_image(
    masks: torch.Tensor, boxes: torch.Tensor | Any, image_shape: tuple[int, int], threshold: float = 0.5
) -> torch.Tensor:
    """
    Resamples each mask bilinearly at the pixel centres of its box; everything else is background.

    Args:
        masks: (R, M, M) probabilities, or any number type.
        boxes: (R, 4) tensor, or ``structures.Boxes`` of length R.
        image_shape: (H, W).
        threshold: at or above 0, a pixel belongs to the object where the mask reaches it; below 0, soft
            masks.

    Returns:
        (R, H, W): bool, or uint8 of the mask * 255 (rounded down) for soft masks. R = 0 gives the same dtype.
    """
    if not is_symbolic() and masks.shape[-1] != masks.shape[-2]:
        raise ValueError(f"paste_masks_in_image needs square (R, M, M) masks, but was given {tuple(masks.shape)}.")
    corners = (boxes if isinstance(boxes, torch.Tensor) else boxes.tensor).detach()
    probabilities = masks.detach().to(torch.promote_types(masks.dtype, torch.float32))
    if is_symbolic():
        return _binarize(_resample(probabilities, corners, *image_shape), threshold)
    if len(corners) != len(masks):
        raise ValueError(f"paste_masks_in_image needs one box per mask, but got {len(corners)} and {len(masks)}.")
    shape = (len(masks), *image_shape)
    if masks.device.type == "cpu":
        # numpy's zeros come from the system untouched: pages that no box reaches cost nothing.
        planes = np.zeros(shape, dtype=bool if threshold >= 0 else np.uint8)
        _paste_box_by_box(probabilities.numpy(), corners, threshold, planes)
        return torch.from_numpy(planes)
    pasted = masks.new_zeros(shape, dtype=torch.bool if threshold >= 0 else torch.uint8)
    _paste_by_chunks(probabilities, corners, threshold, pasted)
    return pasted


def _paste_box_by_box(masks: np.ndarray, boxes: torch.Tensor, threshold: float, pasted: np.ndarray) -> None:
    """
    Fills ``pasted`` by work in proportion to the boxes' areas, not to R times the image's.

    In numpy, because most boxes are so small that calling torch would cost more than the work itself.
    """
    height, width = pasted.shape[1:]
    first, last = _reach(boxes[:, :2], boxes[:, 2:])
    regions = torch.cat([first, last], dim=1).nan_to_num().clamp(-1, max(height, width) + 1).long()
    cells = np.arange(masks.shape[1], dtype=masks.dtype)
    for mask, target, (x0, y0, x1, y1), box in zip(masks, pasted, regions.tolist(), boxes.tolist(), strict=True):
        window = slice(max(y0, 0), min(y1, height)), slice(max(x0, 0), min(x1, width))
        if window[0].start >= window[0].stop or window[1].start >= window[1].stop:
            continue
        columns, rows = (
            _axis_weights(
                np.arange(part.start, part.stop, dtype=masks.dtype),
                start,
                len(cells) / max(end - start, MIN_SIDE),
                cells,
            )
            for part, start, end in zip(window[::-1], box[:2], box[2:], strict=True)
        )
        values = rows @ mask @ columns.T
        target[window] = values >= threshold if threshold >= 0 else values * 255


def _paste_by_chunks(masks: torch.Tensor, boxes: torch.Tensor, threshold: float, pasted: torch.Tensor) -> None:
    """Fills ``pasted`` by few large products, as many masks at once as ``CHUNK_BYTES`` hold."""
    height, width = pasted.shape[1:]
    step = max(1, CHUNK_BYTES // max(1, height * width * BYTES_PER_FLOAT))
    with torch.autocast(masks.device.type, enabled=False):  # a boundary at one half needs more than 8 bits
        for start in range(0, len(masks), step):
            part = slice(start, start + step)
            pasted[part] = _binarize(_resample(masks[part], boxes[part], height, width), threshold)


def _resample(masks: torch.Tensor, boxes: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """
    (R, H, W): the masks' values at the image's pixel centres, by bilinear interpolation, 0 outside the mask.

    ``torch.nn.functional.grid_sample(align_corners=False)``, written as one matrix product an axis.
    """
    boxes = boxes.to(masks.dtype)
    cells = torch.arange(masks.shape[1], device=masks.device, dtype=masks.dtype)
    reach = _reach(boxes[:, :2], boxes[:, 2:])
    weights = []
    for axis, length in ((1, height), (0, width)):
        start, end = boxes[:, axis, None], boxes[:, axis + 2, None]  # (R, 1)
        pixels = torch.arange(length, device=masks.device, dtype=masks.dtype)
        inside = (pixels >= reach[0][:, axis, None]) & (pixels < reach[1][:, axis, None])
        per_pixel = masks.shape[1] / (end - start).clamp(min=MIN_SIDE)
        weights.append(_axis_weights(pixels, start, per_pixel, cells) * inside[:, :, None])
    rows, columns = weights  # (R, H, M), (R, W, M)
    return rows @ masks @ columns.transpose(1, 2)


def _axis_weights(pixels: Array, start: Array | float, cells_per_pixel: Array | float, cells: Array) -> Array:
    """
    How much each mask cell gives to each pixel along one axis; of numpy and torch alike.

    Linear interpolation is the hat function max(0, 1 - |distance in cells|).

    Args:
        pixels: (P,) pixel numbers.
        start, cells_per_pixel: of the box; numbers, or (R, 1).
        cells: (M,) cell numbers.

    Returns:
        (P, M), or (R, P, M).
    """
    position = (pixels + 0.5 - start) * cells_per_pixel - 0.5  # the centre of cell 0 lies at 0
    return (1 - abs(position[..., None] - cells)).clip(0)


def _reach(start: torch.Tensor, end: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """
    First and one past the last pixel that a box may touch: its own and one more each side, as Detectron2
    counts.

    Large mask cells would fade out over many pixels beyond the box; soft masks show that, and it is cut here.
    """
    return start.floor() - 1, end.ceil() + 1


def _binarize(values: torch.Tensor, threshold: float) -> torch.Tensor:
    return values >= threshold if threshold >= 0 else (values * 255).to(torch.uint8)


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
