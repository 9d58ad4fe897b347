"""Everything that can happen around the iterations of a training. Define your own by subclassing ``HookBase``."""

from detectron2.engine._hooks_evaluation import BestCheckpointer, EvalHook, PreciseBN
from detectron2.engine._hooks_profiling import AutogradProfiler, TorchMemoryStats, TorchProfiler
from detectron2.engine._hooks_training import (
    CallbackHook,
    IterationTimer,
    LRScheduler,
    PeriodicCheckpointer,
    PeriodicWriter,
)

__all__ = [
    "AutogradProfiler",
    "BestCheckpointer",
    "CallbackHook",
    "EvalHook",
    "IterationTimer",
    "LRScheduler",
    "PeriodicCheckpointer",
    "PeriodicWriter",
    "PreciseBN",
    "TorchMemoryStats",
    "TorchProfiler",
]
