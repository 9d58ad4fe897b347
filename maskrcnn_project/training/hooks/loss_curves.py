"""Draws the losses, the validation AP and the learning rate of a run, from its metrics.json, as one PNG."""

from __future__ import annotations

from pathlib import Path

from detectron2.config import CfgNode
from detectron2.engine import HookBase
from detectron2.utils import comm

from maskrcnn_project.training.hooks.registry import HOOK_REGISTRY, HookPlace
from maskrcnn_project.visualization.curves import draw_run_curves

FILE_NAME = "loss_curves.png"


@HOOK_REGISTRY.register()
class LossCurves(HookBase):
    """
    Redraws ``output_dir/loss_curves.png`` every ``period`` iterations (0: at the end only), on the main process.

    It only reads ``metrics.json``, so a resumed run's picture shows the run from its first iteration.
    """

    place = HookPlace.AFTER_WRITERS

    def __init__(self, output_dir: str | Path, period: int = 200):
        self.output_dir = Path(output_dir)
        self.period = period

    @classmethod
    def from_config(cls, cfg: CfgNode) -> LossCurves:
        return cls(cfg.OUTPUT_DIR, cfg.HOOKS.LossCurves.PERIOD)

    def after_step(self) -> None:
        next_iter = self.trainer.iter + 1
        if self.period > 0 and next_iter % self.period == 0 and next_iter < self.trainer.max_iter:
            self._draw()

    def after_train(self) -> None:
        self._draw()

    def _draw(self) -> None:
        metrics = self.output_dir / "metrics.json"
        if not comm.is_main_process() or not metrics.is_file():
            return
        draw_run_curves(metrics, self.output_dir / FILE_NAME)
