"""Trainer hooks chosen by name in ``cfg.HOOKS.NAMES``; one file a hook."""

from maskrcnn_project.training.hooks.best_checkpoint import BestCheckpoint
from maskrcnn_project.training.hooks.early_stopping import EarlyStopping
from maskrcnn_project.training.hooks.gradient_norms import GradientNorms
from maskrcnn_project.training.hooks.keep_last_checkpoints import KeepLastCheckpoints
from maskrcnn_project.training.hooks.loss_curves import LossCurves
from maskrcnn_project.training.hooks.mlflow_writer import MLflowWriter
from maskrcnn_project.training.hooks.model_ema import ModelEMA
from maskrcnn_project.training.hooks.non_finite_guard import NonFiniteGuard
from maskrcnn_project.training.hooks.prediction_snapshots import PredictionSnapshots
from maskrcnn_project.training.hooks.progress_bar import ProgressBar
from maskrcnn_project.training.hooks.registry import (
    HOOK_REGISTRY,
    HookPlace,
    arrange_hooks,
    build_named_hooks,
    resolve_hook_names,
)
from maskrcnn_project.training.hooks.stop_on_signal import StopOnSignal
from maskrcnn_project.training.hooks.stopping import TrainingStopped
from maskrcnn_project.training.hooks.time_limit import TimeLimit
from maskrcnn_project.training.hooks.validation_loss import ValidationLoss
from maskrcnn_project.training.hooks.wandb_writer import WandbWriter

__all__ = [
    "HOOK_REGISTRY",
    "BestCheckpoint",
    "EarlyStopping",
    "GradientNorms",
    "KeepLastCheckpoints",
    "LossCurves",
    "MLflowWriter",
    "ModelEMA",
    "NonFiniteGuard",
    "HookPlace",
    "PredictionSnapshots",
    "ProgressBar",
    "StopOnSignal",
    "TimeLimit",
    "TrainingStopped",
    "ValidationLoss",
    "WandbWriter",
    "arrange_hooks",
    "build_named_hooks",
    "resolve_hook_names",
]
