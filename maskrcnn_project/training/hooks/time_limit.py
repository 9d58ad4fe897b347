"""Ends a training in time: before the queue of a cluster does, or when a budget of hours is used up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer, HookBase
from detectron2.utils import comm

from maskrcnn_project.training.hooks.registry import HOOK_REGISTRY, HookPlace
from maskrcnn_project.training.hooks.stopping import FINISHED, TRY_AGAIN, all_agree, is_time_to_agree, stop_training

HOUR = 3600.0


@HOOK_REGISTRY.register()
class TimeLimit(HookBase):
    """
    Two limits in hours of wall-clock time, each 0 for none.

    ``each_start`` counts from the start of this process's training: it stops with a checkpoint and exit code 75, and
    ``--resume`` goes on. ``altogether`` counts over all resumed parts of a run: it ends with ``model_final.pth`` and
    exit code 0.
    """

    trainer: DefaultTrainer
    place = HookPlace.LAST

    def __init__(self, each_start: float, altogether: float, period: int, clock: Callable[[], float] = time.monotonic):
        """
        Args:
            period: iterations between two looks at the main process's clock, where there are several processes.
            clock: seconds.
        """
        if each_start < 0 or altogether < 0:
            raise ValueError(
                "HOOKS.TimeLimit.HOURS_PER_START and HOURS must be hours, or 0 for no limit, but are "
                f"{each_start:g} and {altogether:g}."
            )
        self.each_start, self.altogether, self.period, self.clock = each_start, altogether, period, clock
        self.before = 0.0  # seconds of the run's earlier parts
        self.start: float | None = None

    @classmethod
    def from_config(cls, cfg: CfgNode) -> TimeLimit:
        keys = cfg.HOOKS.TimeLimit
        return cls(keys.HOURS_PER_START, keys.HOURS, keys.PERIOD)

    def before_train(self) -> None:
        self.start = self.clock()

    def after_step(self) -> None:
        if not is_time_to_agree(self.trainer, self.period):
            return
        seconds = self._seconds()
        finished = all_agree(self._over("HOURS", self.altogether, self.before + seconds))
        if finished:
            stop_training(self.trainer, finished, FINISHED)
        reason = all_agree(self._over("HOURS_PER_START", self.each_start, seconds))
        if reason:
            stop_training(self.trainer, reason, TRY_AGAIN)

    def _seconds(self) -> float:
        return 0.0 if self.start is None else self.clock() - self.start

    def _over(self, key: str, limit: float, seconds: float) -> str | None:
        if not comm.is_main_process() or not 0 < limit * HOUR <= seconds:
            return None
        return f"{seconds / HOUR:.2f} hours have passed, and HOOKS.TimeLimit.{key} is {limit:g}: the training stops."

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.before + self._seconds()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up the time that the run has used."""
        self.before = state["seconds"]
