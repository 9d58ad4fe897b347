"""Weights in and out: safe reading, atomic writing, and other frameworks' names for the same tensors."""

from detectron2.checkpoint import catalog as _catalog  # noqa: F401  (registers catalog://)
from detectron2.checkpoint.detection_checkpoint import DetectionCheckpointer
from fvcore.common.checkpoint import Checkpointer, PeriodicCheckpointer

__all__ = ["Checkpointer", "DetectionCheckpointer", "PeriodicCheckpointer"]
