"""The model run on images of any size: masks are pasted one by one, each where it lies, and encoded at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from detectron2.layers import paste_masks_in_image
from detectron2.modeling import GeneralizedRCNN
from detectron2.structures import Instances
from torch import nn

from maskrcnn_project.masks.coding import Rle, encode_crop
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.masks.mask_in_box import MaskInBox


def detect(model: nn.Module, batch: Sequence[dict[str, Any]]) -> list[Detections]:
    """
    What ``model`` finds in each image of ``batch``, at the images' own sizes.

    The same instances and pixels as the model's own output, which holds every mask as large as its image (300 on an
    image of 8000x4000: 9.6 GB).

    Args:
        model: in evaluation mode. One whose masks cannot be had before they are pasted (test-time augmentation, another
            architecture) is run as it is.
        batch: dicts with "image" (C, H, W) and, where it differs, the wanted "height" and "width".
    """
    if not isinstance(model, GeneralizedRCNN):
        return [Detections.from_instances(output["instances"].to("cpu")) for output in model(batch)]
    found = model.inference(list(batch), do_postprocess=False)
    sizes = [(int(image.get("height", 0)), int(image.get("width", 0))) for image in batch]
    return [
        place_instances(raw.to("cpu"), size if all(size) else raw.image_size)
        for raw, size in zip(found, sizes, strict=True)
    ]


def place_instances(raw: Instances, size: tuple[int, int]) -> Detections:
    """
    A model's instances brought to the image's ``size`` (height, width).

    Args:
        raw: at the size of the model's input; ``pred_masks`` (N, 1, S, S) in their boxes, 0 to 1, if any.
    """
    boxes = raw.pred_boxes.clone()
    boxes.scale(size[1] / raw.image_size[1], size[0] / raw.image_size[0])
    boxes.clip(size)
    kept = boxes.nonempty()
    raw, boxes = raw[kept], boxes[kept]
    masks = None
    if raw.has("pred_masks"):
        masks = [paste_mask(mask, box, size) for mask, box in zip(raw.pred_masks, boxes.tensor, strict=True)]
    return Detections(size, boxes.tensor.numpy(), raw.scores.numpy(), raw.pred_classes.numpy(), masks)


def paste_mask(mask: torch.Tensor, box: torch.Tensor, size: tuple[int, int]) -> Rle:
    """
    One mask (1, S, S), 0 to 1, in its ``box`` (4,) XYXY, as run lengths of an image of ``size`` (height, width).

    Outside its box a mask is below one half, so the box and a pixel round it are all that has to be looked at. Moved by
    whole pixels, no number of the pasting is rounded otherwise.
    """
    low = (box[:2].floor() - 1).clamp(min=0)
    x, y = (int(value) for value in low)
    right, bottom = (int(value) for value in box[2:].ceil() + 1)
    window = (min(bottom, size[0]) - y, min(right, size[1]) - x)
    pixels = paste_masks_in_image(mask, (box - low.repeat(2))[None], window, threshold=0.5)
    return encode_crop(MaskInBox.at(x, y, np.asarray(pixels[0].numpy(), dtype=bool)), size)
