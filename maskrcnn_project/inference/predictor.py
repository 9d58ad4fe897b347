"""A trained model as a function of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.data.detection_utils import convert_PIL_to_numpy
from detectron2.data.transforms import ResizeShortestEdge
from detectron2.structures import Instances
from PIL import Image, ImageOps

from maskrcnn_project.config import get_config
from maskrcnn_project.datasets.description import colours_of_classes
from maskrcnn_project.datasets.image_file import (
    ValueRange,
    read_bytes,
    read_image,
    to_channels,
    value_range,
)
from maskrcnn_project.datasets.stored_image import DEEP_MODES
from maskrcnn_project.inference.detect import detect
from maskrcnn_project.inference.test_time_augmentation import with_test_time_augmentation
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.modeling.device import choose_device
from maskrcnn_project.modeling.fold_norms import fold_norms
from maskrcnn_project.modeling.trained_model import load_trained_model

# Whatever can be given as an image, see ``bgr_pixels``.
ImageInput = str | Path | bytes | Image.Image | np.ndarray | torch.Tensor


DEEP_TYPES = (np.uint16, np.int16, np.int32, np.float32, np.float64)  # of arrays that INPUT.RANGE brings to 8 bits


class Predictor:
    """
    ``Predictor("output/run/config.yaml", "output/run/model_final.pth")(image)`` gives the instances in an image.

    Attributes:
        classes: names and category ids of the model's outputs.
        metadata: Detectron2 metadata with these names, and the colours of the dataset descriptions, for drawing.
        score_threshold: predictions below it are dropped, 0 to 1.
    """

    def __init__(
        self,
        config: str | Path | CfgNode,
        weights: str | Path | None = None,
        score_threshold: float | None = None,
    ):
        """
        Args:
            config: a config file (every run writes its own to OUTPUT_DIR/config.yaml) or a config.
            weights: default: MODEL.WEIGHTS of the config.
            score_threshold: default: PREDICT.SCORE_THRESHOLD of the config.
        """
        cfg = config.clone() if isinstance(config, CfgNode) else get_config(config)
        cfg.defrost()
        if weights is not None:
            cfg.MODEL.WEIGHTS = str(weights)
        self.score_threshold = cfg.PREDICT.SCORE_THRESHOLD if score_threshold is None else score_threshold
        if not 0 <= self.score_threshold <= 1:
            raise ValueError(f"The score threshold must be between 0 and 1, but is {self.score_threshold}.")
        cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = self.score_threshold
        choose_device(cfg)
        self.cfg = cfg
        self.model, self.classes = load_trained_model(cfg)
        fold_norms(self.model)
        if cfg.TEST.AUG.ENABLED:
            self.model = with_test_time_augmentation(cfg, self.model)
        self.metadata = MetadataCatalog.get(f"__predictor_{id(self)}").set(thing_classes=list(self.classes.names))
        colours = colours_of_classes(cfg.DATASETS.DESCRIPTIONS, self.classes.names)
        if colours is not None:
            self.metadata.set(thing_colors=colours)
        self.values = value_range(cfg)
        self.resize = ResizeShortestEdge([cfg.INPUT.MIN_SIZE_TEST] * 2, cfg.INPUT.MAX_SIZE_TEST)

    def __call__(self, image: ImageInput) -> Instances:
        """The instances in one image, at its own size. See ``predict``."""
        return self.predict([image])[0]

    def predict(self, images: Sequence[ImageInput]) -> list[Instances]:
        """
        Args:
            images: files (paths or their bytes), Pillow images, or arrays or tensors (H, W, 3) uint8 in BGR; sizes may
                differ, and each image gives what it would give alone.

        Returns:
            Per image, on the CPU and at the image's own size: ``pred_boxes`` (N, 4) XYXY pixels, ``scores`` (N,),
            ``pred_classes`` (N,) int64, ``pred_masks`` (N, H, W) bool; sorted by falling score.

        Raises:
            TypeError, ValueError, OSError: one sentence on an input that is no image.
        """
        return [found.to_instances() for found in self.detect(images)]

    @torch.no_grad()
    def detect(self, images: Sequence[ImageInput]) -> list[Detections]:
        """As ``predict``, in little memory: the masks are run lengths. For large images and for writing."""
        inputs = [self._model_input(bgr_pixels(image, self.values)) for image in images]
        found: dict[int, Detections] = {}
        for indices in indices_by_size(inputs):
            for index, detections in zip(indices, detect(self.model, [inputs[i] for i in indices]), strict=True):
                found[index] = replace(detections, category_ids=tuple(self.classes.ids))
        return [found[index] for index in range(len(inputs))]

    def _model_input(self, image: np.ndarray) -> dict:
        height, width = image.shape[:2]
        if self.cfg.INPUT.FORMAT == "RGB":
            image = image[:, :, ::-1]
        pixels = image
        if not self.cfg.TEST.AUG.ENABLED:  # which resizes by itself, to several sizes
            pixels = self.resize.get_transform(image).apply_image(image)
        tensor = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        return {"image": tensor, "height": height, "width": width}


def bgr_pixels(image: ImageInput, values: ValueRange | None = None) -> np.ndarray:
    """
    (H, W, 3) uint8 in BGR of whatever is given as an image.

    Args:
        values: how values of more than 8 bits are read, and which page of a stack; None: the full range of their type,
            the first page.

    Raises:
        TypeError: it is of a type that is no image.
        ValueError: an array or tensor of another shape or dtype, or of no pixels.
        OSError: a file that is not there or cannot be decoded.
    """
    if isinstance(image, (str, Path)):
        return read_image(image, "BGR", values)
    if isinstance(image, (bytes, bytearray)):
        return read_bytes(bytes(image), "BGR", values or ValueRange())
    if isinstance(image, Image.Image):
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith(DEEP_MODES):
            return to_channels((values or ValueRange()).to_8_bits(np.asarray(upright)), "BGR")
        return np.ascontiguousarray(convert_PIL_to_numpy(upright, "BGR"))
    if isinstance(image, torch.Tensor):
        image = image.cpu().numpy()
    if not isinstance(image, np.ndarray):
        raise TypeError(
            "An image must be a path, the bytes of a file, a Pillow image, or an array or tensor (H, W, 3) uint8 in "
            f"BGR, but came as {type(image).__name__}."
        )
    if values is not None and image.dtype in DEEP_TYPES and 0 not in image.shape:
        image = to_channels(values.to_8_bits(image), "RGB")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(
            f"An image must be (H, W, 3) uint8 in BGR with pixels, but came as {image.shape} {image.dtype}."
        )
    return image


def indices_by_size(inputs: Sequence[dict]) -> list[list[int]]:
    """
    Groups of indices of inputs of one size. In a batch of several sizes the smaller ones are padded, and what the
    network sees beyond their edges changes what it finds there.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, one in enumerate(inputs):
        groups.setdefault(tuple(one["image"].shape), []).append(index)
    return list(groups.values())
