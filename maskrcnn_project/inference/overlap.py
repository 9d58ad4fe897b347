"""What to do where instances lie on one another: leave it, or give each pixel to the most confident of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from maskrcnn_project.masks.coding import encode_crop
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.masks.mask_in_box import MaskInBox

POLICIES = ("keep", "highest")


def remove_overlap(found: Detections, policy: str) -> Detections:
    """
    Args:
        policy: "keep" leaves everything as it is. "highest" gives each pixel to the instance of the highest score (of
            equal ones to the first); what loses pixels gets the box round those it has left, and what has none left is
            dropped. Instances without masks stay as they are.

    Raises:
        ValueError: another policy.
    """
    check_policy(policy)
    if policy == "keep" or found.masks is None:
        return found
    taken = np.zeros(found.size, dtype=bool)
    masks, boxes = list(found.masks), found.boxes.copy()
    left = np.zeros(len(found), dtype=bool)
    for index in np.argsort(-found.scores, kind="stable").tolist():
        mask = found.crop(index)
        there = taken[mask.window.slices]
        free = MaskInBox(mask.window, mask.pixels & ~there)
        left[index] = free.pixels.any()
        if left[index] and (mask.pixels & there).any():
            masks[index] = encode_crop(free, found.size)
            window = free.trim().window
            boxes[index] = (window.x, window.y, window.right, window.bottom)
        there |= mask.pixels
    return replace(found, boxes=boxes, masks=masks).kept(left)


def check_policy(policy: str) -> None:
    """Raises ValueError unless it is one of POLICIES."""
    if policy not in POLICIES:
        raise ValueError(f"The overlap policy should be one of {', '.join(POLICIES)}, but is {policy!r}.")
