"""A run from its command to its end: the config, the set-up of each process, training, evaluation."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from detectron2.engine import default_setup
from detectron2.evaluation import verify_results
from detectron2.utils import comm
from detectron2.utils.logger import setup_logger

from maskrcnn_project.classes import ClassTable
from maskrcnn_project.config import get_config
from maskrcnn_project.datasets.register import register_descriptions
from maskrcnn_project.device import choose_device
from maskrcnn_project.files import write_beside
from maskrcnn_project.inference.weights import fetch_weights, last_checkpoint, load_for_inference
from maskrcnn_project.own_data import config_for_own_data, refuse_used_folder
from maskrcnn_project.provider import detectron2_info
from maskrcnn_project.trainer import MaskRCNNTrainer

logger = logging.getLogger(__name__)


def build_config(args: argparse.Namespace, from_own_data: bool) -> CfgNode:
    """
    The config that the command describes: from the user's own data, from a run's folder, or from a config file.

    Raises:
        ValueError, KeyError, FileNotFoundError: one sentence.
    """
    earlier = Path(args.output) / "config.yaml" if args.output else None
    if earlier is not None and (args.resume or args.eval_only) and earlier.is_file():
        cfg = get_config(earlier, args.opts)  # the run's own settings, whatever the data would suggest today
    elif from_own_data:
        if args.eval_only:
            raise ValueError("--eval-only with --images needs the run to evaluate: add --output DIR of its training.")
        return config_for_own_data(args)
    elif args.config_file is not None:
        cfg = get_config(args.config_file, args.opts)
        if args.output:
            cfg.OUTPUT_DIR = args.output
    else:
        raise ValueError(
            "Nothing to train on: give --images DIR --annotations FILE for your own data, or --config-file FILE."
        )
    if not args.eval_only:
        refuse_used_folder(cfg.OUTPUT_DIR, args.resume)
    if not args.resume:
        fetch_weights(cfg, 'MODEL.WEIGHTS "" MODEL.RESNETS.NORM BN MODEL.BACKBONE.FREEZE_AT 0')
    return cfg


def is_first_process(args: argparse.Namespace) -> bool:
    """Whether this process decides the config: the first of the first machine, started by hand or by torchrun."""
    return args.machine_rank == 0 and int(os.environ.get("RANK", "0")) == 0


def set_up(cfg: CfgNode | None, args: argparse.Namespace) -> CfgNode:
    """
    Prepares this process: data sets, device, output folder, log, seed.

    Args:
        cfg: the config on the first process; None elsewhere, where the first one's is taken.

    Returns:
        The frozen config, the same on every process.
    """
    cfg = comm.all_gather(cfg)[0]
    assert cfg is not None, "the first process must bring the config"
    register_descriptions(cfg.DATASETS.DESCRIPTIONS)
    choose_device(cfg)
    cfg.freeze()
    with kept(Path(cfg.OUTPUT_DIR) / "config.yaml", args.eval_only):
        default_setup(cfg, args)
    setup_logger(cfg.OUTPUT_DIR, distributed_rank=comm.get_rank(), name="maskrcnn_project", abbrev_name="maskrcnn")
    logger.info("%s", detectron2_info())
    return cfg


@contextmanager
def kept(config_file: Path, evaluating: bool) -> Iterator[None]:
    """Evaluation leaves the training's config as it was, though Detectron2's set-up writes its own in its place."""
    text = config_file.read_text("utf-8") if evaluating and config_file.is_file() else None
    yield
    if text is not None and comm.is_main_process():
        write_beside(config_file, text)


def train(cfg: CfgNode, resume: bool = False) -> Mapping[str, Any] | None:
    """Trains as ``cfg`` says. Returns the last evaluation's results."""
    trainer = MaskRCNNTrainer(cfg)
    trainer.resume_or_load(resume=resume)
    return trainer.train()


def evaluate(cfg: CfgNode, resume: bool = False) -> Mapping[str, Any]:
    """
    Evaluates MODEL.WEIGHTS, or with ``resume`` the last checkpoint in OUTPUT_DIR, on every set of DATASETS.TEST.

    Raises:
        ClassMismatchError: the weights know other classes than the data set.
        ValueError: there are no weights.
    """
    weights = cfg.MODEL.WEIGHTS
    if resume:
        weights = last_checkpoint(Path(cfg.OUTPUT_DIR))
    classes = None
    for name in cfg.DATASETS.TEST:
        DatasetCatalog.get(name)  # fills the metadata with the classes
        classes = ClassTable.from_dataset(name)
    model = MaskRCNNTrainer.build_model(cfg)
    load_for_inference(model, weights, classes)
    results = MaskRCNNTrainer.test(cfg, model)
    if comm.is_main_process():
        verify_results(cfg, results)
    return results
