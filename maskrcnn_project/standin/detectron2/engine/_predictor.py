"""From a config to a function of one image."""

from __future__ import annotations

from typing import Any

import detectron2.data.transforms as T
import numpy as np
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode
from detectron2.config._honoured import refuse_unhonoured
from detectron2.data import MetadataCatalog
from detectron2.modeling import build_model

IMAGE_FORMATS = ("RGB", "BGR")


class DefaultPredictor:
    """
    The model of a config, with its weights, on one image at a time.

    Attributes:
        metadata: of the first dataset in ``cfg.DATASETS.TEST``, if there is one: names and colours of classes.
    """

    def __init__(self, cfg: CfgNode) -> None:
        """
        Args:
            cfg: builds the model on ``MODEL.DEVICE``, loads ``MODEL.WEIGHTS``, resizes as ``INPUT`` says for tests.

        Raises:
            ValueError: an ``INPUT.FORMAT`` other than RGB and BGR, or a key that is not honoured.
        """
        refuse_unhonoured(cfg)
        if cfg.INPUT.FORMAT not in IMAGE_FORMATS:
            raise ValueError(f"INPUT.FORMAT must be one of {', '.join(IMAGE_FORMATS)}, but is {cfg.INPUT.FORMAT!r}.")
        self.cfg = cfg.clone()
        self.model = build_model(self.cfg)
        self.model.eval()
        if len(cfg.DATASETS.TEST):
            self.metadata = MetadataCatalog.get(cfg.DATASETS.TEST[0])
        DetectionCheckpointer(self.model).load(cfg.MODEL.WEIGHTS)
        short = cfg.INPUT.MIN_SIZE_TEST
        self.aug = T.ResizeShortestEdge([short, short], cfg.INPUT.MAX_SIZE_TEST)
        self.input_format = cfg.INPUT.FORMAT

    def __call__(self, original_image: np.ndarray) -> dict[str, Any]:
        """
        Args:
            original_image: (H, W, 3), BGR, 0..255, as ``cv2.imread`` returns it.

        Returns:
            The model's output for one image, e.g. ``{"instances": Instances}`` of size (H, W).

        Raises:
            ValueError: another shape, or nothing.
        """
        _check_image(original_image)
        with torch.no_grad():
            image = original_image[:, :, ::-1] if self.input_format == "RGB" else original_image
            height, width = image.shape[:2]
            resized = self.aug.get_transform(image).apply_image(image)
            tensor = torch.as_tensor(resized.astype("float32").transpose(2, 0, 1))  # (3, H', W')
            tensor = tensor.to(self.cfg.MODEL.DEVICE)
            return self.model([{"image": tensor, "height": height, "width": width}])[0]


def _check_image(image: Any) -> None:
    shape = getattr(image, "shape", None)
    if not isinstance(image, np.ndarray) or len(image.shape) != 3 or image.shape[2] != 3 or not image.size:
        came = (
            "nothing (cv2.imread returns None for a file that it cannot read)"
            if image is None
            else (f"a {type(image).__name__}" + (f" of shape {tuple(shape)}" if shape is not None else ""))
        )
        raise ValueError(f"DefaultPredictor takes an array (height, width, 3) in BGR order, but got {came}.")
