"""
From the network's input frame to the frame of the picture that the user gave.

Shapes: R detections, (H, W) the size wanted. Boxes are XYXY in absolute pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from detectron2.structures import Boxes, Instances, ROIMasks

__all__ = ["detector_postprocess", "sem_seg_postprocess"]


def detector_postprocess(
    results: Instances, output_height: int, output_width: int, mask_threshold: float = 0.5
) -> Instances:
    """
    Scales boxes to the size wanted, drops those that are empty there, and pastes masks into the whole image.

    Args:
        results: one image's detections in the network's input frame (``image_size`` says which), with
            ``pred_boxes`` or, for an RPN alone, ``proposal_boxes``; ``pred_masks`` are (R, 1, m, m) probabilities
            in each box, or ROIMasks. It is not changed.
        mask_threshold: probability from which a pixel belongs to the mask.

    Returns:
        Instances of size (H, W); ``pred_masks`` is a bool tensor (R, H, W), also where R is 0.
    """
    height, width = results.image_size
    # Sizes may be 0-dim tensors while a model is being traced.
    scale_x, scale_y = output_width / width, output_height / height
    scaled = Instances((output_height, output_width), **results.get_fields())
    name = next((n for n in ("pred_boxes", "proposal_boxes") if scaled.has(n)), None)
    if name is None:
        raise ValueError(
            f"Detections need the field pred_boxes or proposal_boxes, but have {list(results.get_fields())}."
        )
    boxes: Boxes = scaled.get(name).clone()
    boxes.scale(scale_x, scale_y)
    boxes.clip(scaled.image_size)
    scaled.set(name, boxes)
    scaled = scaled[boxes.nonempty()]

    if scaled.has("pred_masks"):
        masks = scaled.pred_masks
        roi_masks = masks if isinstance(masks, ROIMasks) else ROIMasks(masks[:, 0])
        bitmasks = roi_masks.to_bitmasks(scaled.get(name), output_height, output_width, mask_threshold)
        scaled.pred_masks = bitmasks.tensor
    return scaled


def sem_seg_postprocess(
    result: torch.Tensor, img_size: tuple[int, int], output_height: int, output_width: int
) -> torch.Tensor:
    """
    Cuts the padding off a map of scores and resizes it bilinearly.

    Args:
        result: (C, H_padded, W_padded).
        img_size: (height, width) of the image within the padding.

    Returns:
        (C, output_height, output_width).
    """
    height, width = img_size
    unpadded = result[None, :, :height, :width]
    resized = F.interpolate(unpadded, (output_height, output_width), mode="bilinear", align_corners=False)
    return resized[0]
