"""
What the user asked for: the flags of the command, checked, and what each of them means in each kind of run.

Every flag is used or refused: ``REFUSED`` says which kind of run refuses which flag, and why; ``FLAG_KEYS`` says which
config key a flag stands for.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from maskrcnn_project.config import get_config, refuse_training_keys, value_of
from maskrcnn_project.datasets.text_files import read_yaml_value
from maskrcnn_project.training.arguments import DEFAULT_BATCH_SIZE, DEFAULT_SCORE_THRESHOLD

logger = logging.getLogger(__name__)

# The knobs' recommended ranges; outside of them a warning, outside of sense an error.
BATCH_SIZE_RANGE = (1, 8)
LEARNING_RATE_RANGE = (0.001, 0.01)
MIN_SHORT_EDGE = 32  # pixels: the coarsest stride that FPN divides


class Mode(Enum):
    """The kinds of run, each with the words that errors use for it."""

    OWN_DATA = "--images"
    CONFIG = "--config-file"
    RESUME = "--resume"
    EVALUATE = "--eval-only"


# The config key that each flag sets, where there is one such key.
FLAG_KEYS = {
    "batch_size": "SOLVER.IMS_PER_BATCH",
    "learning_rate": "SOLVER.BASE_LR",
    "epochs": "SOLVER.EPOCHS",
    "weights": "MODEL.WEIGHTS",
    "seed": "SEED",
    "score_threshold": "PREDICT.SCORE_THRESHOLD",
    "short_edge": "INPUT.MIN_SIZE_TEST",
    "backbone": "MODEL.RESNETS.DEPTH",
    "output": "OUTPUT_DIR",
}
_ITS_OWN_DATA = "the run goes on with the data that it was trained on, so leave it out, or begin a new run"
_AS_IT_WAS = "the run goes on as it was begun, so leave it out, or begin a new run"
_NOTHING_TRAINED = "nothing is trained, so leave it out"
_EVALUATED_DATA = "what is evaluated is named by --images and --annotations, so leave it out"
# Flags that a kind of run has no use for, with the reason.
REFUSED: Mapping[Mode, Mapping[str, str]] = {
    Mode.OWN_DATA: {"config_file": "register the data set in the config (DATASETS.DESCRIPTIONS, see "
                    "datasets/README.md), or leave --config-file out"},
    Mode.CONFIG: {
        **dict.fromkeys(("images", "annotations", "val_images", "val_annotations"),
                        "the config names its data (DATASETS.DESCRIPTIONS, see datasets/README.md)"),
        "backbone": "the config describes the model: name the config of that backbone, or set MODEL.RESNETS.DEPTH",
        "skip_image_check": "images are decoded beforehand with --images only, so leave it out",
    },
    Mode.RESUME: {
        **dict.fromkeys(("images", "annotations", "val_images", "val_annotations"), _ITS_OWN_DATA),
        **dict.fromkeys(("backbone", "batch_size", "weights", "seed", "short_edge"), _AS_IT_WAS),
        **dict.fromkeys(("skip_image_check", "skip_data_check"), "the data were looked at when the run began"),
        "overfit": "learning by heart begins anew each time, so leave --resume out",
        "find_batch_size": "it trains nothing, so leave --resume out",
        "config_file": "the run's own config.yaml has its settings, so leave one of them out",
    },
    Mode.EVALUATE: {
        **dict.fromkeys(("val_images", "val_annotations"), _EVALUATED_DATA),
        **dict.fromkeys(
            ("backbone", "batch_size", "learning_rate", "epochs", "seed", "overfit", "find_batch_size", "fit_memory",
             "skip_image_check"),
            _NOTHING_TRAINED,
        ),
    },
}  # fmt: skip
# What of a run on the user's own data is written down, so that the same command with --resume goes on with it.
RECORDED = ("images", "annotations", "val_images", "val_annotations", "backbone", "batch_size", "weights", "seed",
            "short_edge")  # fmt: skip
RECORD_NAME = "flags.yaml"


@dataclass(frozen=True)
class UserOptions:
    """What was asked for a run on one's own data; None leaves the choice to the data."""

    backbone: str = "resnet50"
    batch_size: int = 2
    accumulate: int = 1  # batches per step of the optimizer
    learning_rate: float | None = None
    score_threshold: float = 0.5
    epochs: float | None = None
    iterations: int | None = None  # in place of epochs
    short_edge: int | None = None
    weights: str | None = None  # a path or URL; "none": from nothing
    seed: int = 0
    masks: bool = True  # the model has a mask head
    page: int = 0  # of images that are stacks

    @property
    def depth(self) -> int:
        return int(self.backbone.removeprefix("resnet"))

    @property
    def from_nothing(self) -> bool:
        """No COCO weights exist for ResNet-18 and 34."""
        return self.weights == "none" or (self.weights is None and self.depth < 50)


def mode_of(args: argparse.Namespace) -> Mode:
    """
    Which kind of run a command asks for.

    Raises:
        ValueError: half of a data set is named, or nothing to train on.
    """
    check_pairs(args)
    if args.eval_only:
        return Mode.EVALUATE
    # with a config file, --resume means what it means in Detectron2: that config, and the checkpoint in OUTPUT_DIR
    if args.resume and args.config_file is None and args.output and (Path(args.output) / "config.yaml").is_file():
        return Mode.RESUME
    if args.images is not None:
        return Mode.OWN_DATA
    if args.config_file is not None:
        return Mode.CONFIG
    if args.resume:
        raise ValueError(
            f"--resume goes on with a run, but {args.output or 'no folder'} holds none: name it with --output DIR "
            "(it has a config.yaml), or add --config-file FILE."
        )
    raise ValueError(
        "Nothing to train on: give --images DIR --annotations FILE for your own data, or --config-file FILE."
    )


def check_pairs(args: argparse.Namespace) -> None:
    """Raises ValueError where a folder is named without its file, or the other way round."""
    if (args.images is None) != (args.annotations is None):
        raise ValueError("--images and --annotations belong together: give the folder of images and its COCO JSON.")
    if (args.val_images is None) != (args.val_annotations is None):
        raise ValueError("--val-images and --val-annotations belong together: give both, or neither for a split.")
    if args.images is None and args.val_images is not None:
        raise ValueError("--val-images needs --images and --annotations: say what to train on.")


def refuse_unused(args: argparse.Namespace, mode: Mode) -> None:
    """
    Raises ValueError for a flag that ``mode`` has no use for, and for a flag and a KEY VALUE pair that contradict each
    other. On a resumed run, flags that say what the run is already are fine: a job that is started again by the same
    command with --resume goes on.
    """
    same = _recorded(Path(args.output)) if mode is Mode.RESUME else {}
    for name, reason in REFUSED[mode].items():
        given = getattr(args, name)
        if given is None or given is False or (name in same and same[name] == _comparable(name, given)):
            continue
        was = f" (the run has {'the default' if same[name] is None else same[name]})" if name in same else ""
        raise ValueError(f"{_flag(name)}{_shown(given)}{was} does not go with {mode.value}: {reason}.")
    if mode is Mode.EVALUATE and args.skip_data_check and args.images is None:
        raise ValueError("--skip-data-check goes with --images: the run's own data are not checked, so leave it out.")
    if mode is Mode.EVALUATE and args.resume and (args.weights is not None or "MODEL.WEIGHTS" in args.opts[::2]):
        raise ValueError("--eval-only --resume evaluates the last checkpoint: leave --resume out to name the weights.")
    if mode is Mode.EVALUATE:
        refuse_training_keys(args.opts, "--eval-only")
    if args.overfit is not None and args.find_batch_size:
        raise ValueError("--overfit trains and --find-batch-size trains nothing: give one of them.")
    if args.fit_memory and args.find_batch_size:
        raise ValueError("--fit-memory acts on a training and --find-batch-size trains nothing: give one of them.")
    given_keys = dict(zip(args.opts[::2], args.opts[1::2], strict=False))
    for name, key in FLAG_KEYS.items():
        value = getattr(args, name)
        if value is not None and key in given_keys and not _agree(name, value, given_keys[key]):
            raise ValueError(
                f"{_flag(name)} {value} and {key} {given_keys[key]} say two things about the same: give one of them."
            )


def user_options_from(args: argparse.Namespace) -> UserOptions:
    """
    The knobs, as flags or as the KEY VALUE pairs that they stand for; the other settings are chosen to fit them.

    Raises:
        KeyError: there is no such key.
        ValueError: a value is impossible. One outside the recommended range is a warning in the log.
    """
    asked, keys = get_config(overrides=args.opts), args.opts[::2]

    def option(key: str, default: Any = None) -> Any:
        return value_of(asked, key) if key in keys else default

    def knob(name: str, default: Any = None) -> Any:
        flag = getattr(args, name)
        return option(FLAG_KEYS[name], default) if flag is None else flag

    batch_size = knob("batch_size", DEFAULT_BATCH_SIZE)
    threshold = knob("score_threshold", DEFAULT_SCORE_THRESHOLD)
    epochs, rate, short_edge = knob("epochs") or None, knob("learning_rate"), knob("short_edge")
    iterations, page = option("SOLVER.MAX_ITER"), option("INPUT.PAGE", 0)
    _require(page >= 0, "INPUT.PAGE must be 0 or more", page)
    _require(batch_size >= 1, "--batch-size must be at least 1", batch_size)
    _require(0 <= threshold <= 1, "--score-threshold must be between 0 and 1", threshold)
    _require(args.epochs is None or args.epochs > 0, "--epochs must be above 0", args.epochs)
    _require(short_edge is None or short_edge >= MIN_SHORT_EDGE,
             f"--short-edge must be at least {MIN_SHORT_EDGE} pixels", short_edge)  # fmt: skip
    _require(rate is None or 0 < rate < 1, "--learning-rate must be between 0 and 1", rate)
    _require(iterations is None or iterations >= 1, "SOLVER.MAX_ITER must be at least 1", iterations)
    if epochs is not None and iterations is not None:
        raise ValueError(f"{epochs:g} epochs and SOLVER.MAX_ITER {iterations} say two things: give one of them.")
    _advise("--batch-size", batch_size, BATCH_SIZE_RANGE, "")
    if rate is not None:
        _advise("--learning-rate", rate, LEARNING_RATE_RANGE, " (0.001 to 0.002 for small data)")
    weights = args.weights
    if weights is None and "MODEL.WEIGHTS" in keys:
        weights = asked.MODEL.WEIGHTS or "none"
    return UserOptions(
        backbone=args.backbone or f"resnet{option('MODEL.RESNETS.DEPTH', 50)}",
        batch_size=batch_size,
        accumulate=option("SOLVER.ACCUMULATE_STEPS", 1),
        learning_rate=rate,
        score_threshold=threshold,
        epochs=epochs,
        iterations=iterations,
        short_edge=short_edge,
        weights=weights,
        seed=knob("seed", 0),
        masks=option("MODEL.MASK_ON", True),
        page=page,
    )


def options_of_flags(args: argparse.Namespace) -> list[Any]:
    """The KEY VALUE pairs that flags stand for, for a run whose config is given; --short-edge apart."""
    pairs: list[Any] = []
    for name, key in FLAG_KEYS.items():
        value = getattr(args, name)
        if value is None or name in ("short_edge", "backbone"):
            continue
        pairs += [key, "" if name == "weights" and value == "none" else value]
    return pairs


def record_flags(args: argparse.Namespace) -> str:
    """What ``refuse_unused`` compares with when the run is resumed, as text for RECORD_NAME."""
    return yaml.safe_dump({name: _comparable(name, getattr(args, name)) for name in RECORDED}, sort_keys=False)


def _recorded(run: Path) -> dict[str, Any]:
    file = run / "dataset" / RECORD_NAME
    content = read_yaml_value(file) if file.is_file() else {}
    return content if isinstance(content, dict) else {}


def _comparable(name: str, value: Any) -> Any:
    """Paths as absolute ones: the same command may be given from elsewhere."""
    is_path = name in ("images", "annotations", "val_images", "val_annotations")
    return str(Path(value).resolve()) if is_path and value is not None else value


def _agree(name: str, flag: Any, option: Any) -> bool:
    """Whether a flag and the option for the same key have one value."""
    if name == "backbone":
        flag = flag.removeprefix("resnet")
    if name == "weights" and flag == "none":
        flag = ""
    if name == "output":
        return Path(str(flag)) == Path(str(option))
    try:
        return float(flag) == float(option)
    except ValueError:
        return str(flag) == str(option)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _shown(value: Any) -> str:
    return "" if value is True else f" {value}"


def _require(condition: bool, wanted: str, came: object) -> None:
    if not condition:
        raise ValueError(f"{wanted}, but {came} was given.")


def _advise(flag: str, value: float, limits: tuple[float, float], remark: str) -> None:
    if not limits[0] <= value <= limits[1]:
        logger.warning("%s %g is outside the recommended %g to %g%s.", flag, value, *limits, remark)
