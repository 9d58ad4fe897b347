"""The training's losses on the validation set: where they rise while the training loss falls, the model overfits."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping

import torch
from detectron2.config import CfgNode
from detectron2.data import build_detection_test_loader, get_detection_dataset_dicts
from detectron2.engine import DefaultTrainer, HookBase
from detectron2.utils import comm
from torch import nn

from maskrcnn_project.datasets.statistics import mask_format_of
from maskrcnn_project.training.augmentation.build import build_validation_mapper
from maskrcnn_project.training.hooks.metric import LOSS_PREFIX, is_due
from maskrcnn_project.training.hooks.registry import HOOK_REGISTRY
from maskrcnn_project.training.hooks.undisturbed import set_loss_mode, undisturbed, unwrap

logger = logging.getLogger(__name__)

SEED = 0  # any: the same proposals are sampled at each evaluation, so that two of them differ by the model alone
TOTAL = "total_loss"
NO_ANNOTATIONS: list[list[dict]] = []  # this very object in place of a loader


@HOOK_REGISTRY.register()
class ValidationLoss(HookBase):
    """
    Logs ``val/total_loss`` and its parts every ``period`` iterations and at the end (``val/NAME/...`` where there are
    several sets). The training is not disturbed; a loss that is infinite or NaN is logged as it is, and warned of once.
    """

    trainer: DefaultTrainer

    def __init__(self, loaders: Mapping[str, Iterable[list[dict]]], period: int):
        """
        Args:
            loaders: name of a set -> its batches with ground truth, this process's share of them, which may be none;
                the same names on every process.
            period: iterations; 0: at the end only.
        """
        self.loaders = loaders
        self.period = period
        self._warned = False

    @classmethod
    def from_config(cls, cfg: CfgNode) -> ValidationLoss:
        keys = cfg.HOOKS.ValidationLoss
        loaders = {name: validation_loader(cfg, name, keys.MAX_BATCHES) for name in cfg.DATASETS.TEST}
        # not "if loader": a loader without a batch is false, and a process without images would leave others waiting
        known = {name: loader for name, loader in loaders.items() if loader is not NO_ANNOTATIONS}
        return cls(known, keys.PERIOD or cfg.TEST.EVAL_PERIOD)

    def after_step(self) -> None:
        # at the end too, because after_train is too late for the writers
        if is_due(self.trainer.iter, self.period) or self.trainer.iter + 1 == self.trainer.max_iter:
            for name, loader in self.loaders.items():
                prefix = LOSS_PREFIX if len(self.loaders) == 1 else f"{LOSS_PREFIX}{name}/"
                losses = mean_losses(unwrap(self.trainer.model), loader)
                for loss, value in losses.items():
                    self.trainer.storage.put_scalar(prefix + loss, value, smoothing_hint=False)
                self._warn_once(prefix, losses)
            comm.synchronize()

    def _warn_once(self, prefix: str, losses: Mapping[str, float]) -> None:
        broken = [prefix + name for name, value in losses.items() if not math.isfinite(value)]
        if broken and not self._warned:
            self._warned = True
            logger.warning(
                "The validation loss is infinite or NaN at iteration %d (%s): the training goes on, and this is said "
                "once; see whether its own loss rises, and look at the images of the validation set.",
                self.trainer.iter,
                ", ".join(broken),
            )


def mean_losses(model: nn.Module, loader: Iterable[list[dict]]) -> dict[str, float]:
    """
    Each loss and ``total_loss``, averaged over the images of all processes. Every process must call it.

    Returns:
        On the main process name -> value, all of them NaN where a forward pass raises FloatingPointError; elsewhere,
        and where there are no images, nothing.
    """
    sums, images, failure = sum_losses(model, loader)
    shares = comm.gather((sums, images, failure))
    count = sum(n for _, n, _ in shares)
    failures = [said for _, _, said in shares if said]
    if not count and not failures:
        return {}
    names = [name for name in dict.fromkeys(name for share, _, _ in shares for name in share) if name != TOTAL]
    if failures:
        logger.info("A forward pass on the validation set failed: %s", failures[0])
        return dict.fromkeys([TOTAL, *names], math.nan)
    means = {name: sum(share.get(name, 0.0) for share, _, _ in shares) / count for name in names}
    return {TOTAL: sum(means.values()), **means}


def sum_losses(model: nn.Module, loader: Iterable[list[dict]]) -> tuple[dict[str, float], int, str | None]:
    """
    Each loss of this process's batches, weighted by their images; the number of images; what a forward pass said that
    raised FloatingPointError, after which no further batch is read.
    """
    sums: dict[str, torch.Tensor] = {}
    images, failure = 0, None
    with undisturbed(model, SEED):
        set_loss_mode(model)
        for batch in loader:
            try:
                losses = model(batch)
            except FloatingPointError as error:
                failure = str(error) or type(error).__name__
                break
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0) + loss.float() * len(batch)
            images += len(batch)
    return {name: float(value) for name, value in sums.items()}, images, failure


def validation_loader(cfg: CfgNode, name: str, max_batches: int) -> Iterable[list[dict]]:
    """
    Batches of the set ``name`` as in training, but resized as in testing and never flipped or cropped.

    Args:
        max_batches: of one process, over images spread evenly over the set; 0: all.

    Returns:
        This process's share, which may be none; NO_ANNOTATIONS, with a warning and on every process, if the set has
        no annotations.
    """
    records = [r for r in get_detection_dataset_dicts(name, filter_empty=False) if "annotations" in r]
    if not records:
        logger.warning("%s has no annotations: there is no validation loss on it.", name)
        return NO_ANNOTATIONS
    batch_size = max(1, cfg.SOLVER.IMS_PER_BATCH // comm.get_world_size())
    records = spread_evenly(records, max_batches * batch_size * comm.get_world_size())
    from_data = mask_format_of(a for r in records for a in r["annotations"])
    mask_format = from_data if cfg.INPUT.MASK_FORMAT_FROM_DATA else cfg.INPUT.MASK_FORMAT
    mapper = build_validation_mapper(cfg, records, mask_format)
    return build_detection_test_loader(
        records, mapper=mapper, batch_size=batch_size, num_workers=cfg.DATALOADER.NUM_WORKERS
    )


def spread_evenly(records: list[dict], number: int) -> list[dict]:
    """``number`` of the records at equal distances; all if that is 0 or more than there are."""
    if not 0 < number < len(records):
        return records
    return [records[i * len(records) // number] for i in range(number)]
