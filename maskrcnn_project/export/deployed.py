"""
What is exported: a detector as a function of tensors.

Shapes: N instances, H x W pixels of the model's input, S x S cells of a mask in its box.
"""

from __future__ import annotations

import torch
from detectron2.layers import paste_masks_in_image
from torch import nn

# From this probability on a pixel belongs to a mask: section 3 of the Mask R-CNN paper (arXiv:1703.06870).
MASK_THRESHOLD = 0.5

INPUT_NAME = "image"
OUTPUT_NAMES = ("boxes", "classes", "scores", "masks")  # the last only where the model has masks


class Deployed(nn.Module):
    """
    One image to its instances, the most confident first. Nothing found is N = 0.

    Args:
        model: a GeneralizedRCNN in evaluation mode.
        paste: whether masks are brought to the size of the input; else they stay in their boxes, which takes less
            memory, and lets them be pasted at the size that the picture had before it was resized.
    """

    def __init__(self, model: nn.Module, paste: bool = True):
        super().__init__()
        self.model = model
        self.paste = paste

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """
        Args:
            image: (3, H, W) float32, 0 to 255, channels in the order of INPUT.FORMAT, resized as in testing.

        Returns:
            boxes: (N, 4) float32, XYXY in pixels of the input.
            classes: (N,) int64, the model's class numbers, from 0.
            scores: (N,) float32, 0 to 1, falling.
            masks: (N, H, W) bool; without ``paste`` (N, S, S) float32 probabilities that fill the box. Only where the
                model has masks.
        """
        found = self.model.inference([{"image": image}], do_postprocess=False)[0]  # type: ignore[operator]
        boxes = found.pred_boxes.tensor
        outputs = (boxes, found.pred_classes, found.scores)
        if not found.has("pred_masks"):
            return outputs
        masks = found.pred_masks[:, 0]  # (N, S, S)
        if self.paste:
            masks = paste_masks_in_image(masks, boxes, (image.shape[1], image.shape[2]), threshold=MASK_THRESHOLD)
        return (*outputs, masks)
