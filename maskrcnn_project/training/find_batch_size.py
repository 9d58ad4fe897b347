"""
Which batch sizes fit: a few steps of training at each, on the images that need most memory, by size and by objects.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from detectron2.config import CfgNode
from detectron2.data.transforms import ResizeShortestEdge
from detectron2.utils.events import EventStorage
from tabulate import tabulate

from maskrcnn_project.training.memory import GIB, is_out_of_memory, peak_memory, reset_peak_memory
from maskrcnn_project.training.trainer import MaskRCNNTrainer, each_of, precision_of
from maskrcnn_project.training.training_step import take_step

logger = logging.getLogger(__name__)

DIVISOR = 32  # of the sides of an input: the coarsest stride of the pyramid
BATCH_SIZES = (1, 2, 4, 8)  # the recommended range
STEPS = 3  # the first one also reserves the optimizer's state and is not timed


@dataclass(frozen=True)
class Trial:
    """How one batch size went."""

    batch_size: int
    fits: bool
    seconds_per_image: float | None = None
    peak_bytes: int | None = None  # on the GPU, or of the whole process on a CPU, where it never falls


def hardest_config(cfg: CfgNode) -> CfgNode:
    """``cfg`` with every image whole and at its largest training size: what fits so, fits always."""
    hardest = copy.deepcopy(cfg)
    hardest.defrost()
    hardest.INPUT.MIN_SIZE_TRAIN = (max(cfg.INPUT.MIN_SIZE_TRAIN),)
    hardest.INPUT.CROP.ENABLED = False
    hardest.DATALOADER.NUM_WORKERS = 0
    return hardest


def input_pixels(record: dict, cfg: CfgNode) -> int:
    """Pixels of an image as the model sees it at its largest, sides padded to what the pyramid divides."""
    size = record.get("height", 1), record.get("width", 1)
    sides = ResizeShortestEdge.get_output_shape(*size, max(cfg.INPUT.MIN_SIZE_TRAIN), cfg.INPUT.MAX_SIZE_TRAIN)
    return math.prod(math.ceil(side / DIVISOR) * DIVISOR for side in sides)


def largest_records(records: Iterable[dict], count: int, cfg: CfgNode) -> list[dict]:
    """The ``count`` records with the largest inputs, then most objects; repeated if there are fewer."""
    return _first(sorted(records, key=lambda r: (input_pixels(r, cfg), len(r["annotations"])), reverse=True), count)


def hardest_records(records: Iterable[dict], count: int) -> list[dict]:
    """The ``count`` records with most objects, then the largest images; repeated if there are fewer."""
    return _first(
        sorted(records, key=lambda r: (len(r["annotations"]), r.get("height", 0) * r.get("width", 0)), reverse=True),
        count,
    )


def _first(order: list[dict], count: int) -> list[dict]:
    chosen = order[:count]
    while chosen and len(chosen) < count:
        chosen += order[: count - len(chosen)]
    return chosen


def find_batch_size(cfg: CfgNode, batch_sizes: Sequence[int] = BATCH_SIZES) -> Iterator[Trial]:
    """
    Tries each batch size until one does not fit, on the largest inputs and on the fullest images; yields as it goes.

    The weights are not kept, and nothing is written.
    """
    hardest = hardest_config(cfg)
    records = MaskRCNNTrainer.training_records(hardest)
    mapper = MaskRCNNTrainer.build_train_mapper(hardest, records)
    largest = largest_records(each_of(records), max(batch_sizes), hardest)
    fullest = hardest_records(each_of(records), max(batch_sizes))
    kinds = [largest] if largest == fullest else [largest, fullest]
    samples = [[mapper(copy.deepcopy(record)) for record in kind] for kind in kinds]
    for batch_size in batch_sizes:
        trial = worse_of([_try(hardest, kind[:batch_size]) for kind in samples])
        yield trial
        if not trial.fits:
            return


def worse_of(trials: Sequence[Trial]) -> Trial:
    """Of trials of one batch size: it fits if all fit; the longer time and the higher peak."""
    first, *_ = trials
    if not all(trial.fits for trial in trials):
        return Trial(first.batch_size, fits=False)
    seconds = max((t.seconds_per_image for t in trials if t.seconds_per_image is not None), default=None)
    return Trial(first.batch_size, True, seconds, max(t.peak_bytes or 0 for t in trials))


def _try(cfg: CfgNode, batch: list[dict]) -> Trial:
    reset_peak_memory()
    try:
        model = MaskRCNNTrainer.build_model(cfg).train()
        optimizer = MaskRCNNTrainer.build_optimizer(cfg, model)
        device_type = torch.device(cfg.MODEL.DEVICE).type
        precision = precision_of(cfg)
        timed = 0.0
        with EventStorage():
            for step in range(STEPS):
                start = time.perf_counter()
                take_step(model, optimizer, batch, precision)
                if device_type == "cuda":
                    torch.cuda.synchronize()
                timed += time.perf_counter() - start if step else 0.0
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return Trial(len(batch), fits=False)
    return Trial(len(batch), True, timed / (STEPS - 1) / len(batch), peak_memory())


def batch_size_table(trials: Sequence[Trial], cfg: CfgNode) -> str:
    """A row for each trial, with the learning rate that the linear rule gives (arXiv:1706.02677) from the present."""
    rows = []
    for trial in trials:
        rate = cfg.SOLVER.BASE_LR * trial.batch_size / cfg.SOLVER.IMS_PER_BATCH
        measured = ["-", "-"]
        if trial.seconds_per_image is not None and trial.peak_bytes is not None:
            measured = [f"{trial.seconds_per_image:.3f}", f"{trial.peak_bytes / GIB:.2f}"]
        rows.append([trial.batch_size, "yes" if trial.fits else "no", *measured, f"{rate:g}"])
    return tabulate(
        rows, ["batch", "fits", "s per image", "peak GiB", "SOLVER.BASE_LR"], disable_numparse=True, stralign="right"
    )
