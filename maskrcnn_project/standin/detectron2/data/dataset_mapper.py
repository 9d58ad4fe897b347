"""
From a dataset's record to what the model takes: reads the image, draws augmentations, moves the annotations
along.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from detectron2.config import configurable
from detectron2.config._honoured import refuse_unhonoured
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T

__all__ = ["DatasetMapper"]


class DatasetMapper:
    """
    Maps a record of Detectron2's dataset format to a model's input.

    Of the record's keys it reads "file_name" and replaces "annotations"; it adds "image", a (C, H, W) tensor,
    in training "instances", and "sem_seg" where there is one. All other keys are handed on. An error names
    the image it came up with.
    """

    @configurable
    def __init__(
        self,
        is_train: bool,
        *,
        augmentations: list[T.Augmentation | T.Transform],
        image_format: str,
        use_instance_mask: bool = False,
        use_keypoint: bool = False,
        instance_mask_format: str = "polygon",
        keypoint_hflip_indices: np.ndarray | None = None,
        precomputed_proposal_topk: int | None = None,
        recompute_boxes: bool = False,
    ) -> None:
        """
        Args:
            is_train: read annotations.
            augmentations: applied in this order.
            image_format: as for :func:`detection_utils.read_image`.
            use_instance_mask: read segmentations.
            use_keypoint, keypoint_hflip_indices: not supported; keypoints are left out.
            instance_mask_format: "polygon" or "bitmask".
            precomputed_proposal_topk: read that many precomputed proposals of each record.
            recompute_boxes: replace each box by that of its mask, which is tighter after a crop.
        """
        if use_keypoint or keypoint_hflip_indices is not None:
            raise NotImplementedError(
                "DatasetMapper was asked for keypoints, which this stand-in leaves out: set "
                "use_keypoint=False, or install the real Detectron2."
            )
        if recompute_boxes and not use_instance_mask:
            raise ValueError("recompute_boxes takes the boxes from the masks and so needs use_instance_mask=True.")
        if instance_mask_format not in ("polygon", "bitmask"):
            raise ValueError(f"INPUT.MASK_FORMAT must be 'polygon' or 'bitmask', but is {instance_mask_format!r}.")
        self.is_train = is_train
        self.augmentations = T.AugmentationList(augmentations)
        self.image_format = image_format
        self.use_instance_mask = use_instance_mask
        self.instance_mask_format = instance_mask_format
        self.use_keypoint = use_keypoint
        self.keypoint_hflip_indices = keypoint_hflip_indices
        self.proposal_topk = precomputed_proposal_topk
        self.recompute_boxes = recompute_boxes
        logging.getLogger(__name__).info(
            "Augmentations in %s: %s", "training" if is_train else "inference", augmentations
        )

    @classmethod
    def from_config(cls, cfg: Any, is_train: bool = True) -> dict[str, Any]:
        """Reads INPUT, MODEL.MASK_ON and DATASETS."""
        refuse_unhonoured(cfg)
        crop = cfg.INPUT.CROP
        augmentations = utils.build_augmentation(cfg, is_train)
        if crop.ENABLED and is_train:
            augmentations.insert(0, T.RandomCrop(crop.TYPE, crop.SIZE))
        return {
            "is_train": is_train,
            "augmentations": augmentations,
            "image_format": cfg.INPUT.FORMAT,
            "use_instance_mask": cfg.MODEL.MASK_ON,
            "instance_mask_format": cfg.INPUT.MASK_FORMAT,
            "recompute_boxes": bool(crop.ENABLED and is_train and cfg.MODEL.MASK_ON),
        }

    def __call__(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        """
        Args:
            dataset_dict: one record; not changed.

        Returns:
            What the model takes.
        """
        dataset_dict = _copy_record(dataset_dict)
        image = utils.read_image(dataset_dict["file_name"], format=self.image_format)
        utils.check_image_size(dataset_dict, image)
        sem_seg = None
        if "sem_seg_file_name" in dataset_dict:
            sem_seg = utils.read_image(dataset_dict.pop("sem_seg_file_name"), "L").squeeze(2)
        aug_input = T.AugInput(image, sem_seg=sem_seg)
        transforms = self.augmentations(aug_input)
        image, sem_seg = aug_input.image, aug_input.sem_seg
        image_shape = image.shape[:2]

        # Tensors, because data loader workers hand tensors over in shared memory but pickle arrays.
        dataset_dict["image"] = _as_tensor(image.transpose(2, 0, 1))  # (C, H, W)
        if sem_seg is not None:
            dataset_dict["sem_seg"] = torch.as_tensor(sem_seg.astype("int64"))
        if self.proposal_topk is not None:
            utils.transform_proposals(dataset_dict, image_shape, transforms, proposal_topk=self.proposal_topk)
        if not self.is_train:
            dataset_dict.pop("annotations", None)
            return dataset_dict
        if "annotations" in dataset_dict:
            try:
                self._transform_annotations(dataset_dict, transforms, image_shape)
            except ValueError as error:
                raise ValueError(
                    f"Image {dataset_dict['file_name']} (image id {dataset_dict.get('image_id', 'unknown')}): {error}"
                ) from error
        return dataset_dict

    def _transform_annotations(
        self, dataset_dict: dict[str, Any], transforms: T.TransformList, image_shape: tuple[int, int]
    ) -> None:
        """Replaces "annotations" by "instances". Crowd regions are not objects to learn and are left out."""
        annos = []
        for anno in dataset_dict.pop("annotations"):
            if anno.get("iscrowd", 0):
                continue
            anno.pop("keypoints", None)
            if not self.use_instance_mask:
                anno.pop("segmentation", None)
            annos.append(utils.transform_instance_annotations(anno, transforms, image_shape))
        instances = utils.annotations_to_instances(annos, image_shape, mask_format=self.instance_mask_format)
        if self.recompute_boxes and instances.has("gt_masks"):
            instances.gt_boxes = instances.gt_masks.get_bounding_boxes()
        dataset_dict["instances"] = utils.filter_empty_instances(instances)


def _copy_record(record: dict[str, Any]) -> dict[str, Any]:
    """A copy as deep as the mapper changes it: new dicts, with values that are replaced but never changed."""
    copied = dict(record)
    if "annotations" in copied:
        copied["annotations"] = [dict(anno) for anno in copied["annotations"]]
    return copied


def _as_tensor(array: np.ndarray) -> torch.Tensor:
    """A tensor with its own memory: arrays made by Pillow may be read-only."""
    return torch.from_numpy(np.array(array, order="C"))
