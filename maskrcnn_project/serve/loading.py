"""A trained model, loaded to be tried."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from detectron2.config import CfgNode

from maskrcnn_project.files import IMAGE_SUFFIXES, images_below
from maskrcnn_project.inference.predictor import Predictor
from maskrcnn_project.inference.thin_images import with_thin_images
from maskrcnn_project.inference.thresholds import ScoreThresholds
from maskrcnn_project.inference.tiling.tiles import check_tiles, detect_tiled
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.serve.app import Model

logger = logging.getLogger(__name__)

MAX_EXAMPLES = 200  # a folder may hold a hundred thousand


def find_examples(folder: Path) -> list[Path]:
    """The first images of a folder, at any depth. Raises FileNotFoundError where there is none."""
    found, remark = images_below(folder)
    if not found:
        raise FileNotFoundError(
            f"--examples {folder} is no folder with images ({', '.join(IMAGE_SUFFIXES)}){remark and f'; {remark}'}."
        )
    if remark:
        logger.warning("%s: %s.", folder, remark)
    return found[:MAX_EXAMPLES]


def model_for_page(
    cfg: CfgNode, weights: str | None, thresholds: str | None, lowest: float, tiles: tuple[int, int] | None = None
) -> Model:
    """
    Args:
        weights: default: MODEL.WEIGHTS of the config.
        thresholds: where the sliders begin (see ``ScoreThresholds.parse``); default: PREDICT.SCORE_THRESHOLD.
        lowest: where they end.
        tiles: (size, overlap) in pixels, to look at large images in tiles.

    Raises:
        ValueError: thresholds below ``lowest``, or of classes that the model does not have; tiles that cannot be.
    """
    if tiles is not None:
        check_tiles(*tiles)
    if not 0 <= lowest <= 1:
        raise ValueError(f"--lowest-score must be between 0 and 1, but is {lowest:g}.")
    start = cfg.PREDICT.SCORE_THRESHOLD
    chosen = ScoreThresholds.parse(thresholds, start) if thresholds else ScoreThresholds(start)
    if chosen.lowest < lowest:
        raise ValueError(
            f"The slider cannot begin at {chosen.lowest:g}, below its end at {lowest:g}: set --lowest-score as well."
        )
    predictor = Predictor(cfg, weights, lowest)
    names = predictor.classes.names
    detect_images = with_thin_images(predictor.detect, predictor.cfg)

    def detect(image: np.ndarray) -> Detections:
        return detect_images([image])[0] if tiles is None else detect_tiled(detect_images, image, *tiles)

    return Model(
        title=Path(weights or cfg.MODEL.WEIGHTS).absolute().parent.name or "model",
        class_names=names,
        detect=detect,
        thresholds=chosen.per_class(names).tolist(),
        lowest=lowest,
        most=predictor.cfg.TEST.DETECTIONS_PER_IMAGE if tiles is None else None,
        values=predictor.values,
    )
