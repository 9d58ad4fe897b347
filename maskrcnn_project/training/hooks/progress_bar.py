"""One line on a terminal that tells how far the training is."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer, HookBase
from detectron2.utils import comm
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from maskrcnn_project.training.hooks.registry import HOOK_REGISTRY, HookPlace
from maskrcnn_project.training.optimization.schedule import images_per_step

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

LOGGERS = ("detectron2", "fvcore", "maskrcnn_project")
PRINTER = "detectron2.utils.events"  # the logger of Detectron2's CommonMetricPrinter
SHOWN_LOSSES = {"total_loss": "loss", "loss_cls": "class", "loss_box_reg": "box", "loss_mask": "mask"}
REFRESH = 10  # iterations between two readings of the losses, which may make the host wait for the device


@HOOK_REGISTRY.register()
class ProgressBar(HookBase):
    """
    On a terminal: iterations done, rate, time left, epoch, losses, memory. Detectron2's own lines of the same then go
    to ``log.txt`` alone; other messages appear above the bar. Elsewhere (a file, a pipe) there is no bar, and
    Detectron2's lines are as ever.
    """

    trainer: DefaultTrainer
    place = HookPlace.AFTER_WRITERS

    def __init__(self, images_a_step: int):
        self.images_a_step = images_a_step
        self._bar: tqdm | None = None
        self._images: int | None = None
        self._open = ExitStack()

    @classmethod
    def from_config(cls, cfg: CfgNode) -> ProgressBar:
        return cls(images_per_step(cfg))

    def before_train(self) -> None:
        if not comm.is_main_process() or not sys.stderr.isatty():
            return
        self._images = images_in(self.trainer.data_loader)
        start, end = self.trainer.start_iter, self.trainer.max_iter
        self._bar = self._open.enter_context(
            tqdm(total=end, initial=start, desc="Training", unit="it", dynamic_ncols=True, smoothing=0.05)
        )
        # to the others the redirection would add a handler that they never had
        loggers = [log for name in LOGGERS if console_handlers([log := logging.getLogger(name)])]
        self._open.enter_context(logging_redirect_tqdm(loggers))
        for handler in console_handlers(loggers):  # new ones, which the redirection takes away again
            handler.addFilter(lambda record: record.name != PRINTER)

    def after_step(self) -> None:
        if self._bar is None:
            return
        self._bar.update()
        following = self.trainer.iter + 1
        if following % REFRESH == 0 or following == self.trainer.max_iter or following == self.trainer.start_iter + 1:
            self._bar.set_postfix_str(self._describe(following), refresh=False)
        if following == self.trainer.max_iter:
            self.after_train()  # the last evaluation follows, with pages of its own

    def after_train(self) -> None:
        self._open.close()
        self._bar = None

    def _describe(self, steps: int) -> str:
        parts = []
        if self._images:
            whole = self.trainer.max_iter * self.images_a_step / self._images
            parts.append(f"epoch {steps * self.images_a_step / self._images:.2f}/{whole:.4g}")
        for name, label in SHOWN_LOSSES.items():
            try:
                parts.append(f"{label} {self.trainer.storage.history(name).latest():.3g}")
            except KeyError:  # a model without this loss, or a step that was left out
                continue
        return ", ".join([*parts, f"{peak:.1f} GiB"] if (peak := peak_memory()) else parts)


def images_in(loader: Any) -> int | None:
    """How many images the set behind a training loader has: the innermost of its ``dataset``s; None: unknown."""
    while hasattr(loader, "dataset"):
        loader = loader.dataset
    try:
        return len(loader)
    except TypeError:
        return None


def peak_memory() -> float:
    """GiB: of the GPU where there is one, else of this process; 0 where the system does not tell."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    if resource is None:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, KiB elsewhere (getrusage(2))
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def console_handlers(loggers: Iterable[logging.Logger]) -> list[logging.Handler]:
    """Those handlers that write to the terminal."""
    return [
        handler
        for log in loggers
        for handler in log.handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stdout, sys.stderr)
    ]
