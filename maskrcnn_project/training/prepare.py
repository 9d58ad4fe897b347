"""
From the command to the config that is trained or evaluated, in one line:

options -> data (each file read once) -> config (KEY VALUE pairs merged once, last) -> registered sets -> completed
config.

Everything that can be wrong is found before the first file is written.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from detectron2 import model_zoo
from detectron2.config import CfgNode, get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog

from maskrcnn_project.config import get_config, get_run_config
from maskrcnn_project.datasets.checking.precheck import refuse_errors, warning_lines
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.class_consistency import check_sets_agree, registered_classes
from maskrcnn_project.datasets.coco_file import CocoFile, coco_file_of, read_coco_file, read_json
from maskrcnn_project.datasets.register import described_sets, register_descriptions
from maskrcnn_project.modeling.weights import fetch_weights, last_checkpoint, weights_of_run
from maskrcnn_project.training.arguments import check_options
from maskrcnn_project.training.evaluation_set import add_evaluation_set
from maskrcnn_project.training.hooks import resolve_hook_names
from maskrcnn_project.training.image_values import choose_value_range
from maskrcnn_project.training.leftovers import remove_unfinished
from maskrcnn_project.training.optimization.schedule import follow_iterations, scale_learning_rate, stretch_to_epochs
from maskrcnn_project.training.overfit import OverfitSource, overfit_config, refuse_contradictions
from maskrcnn_project.training.own_data import OwnData, new_output_folder, read_own_data, write_description
from maskrcnn_project.training.recommend import (
    BASE_CONFIG,
    Setting,
    apply_settings,
    recommend,
    settings_in_force,
    settings_table,
)
from maskrcnn_project.training.resume import apply_changes, find_checkpoint, refuse_used_folder
from maskrcnn_project.training.run_lock import hold_folder
from maskrcnn_project.training.trainer import MaskRCNNTrainer
from maskrcnn_project.training.user_options import (
    Mode,
    UserOptions,
    mode_of,
    options_of_flags,
    refuse_unused,
    user_options_from,
)

COCO_CONFIGS = {
    "resnet50": "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml",
    "resnet101": "COCO-InstanceSegmentation/mask_rcnn_R_101_FPN_3x.yaml",
}
# What everybody wants to see of a training, and to have when it ends before its time.
HOOKS = ("ValidationLoss", "BestCheckpoint", "NonFiniteGuard", "StopOnSignal", "ProgressBar", "LossCurves")
FROM_NOTHING = 'MODEL.WEIGHTS "" MODEL.RESNETS.NORM BN MODEL.BACKBONE.FREEZE_AT 0'


@dataclass
class Prepared:
    """A config in the making, with what has been read for it."""

    cfg: CfgNode
    given: dict[str, str] = field(default_factory=dict)  # keys that the user set -> how
    contents: Mapping[Path, CocoFile] = field(default_factory=dict)  # COCO files as they were read
    own_data: OwnData | None = None
    settings: list[Setting] = field(default_factory=list)  # what was chosen from the data


def prepare(args: argparse.Namespace) -> CfgNode:
    """
    The config that the command describes, with its data sets registered. Prints what was chosen and completed.

    Raises:
        ValueError, KeyError, FileNotFoundError, DatasetError: one sentence.
    """
    check_options(args.opts)
    mode = mode_of(args)
    refuse_unused(args, mode)
    if mode is Mode.RESUME:
        return prepare_resume(args)
    if mode is Mode.EVALUATE:
        return prepare_evaluation(args)
    options = user_options_from(args) if mode is Mode.OWN_DATA else None
    prepared = Prepared(get_config(args.config_file)) if options is None else choose_settings(args, options)
    merge_options(prepared, args)
    cfg = prepared.cfg
    if args.overfit is not None:
        cfg.OUTPUT_DIR = f"{cfg.OUTPUT_DIR.rstrip('/')}-overfit"
    refuse_used_folder(cfg.OUTPUT_DIR, args)
    take_folder(cfg.OUTPUT_DIR)
    if not (args.resume and find_checkpoint(Path(cfg.OUTPUT_DIR))):
        fetch_weights(cfg, FROM_NOTHING if options is None else "--weights none")
    if args.overfit is not None:
        prepare_overfit(prepared, args)
    elif prepared.own_data is not None:
        prepared.contents = write_description(Path(cfg.OUTPUT_DIR) / "dataset", prepared.own_data, args)
    else:
        prepared.contents = read_described_sets(cfg, args.skip_data_check)
    print_lines([choose_value_range(cfg, prepared.given, training_images(cfg, prepared))])
    register(cfg, prepared.contents, [*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST])
    print_lines(complete(cfg, prepared.given))
    if prepared.own_data is not None and options is not None:
        print_lines(list(prepared.own_data.warnings))
        print(prepared.own_data.title(options.seed))
        print(prepared.own_data.statistics.table())
        print("Settings chosen for this data set (KEY VALUE at the end of the command overrides any):")
        print(settings_table(settings_in_force(cfg, prepared.settings, prepared.given)))
    return cfg


def choose_settings(args: argparse.Namespace, options: UserOptions) -> Prepared:
    """Reads the user's files, and lays the settings that fit them over the base config."""
    data = read_own_data(args, options)
    zoo = COCO_CONFIGS.get(options.backbone)
    settings = recommend(data.statistics, options, "" if zoo is None else model_zoo.get_checkpoint_url(zoo))
    cfg = get_config(BASE_CONFIG)
    apply_settings(cfg, settings)
    cfg.INPUT.MASK_FORMAT = data.statistics.mask_format
    cfg.HOOKS.NAMES = HOOKS
    cfg.DATALOADER.NUM_WORKERS = min(4, os.cpu_count() or 1)
    cfg.OUTPUT_DIR = str(new_output_folder(data.name))
    cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = (f"{data.name}_train",), (f"{data.name}_val",)
    return Prepared(cfg, own_data=data, settings=settings)


def training_images(cfg: CfgNode, prepared: Prepared) -> list[Path]:
    """The image files of the training set, as far as they are known before it is registered."""
    if prepared.own_data is not None:
        files = [prepared.own_data.train]
    else:
        sets = described_sets(cfg.DATASETS.DESCRIPTIONS)
        known = [sets[name].json_file for name in cfg.DATASETS.TRAIN if name in sets]
        files = [prepared.contents[path] for path in known if path in prepared.contents]
    return [file.image_root / image["file_name"] for file in files for image in file.images]


def merge_options(prepared: Prepared, args: argparse.Namespace) -> None:
    """
    What the user set, as flags or as KEY VALUE pairs, over the config; a schedule counted in iterations follows its
    length.

    Raises:
        ValueError: an option contradicts --images, or --overfit.
    """
    cfg, data = prepared.cfg, prepared.own_data
    if args.overfit is not None:
        refuse_contradictions(args.opts)
    if data is not None and "DATASETS.TRAIN" in args.opts[::2]:
        raise ValueError("--images says what to train on, and so does DATASETS.TRAIN: leave one of them out.")
    before, hooks = cfg.SOLVER.MAX_ITER, cfg.HOOKS.NAMES
    flags = [] if data is not None else options_of_flags(args)
    if args.output:
        cfg.OUTPUT_DIR = args.output
    if data is None and args.short_edge is not None:
        scale_sizes(cfg, args.short_edge)
        prepared.given |= dict.fromkeys(("INPUT.MIN_SIZE_TRAIN", "INPUT.MIN_SIZE_TEST"), "--short-edge")
    cfg.merge_from_list([*flags, *args.opts])
    if cfg.HOOKS.NAMES is not hooks:
        cfg.HOOKS.NAMES = resolve_hook_names(hooks, cfg.HOOKS.NAMES)
    prepared.given |= dict.fromkeys(flags[::2], "set by you (a flag)") | dict.fromkeys(args.opts[::2], "set by you")
    if data is not None:
        # the length is in MAX_ITER already, whichever way it was given
        cfg.SOLVER.EPOCHS = 0.0
        own = Path(cfg.OUTPUT_DIR) / "dataset" / "dataset.yaml"
        cfg.DATASETS.DESCRIPTIONS = (str(own), *cfg.DATASETS.DESCRIPTIONS)
        prepared.given.pop("SOLVER.EPOCHS", None)
    elif "SOLVER.MAX_ITER" in prepared.given:
        print_lines([follow_iterations(cfg, before, prepared.given)])


def scale_sizes(cfg: CfgNode, short_edge: int) -> None:
    """Brings the sizes of a config, in pixels, to another shorter edge in testing; their proportions stay."""
    factor = short_edge / cfg.INPUT.MIN_SIZE_TEST
    cfg.INPUT.MIN_SIZE_TRAIN = tuple(max(1, round(size * factor)) for size in cfg.INPUT.MIN_SIZE_TRAIN)
    cfg.INPUT.MAX_SIZE_TRAIN = round(cfg.INPUT.MAX_SIZE_TRAIN * factor)
    cfg.INPUT.MAX_SIZE_TEST = round(cfg.INPUT.MAX_SIZE_TEST * factor)
    cfg.INPUT.MIN_SIZE_TEST = short_edge


def read_described_sets(cfg: CfgNode, skip_check: bool) -> dict[Path, CocoFile]:
    """
    Reads the files of the sets that the config trains and evaluates on and that its descriptions describe, each once.

    Raises:
        DatasetError: the annotations have errors, unless ``skip_check``.
    """
    contents: dict[Path, CocoFile] = {}
    sets = described_sets(cfg.DATASETS.DESCRIPTIONS)
    for split, names in (("train", cfg.DATASETS.TRAIN), ("val", cfg.DATASETS.TEST)):
        for name in names:
            described = sets.get(name)
            if described is None or described.json_file in contents:
                continue
            if described.prepare is not None:
                described.prepare()
            if not described.json_file.is_file():
                continue  # registering says what is missing
            coco = read_json(described.json_file)
            if not skip_check:
                tables = SplitTables.of_content(split, described.json_file, described.image_root, coco)
                limit, masks = cfg.TEST.DETECTIONS_PER_IMAGE, cfg.MODEL.MASK_ON
                print_lines(
                    warning_lines(refuse_errors(tables, detections_per_image=limit, masks=masks, page=cfg.INPUT.PAGE))
                )
            contents[described.json_file] = coco_file_of(
                described.json_file, coco, described.image_root, require_annotations=split == "train"
            )
    return contents


def register(cfg: CfgNode, contents: Mapping[Path, CocoFile], used: Sequence[str]) -> None:
    """
    Makes the config's sets known to Detectron2, and makes sure that those that are ``used`` have the same classes.

    Raises:
        DatasetError, KeyError: a set is missing, or two disagree.
    """
    register_descriptions(cfg.DATASETS.DESCRIPTIONS, contents)
    check_sets_agree(used)


def complete(cfg: CfgNode, given: Mapping[str, str]) -> list[str]:
    """What a config learns from its registered data: the number of classes, the schedule. Returns lines to print."""
    notes = [infer_num_classes(cfg, cfg.DATASETS.TRAIN)]
    if cfg.SOLVER.EPOCHS:
        notes.append(stretch_to_epochs(cfg, len(MaskRCNNTrainer.training_records(cfg)), given))
    notes.append(scale_learning_rate(cfg))
    return notes


def infer_num_classes(cfg: CfgNode, names: Sequence[str]) -> str:
    """
    Sets NUM_CLASSES from the first of the sets ``names`` where it stands at Detectron2's default. Returns a line to
    print.
    """
    count = len(registered_classes(names[0])) if names else 0
    default = get_cfg().MODEL.ROI_HEADS.NUM_CLASSES
    if count in (0, default) or default != cfg.MODEL.ROI_HEADS.NUM_CLASSES:
        return ""  # another number is somebody's choice; the trainer refuses it if it is wrong
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = count
    return f"MODEL.ROI_HEADS.NUM_CLASSES {count}: the classes of {names[0]}"


def prepare_overfit(prepared: Prepared, args: argparse.Namespace) -> None:
    """The config becomes one that learns a few images of its training set by heart, and registers these alone."""
    cfg, data = prepared.cfg, prepared.own_data
    if data is not None:
        source = OverfitSource(data.name, data.train, {})
    else:
        name = cfg.DATASETS.TRAIN[0]
        described = described_sets(cfg.DATASETS.DESCRIPTIONS).get(name)
        if described is not None:
            contents = read_described_sets(cfg, args.skip_data_check)
            source = OverfitSource(name, contents[described.json_file], described.kept_keys())
        else:
            DatasetCatalog.get(name)  # a set of another project tells its files then
            metadata = MetadataCatalog.get(name)
            source = OverfitSource(name, read_coco_file(metadata.json_file, metadata.image_root), {})
    prepared.contents = overfit_config(cfg, args.overfit, source, prepared.given)


def prepare_resume(args: argparse.Namespace) -> CfgNode:
    """The config of a run that goes on, with what the user changed; the run's own config.yaml is as it was."""
    take_folder(args.output)
    cfg = get_run_config(args.output)
    changed = cfg.clone()
    register_descriptions(changed.DATASETS.DESCRIPTIONS)
    apply_changes(changed, args)
    check_sets_agree([*changed.DATASETS.TRAIN, *changed.DATASETS.TEST])
    return changed


def prepare_evaluation(args: argparse.Namespace) -> CfgNode:
    """The config of --eval-only: of a run or of a config file; with --images, evaluated on these."""
    is_run = args.output is not None and (Path(args.output) / "config.yaml").is_file() and args.config_file is None
    if not is_run and args.config_file is None:
        raise ValueError(
            "--eval-only needs the run to evaluate: add --output DIR of its training (or --config-file FILE with "
            "MODEL.WEIGHTS)."
        )
    cfg = get_run_config(args.output) if is_run else get_config(args.config_file)
    prepared = Prepared(cfg)
    merge_options(prepared, args)
    if args.resume:
        cfg.MODEL.WEIGHTS = last_checkpoint(Path(cfg.OUTPUT_DIR))
    elif is_run and "MODEL.WEIGHTS" not in prepared.given:
        cfg.MODEL.WEIGHTS = weights_of_run(Path(cfg.OUTPUT_DIR))
    if args.images is not None:
        if not is_run:
            raise ValueError("--eval-only --images needs the run to evaluate: add --output DIR of its training.")
        add_evaluation_set(cfg, args)
    register(cfg, {}, cfg.DATASETS.TEST)
    infer_num_classes(cfg, cfg.DATASETS.TEST)
    return cfg


def take_folder(output_dir: str) -> None:
    """
    Locks the folder of a run for this process, and removes what a killed one has left half-written there.

    Raises:
        ValueError: another process has it.
    """
    hold_folder(Path(output_dir), "has been training")
    remove_unfinished(Path(output_dir))


def print_lines(lines: list[str]) -> None:
    """Prints those that say something."""
    for line in filter(None, lines):
        print(line)
