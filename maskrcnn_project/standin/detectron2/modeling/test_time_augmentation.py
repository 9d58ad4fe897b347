"""
Test-time augmentation: detect at several sizes and mirrored, merge the boxes, and average their masks.

Stands above ``detectron2.modeling``, because it needs the transforms of ``detectron2.data``.

Shapes: A augmentations of one image, D detections, K classes, (H, W) the size of the user's picture.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.data.detection_utils import read_image
from detectron2.data.transforms import (
    AugInput,
    Augmentation,
    AugmentationList,
    RandomFlip,
    ResizeShortestEdge,
    ResizeTransform,
)
from detectron2.modeling.meta_arch import GeneralizedRCNN
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.modeling.roi_heads.fast_rcnn import fast_rcnn_inference_single_image
from detectron2.structures import Boxes, Instances
from fvcore.transforms import HFlipTransform, NoOpTransform, Transform, TransformList
from torch import nn
from torch.nn.parallel import DistributedDataParallel

__all__ = ["DatasetMapperTTA", "GeneralizedRCNNWithTTA"]


class DatasetMapperTTA:
    """
    From one input dict to one for each size, and its mirror image.

    Args:
        min_sizes: lengths of the shorter side, in pixels.
        max_size: longest that the longer side may become.
        flip: also mirror each.
    """

    @configurable
    def __init__(self, min_sizes: Sequence[int], max_size: int, flip: bool):
        self.min_sizes = min_sizes
        self.max_size = max_size
        self.flip = flip

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        return {
            "min_sizes": cfg.TEST.AUG.MIN_SIZES,
            "max_size": cfg.TEST.AUG.MAX_SIZE,
            "flip": cfg.TEST.AUG.FLIP,
        }

    def __call__(self, dataset_dict: dict[str, Any]) -> list[dict[str, Any]]:
        """
        Args:
            dataset_dict: with ``image`` (C, h, w) and the picture's own ``height`` and ``width``.

        Returns:
            Copies of it, each with its own ``image`` and with ``transforms``, which leads from the picture's frame
            to that image's.
        """
        image = dataset_dict["image"].permute(1, 2, 0).cpu().numpy()
        shape, original = image.shape[:2], (dataset_dict["height"], dataset_dict["width"])
        to_input: Transform = NoOpTransform()
        if tuple(shape) != tuple(original):
            to_input = ResizeTransform(*original, *shape)
        outputs = []
        for min_size in self.min_sizes:
            resize = ResizeShortestEdge(min_size, self.max_size)
            recipes: list[list[Augmentation]] = [[resize], [resize, RandomFlip(prob=1.0)]]
            for augmentations in recipes[: 2 if self.flip else 1]:
                augmented = AugInput(np.copy(image))
                transforms = AugmentationList(augmentations)(augmented)
                output = copy.deepcopy(dataset_dict)
                output["transforms"] = TransformList([to_input]) + transforms
                output["image"] = torch.from_numpy(np.ascontiguousarray(augmented.image.transpose(2, 0, 1)))
                outputs.append(output)
        return outputs


class GeneralizedRCNNWithTTA(nn.Module):
    """
    A GeneralizedRCNN called like the model itself, in testing only.

    Args:
        model: the trained model; wrapped in DistributedDataParallel or not.
        tta_mapper: from one input dict to its augmentations; by default DatasetMapperTTA of TEST.AUG.
        batch_size: augmented images that go through the model at once.
    """

    def __init__(
        self,
        cfg: CfgNode,
        model: nn.Module,
        tta_mapper: Callable[[dict[str, Any]], list[dict[str, Any]]] | None = None,
        batch_size: int = 3,
    ):
        super().__init__()
        if isinstance(model, DistributedDataParallel):
            model = model.module
        if not isinstance(model, GeneralizedRCNN):
            raise TypeError(f"Test-time augmentation needs a GeneralizedRCNN, but got a {type(model).__name__}.")
        if cfg.MODEL.KEYPOINT_ON or cfg.MODEL.LOAD_PROPOSALS:
            raise ValueError("Test-time augmentation needs MODEL.KEYPOINT_ON and MODEL.LOAD_PROPOSALS to be False.")
        self.cfg = cfg.clone()
        self.model = model
        self.tta_mapper = DatasetMapperTTA(cfg) if tta_mapper is None else tta_mapper
        self.batch_size = batch_size

    def __call__(self, batched_inputs: list[dict[str, Any]]) -> list[dict[str, Instances]]:
        """As the model; an input without ``image`` is read from its ``file_name``."""
        return [self._inference_one_image(self._complete(x)) for x in batched_inputs]

    def _complete(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        """A copy with ``image``, ``height`` and ``width``."""
        completed = copy.copy(dataset_dict)
        if "image" not in completed:
            image = read_image(completed.pop("file_name"), self.model.input_format)
            completed["image"] = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        if "height" not in completed and "width" not in completed:
            completed["height"], completed["width"] = completed["image"].shape[1:]
        return completed

    def _inference_one_image(self, dataset_dict: dict[str, Any]) -> dict[str, Instances]:
        size = dataset_dict["height"], dataset_dict["width"]
        inputs = self.tta_mapper(dataset_dict)
        transforms = [x.pop("transforms") for x in inputs]
        with self._turn_off_roi_heads(["mask_on", "keypoint_on"]):
            merged = self._merge(self._batch_inference(inputs), transforms, size)
        if self.cfg.MODEL.MASK_ON:
            # Each augmentation predicts masks in the merged boxes, so that they can be averaged pixel by pixel.
            given = [self._to_augmented(merged, x, t) for x, t in zip(inputs, transforms, strict=True)]
            outputs = self._batch_inference(inputs, given)
            merged.pred_masks = _average_masks(outputs, transforms)
            merged = detector_postprocess(merged, *size)
        return {"instances": merged}

    @contextmanager
    def _turn_off_roi_heads(self, names: Sequence[str]) -> Iterator[None]:
        """Sets those of the heads' switches ``names`` that exist to False, for a while."""
        heads = self.model.roi_heads
        before = {name: getattr(heads, name) for name in names if hasattr(heads, name)}
        try:
            for name in before:
                setattr(heads, name, False)
            yield
        finally:
            for name, value in before.items():
                setattr(heads, name, value)

    def _batch_inference(
        self, inputs: list[dict[str, Any]], detected_instances: list[Instances] | None = None
    ) -> list[Instances]:
        """The model on ``batch_size`` inputs at a time, in the inputs' own frames."""
        outputs: list[Instances] = []
        for start in range(0, len(inputs), self.batch_size):
            part = slice(start, start + self.batch_size)
            given = None if detected_instances is None else detected_instances[part]
            outputs.extend(self.model.inference(inputs[part], given, do_postprocess=False))
        return outputs

    def _merge(self, outputs: list[Instances], transforms: list[TransformList], size: tuple[int, int]) -> Instances:
        """All augmentations' detections in the picture's frame, suppressed together."""
        all_boxes = torch.cat(
            [_move_boxes(x.pred_boxes, t.inverse()) for x, t in zip(outputs, transforms, strict=True)]
        )  # (sum of D, 4)
        all_scores = torch.cat([x.scores for x in outputs])
        all_classes = torch.cat([x.pred_classes for x in outputs])
        num_classes = self.cfg.MODEL.ROI_HEADS.NUM_CLASSES
        # One class per row, the others and the background at 0.
        scores = all_scores.new_zeros(len(all_scores), num_classes + 1)
        scores.scatter_(1, all_classes.unsqueeze(1), all_scores.unsqueeze(1))
        score_thresh = 1e-8  # the model has applied its own: here only the zeros fall
        merged, _ = fast_rcnn_inference_single_image(
            all_boxes,
            scores,
            size,
            score_thresh,
            self.cfg.MODEL.ROI_HEADS.NMS_THRESH_TEST,
            self.cfg.TEST.DETECTIONS_PER_IMAGE,
        )
        return merged

    @staticmethod
    def _to_augmented(merged: Instances, augmented: dict[str, Any], transform: TransformList) -> Instances:
        """The merged detections in the frame of one augmented image."""
        return Instances(
            tuple(augmented["image"].shape[1:3]),
            pred_boxes=Boxes(_move_boxes(merged.pred_boxes, transform)),
            pred_classes=merged.pred_classes,
            scores=merged.scores,
        )


def _move_boxes(boxes: Boxes, transform: TransformList) -> torch.Tensor:
    """(D, 4) boxes through a transform of coordinates, on their own device; D may be 0."""
    moved = transform.apply_box(boxes.tensor.cpu().numpy()).reshape(-1, 4)
    return torch.from_numpy(moved).to(boxes.tensor)


def _average_masks(outputs: list[Instances], transforms: list[TransformList]) -> torch.Tensor:
    """The mean of the augmentations' masks (D, 1, m, m), each mirrored back if its image was mirrored."""
    masks = []
    for output, transform in zip(outputs, transforms, strict=True):
        mirrored = any(isinstance(t, HFlipTransform) for t in transform.transforms)
        masks.append(output.pred_masks.flip(dims=[3]) if mirrored else output.pred_masks)
    return torch.stack(masks).mean(dim=0)
