"""Before a training: its config completed from the data, and the data looked at."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectron2.config import CfgNode, get_cfg
from detectron2.data import MetadataCatalog

from maskrcnn_project.datasets.checking.precheck import refuse_errors
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.class_consistency import check_sets_agree, registered_classes
from maskrcnn_project.datasets.coco_set import ARGUMENTS_KEY
from maskrcnn_project.datasets.register import register_descriptions
from maskrcnn_project.training.optimization.schedule import scale_learning_rate, stretch_to_epochs
from maskrcnn_project.training.overfit import overfit_config
from maskrcnn_project.training.trainer import MaskRCNNTrainer


def prepare_training(cfg: CfgNode, args: argparse.Namespace, checked: bool = False) -> None:
    """
    Completes a new training's config from its data, and looks whether these can be trained on. Prints what it does.

    Args:
        checked: the annotations have been looked at already.

    Raises:
        DatasetError: the annotations have errors, or the sets disagree; one sentence.
    """
    register_descriptions(cfg.DATASETS.DESCRIPTIONS)
    check_sets_agree([*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST])
    if not (checked or args.skip_data_check):
        check_registered_sets(cfg)
    if args.overfit is not None:
        overfit_config(cfg, args.overfit)
        cfg.merge_from_list(list(args.opts))
    notes = [infer_num_classes(cfg)]
    if cfg.SOLVER.EPOCHS:
        notes.append(stretch_to_epochs(cfg, len(MaskRCNNTrainer.training_records(cfg))))
    notes.append(scale_learning_rate(cfg))
    for note in filter(None, notes):
        print(note)


def infer_num_classes(cfg: CfgNode) -> str:
    """Sets NUM_CLASSES from the training set where it stands at Detectron2's default. Returns a line to print."""
    count = len(registered_classes(cfg.DATASETS.TRAIN[0])) if cfg.DATASETS.TRAIN else 0
    default = get_cfg().MODEL.ROI_HEADS.NUM_CLASSES
    if count in (0, default) or default != cfg.MODEL.ROI_HEADS.NUM_CLASSES:
        return ""  # another number is somebody's choice; the trainer refuses it if it is wrong
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = count
    return f"MODEL.ROI_HEADS.NUM_CLASSES {count}: the classes of {cfg.DATASETS.TRAIN[0]}"


def check_registered_sets(cfg: CfgNode) -> None:
    """Runs the quick rules over the sets that this project registered; others are their registrar's affair."""
    splits: dict[str, SplitTables] = {}
    for split, names in (("train", cfg.DATASETS.TRAIN), ("val", cfg.DATASETS.TEST)):
        for name in names:
            files = MetadataCatalog.get(name).get(ARGUMENTS_KEY)
            if files is not None and Path(files["json_file"]).is_file() and files["json_file"] not in splits:
                splits[files["json_file"]] = SplitTables.read(split, files["json_file"], files["image_root"])
    for tables in splits.values():
        refuse_errors(tables, detections_per_image=cfg.TEST.DETECTIONS_PER_IMAGE)
