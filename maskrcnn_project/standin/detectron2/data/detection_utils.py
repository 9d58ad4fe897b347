"""The functions that dataset mappers are made of."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from detectron2.data import transforms as T
from detectron2.data._annotations import (
    annotations_to_instances,
    filter_empty_instances,
    get_bbox,
    transform_instance_annotations,
    transform_proposals,
)
from detectron2.data._images import (
    SizeMismatchError,
    check_image_size,
    convert_image_to_rgb,
    convert_PIL_to_numpy,
    read_image,
)
from detectron2.data.catalog import MetadataCatalog
from detectron2.utils._refused import refuse

__all__ = [
    "SizeMismatchError",
    "annotations_to_instances",
    "build_augmentation",
    "build_transform_gen",
    "check_image_size",
    "check_metadata_consistency",
    "convert_PIL_to_numpy",
    "convert_image_to_rgb",
    "filter_empty_instances",
    "gen_crop_transform_with_instance",
    "get_bbox",
    "get_fed_loss_cls_weights",
    "read_image",
    "transform_instance_annotations",
    "transform_proposals",
]


def build_augmentation(cfg: Any, is_train: bool) -> list[T.Augmentation]:
    """
    The augmentations that every config names: resizing, and in training flipping.

    Reads ``cfg.INPUT``: MIN_SIZE_*, MAX_SIZE_*, MIN_SIZE_TRAIN_SAMPLING, RANDOM_FLIP.
    """
    if not is_train:
        return [T.ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST, "choice")]
    augmentations: list[T.Augmentation] = [
        T.ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TRAIN, cfg.INPUT.MIN_SIZE_TRAIN_SAMPLING)
    ]
    flip = cfg.INPUT.RANDOM_FLIP
    if flip not in ("none", "horizontal", "vertical"):
        raise ValueError(f"INPUT.RANDOM_FLIP must be 'none', 'horizontal' or 'vertical', but is {flip!r}.")
    if flip != "none":
        augmentations.append(T.RandomFlip(horizontal=flip == "horizontal", vertical=flip == "vertical"))
    return augmentations


# Its name before Detectron2 0.2.
build_transform_gen = build_augmentation


def gen_crop_transform_with_instance(
    crop_size: tuple[int, int], image_size: tuple[int, int], instance: dict[str, Any]
) -> T.CropTransform:
    """
    Draws a crop that holds the centre of an object.

    Args:
        crop_size: (height, width) in pixels, no larger than the image.
        image_size: (height, width).
        instance: annotation of the object, with "bbox" and "bbox_mode".
    """
    crop, size = np.asarray(crop_size, dtype=np.int32), np.asarray(image_size)
    x0, y0, x1, y1 = get_bbox(instance)
    center = np.array([(y0 + y1) / 2, (x0 + x1) / 2])
    if (center < 0).any() or (center > size).any():
        raise ValueError(f"The box {[x0, y0, x1, y1]} has its centre outside the image of size {image_size}.")
    if (crop > size).any():
        raise ValueError(f"A crop of size {crop_size} does not fit into an image of size {image_size}.")
    first = np.maximum(np.floor(center).astype(np.int32) - crop, 0)
    last = np.minimum(np.maximum(size - crop, 0), np.ceil(center).astype(np.int32))
    top = np.random.randint(first[0], last[0] + 1)
    left = np.random.randint(first[1], last[1] + 1)
    return T.CropTransform(left, top, int(crop[1]), int(crop[0]), int(size[1]), int(size[0]))


def check_metadata_consistency(key: str, dataset_names: Sequence[str]) -> None:
    """
    Checks that all datasets have the same metadata ``key``.

    Raises:
        AttributeError: a dataset has no such metadata.
        ValueError: two datasets differ.
    """
    values = [getattr(MetadataCatalog.get(name), key) for name in dataset_names]
    for name, value in zip(dataset_names, values, strict=True):
        if value != values[0]:
            message = (
                f"Datasets used together must have the same {key!r}, but {dataset_names[0]!r} has "
                f"{values[0]!r} and {name!r} has {value!r}."
            )
            logging.getLogger(__name__).error(message)
            raise ValueError(message)


def get_fed_loss_cls_weights(dataset_names: str | Sequence[str], freq_weight_power: float = 1.0) -> torch.Tensor:
    """
    The weights by which the federated loss draws classes: the number of images with a class, to a power.

    Args:
        dataset_names: names with metadata "class_image_count": dicts with "id" and "image_count".
        freq_weight_power: the power.

    Returns:
        (C,) float32 in the order of the ids.
    """
    names = [dataset_names] if isinstance(dataset_names, str) else list(dataset_names)
    check_metadata_consistency("class_image_count", names)
    counts = sorted(MetadataCatalog.get(names[0]).class_image_count, key=lambda c: c["id"])
    return torch.tensor([c["image_count"] for c in counts], dtype=torch.float32) ** freq_weight_power


__getattr__ = refuse(
    __name__,
    {
        "annotations_to_instances_rotated": "rotated boxes",
        "create_keypoint_hflip_indices": "keypoints",
        "transform_keypoint_annotations": "keypoints",
    },
)
