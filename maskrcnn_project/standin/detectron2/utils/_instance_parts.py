"""What a drawing needs of instances beforehand: label texts, plain arrays, and where each instance lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ._mask_drawing import GenericMask


def create_text_labels(
    classes: Sequence[int] | None,
    scores: Any,
    class_names: Sequence[str] | None,
    is_crowd: Sequence[int] | None = None,
) -> list[str] | None:
    """
    Labels such as "cat 87%", "cat|crowd"; a class without a name shows its number. None without any input.
    """
    if classes is None and scores is None:
        return None
    parts: list[list[str]] = []
    if classes is not None:
        parts.append([class_names[c] if class_names and 0 <= c < len(class_names) else str(c) for c in classes])
    if scores is not None:
        parts.append([f"{100 * float(score):.0f}%" for score in scores])
    labels = [" ".join(words) for words in zip(*parts, strict=True)]
    if is_crowd is not None:
        labels = [label + ("|crowd" if crowd else "") for label, crowd in zip(labels, is_crowd, strict=True)]
    return labels


def as_array(values: Any) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def common_length(given: dict[str, Any]) -> int:
    lengths = {name: len(values) for name, values in given.items() if values is not None}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"overlay_instances needs as many of each for N instances, but got {lengths}; drop the surplus."
        )
    return next(iter(lengths.values()), 0)


def extents_of(boxes: np.ndarray | None, masks: list[GenericMask] | None, points: np.ndarray | None) -> np.ndarray:
    """Where the instances lie, XYXY (N, 4)."""
    if boxes is not None:
        return boxes
    if masks is not None:
        return np.stack([mask.bbox() for mask in masks])
    if points is not None:
        return np.concatenate([points[:, :, :2].min(axis=1), points[:, :, :2].max(axis=1)], axis=1)
    raise ValueError("Instances have no place without boxes, masks or keypoints; give one of them.")


def union_of(masks: list[GenericMask]) -> np.ndarray:
    return np.any([mask.mask for mask in masks], axis=0)
