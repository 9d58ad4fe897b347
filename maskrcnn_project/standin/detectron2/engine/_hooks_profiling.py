"""Hooks that measure: time of each operator, memory of the device."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import Any

import torch
from detectron2.engine.train_loop import HookBase
from detectron2.utils import comm
from detectron2.utils.file_io import PathManager

logger = logging.getLogger("detectron2.engine.hooks")  # the public module, as a filter on it expects

MIB = 2**20


class TorchProfiler(HookBase):
    """Runs the PyTorch profiler over chosen iterations. Profiled iterations are slower than others."""

    def __init__(
        self,
        enable_predicate: Callable[[Any], bool],
        output_dir: str,
        *,
        activities: Iterable[torch.profiler.ProfilerActivity] | None = None,
        save_tensorboard: bool = True,
    ) -> None:
        """
        Args:
            enable_predicate: trainer -> whether to profile the iteration that begins.
            output_dir: where traces go.
            activities: what to measure; default: all that there is.
            save_tensorboard: True: a trace for TensorBoard's plugin in ``{output_dir}/log``; False: a Chrome trace
                ``profiler-trace-iter{N}.json``.
        """
        self._enable_predicate = enable_predicate
        self._output_dir = output_dir
        self._activities = activities
        self._save_tensorboard = save_tensorboard
        self._profiler: Any = None

    def before_step(self) -> None:
        if self._enable_predicate(self.trainer):
            self._profiler = self._make_profiler()
            self._profiler.__enter__()

    def _make_profiler(self) -> Any:
        on_trace_ready = None
        if self._save_tensorboard:
            on_trace_ready = torch.profiler.tensorboard_trace_handler(
                os.path.join(self._output_dir, "log", f"profiler-tensorboard-iter{self.trainer.iter}"),
                f"worker{comm.get_rank()}",
            )
        return torch.profiler.profile(
            activities=self._activities,
            on_trace_ready=on_trace_ready,
            record_shapes=True,
            profile_memory=True,
            with_stack=True,
            with_flops=True,
        )

    def after_step(self) -> None:
        if self._profiler is None:
            return
        self._profiler.__exit__(None, None, None)
        if not self._save_tensorboard:
            PathManager.mkdirs(self._output_dir)
            trace = os.path.join(self._output_dir, f"profiler-trace-iter{self.trainer.iter}.json")
            self._profiler.export_chrome_trace(trace)
        self._profiler = None


class AutogradProfiler(TorchProfiler):
    """As TorchProfiler, with the older ``torch.autograd.profiler`` and a Chrome trace."""

    def __init__(self, enable_predicate: Callable[[Any], bool], output_dir: str, *, use_cuda: bool = True) -> None:
        """``use_cuda``: whether to measure kernels on the GPU, too (if there is one)."""
        super().__init__(enable_predicate, output_dir, save_tensorboard=False)
        self._use_cuda = use_cuda

    def _make_profiler(self) -> Any:
        device = "cuda" if self._use_cuda and torch.cuda.is_available() else None
        return torch.autograd.profiler.profile(use_device=device)


class TorchMemoryStats(HookBase):
    """Logs the memory that PyTorch holds on the GPU. Does nothing without one."""

    def __init__(self, period: int = 20, max_runs: int = 10) -> None:
        """
        Args:
            period: iterations between two logs.
            max_runs: how many logs; the last one is in detail.
        """
        self._period = period
        self._max_runs = max_runs
        self._runs = 0

    def after_step(self) -> None:
        if self._runs >= self._max_runs or not torch.cuda.is_available():
            return
        following = self.trainer.iter + 1
        if following % self._period != 0 and following != self.trainer.max_iter:
            return
        logger.info(
            "iter: %d  max_reserved_mem: %.0fMB  reserved_mem: %.0fMB  max_allocated_mem: %.0fMB  "
            "allocated_mem: %.0fMB",
            self.trainer.iter,
            torch.cuda.max_memory_reserved() / MIB,
            torch.cuda.memory_reserved() / MIB,
            torch.cuda.max_memory_allocated() / MIB,
            torch.cuda.memory_allocated() / MIB,
        )
        self._runs += 1
        if self._runs == self._max_runs:
            logger.info("\n%s", torch.cuda.memory_summary())
        torch.cuda.reset_peak_memory_stats()
