"""
Annotations of one image: moved along with its transforms, then gathered into ``Instances``.

An annotation is a dict with "bbox", "bbox_mode", "category_id" and, for masks, "segmentation": a list of flat
polygons [x0, y0, x1, y1, ...], a COCO run-length dict, or an (H, W) array. N annotations in an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from detectron2.structures import (
    BitMasks,
    Boxes,
    BoxMode,
    Instances,
    PolygonMasks,
)
from fvcore.transforms.transform import Transform, TransformList
from pycocotools import mask as coco_mask

__all__ = [
    "annotations_to_instances",
    "filter_empty_instances",
    "get_bbox",
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
        raise ValueError("filter_empty_instances wants by_box or by_mask, but both are off.")
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
