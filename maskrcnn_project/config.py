"""Every configuration key that this plugin adds to Detectron2's tree, and the one way to read a config file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from detectron2.config import CfgNode, get_cfg

from maskrcnn_project.resources import find_resource


def add_maskrcnn_config(cfg: CfgNode) -> None:
    """Adds the plugin's keys with their defaults to ``cfg``, in place."""
    # Dataset descriptions (YAML, see datasets/README.md) to register before anything else is read. Paths are
    # relative to the working directory or to the root of this project.
    cfg.DATASETS.DESCRIPTIONS = ()

    # True: train with bitmasks where a training set holds any run-length encoding, with polygons elsewhere.
    # False: INPUT.MASK_FORMAT decides, and a file that mixes both is an error under "polygon".
    cfg.INPUT.MASK_FORMAT_FROM_DATA = True

    # Names in maskrcnn_project.hooks.HOOK_REGISTRY, in the order in which they run.
    cfg.HOOKS = CfgNode()
    cfg.HOOKS.NAMES = ("LossCurves",)
    # Iterations between two drawings of OUTPUT_DIR/loss_curves.png; 0: at the end only.
    cfg.HOOKS.LossCurves = CfgNode({"PERIOD": 200})

    # What prediction and drawing keep, 0 to 1. Evaluation is not touched by it: AP needs the full ranking, which
    # MODEL.ROI_HEADS.SCORE_THRESH_TEST cuts at 0.05.
    cfg.PREDICT = CfgNode()
    cfg.PREDICT.SCORE_THRESHOLD = 0.5


def get_config(config_file: str | Path | None = None, overrides: Sequence[str] = ()) -> CfgNode:
    """
    Detectron2's defaults and the plugin's, then ``config_file``, then ``KEY VALUE`` pairs.

    Args:
        config_file: a YAML file; a path that does not exist here is looked for among the configs of this project
            ("configs/mask_rcnn_R_50_FPN_1x.yaml" works from anywhere).
        overrides: flat sequence of keys and values, as on the command line.

    Raises:
        FileNotFoundError, KeyError, ValueError: one sentence naming the file or key.
    """
    cfg = get_cfg()
    add_maskrcnn_config(cfg)
    if config_file is not None:
        cfg.merge_from_file(str(find_resource(config_file)))
    if len(overrides) % 2:
        raise ValueError(
            f"Options after the flags must be pairs of KEY VALUE, but {len(overrides)} words came: "
            f"{' '.join(overrides)}."
        )
    cfg.merge_from_list(list(overrides))
    return cfg
