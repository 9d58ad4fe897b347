"""
Settings for a data set nobody has written a config for: chosen from what the data shows, each with its reason.

Two cases differ in almost everything. *From COCO weights*: short schedules, a low learning rate, frozen norms,
images at the size the weights know. *From nothing*: trained norms, a high rate, a narrow model that few images
can fill, anchors that fit the objects.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detectron2.config import CfgNode

from maskrcnn_project.config import value_of
from maskrcnn_project.datasets.statistics import DatasetStatistics
from maskrcnn_project.training.user_options import UserOptions

BASE_CONFIG = "configs/Base-RCNN-FPN.yaml"  # what the chosen settings are laid over
# Published short edges of Detectron2's COCO recipes and of fine-tuning as practised (pixels).
COCO_TEST_SHORT_EDGE = 800
COCO_MAX_RATIO = 1333 / 800
FINE_TUNING_RANGE = (0.6, 1.0)  # 480 to 800 of 800
# Mild: a small model on few images sees each object at most a fifth larger or smaller.
SCRATCH_RANGE = (0.8, 1.2)
# COCO weights have seen few objects smaller than this; smaller ones are enlarged, at most twofold.
COMFORTABLE_OBJECT = 32.0
MAX_ENLARGEMENT = 2.0
COCO_MIN_ANCHOR = 32
MIN_ANCHOR = 4
ANCHOR_LEVELS = 5  # p2 to p6
# From nothing: Detectron2's COCO rate, which trained norms take even with small batches.
SCRATCH_LEARNING_RATE = 0.02
# Fewer iterations than these do not move the weights far enough, however few the images.
MIN_ITERATIONS = {"coco": 1000, "nothing": 500}
DEFAULT_EPOCHS = {"coco": 12, "nothing": 20}  # 1x; from nothing everything is to be learnt
MIN_WARMUP = 50


@dataclass(frozen=True)
class Setting:
    """One config key, its value, and why."""

    key: str
    value: Any
    reason: str


def recommend(data: DatasetStatistics, options: UserOptions, coco_weights: str = "") -> list[Setting]:
    """
    The settings for training on ``data``.

    Args:
        data: statistics of the training split.
        options: what the user set.
        coco_weights: URL of the COCO weights of the backbone, used unless ``options`` name others.
    """
    short_edge = test_short_edge(data, options)
    iterations = iterations_for(data, options)
    settings = [Setting("MODEL.ROI_HEADS.NUM_CLASSES", len(data.class_counts), "classes in the annotation file")]
    settings += _start(options, coco_weights)
    settings += _sizes(data, options, short_edge)
    settings += _anchors(data, options, short_edge)
    settings += _crowding(data)
    settings += _schedule(data, options, iterations)
    settings.append(Setting("PREDICT.SCORE_THRESHOLD", options.score_threshold, "what predictions are drawn"))
    settings.append(Setting("SEED", options.seed, "the split, the initial weights and the sampling repeat"))
    return settings


def test_short_edge(data: DatasetStatistics, options: UserOptions) -> int:
    """Short edge in pixels at test time, a multiple of 32 (the coarsest stride that FPN divides)."""
    if options.short_edge is not None:
        return options.short_edge
    enlargement = 1.0
    if not options.from_nothing and data.object_size_quantiles:
        enlargement = min(MAX_ENLARGEMENT, max(1.0, COMFORTABLE_OBJECT / data.object_size_quantiles[0.5]))
    return max(32, 32 * round(min(COCO_TEST_SHORT_EDGE, data.median_short_edge * enlargement) / 32))


def iterations_for(data: DatasetStatistics, options: UserOptions) -> int:
    """Epochs times images over the images per step; at least a few hundred unless the user set the epochs."""
    if options.iterations is not None:
        return options.iterations
    start = "nothing" if options.from_nothing else "coco"
    epochs = DEFAULT_EPOCHS[start] if options.epochs is None else options.epochs
    images_per_step = options.batch_size * options.accumulate
    iterations = max(1, math.ceil(epochs * data.num_training_images / images_per_step))
    return iterations if options.epochs is not None else max(iterations, MIN_ITERATIONS[start])


def _start(options: UserOptions, coco_weights: str) -> list[Setting]:
    depth = Setting("MODEL.RESNETS.DEPTH", options.depth, "--backbone")
    if not options.from_nothing:
        return [
            depth,
            Setting(
                "MODEL.WEIGHTS",
                options.weights or coco_weights,
                "COCO weights" if not options.weights else "--weights",
            ),
            Setting("MODEL.RESNETS.NORM", "FrozenBN", "norm statistics of the weights are kept: batches are small"),
        ]
    why = "no weights to start from"
    settings = [
        depth,
        Setting(
            "MODEL.WEIGHTS",
            "",
            "from nothing" + ("" if options.weights else f": no COCO weights for {options.backbone}"),
        ),
        Setting("MODEL.RESNETS.NORM", "BN", f"{why}: norms must learn their statistics"),
        Setting("MODEL.BACKBONE.FREEZE_AT", 0, f"{why}: every layer trains"),
        Setting("MODEL.RESNETS.STRIDE_IN_1X1", False, "the 3x3 convolution strides: sees every pixel"),
        Setting("MODEL.PIXEL_STD", [57.375, 57.12, 58.395], f"{why}: inputs of unit variance"),
    ]
    if options.depth < 50:
        settings += [
            Setting("MODEL.RESNETS.RES2_OUT_CHANNELS", 64, "basic blocks"),
            Setting("MODEL.FPN.OUT_CHANNELS", 128, "a narrow pyramid: fast, and few images can fill it"),
            Setting("MODEL.ROI_BOX_HEAD.FC_DIM", 512, "likewise"),
            Setting("MODEL.ROI_MASK_HEAD.CONV_DIM", 128, "likewise"),
            Setting(
                "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 128, "regions are most of a small model's step (default 512)"
            ),
        ]
    return settings


def _sizes(data: DatasetStatistics, options: UserOptions, short_edge: int) -> list[Setting]:
    low, high = SCRATCH_RANGE if options.from_nothing else FINE_TUNING_RANGE
    train = tuple(sorted({round(short_edge * (low + (high - low) * i / 5)) for i in range(6)}))
    longest = round(short_edge * max(COCO_MAX_RATIO, data.median_long_edge / data.median_short_edge))
    median = f"images are {data.median_short_edge:.0f}x{data.median_long_edge:.0f} at the median"
    if data.object_size_quantiles:
        median += f", objects {data.object_size_quantiles[0.5]:.0f} pixels"
    return [
        Setting("INPUT.MIN_SIZE_TEST", short_edge, "--short-edge" if options.short_edge else median),
        Setting("INPUT.MIN_SIZE_TRAIN", train, f"{low:g} to {high:g} times that"),
        Setting("INPUT.MAX_SIZE_TEST", longest, "longer side at most"),
        Setting("INPUT.MAX_SIZE_TRAIN", round(longest * max(high, 1.0)), "longer side at most"),
    ]


def _anchors(data: DatasetStatistics, options: UserOptions, short_edge: int) -> list[Setting]:
    """
    One size per level, doubling; the smallest is the power of two at or below the lower quartile of the objects.

    An anchor matches an object down to half its side at IoU 0.25 and joins it at 0.7 only when close, so the
    ladder must begin near the small objects.
    """
    if not data.object_size_quantiles:
        return []
    scale = short_edge / data.median_short_edge
    quartile = max(1.0, data.object_size_quantiles[0.25] * scale)
    smallest = min(COCO_MIN_ANCHOR, max(MIN_ANCHOR, 2 ** math.floor(math.log2(quartile))))
    if smallest == COCO_MIN_ANCHOR:
        return []
    sizes = [[smallest * 2**level] for level in range(ANCHOR_LEVELS)]
    reason = f"a quarter of the objects is under {quartile:.0f} pixels as the model sees them"
    return [Setting("MODEL.ANCHOR_GENERATOR.SIZES", sizes, reason)]


def _crowding(data: DatasetStatistics) -> list[Setting]:
    """Twice the fullest image, in hundreds: room for the ranking below the threshold, where AP is decided."""
    detections = 100 * max(1, math.ceil(2 * data.max_instances_per_image / 100))
    if detections <= 100:
        return []
    reason = f"up to {data.max_instances_per_image} objects in one image"
    return [Setting("TEST.DETECTIONS_PER_IMAGE", detections, reason)]


def _schedule(data: DatasetStatistics, options: UserOptions, iterations: int) -> list[Setting]:
    epochs = iterations * options.batch_size * options.accumulate / max(1, data.num_training_images)
    rate = options.learning_rate
    rate_reason = "--learning-rate"
    if rate is None:
        rate = SCRATCH_LEARNING_RATE if options.from_nothing else 0.005
        rate_reason = "trained norms from nothing bear and need a high rate" if options.from_nothing else "fine-tuning"
    asked = " (--epochs)" if options.epochs is not None else ""
    return [
        Setting("SOLVER.IMS_PER_BATCH", options.batch_size, "--batch-size"),
        Setting("SOLVER.BASE_LR", rate, rate_reason),
        Setting("SOLVER.MAX_ITER", iterations, f"{epochs:.0f} epochs of {data.num_training_images} images{asked}"),
        Setting(
            "SOLVER.STEPS",
            steps_for(iterations),
            "the rate falls tenfold at 2/3 and 8/9, as in the 1x schedule",
        ),
        Setting(
            "SOLVER.WARMUP_ITERS", warmup_for(iterations), "a tenth of the iterations; 50, or half of them, at least"
        ),
        Setting("SOLVER.CHECKPOINT_PERIOD", max(50, iterations // 5), "a fifth of the iterations, and no less than 50"),
        Setting(
            "TEST.EVAL_PERIOD", max(50, math.ceil(iterations / 4)), "a quarter of the iterations, and no less than 50"
        ),
    ]


def warmup_for(iterations: int) -> int:
    """
    Iterations over which the rate rises: a tenth, 1000 at most. Fewer than MIN_WARMUP let a model that starts from
    nothing diverge at its high rate, so a short training gives up to half of itself to them.
    """
    return max(1, min(1000, iterations // 10), min(MIN_WARMUP, iterations // 2))


def steps_for(iterations: int) -> tuple[int, ...]:
    """Where the learning rate falls: after 2/3 and 8/9 of the iterations (60k and 80k of 90k)."""
    steps = sorted({iterations * 2 // 3, iterations * 8 // 9})
    return tuple(s for s in steps if 0 < s < iterations)


def settings_table(settings: Sequence[Setting]) -> str:
    """The settings as aligned text, one per line."""
    rows = [(c.key, str(c.value), c.reason) for c in settings]
    key, value = (max(len(r[i]) for r in rows) for i in (0, 1))
    value = min(value, 44)
    return "\n".join(f"  {r[0]:<{key}}  {r[1]:<{value}}  {r[2]}" for r in rows)


def settings_in_force(cfg: CfgNode, settings: Sequence[Setting], given: Mapping[str, str]) -> list[Setting]:
    """
    What ``cfg`` holds for each chosen key, and for those that the user gave and nobody chose.

    Args:
        given: {key: reason} of what the user set; it replaces the reason of the choice.
    """
    chosen = {setting.key: setting.reason for setting in settings}
    keys = [*chosen, *(key for key in given if key not in chosen)]
    return [Setting(key, value_of(cfg, key), given.get(key, chosen.get(key, ""))) for key in keys]


def apply_settings(cfg: CfgNode, settings: Sequence[Setting]) -> None:
    """Sets every chosen key of ``cfg``."""
    for setting in settings:
        cfg.merge_from_list([setting.key, setting.value])
