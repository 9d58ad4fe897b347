"""
Test-time augmentation as a switch: each image is looked at in several sizes and mirrored, and what is found is merged.

Detectron2's own (TEST.AUG). It costs as many runs of the model as there are sizes, twice with mirroring, and each run
twice, for boxes and for masks. Its masks are pixels of the whole image, N * height * width bytes (100 on an image of
8000x4000: 3.2 GB): look at large images in tiles.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from detectron2.config import CfgNode, get_cfg
from detectron2.modeling import GeneralizedRCNN, GeneralizedRCNNWithTTA
from torch import nn

logger = logging.getLogger(__name__)

# What Detectron2's defaults of TEST.AUG were made for: its default of INPUT.MIN_SIZE_TEST.
REFERENCE_SIZE = 800


def with_test_time_augmentation(cfg: CfgNode, model: nn.Module) -> nn.Module:
    """
    ``model`` with TEST.AUG, called as the model itself is.

    Its inputs are resized by TEST.AUG alone, so they must be files or come at the images' own sizes: an image that was
    made smaller before has lost what the larger sizes would show.

    Args:
        cfg: what ``model`` was built from. Where TEST.AUG has Detectron2's default sizes, for models of 800 pixels,
            they are scaled to INPUT.MIN_SIZE_TEST.
        model: in evaluation mode.

    Raises:
        ValueError: one sentence: a model or a setting that cannot be augmented.
    """
    refuse_unfit(cfg, model)
    sizes = augmentation_of(cfg)
    logger.info(
        "Test-time augmentation: shorter sides of %s pixels%s.",
        ", ".join(map(str, sizes.TEST.AUG.MIN_SIZES)),
        ", each mirrored as well" if sizes.TEST.AUG.FLIP else "",
    )
    return AtFullSize(GeneralizedRCNNWithTTA(sizes, model))


class AtFullSize(nn.Module):
    """Looks at the files of an evaluation's images, in place of what was made of them for the model itself."""

    def __init__(self, augmented: nn.Module):
        super().__init__()
        self.augmented = augmented

    def forward(self, batch: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Dicts with "file_name", or else "image" (C, H, W) at the image's own size, and "height", "width"."""
        return self.augmented([leave_out_image(given) if "file_name" in given else given for given in batch])


def leave_out_image(given: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key != "image"}


def refuse_unfit(cfg: CfgNode, model: nn.Module) -> None:
    """Raises ValueError where augmentation would fail, or leave out what the config asks for."""
    if not isinstance(model, GeneralizedRCNN):
        raise ValueError(
            "Test-time augmentation needs a GeneralizedRCNN, but the model is a "
            f"{type(model).__name__}: switch it off (TEST.AUG.ENABLED False)."
        )
    heads = cfg.MODEL.ROI_HEADS
    # The augmentations' detections are merged by Detectron2's own suppression, class by class and by boxes; and then
    # every augmentation must give a mask for each of the same boxes.
    for key, nothing in (("ACROSS_CLASSES_NMS", False), ("MASK_NMS_THRESH_TEST", 1.0)):
        if heads[key] != nothing:
            raise ValueError(
                "Test-time augmentation merges detections in its own way and cannot heed MODEL.ROI_HEADS."
                f"{key} {heads[key]}: set it to {nothing}, or switch augmentation off (TEST.AUG.ENABLED False)."
            )


def augmentation_of(cfg: CfgNode) -> CfgNode:
    """A copy of ``cfg`` whose TEST.AUG fits the size of the model's images; sizes that were set stay as they are."""
    default = get_cfg().TEST.AUG
    scaled = cfg.clone()
    scaled.defrost()
    factor = cfg.INPUT.MIN_SIZE_TEST / REFERENCE_SIZE
    if factor > 0 and tuple(cfg.TEST.AUG.MIN_SIZES) == tuple(default.MIN_SIZES):
        scaled.TEST.AUG.MIN_SIZES = tuple(round(size * factor) for size in default.MIN_SIZES)
        if cfg.TEST.AUG.MAX_SIZE == default.MAX_SIZE:
            scaled.TEST.AUG.MAX_SIZE = round(default.MAX_SIZE * factor)
    return scaled
