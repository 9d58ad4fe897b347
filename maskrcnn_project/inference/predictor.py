"""A trained model as a function of an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.data.detection_utils import read_image
from detectron2.data.transforms import ResizeShortestEdge
from detectron2.structures import Instances

from maskrcnn_project.config import get_config
from maskrcnn_project.datasets.description import colours_of_classes
from maskrcnn_project.inference.detect import detect
from maskrcnn_project.inference.test_time_augmentation import with_test_time_augmentation
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.modeling.device import choose_device
from maskrcnn_project.modeling.fold_norms import fold_norms
from maskrcnn_project.modeling.trained_model import load_trained_model


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
        self.resize = ResizeShortestEdge([cfg.INPUT.MIN_SIZE_TEST] * 2, cfg.INPUT.MAX_SIZE_TEST)

    def __call__(self, image: str | Path | np.ndarray) -> Instances:
        """The instances in one image (a file, or H,W,3 uint8 in BGR), at its own size. See ``predict``."""
        return self.predict([image])[0]

    def predict(self, images: Sequence[str | Path | np.ndarray]) -> list[Instances]:
        """
        Args:
            images: files, or arrays (H, W, 3) uint8 in BGR; sizes may differ.

        Returns:
            Per image, on the CPU and at the image's own size: ``pred_boxes`` (N, 4) XYXY pixels, ``scores`` (N,),
            ``pred_classes`` (N,) int64, ``pred_masks`` (N, H, W) bool; sorted by falling score.
        """
        return [found.to_instances() for found in self.detect(images)]

    @torch.no_grad()
    def detect(self, images: Sequence[str | Path | np.ndarray]) -> list[Detections]:
        """As ``predict``, in little memory: the masks are run lengths. For large images and for writing."""
        return detect(self.model, [self._model_input(image) for image in images])

    def _model_input(self, image: str | Path | np.ndarray) -> dict:
        if not isinstance(image, np.ndarray):
            image = read_image(str(image), format="BGR")
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"An image must be (H, W, 3) uint8 in BGR, but came as {image.shape} {image.dtype}.")
        height, width = image.shape[:2]
        if self.cfg.INPUT.FORMAT == "RGB":
            image = image[:, :, ::-1]
        pixels = image
        if not self.cfg.TEST.AUG.ENABLED:  # which resizes by itself, to several sizes
            pixels = self.resize.get_transform(image).apply_image(image)
        tensor = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        return {"image": tensor, "height": height, "width": width}
