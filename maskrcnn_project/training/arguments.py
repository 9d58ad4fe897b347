"""The flags of ``tools/train_net.py``: Detectron2's, and those for a folder and a file. Imports no torch."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101")
DEFAULT_BATCH_SIZE = 2
DEFAULT_LEARNING_RATE = 0.005
DEFAULT_SCORE_THRESHOLD = 0.5

EPILOG = """
examples:
  Your own data, from COCO weights:
    train_net.py --images photos --annotations photos.json
  A config file, as with Detectron2:
    train_net.py --config-file configs/mask_rcnn_R_50_FPN_3x.yaml --num-gpus 8
  Change options of either:
    train_net.py --images photos --annotations photos.json SOLVER.MAX_ITER 2000 INPUT.MIN_SIZE_TEST 640
  Before a long training: do the data make sense, and which batch fits?
    train_net.py --images photos --annotations photos.json --overfit 4
    train_net.py --images photos --annotations photos.json --find-batch-size
  Several machines:
    (machine 0) train_net.py --machine-rank 0 --num-machines 2 --dist-url tcp://HOST:PORT --num-gpus 8 ...
    (machine 1) train_net.py --machine-rank 1 --num-machines 2 --dist-url tcp://HOST:PORT --num-gpus 8 ...
    or under torchrun: torchrun --nproc-per-node 8 tools/train_net.py --config-file ...
"""


def training_parser() -> argparse.ArgumentParser:
    """The parser of ``tools/train_net.py``."""
    parser = argparse.ArgumentParser(
        description="Train or evaluate Mask R-CNN, from a config file or straight from images and a COCO JSON.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config-file", metavar="FILE", help="a YAML config, e.g. configs/mask_rcnn_R_50_FPN_1x.yaml")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in OUTPUT_DIR")
    parser.add_argument(
        "--eval-only",
        action="store_true",
        help="evaluate MODEL.WEIGHTS; with --output DIR the weights of that run; with --resume its last checkpoint",
    )
    parser.add_argument("--num-gpus", type=int, default=1, help="processes on this machine, one per GPU (default 1)")
    parser.add_argument("--num-machines", type=int, default=1)
    parser.add_argument("--machine-rank", type=int, default=0, help="0 to num-machines - 1, its own on each machine")
    parser.add_argument(
        "--dist-url", default="auto", help="where machine 0 listens, tcp://HOST:PORT (default: a free port)"
    )
    add_own_data_arguments(parser)
    add_trial_arguments(parser)
    parser.add_argument(
        "opts",
        nargs=argparse.REMAINDER,
        metavar="KEY VALUE",
        help="config options at the end of the command, e.g. SOLVER.BASE_LR 0.001; they override everything else",
    )
    return parser


def add_own_data_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags for those who have only a folder and a file. None means: not given, chosen from the data."""
    group = parser.add_argument_group(
        "your own data", "settings that are not given are chosen from the data and printed"
    )
    group.add_argument("--images", metavar="DIR", help="folder of the images")
    group.add_argument("--annotations", metavar="FILE", help="COCO JSON of the annotations")
    group.add_argument("--val-images", metavar="DIR", help="folder of the validation images")
    group.add_argument("--val-annotations", metavar="FILE", help="without it a seeded fifth of the images validates")
    group.add_argument(
        "--backbone",
        choices=BACKBONES,
        help="default resnet50; 101: +2-3 mAP, slower; 18/34: trials, no weights",
    )
    group.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help=f"images per iteration, over all GPUs; 1-8, default {DEFAULT_BATCH_SIZE}",
    )
    group.add_argument(
        "--learning-rate",
        type=float,
        metavar="LR",
        help=f"0.001-0.01, default {DEFAULT_LEARNING_RATE} from COCO weights",
    )
    group.add_argument(
        "--score-threshold",
        type=float,
        metavar="P",
        help=f"what predictions are drawn, 0-1, default {DEFAULT_SCORE_THRESHOLD}",
    )
    group.add_argument("--epochs", type=float, metavar="N", help="passes over the training images; 12 is 1x, 36 is 3x")
    group.add_argument(
        "--short-edge", type=int, metavar="PIXELS", help="shorter side of the images as the model sees them"
    )
    group.add_argument("--weights", metavar="FILE", help="weights to start from; 'none' trains from nothing")
    group.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="of the split, the initial weights and the sampling (default 0; with --config-file: that of the config)",
    )
    group.add_argument("--output", metavar="DIR", help="where the run is written (default: a new folder in output/)")
    group.add_argument("--skip-image-check", action="store_true", help="do not decode every image before training")


def add_trial_arguments(parser: argparse.ArgumentParser) -> None:
    """What is tried or checked before a long training, with either kind of data."""
    group = parser.add_argument_group("before a long training")
    group.add_argument(
        "--skip-data-check", action="store_true", help="train although the annotations have errors (check_dataset.py)"
    )
    group.add_argument(
        "--overfit",
        type=int,
        metavar="N",
        help="learn N images by heart, without augmentation: tells a broken data set from a hard one",
    )
    group.add_argument(
        "--find-batch-size", action="store_true", help="try which batch sizes fit, print a table, and train nothing"
    )
    group.add_argument(
        "--fit-memory", action="store_true", help="out of memory: halve the batch, accumulate two, and go on"
    )


def check_options(options: Sequence[str]) -> None:
    """
    What stands at the end of the command are pairs of KEY VALUE.

    Raises:
        ValueError: one of them is a flag, which must stand before them, or a value is missing.
    """
    flags = [option for option in options if option.startswith("--")]
    if flags:
        raise ValueError(
            f"The flag {flags[0]} stands after the KEY VALUE pairs ({' '.join(options[:2])} ...): put all flags "
            "before them."
        )
    if len(options) % 2:
        raise ValueError(
            f"Options after the flags must be pairs of KEY VALUE, but {len(options)} words came: {' '.join(options)}."
        )
