"""Where an evaluation's files lie, and how many detections of an image count."""

from __future__ import annotations

import json
from pathlib import Path

from detectron2.config import CfgNode

from maskrcnn_project.files import write_text

RESULTS_NAME = "coco_instances_results.json"
SPEED_NAME = "speed.json"
COCO_DETECTIONS = 100  # of an image, by COCO's definition of AP


def results_folder(cfg: CfgNode, dataset_name: str) -> Path:
    """``OUTPUT_DIR/inference``, and below it a folder for each set where several are evaluated."""
    folder = Path(cfg.OUTPUT_DIR) / "inference"
    return folder / dataset_name if len(cfg.DATASETS.TEST) > 1 else folder


def most_detections(cfg: CfgNode) -> int:
    """Detections of an image that count in AP: all that the model gives, and no fewer than COCO's 100."""
    return max(COCO_DETECTIONS, cfg.TEST.DETECTIONS_PER_IMAGE)


def write_speed(cfg: CfgNode, seconds_per_image: float | None) -> None:
    """Beside the results, for the report; nothing where too few images were timed."""
    if seconds_per_image is None:
        return
    for name in cfg.DATASETS.TEST:
        content = {"seconds_per_image": seconds_per_image, "device": cfg.MODEL.DEVICE}
        write_text(results_folder(cfg, name) / SPEED_NAME, json.dumps(content))


def read_speed(folder: Path) -> float | None:
    """Seconds an image, of the model and its masks; None where they were not noted."""
    file = folder / SPEED_NAME
    return json.loads(file.read_text("utf-8"))["seconds_per_image"] if file.is_file() else None
