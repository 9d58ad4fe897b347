"""A running average of the weights, which is often better than the weights, above all while the rate is high."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer, HookBase
from detectron2.evaluation.testing import flatten_results_dict
from detectron2.utils import comm
from torch import nn

from maskrcnn_project.training.hooks.metric import AVERAGED_PREFIX, is_due
from maskrcnn_project.training.hooks.registry import HOOK_REGISTRY, HookPlace
from maskrcnn_project.training.hooks.undisturbed import undisturbed, unwrap
from maskrcnn_project.training.hooks.weights_file import save_weights

logger = logging.getLogger(__name__)

FILE_NAME = "model_ema.pth"
FOLDER = "ema"  # in the run's folder: its evaluations


@HOOK_REGISTRY.register()
class ModelEMA(HookBase):
    """
    Averages weights and buffers after each iteration: average += (1 - d) (weights - average), with the decay d of
    ``ramped_decay``. Evaluates the average whenever the model is, as ``ema/segm/AP``, with files in ``ema/``; writes
    ``model_ema.pth`` then and at the end. It is part of the checkpoints.
    """

    trainer: DefaultTrainer
    place = HookPlace.BEFORE_CHECKPOINTS

    def __init__(self, output_dir: str | Path, decay: float, evaluation_period: int, evaluates: bool = True):
        """
        Args:
            decay: 0 to below 1.
            evaluation_period: iterations; 0: at the end only.
            evaluates: False: only written.
        """
        if not 0 <= decay < 1:
            raise ValueError(f"HOOKS.ModelEMA.DECAY must be at least 0 and below 1, but is {decay}.")
        self.output_dir = Path(output_dir)
        self.decay = decay
        self.evaluation_period = evaluation_period
        self.evaluates = evaluates
        self.updates = 0
        self.averaged: nn.Module | None = None
        self._loaded: dict[str, torch.Tensor] = {}

    @classmethod
    def from_config(cls, cfg: CfgNode) -> ModelEMA:
        keys = cfg.HOOKS.ModelEMA
        return cls(cfg.OUTPUT_DIR, keys.DECAY, cfg.TEST.EVAL_PERIOD, keys.EVALUATE)

    def before_train(self) -> None:
        self.averaged = copy.deepcopy(unwrap(self.trainer.model)).eval().requires_grad_(False)
        if self._loaded:
            self.averaged.load_state_dict(self._loaded)
            self._loaded = {}
        self.trainer.model_ema = self  # type: ignore[attr-defined]  # for BestCheckpoint

    def after_step(self) -> None:
        assert self.averaged is not None
        self.updates += 1
        update_average(self.averaged, unwrap(self.trainer.model), ramped_decay(self.decay, self.updates))
        # The last evaluation is here and not in after_train, where training's own comes: this runs before the writers.
        if is_due(self.trainer.iter, self.evaluation_period) or self.trainer.iter + 1 == self.trainer.max_iter:
            self._save()
            if self.evaluates:
                self._evaluate(self.averaged)

    def after_train(self) -> None:
        if self.updates:
            self._save()

    def _save(self) -> None:
        if comm.is_main_process() and self.averaged is not None:
            iteration = min(self.trainer.iter, self.trainer.max_iter - 1)
            path = self.output_dir / FILE_NAME
            save_weights(path, self.averaged.state_dict(), self.trainer.checkpointer, iteration)

    def _evaluate(self, model: nn.Module) -> None:
        cfg = self.trainer.cfg.clone()
        cfg.defrost()
        cfg.OUTPUT_DIR = str(self.output_dir / FOLDER)  # the model's own results lie in the run's folder
        logger.info("Evaluating the averaged weights.")
        with undisturbed(model):
            results = self.trainer.test(cfg, model)
        for name, value in flatten_results_dict(results or {}).items():
            self.trainer.storage.put_scalar(AVERAGED_PREFIX + name, float(value), smoothing_hint=False)
        comm.synchronize()

    def state_dict(self) -> dict[str, Any]:
        if self.averaged is None:
            return {}
        return {"updates": self.updates, "weights": dict(self.averaged.state_dict())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up the average where it was."""
        self.updates, self._loaded = state["updates"], state["weights"]


def ramped_decay(decay: float, updates: int) -> float:
    """
    The decay of update number ``updates`` (from 1): it rises with (1 + n) / (10 + n) to ``decay``, so that the first
    weights, which are far off, are soon forgotten. The ramp of TensorFlow's ExponentialMovingAverage.
    """
    return min(decay, (1 + updates) / (10 + updates))


@torch.no_grad()
def update_average(averaged: nn.Module, model: nn.Module, decay: float) -> None:
    """Moves floating-point weights and buffers of ``averaged`` towards those of ``model``; copies the others."""
    current = model.state_dict()
    for name, value in averaged.state_dict().items():
        if value.is_floating_point():
            value.lerp_(current[name].to(value.dtype), 1 - decay)
        else:
            value.copy_(current[name])
