"""The curves of a training at Weights & Biases (wandb.ai)."""

from __future__ import annotations

from typing import Any

import yaml
from detectron2.config import CfgNode

from maskrcnn_project.training.hooks.external_writer import ExternalWriter
from maskrcnn_project.training.hooks.registry import HOOK_REGISTRY


@HOOK_REGISTRY.register()
class WandbWriter(ExternalWriter):
    """Needs ``pip install wandb`` and ``wandb login``, or ``WANDB_MODE=offline``."""

    def __init__(self, project: str, config: dict[str, Any], folder: str, period: int):
        """``config`` is shown with the run; ``folder`` is for its local files."""
        super().__init__(period)
        self.project, self.config, self.folder = project, config, folder

    @classmethod
    def from_config(cls, cfg: CfgNode) -> WandbWriter:
        keys = cfg.HOOKS.WandbWriter
        return cls(keys.PROJECT, yaml.safe_load(cfg.dump()), cfg.OUTPUT_DIR, keys.PERIOD)

    def open(self) -> str:
        try:
            import wandb
        except ImportError as error:
            raise ImportError("WandbWriter needs wandb: pip install wandb, or take it out of HOOKS.NAMES.") from error
        self.run = wandb.init(project=self.project, config=self.config, dir=self.folder, id=self.run_id, resume="allow")
        return self.run.id

    def send(self, scalars: dict[str, float], iteration: int) -> None:
        self.run.log(scalars, step=iteration)

    def close(self) -> None:
        self.run.finish()
