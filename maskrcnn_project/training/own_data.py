"""
From a folder and a file to a run: check, split, measure, choose the settings, write the data set's description.

Everything that can be wrong with the data is found before the first file is written.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import yaml
from detectron2 import model_zoo
from detectron2.config import CfgNode

from maskrcnn_project.config import get_config
from maskrcnn_project.datasets.categories import change_classes, find_roots_of
from maskrcnn_project.datasets.checking.precheck import check_images, refuse_errors
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.class_consistency import check_same_categories
from maskrcnn_project.datasets.coco_file import CocoFile, read_coco_file
from maskrcnn_project.datasets.editing.split import split_coco
from maskrcnn_project.datasets.statistics import dataset_statistics
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import write_text
from maskrcnn_project.modeling.weights import fetch_weights
from maskrcnn_project.training.arguments import DEFAULT_BATCH_SIZE, DEFAULT_SCORE_THRESHOLD
from maskrcnn_project.training.recommend import BASE_CONFIG, UserOptions, apply_settings, recommend, settings_table

logger = logging.getLogger(__name__)

COCO_CONFIGS = {
    "resnet50": "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml",
    "resnet101": "COCO-InstanceSegmentation/mask_rcnn_R_101_FPN_3x.yaml",
}
VAL_FRACTION = 0.2
# What everybody wants to see of a training, and to have when it ends before its time.
HOOKS = ("ValidationLoss", "BestCheckpoint", "NonFiniteGuard", "StopOnSignal", "ProgressBar", "LossCurves")
# The knobs' recommended ranges; outside of them a warning, outside of sense an error.
BATCH_SIZE_RANGE = (1, 8)
LEARNING_RATE_RANGE = (0.001, 0.01)


@dataclass
class OwnData:
    """A training and a validation set, read and found sound, and where their images lie."""

    train: CocoFile
    val: CocoFile
    split_from: Path | None  # the one file that both come from


def user_options_from(args: argparse.Namespace) -> UserOptions:
    """The knobs, checked. Raises ValueError for an impossible value; logs a warning outside the recommended range."""
    batch_size = DEFAULT_BATCH_SIZE if args.batch_size is None else args.batch_size
    threshold = DEFAULT_SCORE_THRESHOLD if args.score_threshold is None else args.score_threshold
    _require(batch_size >= 1, "--batch-size must be at least 1", batch_size)
    _require(0 <= threshold <= 1, "--score-threshold must be between 0 and 1", threshold)
    _require(args.epochs is None or args.epochs > 0, "--epochs must be above 0", args.epochs)
    _require(
        args.short_edge is None or args.short_edge >= 32,
        "--short-edge must be at least 32 pixels",
        args.short_edge,
    )
    rate = args.learning_rate
    _require(rate is None or 0 < rate < 1, "--learning-rate must be between 0 and 1", rate)
    _advise("--batch-size", batch_size, BATCH_SIZE_RANGE, "")
    if rate is not None:
        _advise("--learning-rate", rate, LEARNING_RATE_RANGE, " (0.001 to 0.002 for small data)")
    return UserOptions(
        backbone=args.backbone or "resnet50",
        batch_size=batch_size,
        learning_rate=rate,
        score_threshold=threshold,
        epochs=args.epochs,
        short_edge=args.short_edge,
        weights=args.weights,
        seed=args.seed,
    )


def read_own_data(args: argparse.Namespace, seed: int) -> OwnData:
    """Reads and checks both sides, or one and splits it. Raises DatasetError, FileNotFoundError: one sentence."""
    if not args.skip_data_check:
        check_given_files(args)
    whole = read_coco_file(args.annotations, args.images)
    if args.val_annotations is not None:
        val = read_coco_file(args.val_annotations, args.val_images)
        roots = find_roots_of(whole.as_dict(), val.as_dict())
        whole, val = (side.with_content(change_classes(side.as_dict(), roots=roots)[0]) for side in (whole, val))
        check_same_categories(whole.as_dict(), val.as_dict())
        data = OwnData(whole, val, None)
    else:
        if len(whole.images) < 2:
            raise DatasetError(
                f"{args.annotations} holds {len(whole.images)} image, and a split needs two: add images, or give "
                "--val-images and --val-annotations."
            )
        whole = whole.with_content(change_classes(whole.as_dict())[0])
        train, val_part = split_coco(whole.as_dict(), VAL_FRACTION, seed)
        data = OwnData(whole.with_content(train), whole.with_content(val_part), Path(args.annotations))
    if not args.skip_image_check:
        check_images(data.train)
        check_images(data.val)
    return data


def check_given_files(args: argparse.Namespace) -> None:
    """The quick rules over the files of the command line. Raises DatasetError with the commands that show and fix."""
    train = SplitTables.read("train", args.annotations, args.images)
    val = SplitTables.read("val", args.val_annotations, args.val_images) if args.val_annotations is not None else None
    refuse_errors(train, val)


def config_for_own_data(args: argparse.Namespace) -> CfgNode:
    """
    The config of a run on ``--images`` and ``--annotations``; its data set's description is written to OUTPUT_DIR.

    Raises:
        ValueError, DatasetError, FileNotFoundError: one sentence; nothing has been written then.
    """
    options = user_options_from(args)
    data = read_own_data(args, options.seed)
    statistics = dataset_statistics(data.train.as_dict())
    coco_weights = (
        model_zoo.get_checkpoint_url(COCO_CONFIGS[options.backbone]) if options.backbone in COCO_CONFIGS else ""
    )
    choices = recommend(statistics, options, coco_weights)
    cfg = get_config(BASE_CONFIG)
    apply_settings(cfg, choices)
    cfg.INPUT.MASK_FORMAT = statistics.mask_format
    cfg.HOOKS.NAMES = HOOKS
    cfg.DATALOADER.NUM_WORKERS = min(4, os.cpu_count() or 1)
    name = Path(args.images).resolve().name if data.split_from is None else Path(args.annotations).stem
    cfg.OUTPUT_DIR = str(Path(args.output) if args.output else new_output_folder(name))
    cfg.merge_from_list(list(args.opts))
    fetch_weights(cfg, "--weights none")
    cfg.DATASETS.DESCRIPTIONS = (str(Path(cfg.OUTPUT_DIR).resolve() / "dataset" / "dataset.yaml"),)
    cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = (f"{name}_train",), (f"{name}_val",)
    refuse_used_folder(cfg.OUTPUT_DIR, args.resume)
    write_description(Path(cfg.OUTPUT_DIR) / "dataset", name, data)
    print(
        f"Training images: {len(data.train.images)}, validation images: {len(data.val.images)}"
        + (f" (a seeded split of {data.split_from}, seed {options.seed})" if data.split_from else "")
    )
    print(statistics.table())
    print("Settings chosen for this data set (KEY VALUE at the end of the command overrides any):")
    print(settings_table(choices))
    return cfg


def new_output_folder(name: str) -> Path:
    """``output/NAME``, or the first of ``output/NAME-2``, ``-3``, ... that does not exist yet."""
    folder = Path("output") / name
    number = 2
    while folder.exists():
        folder = Path("output") / f"{name}-{number}"
        number += 1
    return folder


def refuse_used_folder(output_dir: str, resume: bool) -> None:
    """Raises ValueError where a new run would write over an earlier one."""
    files = [Path(output_dir) / name for name in ("last_checkpoint", "metrics.json", "model_final.pth")]
    used = [file.name for file in files if file.is_file() and file.stat().st_size]
    if used and not resume:
        raise ValueError(
            f"{output_dir} already holds a run ({', '.join(used)}): add --resume to go on with it, or write the new "
            "one elsewhere (--output DIR, or OUTPUT_DIR DIR at the end of the command)."
        )


def write_description(folder: Path, name: str, data: OwnData) -> None:
    """Writes ``dataset.yaml``, and the JSON of a split, so that the run can be evaluated and resumed later."""
    folder.mkdir(parents=True, exist_ok=True)
    splits = {}
    for part, content in (("train", data.train), ("val", data.val)):
        json_file = content.path
        if data.split_from is not None:
            json_file = folder / f"{part}.json"
            write_text(json_file, json.dumps(content.as_dict()))
        splits[part] = {
            "json": str(Path(json_file).resolve()),
            "images": str(Path(content.image_root).resolve()),
        }
    write_text(folder / "dataset.yaml", yaml.safe_dump({"name": name, "splits": splits}, sort_keys=False))


def _require(condition: bool, wanted: str, came: object) -> None:
    if not condition:
        raise ValueError(f"{wanted}, but {came} was given.")


def _advise(flag: str, value: float, limits: tuple[float, float], remark: str) -> None:
    if not limits[0] <= value <= limits[1]:
        logger.warning("%s %g is outside the recommended %g to %g%s.", flag, value, *limits, remark)
