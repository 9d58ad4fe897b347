"""
The functions that dataset mappers are made of: an image's annotations are moved along with its transforms, then
gathered into ``Instances``.

An annotation is a dict with "bbox", "bbox_mode", "category_id" and, for masks, "segmentation": a list of flat
polygons [x0, y0, x1, y1, ...], a COCO run-length dict, or an (H, W) array. N annotations in an image.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from detectron2.data import transforms as T
from detectron2.data._images import (
    SizeMismatchError,
    check_image_size,
    convert_image_to_rgb,
    convert_PIL_to_numpy,
    read_image,
)
from detectron2.data.catalog import MetadataCatalog
from detectron2.structures import (
    BitMasks,
    Boxes,
    BoxMode,
    Instances,
    PolygonMasks,
)
from detectron2.utils._refused import refuse
from fvcore.transforms.transform import Transform, TransformList
from pycocotools import mask as coco_mask

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


def get_bbox(annotation: dict[str, Any]) -> Any:
    """The annotation's box, XYXY absolute pixels."""
    if "bbox" not in annotation or "bbox_mode" not in annotation:
        raise ValueError(f"An annotation must have 'bbox' and 'bbox_mode', but has only {sorted(annotation)}.")
    return BoxMode.convert(annotation["bbox"], annotation["bbox_mode"], BoxMode.XYXY_ABS)


def transform_instance_annotations(
    annotation: dict[str, Any],
    transforms: Transform | Sequence[Transform],
    image_size: tuple[int, int],
    *,
    keypoint_hflip_indices: np.ndarray | None = None,
) -> dict[str, Any]:
    """
    Moves one annotation along with its image.

    Args:
        annotation: changed in place.
        transforms: what was applied to the image; or a list of such.
        image_size: (height, width) of the transformed image.
        keypoint_hflip_indices: not supported; keypoints are left out.

    Returns:
        ``annotation``: its box in XYXY absolute pixels, cut to the image; polygons as arrays (2P,) float64;
        any other segmentation as an array of ``image_size``.

    Raises:
        ValueError: a segmentation of an unknown kind, or of another size than the image.
        NotImplementedError: the annotation has keypoints.
    """
    if keypoint_hflip_indices is not None or "keypoints" in annotation:
        raise NotImplementedError(
            "The annotation has keypoints, which this stand-in leaves out: remove 'keypoints' from the "
            "annotation, or install the real Detectron2."
        )
    tfm = transforms if isinstance(transforms, Transform) else TransformList(list(transforms))
    height, width = image_size
    box = tfm.apply_box(np.array([get_bbox(annotation)], dtype=np.float64))[0]
    annotation["bbox"] = np.minimum(box.clip(min=0), [width, height, width, height])
    annotation["bbox_mode"] = BoxMode.XYXY_ABS
    if "segmentation" in annotation:
        annotation["segmentation"] = _transform_segmentation(annotation["segmentation"], tfm, image_size)
    return annotation


def _transform_segmentation(
    segmentation: Any, transforms: Transform, image_size: tuple[int, int]
) -> list[np.ndarray] | np.ndarray:
    if isinstance(segmentation, list):
        # Copies, because transforms change coordinates in place.
        polygons = [np.array(p, dtype=np.float64).reshape(-1, 2) for p in segmentation]
        return [p.reshape(-1) for p in transforms.apply_polygons(polygons)]
    mask = transforms.apply_segmentation(_as_mask(segmentation))
    if mask.shape[:2] != tuple(image_size):
        raise ValueError(
            f"A mask has height x width {'x'.join(map(str, mask.shape[:2]))} after the image's transforms, "
            f"but the image has {'x'.join(map(str, image_size))}: the mask must be of the size of the "
            "original image."
        )
    return mask


def _as_mask(segmentation: Any) -> np.ndarray:
    """(H, W) uint8 or bool of a run-length dict (compressed or not) or an array."""
    if isinstance(segmentation, dict):
        if isinstance(segmentation["counts"], list):
            segmentation = coco_mask.frPyObjects(segmentation, *segmentation["size"])
        return coco_mask.decode(segmentation)
    if isinstance(segmentation, np.ndarray):
        if segmentation.ndim != 2:
            raise ValueError(f"A mask must be an array (H, W), but has shape {segmentation.shape}.")
        return segmentation
    raise ValueError(
        f"A segmentation of type {type(segmentation).__name__} is not supported: use a list of polygons "
        "[x0, y0, x1, y1, ...], a COCO run-length dict with 'size' and 'counts', or an (H, W) numpy array."
    )


def annotations_to_instances(
    annos: Sequence[dict[str, Any]], image_size: tuple[int, int], mask_format: str = "polygon"
) -> Instances:
    """
    Gathers the annotations of one image.

    Args:
        annos: N annotations, transformed already.
        image_size: (height, width).
        mask_format: "polygon" (all segmentations must be polygons) or "bitmask" (any kinds, mixed).

    Returns:
        Instances with ``gt_boxes`` (N, 4), ``gt_classes`` (N,) int64 and, where the annotations have
        segmentations, ``gt_masks``: PolygonMasks or BitMasks.

    Raises:
        ValueError: a segmentation does not fit ``mask_format``, or only some annotations have one.
    """
    target = Instances(image_size)
    boxes = [get_bbox(anno) for anno in annos]
    target.gt_boxes = Boxes(torch.as_tensor(np.array(boxes, dtype=np.float32).reshape(-1, 4)))
    target.gt_classes = torch.tensor([int(anno["category_id"]) for anno in annos], dtype=torch.int64)
    with_masks = [i for i, anno in enumerate(annos) if "segmentation" in anno]
    if not with_masks:
        return target
    if len(with_masks) != len(annos):
        missing = next(i for i, anno in enumerate(annos) if "segmentation" not in anno)
        raise ValueError(
            f"Annotation number {missing} of {len(annos)} has no segmentation, while others of the image "
            "have: annotate a mask for every object, or for none."
        )
    segmentations = [anno["segmentation"] for anno in annos]
    if mask_format == "polygon":
        target.gt_masks = _polygon_masks(segmentations)
    elif mask_format == "bitmask":
        target.gt_masks = _bit_masks(segmentations, image_size)
    else:
        raise ValueError(f"mask_format must be 'polygon' or 'bitmask', but is {mask_format!r}.")
    return target


def _polygon_masks(segmentations: list[Any]) -> PolygonMasks:
    for i, segmentation in enumerate(segmentations):
        if not isinstance(segmentation, list):
            raise ValueError(
                f"Segmentation number {i} is a mask ({type(segmentation).__name__}), but the mask format "
                "'polygon' takes polygons only: set INPUT.MASK_FORMAT to 'bitmask', which takes both."
            )
    return PolygonMasks(segmentations)


def _bit_masks(segmentations: list[Any], image_size: tuple[int, int]) -> BitMasks:
    masks = torch.empty((len(segmentations), *image_size), dtype=torch.bool)
    polygons = {i: s for i, s in enumerate(segmentations) if isinstance(s, list)}
    if polygons:
        objects = [[np.asarray(p, dtype=np.float64) for p in parts] for parts in polygons.values()]
        masks[list(polygons)] = BitMasks.from_polygon_masks(objects, *image_size).tensor
    for i, segmentation in enumerate(segmentations):
        if i in polygons:
            continue
        mask = _as_mask(segmentation)
        if mask.shape != tuple(image_size):
            raise ValueError(
                f"Segmentation number {i} is a mask of height x width {'x'.join(map(str, mask.shape))}, but the "
                f"image has {'x'.join(map(str, image_size))}."
            )
        masks[i] = torch.from_numpy(mask.astype(bool))
    return BitMasks(masks)


def filter_empty_instances(
    instances: Instances,
    by_box: bool = True,
    by_mask: bool = True,
    box_threshold: float = 1e-5,
    return_mask: bool = False,
) -> Any:
    """
    Leaves out instances that a crop or a bad annotation has left without extent.

    Args:
        instances: N instances with ``gt_boxes`` and perhaps ``gt_masks``.
        by_box: leave out boxes with a side not longer than ``box_threshold`` pixels.
        by_mask: leave out empty masks.
        box_threshold: pixels.
        return_mask: also return which were kept.

    Returns:
        The instances kept; with ``return_mask`` also an (N,) bool tensor.
    """
    if not by_box and not by_mask:
        raise ValueError("filter_empty_instances needs by_box or by_mask, but both are off.")
    keep = torch.ones(len(instances), dtype=torch.bool)
    if by_box:
        keep &= instances.gt_boxes.nonempty(threshold=box_threshold)
    if by_mask and instances.has("gt_masks"):
        keep &= instances.gt_masks.nonempty()
    kept = instances[keep]
    return (kept, keep) if return_mask else kept


def transform_proposals(
    dataset_dict: dict[str, Any],
    image_shape: tuple[int, int],
    transforms: Transform,
    *,
    proposal_topk: int,
    min_box_size: float = 0,
) -> None:
    """
    Moves precomputed proposals along with their image; does nothing where the record has none.

    Args:
        dataset_dict: record with "proposal_boxes" (N, 4), "proposal_bbox_mode" and
            "proposal_objectness_logits" (N,), sorted; they are replaced by "proposals", Instances.
        image_shape: (height, width) of the transformed image.
        transforms: what was applied to the image.
        proposal_topk: number of proposals kept.
        min_box_size: proposals with a side not longer than this, in pixels, are left out.
    """
    if "proposal_boxes" not in dataset_dict:
        return
    corners = BoxMode.convert(
        dataset_dict.pop("proposal_boxes"), dataset_dict.pop("proposal_bbox_mode"), BoxMode.XYXY_ABS
    )
    boxes = Boxes(torch.as_tensor(np.asarray(transforms.apply_box(np.asarray(corners)), dtype=np.float32)))
    logits = torch.as_tensor(np.asarray(dataset_dict.pop("proposal_objectness_logits"), dtype=np.float32))
    boxes.clip(image_shape)
    keep = boxes.nonempty(threshold=min_box_size)
    proposals = Instances(image_shape)
    proposals.proposal_boxes = boxes[keep][:proposal_topk]
    proposals.objectness_logits = logits[keep][:proposal_topk]
    dataset_dict["proposals"] = proposals


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
