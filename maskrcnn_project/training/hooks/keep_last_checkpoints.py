"""Deletes old checkpoints, each of which is some hundred megabytes."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer, HookBase
from detectron2.utils import comm

from maskrcnn_project.training.hooks.metric import is_due
from maskrcnn_project.training.hooks.registry import HOOK_REGISTRY, HookPlace

logger = logging.getLogger(__name__)

PERIODIC = re.compile(r"model_(\d{7,})\.pth")  # as Detectron2 names them: at least seven digits


@HOOK_REGISTRY.register()
class KeepLastCheckpoints(HookBase):
    """
    Keeps the newest ``number`` of the periodic checkpoints (``model_0004999.pth``) of the run. Final, best and
    averaged weights stay, as does the checkpoint that ``--resume`` would take.
    """

    trainer: DefaultTrainer
    place = HookPlace.AFTER_WRITERS

    def __init__(self, output_dir: str | Path, number: int, period: int):
        """``period``: iterations between two checkpoints; 0: there are none but the last."""
        if number < 1:
            raise ValueError(f"HOOKS.KeepLastCheckpoints.NUMBER must be at least 1, but is {number}.")
        self.output_dir = Path(output_dir)
        self.number = number
        self.period = period

    @classmethod
    def from_config(cls, cfg: CfgNode) -> KeepLastCheckpoints:
        return cls(cfg.OUTPUT_DIR, cfg.HOOKS.KeepLastCheckpoints.NUMBER, cfg.SOLVER.CHECKPOINT_PERIOD)

    def after_step(self) -> None:
        if is_due(self.trainer.iter, self.period):
            self._delete()

    def after_train(self) -> None:
        self._delete()

    def _delete(self) -> None:
        if not comm.is_main_process():
            return
        last = Path(self.trainer.checkpointer.get_checkpoint_file()).name
        names = [path.name for path in self.output_dir.glob("model_*.pth")]
        for name in superfluous(names, self.number, self.trainer.iter):
            if name != last:
                (self.output_dir / name).unlink(missing_ok=True)
                logger.info("Deleted %s: HOOKS.KeepLastCheckpoints.NUMBER is %d.", name, self.number)


def superfluous(names: Iterable[str], number: int, iteration: int) -> list[str]:
    """
    The periodic checkpoints among ``names`` without the newest ``number``, of iterations up to ``iteration``: later
    ones are of a training that was gone back on, and the user's to delete.
    """
    matches = [match for name in names if (match := PERIODIC.fullmatch(name))]
    found = sorted((int(match[1]), match[0]) for match in matches if int(match[1]) <= iteration)
    return [name for _, name in found[:-number]]
