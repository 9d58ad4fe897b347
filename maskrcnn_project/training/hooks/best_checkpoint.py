"""Keeps the weights of the best evaluation so far, with its numbers beside them."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer, HookBase
from detectron2.utils import comm

from maskrcnn_project.files import write_text
from maskrcnn_project.training.hooks.metric import AVERAGED_PREFIX, Metric, is_due, metric_period
from maskrcnn_project.training.hooks.registry import HOOK_REGISTRY, HookPlace
from maskrcnn_project.training.hooks.weights_file import save_weights

logger = logging.getLogger(__name__)

FILE_STEM = "model_best"


@HOOK_REGISTRY.register()
class BestCheckpoint(HookBase):
    """
    Writes ``model_best.pth`` and ``model_best.json`` when the metric is better than ever before in this run.

    A metric that is missing, not finite or COCO's -1 (nothing measured) never wins. If its name begins with ``ema/``,
    ModelEMA's weights are kept.
    """

    trainer: DefaultTrainer
    place = HookPlace.AFTER_WRITERS

    def __init__(self, output_dir: str | Path, metric: Metric, period: int):
        """``period``: iterations between two values of the metric; 0: at the end only."""
        self.output_dir = Path(output_dir)
        self.metric = metric
        self.period = period
        self.best: float | None = None
        self.best_iteration: int | None = None
        self._seen: int | None = None

    @classmethod
    def from_config(cls, cfg: CfgNode) -> BestCheckpoint:
        keys = cfg.HOOKS.BestCheckpoint
        return cls(cfg.OUTPUT_DIR, Metric(keys.METRIC, keys.MODE), metric_period(cfg, keys.METRIC))

    def before_train(self) -> None:
        # Checkpoints are written before evaluations, so the file may know of a later one than the checkpoint.
        record = self.output_dir / f"{FILE_STEM}.json"
        if self.trainer.start_iter > 0 and record.is_file() and record.with_suffix(".pth").is_file():
            self.load_state_dict(json.loads(record.read_text("utf-8")))

    def after_step(self) -> None:
        if is_due(self.trainer.iter, self.period) and self.trainer.iter + 1 < self.trainer.max_iter:
            self._compare()

    def after_train(self) -> None:
        if self.trainer.iter >= self.trainer.max_iter:  # the last evaluation comes after the last iteration
            self._compare()

    def _compare(self) -> None:
        newest = self.metric.newest(self.trainer.storage, self._seen) if comm.is_main_process() else None
        if newest is None:
            return
        value, self._seen = newest
        if not self.metric.is_better(value, self.best):
            if not self.metric.is_measured(value):
                logger.warning("%s is %s: not the best model.", self.metric.name, value)
            return
        iteration = min(self._seen, self.trainer.max_iter - 1)
        save_weights(self.output_dir / f"{FILE_STEM}.pth", self._weights(), self.trainer.checkpointer, iteration)
        self.best, self.best_iteration = value, iteration
        write_text(self.output_dir / f"{FILE_STEM}.json", json.dumps(self._record(), indent=2) + "\n")
        logger.info("%s is %.4f, the best so far: saved %s.pth.", self.metric.name, value, FILE_STEM)

    def _weights(self) -> dict[str, Any]:
        if not self.metric.name.startswith(AVERAGED_PREFIX):
            return self.trainer.checkpointer.model.state_dict()
        return self.trainer.model_ema.averaged.state_dict()  # type: ignore[attr-defined]

    def _record(self) -> dict[str, Any]:
        """The best, and all that was logged of the same iteration; what is not finite as null, as JSON has no NaN."""
        latest = self.trainer.storage.latest()
        numbers = {name: float(value) for name, (value, iteration) in latest.items() if iteration == self._seen}
        metrics = {name: value if math.isfinite(value) else None for name, value in sorted(numbers.items())}
        return {**self.state_dict(), "metrics": metrics}

    def state_dict(self) -> dict[str, Any]:
        if self.best is None:
            return {}
        return {
            "metric": self.metric.name,
            "mode": self.metric.mode,
            "value": self.best,
            "iteration": self.best_iteration,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up the best so far, unless it is of another metric."""
        if (state["metric"], state["mode"]) == (self.metric.name, self.metric.mode):
            self.best, self.best_iteration = state["value"], state["iteration"]
