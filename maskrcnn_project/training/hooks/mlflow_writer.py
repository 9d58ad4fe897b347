"""The curves of a training in MLflow (mlflow.org)."""

from __future__ import annotations

import math

from detectron2.config import CfgNode

from maskrcnn_project.training.hooks.external_writer import ExternalWriter
from maskrcnn_project.training.hooks.registry import HOOK_REGISTRY


@HOOK_REGISTRY.register()
class MLflowWriter(ExternalWriter):
    """Needs ``pip install mlflow``. ``MLFLOW_TRACKING_URI`` says where to; the folder ``mlruns`` if it is not set."""

    def __init__(self, experiment: str, config: str, period: int):
        """``config`` (YAML) is kept with the run as ``config.yaml``."""
        super().__init__(period)
        self.experiment, self.config = experiment, config

    @classmethod
    def from_config(cls, cfg: CfgNode) -> MLflowWriter:
        keys = cfg.HOOKS.MLflowWriter
        return cls(keys.EXPERIMENT, str(cfg.dump()), keys.PERIOD)

    def open(self) -> str:
        try:
            import mlflow
        except ImportError as error:
            raise ImportError(
                "MLflowWriter needs mlflow: pip install mlflow, or take it out of HOOKS.NAMES."
            ) from error
        self.mlflow = mlflow
        mlflow.set_experiment(self.experiment)
        run = mlflow.start_run(run_id=self.run_id)
        mlflow.log_text(self.config, "config.yaml")
        return run.info.run_id

    def send(self, scalars: dict[str, float], iteration: int) -> None:
        finite = {name: value for name, value in scalars.items() if math.isfinite(value)}  # its database takes no NaN
        self.mlflow.log_metrics(finite, step=iteration)

    def close(self) -> None:
        self.mlflow.end_run()
