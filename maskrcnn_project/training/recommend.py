"""
Settings for a data set nobody has written a config for: chosen from what the data shows, each with its reason.

Two cases differ in almost everything. *From COCO weights*: short schedules, a low learning rate, frozen norms,
images at the size the weights know. *From nothing*: trained norms, a high rate, a narrow model that few images
can fill, anchors that fit the objects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detectron2.config import CfgNode

from maskrcnn_project.datasets.statistics import DatasetStatistics

# Published short edges of Detectron2's COCO recipes and of fine-tuning as practised (pixels).
BASE_CONFIG = "configs/Base-RCNN-FPN.yaml"  # what the chosen settings are laid over
COCO_TEST_SHORT_EDGE = 800
COCO_MAX_RATIO = 1333 / 800
FINE_TUNING_RANGE = (0.6, 1.0)  # 480 to 800 of 800
SCRATCH_RANGE = (
    0.8,
    1.2,
)  # mild: a small model on few images sees each object at most a fifth larger or smaller
# COCO weights have seen few objects smaller than this; smaller ones are enlarged, at most twofold.
COMFORTABLE_OBJECT = 32.0
MOST_ENLARGEMENT = 2.0
COCO_SMALLEST_ANCHOR = 32
SMALLEST_ANCHOR = 4
ANCHOR_LEVELS = 5  # p2 to p6
FPN_STRIDES = (4, 8, 16, 32, 64)
# From nothing: Detectron2's COCO rate, which trained norms take even with small batches.
SCRATCH_LEARNING_RATE = 0.02
# Fewer iterations than these do not move the weights far enough, however few the images.
FEWEST_ITERATIONS = {"coco": 1000, "nothing": 500}
DEFAULT_EPOCHS = {"coco": 12, "nothing": 20}  # 1x; from nothing everything is to be learnt
SMALL_SET = 1000  # images, below which norm statistics are not trained


@dataclass(frozen=True)
class Wishes:
    """What the command line asked for; None leaves the choice to the data."""

    backbone: str = "resnet50"
    batch_size: int = 2
    learning_rate: float | None = None
    score_threshold: float = 0.5
    epochs: float | None = None
    short_edge: int | None = None
    weights: str | None = None  # a path or URL; "none": from nothing
    seed: int = 0

    @property
    def depth(self) -> int:
        return int(self.backbone.removeprefix("resnet"))

    @property
    def from_nothing(self) -> bool:
        """No COCO weights exist for ResNet-18 and 34."""
        return self.weights == "none" or (self.weights is None and self.depth < 50)


@dataclass(frozen=True)
class Choice:
    """One config key, its value, and why."""

    key: str
    value: Any
    reason: str


def recommend(data: DatasetStatistics, wishes: Wishes, coco_weights: str = "") -> list[Choice]:
    """
    The settings for training on ``data``.

    Args:
        data: statistics of the training split.
        wishes: what the user set.
        coco_weights: URL of the COCO weights of the backbone, used unless ``wishes`` name others.
    """
    short_edge = test_short_edge(data, wishes)
    iterations = iterations_for(data, wishes)
    choices = [Choice("MODEL.ROI_HEADS.NUM_CLASSES", len(data.class_counts), "classes in the annotation file")]
    choices += _start(wishes, coco_weights)
    choices += _sizes(data, wishes, short_edge)
    choices += _anchors(data, wishes, short_edge)
    choices += _crowding(data)
    choices += _schedule(data, wishes, iterations)
    choices.append(Choice("PREDICT.SCORE_THRESHOLD", wishes.score_threshold, "what predictions are drawn"))
    choices.append(Choice("SEED", wishes.seed, "the split, the initial weights and the sampling repeat"))
    return choices


def test_short_edge(data: DatasetStatistics, wishes: Wishes) -> int:
    """Short edge in pixels at test time, a multiple of 32 (the coarsest stride that FPN divides)."""
    if wishes.short_edge is not None:
        return wishes.short_edge
    enlargement = 1.0
    if not wishes.from_nothing and data.object_size_quantiles:
        enlargement = min(MOST_ENLARGEMENT, max(1.0, COMFORTABLE_OBJECT / data.object_size_quantiles[0.5]))
    return max(32, 32 * round(min(COCO_TEST_SHORT_EDGE, data.median_short_edge * enlargement) / 32))


def iterations_for(data: DatasetStatistics, wishes: Wishes) -> int:
    """Epochs times images over batch size; at least a few hundred unless the user set the epochs."""
    start = "nothing" if wishes.from_nothing else "coco"
    epochs = DEFAULT_EPOCHS[start] if wishes.epochs is None else wishes.epochs
    iterations = max(1, math.ceil(epochs * data.num_training_images / wishes.batch_size))
    return iterations if wishes.epochs is not None else max(iterations, FEWEST_ITERATIONS[start])


def _start(wishes: Wishes, coco_weights: str) -> list[Choice]:
    depth = Choice("MODEL.RESNETS.DEPTH", wishes.depth, "--backbone")
    if not wishes.from_nothing:
        return [
            depth,
            Choice(
                "MODEL.WEIGHTS",
                wishes.weights or coco_weights,
                "COCO weights" if not wishes.weights else "--weights",
            ),
            Choice("MODEL.RESNETS.NORM", "FrozenBN", "norm statistics of the weights are kept: batches are small"),
        ]
    why = "no weights to start from"
    choices = [
        depth,
        Choice(
            "MODEL.WEIGHTS",
            "",
            "from nothing" + ("" if wishes.weights else f": no COCO weights for {wishes.backbone}"),
        ),
        Choice("MODEL.RESNETS.NORM", "BN", f"{why}: norms must learn their statistics"),
        Choice("MODEL.BACKBONE.FREEZE_AT", 0, f"{why}: every layer trains"),
        Choice("MODEL.RESNETS.STRIDE_IN_1X1", False, "the 3x3 convolution strides: sees every pixel"),
        Choice("MODEL.PIXEL_STD", [57.375, 57.12, 58.395], f"{why}: inputs of unit variance"),
    ]
    if wishes.depth < 50:
        choices += [
            Choice("MODEL.RESNETS.RES2_OUT_CHANNELS", 64, "basic blocks"),
            Choice("MODEL.FPN.OUT_CHANNELS", 128, "a narrow pyramid: fast, and few images can fill it"),
            Choice("MODEL.ROI_BOX_HEAD.FC_DIM", 512, "likewise"),
            Choice("MODEL.ROI_MASK_HEAD.CONV_DIM", 128, "likewise"),
            Choice(
                "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 128, "regions are most of a small model's step (default 512)"
            ),
        ]
    return choices


def _sizes(data: DatasetStatistics, wishes: Wishes, short_edge: int) -> list[Choice]:
    low, high = SCRATCH_RANGE if wishes.from_nothing else FINE_TUNING_RANGE
    train = tuple(sorted({round(short_edge * (low + (high - low) * i / 5)) for i in range(6)}))
    longest = round(short_edge * max(COCO_MAX_RATIO, data.median_long_edge / data.median_short_edge))
    median = f"images are {data.median_short_edge:.0f}x{data.median_long_edge:.0f} at the median"
    if data.object_size_quantiles:
        median += f", objects {data.object_size_quantiles[0.5]:.0f} pixels"
    return [
        Choice("INPUT.MIN_SIZE_TEST", short_edge, "--short-edge" if wishes.short_edge else median),
        Choice("INPUT.MIN_SIZE_TRAIN", train, f"{low:g} to {high:g} times that"),
        Choice("INPUT.MAX_SIZE_TEST", longest, "longer side at most"),
        Choice("INPUT.MAX_SIZE_TRAIN", round(longest * max(high, 1.0)), "longer side at most"),
    ]


def _anchors(data: DatasetStatistics, wishes: Wishes, short_edge: int) -> list[Choice]:
    """
    One size a level, doubling; the smallest is the power of two at or below the lower quartile of the objects.

    An anchor matches an object down to half its side at IoU 0.25 and joins it at 0.7 only when close, so the
    ladder must begin near the small objects.
    """
    if not data.object_size_quantiles:
        return []
    scale = short_edge / data.median_short_edge
    quartile = max(1.0, data.object_size_quantiles[0.25] * scale)
    smallest = min(COCO_SMALLEST_ANCHOR, max(SMALLEST_ANCHOR, 2 ** math.floor(math.log2(quartile))))
    if smallest == COCO_SMALLEST_ANCHOR:
        return []
    sizes = [[smallest * 2**level] for level in range(ANCHOR_LEVELS)]
    reason = f"a quarter of the objects is under {quartile:.0f} pixels as the model sees them"
    return [Choice("MODEL.ANCHOR_GENERATOR.SIZES", sizes, reason)]


def _crowding(data: DatasetStatistics) -> list[Choice]:
    """Twice the fullest image, in hundreds: room for the ranking below the threshold, where AP is decided."""
    detections = 100 * max(1, math.ceil(2 * data.max_instances_per_image / 100))
    if detections <= 100:
        return []
    reason = f"up to {data.max_instances_per_image} objects in one image"
    return [Choice("TEST.DETECTIONS_PER_IMAGE", detections, reason)]


def _schedule(data: DatasetStatistics, wishes: Wishes, iterations: int) -> list[Choice]:
    epochs = iterations * wishes.batch_size / max(1, data.num_training_images)
    rate = wishes.learning_rate
    rate_reason = "--learning-rate"
    if rate is None:
        rate = SCRATCH_LEARNING_RATE if wishes.from_nothing else 0.005
        rate_reason = "trained norms from nothing bear and need a high rate" if wishes.from_nothing else "fine-tuning"
    asked = " (--epochs)" if wishes.epochs is not None else ""
    return [
        Choice("SOLVER.IMS_PER_BATCH", wishes.batch_size, "--batch-size"),
        Choice("SOLVER.BASE_LR", rate, rate_reason),
        Choice("SOLVER.MAX_ITER", iterations, f"{epochs:.0f} epochs of {data.num_training_images} images{asked}"),
        Choice(
            "SOLVER.STEPS",
            steps_for(iterations),
            "the rate falls tenfold at 2/3 and 8/9, as in the 1x schedule",
        ),
        Choice("SOLVER.WARMUP_ITERS", max(1, min(1000, iterations // 10)), "a tenth of the iterations"),
        Choice("SOLVER.CHECKPOINT_PERIOD", max(50, iterations // 5), "a fifth of the iterations"),
        Choice("TEST.EVAL_PERIOD", max(50, math.ceil(iterations / 4)), "a quarter of the iterations"),
    ]


def steps_for(iterations: int) -> tuple[int, ...]:
    """Where the learning rate falls: after 2/3 and 8/9 of the iterations (60k and 80k of 90k)."""
    steps = sorted({iterations * 2 // 3, iterations * 8 // 9})
    return tuple(s for s in steps if 0 < s < iterations)


def choices_table(choices: Sequence[Choice]) -> str:
    """The choices as aligned text, one a line."""
    rows = [(c.key, str(c.value), c.reason) for c in choices]
    key, value = (max(len(r[i]) for r in rows) for i in (0, 1))
    value = min(value, 44)
    return "\n".join(f"  {r[0]:<{key}}  {r[1]:<{value}}  {r[2]}" for r in rows)


def apply_choices(cfg: CfgNode, choices: Sequence[Choice]) -> None:
    """Sets every chosen key of ``cfg``."""
    for choice in choices:
        cfg.merge_from_list([choice.key, choice.value])
