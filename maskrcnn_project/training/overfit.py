"""
Training on a few images until they are known by heart: it tells a broken dataset from a hard one.

A sound pipeline reaches nearly perfect AP on the images it trains on. One that does not has wrong masks, boxes or
classes, or a learning rate at which nothing is learnt.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from detectron2.config import CfgNode

from maskrcnn_project.datasets.coco_file import CocoFile
from maskrcnn_project.datasets.editing.subset import with_images
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import write_text

# Enough to learn a handful of images by heart: from weights that know objects, and from nothing.
ITERATIONS = {"weights": 300, "nothing": 600}
WARMUP = 30
NEARLY_PERFECT = 90.0  # AP50 in percent; AP itself stays lower, because a mask's grid is coarse
# Keys that learning by heart decides, and why.
DECIDED = {
    "DATASETS.TEST": "it evaluates on the images that it trains on",
    "SOLVER.EPOCHS": "its length is SOLVER.MAX_ITER",
    "SOLVER.LR_SCHEDULER_NAME": "it needs a rate that falls to nothing",
    "SOLVER.CHECKPOINT_PERIOD": "it keeps the last weights only",
    "TEST.EVAL_PERIOD": "it evaluates at its end",
    "DATALOADER.SAMPLER_TRAIN": "every image is shown equally often",
    **dict.fromkeys(("INPUT.AUGMENT", "INPUT.CROP", "INPUT.RANDOM_FLIP"), "every image always looks the same"),
    **dict.fromkeys(("INPUT.MIN_SIZE_TRAIN", "INPUT.MAX_SIZE_TRAIN"), "it trains at the size of testing"),
    "HOOKS.NAMES": "hooks that decide about, or cost, a longer training are left out",
}  # fmt: skip
HOOKS_KEPT = ("LossCurves", "ProgressBar", "NonFiniteGuard")  # others decide about, or cost, a longer training


@dataclass(frozen=True)
class OverfitSource:
    """The set to take images from: its file, with the classes that the model learns, and its name in the catalog."""

    name: str
    file: CocoFile
    description: Mapping[str, Any]  # what of its description holds for the images taken from it as well


def refuse_contradictions(options: Sequence[str]) -> None:
    """
    Raises ValueError for KEY VALUE pairs that learning by heart decides itself: what is evaluated is what is trained
    on, and every image always looks the same. SOLVER.MAX_ITER, BASE_LR and all others are the user's.
    """
    for key in options[::2]:
        reason = next((why for prefix, why in DECIDED.items() if f"{key}.".startswith(f"{prefix}.")), None)
        if reason is not None:
            raise ValueError(f"--overfit and {key} contradict each other: {reason}. Leave one of them out.")


def overfit_config(
    cfg: CfgNode, count: int, source: OverfitSource, given: Collection[str] = ()
) -> dict[Path, CocoFile]:
    """
    Turns ``cfg`` into a training on ``count`` images of ``source``, which are also its test set.

    Writes their COCO file and description into OUTPUT_DIR.

    Args:
        given: keys that the user set, and that stay.

    Returns:
        The content of the new COCO file, by path, for the catalog.

    Raises:
        DatasetError: the set has fewer images with objects.
    """
    part = source.file.with_content(with_images(source.file.as_dict(), images_to_learn(source.file, count)))
    folder = Path(cfg.OUTPUT_DIR).absolute() / "dataset"
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "overfit.json", json.dumps(part.as_dict()))
    split = {"json": "overfit.json", "images": str(part.image_root.absolute())}
    name = f"{source.name}_overfit"
    description = {**source.description, "name": name, "splits": {"train": split}}
    write_text(folder / "dataset.yaml", yaml.safe_dump(description, sort_keys=False))
    cfg.DATASETS.DESCRIPTIONS = (str(folder / "dataset.yaml"),)
    cfg.DATASETS.TRAIN = cfg.DATASETS.TEST = (f"{name}_train",)
    _without_variety(cfg)
    _short_schedule(cfg, count, given)
    return {folder / "overfit.json": part}


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


def _short_schedule(cfg: CfgNode, count: int, given: Collection[str]) -> None:
    cfg.SOLVER.EPOCHS = 0.0
    cfg.SOLVER.IMS_PER_BATCH = min(cfg.SOLVER.IMS_PER_BATCH, count)
    if "SOLVER.MAX_ITER" not in given:
        cfg.SOLVER.MAX_ITER = ITERATIONS["weights" if cfg.MODEL.WEIGHTS else "nothing"]
    cfg.SOLVER.LR_SCHEDULER_NAME = "WarmupCosineLR"  # learning by heart needs a rate that falls to nothing
    cfg.SOLVER.WARMUP_ITERS = min(WARMUP, cfg.SOLVER.MAX_ITER)
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
