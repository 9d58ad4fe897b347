"""Ends a training when its validation metric has stopped getting better."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer, HookBase
from detectron2.utils import comm

from maskrcnn_project.files import write_text
from maskrcnn_project.training.hooks.metric import Metric, is_due, metric_period
from maskrcnn_project.training.hooks.registry import HOOK_REGISTRY, HookPlace
from maskrcnn_project.training.hooks.stopping import FINISHED, TrainingStopped, all_agree, stop_training

logger = logging.getLogger(__name__)

FILE_NAME = "early_stopping.json"


@HOOK_REGISTRY.register()
class EarlyStopping(HookBase):
    """
    Stops, with ``model_final.pth`` and exit code 0, after ``patience`` evaluations in a row that were not better than
    the best before them by more than ``min_delta``. An evaluation that measured nothing (NaN, COCO's -1, no value at
    all) is the worst there can be: the first of a run is what the others have to be better than, as any other first is.
    """

    trainer: DefaultTrainer
    place = HookPlace.LAST

    def __init__(self, output_dir: str | Path, metric: Metric, period: int, patience: int, min_delta: float):
        """``period``: iterations between two values of the metric."""
        if period <= 0:
            raise ValueError("EarlyStopping needs evaluations during the training: set TEST.EVAL_PERIOD above 0.")
        if patience < 1 or min_delta < 0:
            raise ValueError(
                "HOOKS.EarlyStopping.PATIENCE must be at least 1 and MIN_DELTA at least 0, but they are "
                f"{patience} and {min_delta}."
            )
        self.record = Path(output_dir) / FILE_NAME
        self.metric = metric
        self.period = period
        self.patience = patience
        self.min_delta = min_delta
        self.evaluations: list[tuple[int, float | None]] = []  # (iteration, value; None: not measured)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> EarlyStopping:
        keys = cfg.HOOKS.EarlyStopping
        metric = Metric(keys.METRIC, keys.MODE)
        return cls(cfg.OUTPUT_DIR, metric, metric_period(cfg, keys.METRIC), keys.PATIENCE, keys.MIN_DELTA)

    def before_train(self) -> None:
        # Checkpoints are written before evaluations: the file knows of the one at the checkpoint's own iteration.
        if self.trainer.start_iter > 0 and self.record.is_file():
            self.load_state_dict(json.loads(self.record.read_text("utf-8")))
        self.evaluations = [each for each in self.evaluations if each[0] < self.trainer.start_iter]
        reason = all_agree(self._in_vain() if comm.is_main_process() else None)
        if reason:
            logger.info("%s It has stopped already; to go on, raise HOOKS.EarlyStopping.PATIENCE.", reason)
            raise TrainingStopped(reason, FINISHED)

    def after_step(self) -> None:
        if not is_due(self.trainer.iter, self.period) or self.trainer.iter + 1 >= self.trainer.max_iter:
            return
        reason = all_agree(self._judge() if comm.is_main_process() else None)
        if reason:
            stop_training(self.trainer, reason, FINISHED)

    def _judge(self) -> str | None:
        last = self.evaluations[-1][0] if self.evaluations else None
        newest = self.metric.outcome(self.trainer.storage, last, self.trainer.iter)
        if newest is None:
            return None
        value, iteration = newest
        self.evaluations.append((iteration, value if self.metric.is_measured(value) else None))
        self.record.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.record, json.dumps(self.state_dict()) + "\n")
        return self._in_vain()

    def _in_vain(self) -> str | None:
        """Why the evaluations so far end the training; None: they do not."""
        waited = evaluations_since_best([value for _, value in self.evaluations], self.metric, self.min_delta)
        if waited < self.patience:
            return None
        return (
            f"{self.metric.name} has not been better by more than {self.min_delta:g} for {waited} evaluations: "
            f"the training stops early, after iteration {self.evaluations[-1][0]}."
        )

    def state_dict(self) -> dict[str, Any]:
        return {"metric": self.metric.name, "evaluations": [list(each) for each in self.evaluations]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up the evaluations so far, unless they are of another metric."""
        if state["metric"] == self.metric.name:
            self.evaluations = [(int(iteration), value) for iteration, value in state["evaluations"]]


def evaluations_since_best(values: Sequence[float | None], metric: Metric, min_delta: float) -> int:
    """
    How many of ``values`` (in order; None: nothing measured, worse than all) come after the last that was better than
    the best before it by ``min_delta``. The first is better than nothing.
    """
    best, waited = None, 0
    for number, value in enumerate(values):
        if value is not None and metric.is_better(value, best, min_delta if best is not None else 0.0):
            best, waited = value, 0
        elif number > 0:
            waited += 1
    return waited
