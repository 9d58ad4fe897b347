"""
Training on a few images until they are known by heart: it tells a broken dataset from a hard one.

A sound pipeline reaches nearly perfect AP on the images it trains on. One that does not has wrong masks, boxes or
classes, or a learning rate at which nothing is learnt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

from maskrcnn_project.datasets.coco_file import CocoFile, read_coco_file
from maskrcnn_project.datasets.editing.subset import with_images
from maskrcnn_project.datasets.register import register_descriptions
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import write_text

# Enough to learn a handful of images by heart: from weights that know objects, and from nothing.
ITERATIONS = {"weights": 300, "nothing": 600}
WARMUP = 30
NEARLY_PERFECT = 90.0  # AP50 in percent; AP itself stays lower, because a mask's grid is coarse
HOOKS_KEPT = ("LossCurves", "ProgressBar", "NonFiniteGuard")  # others decide about, or cost, a longer training


def overfit_config(cfg: CfgNode, count: int) -> None:
    """
    Turns ``cfg`` into a training on ``count`` images of its first training set, which are also its test set.

    Writes their COCO file and description into OUTPUT_DIR, which becomes ``<OUTPUT_DIR>-overfit``.

    Raises:
        DatasetError: the set has fewer images with objects.
    """
    register_descriptions(cfg.DATASETS.DESCRIPTIONS)
    DatasetCatalog.get(cfg.DATASETS.TRAIN[0])
    metadata = MetadataCatalog.get(cfg.DATASETS.TRAIN[0])
    file = read_coco_file(metadata.json_file, metadata.image_root)
    cfg.OUTPUT_DIR = f"{cfg.OUTPUT_DIR.rstrip('/')}-overfit"
    folder = Path(cfg.OUTPUT_DIR).absolute() / "dataset"
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "overfit.json", json.dumps(with_images(file.as_dict(), images_to_learn(file, count))))
    split = {"json": "overfit.json", "images": str(Path(metadata.image_root).absolute())}
    name = f"{cfg.DATASETS.TRAIN[0]}_overfit"
    write_text(folder / "dataset.yaml", yaml.safe_dump({"name": name, "splits": {"train": split}}, sort_keys=False))
    cfg.DATASETS.DESCRIPTIONS = (str(folder / "dataset.yaml"),)
    cfg.DATASETS.TRAIN = cfg.DATASETS.TEST = tuple(register_descriptions(cfg.DATASETS.DESCRIPTIONS))
    _without_variety(cfg)
    _short_schedule(cfg, count)


def images_to_learn(file: CocoFile, count: int) -> list[int]:
    """Ids of ``count`` images that show objects, spread evenly over the file."""
    shown = {row["image_id"] for row in file.annotations if not row.get("iscrowd")}
    ids = [image["id"] for image in file.images if image["id"] in shown]
    if not 1 <= count <= len(ids):
        raise DatasetError(
            f"--overfit wants 1 to {len(ids)} images with objects of {file.path}, but {count} were asked."
        )
    return [ids[index] for index in np.linspace(0, len(ids) - 1, count).round().astype(int)]


def _without_variety(cfg: CfgNode) -> None:
    """Every image always looks the same, in training as in testing."""
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TRAIN = (cfg.INPUT.MIN_SIZE_TEST,), cfg.INPUT.MAX_SIZE_TEST
    cfg.INPUT.RANDOM_FLIP = "none"
    cfg.INPUT.CROP.ENABLED = False
    for augmentation in cfg.INPUT.AUGMENT.values():
        if isinstance(augmentation, CfgNode):
            augmentation.update({"ENABLED": False} if "ENABLED" in augmentation else {"PROBABILITY": 0.0})


def _short_schedule(cfg: CfgNode, count: int) -> None:
    cfg.SOLVER.EPOCHS = 0.0
    cfg.SOLVER.IMS_PER_BATCH = min(cfg.SOLVER.IMS_PER_BATCH, count)
    cfg.SOLVER.MAX_ITER = ITERATIONS["weights" if cfg.MODEL.WEIGHTS else "nothing"]
    cfg.SOLVER.LR_SCHEDULER_NAME = "WarmupCosineLR"  # learning by heart needs a rate that falls to nothing
    cfg.SOLVER.WARMUP_ITERS = WARMUP
    cfg.SOLVER.CHECKPOINT_PERIOD = cfg.SOLVER.MAX_ITER
    cfg.TEST.EVAL_PERIOD = 0
    cfg.DATALOADER.SAMPLER_TRAIN = "TrainingSampler"
    cfg.HOOKS.NAMES = tuple(name for name in cfg.HOOKS.NAMES if name in HOOKS_KEPT)


def overfit_summary(results: Mapping[str, Mapping[str, float]], folder: str) -> str:
    """
    One sentence on the results of an overfitted model.

    Raises:
        DatasetError: it did not learn its images by heart; the sentence says what to look at.
    """
    task = "segm" if "segm" in results else "bbox"
    reached: Any = results.get(task, {}).get("AP50", float("nan"))
    kind = "mask" if task == "segm" else "box"
    if reached >= NEARLY_PERFECT:
        return f"Learnt by heart: {kind} AP50 {reached:.1f}. The data and the settings can be learnt from."
    raise DatasetError(
        f"Not learnt by heart: {kind} AP50 {reached:.1f} on the very images of the training ({NEARLY_PERFECT:g} was "
        f"expected). If the loss in {folder}/loss_curves.png still falls, add SOLVER.MAX_ITER; if it has stopped, look "
        f"for wrong masks or classes with tools/check_dataset.py and tools/visualize_data.py."
    )
