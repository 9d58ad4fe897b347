"""A training that is asked to end (by a queue, a container, ``kill``) ends after its iteration, with a checkpoint."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer, HookBase

from maskrcnn_project.training.hooks.registry import HOOK_REGISTRY, HookPlace
from maskrcnn_project.training.hooks.stopping import INTERRUPTED, TRY_AGAIN, all_agree, is_time_to_agree, stop_training

logger = logging.getLogger(__name__)


@HOOK_REGISTRY.register()
class StopOnSignal(HookBase):
    """
    At the first signal to any process all finish their iteration; a checkpoint is written, the exit code is 75 (130
    after Ctrl-C), and ``--resume`` goes on. The second signal does what it would have done without this hook.
    """

    trainer: DefaultTrainer
    place = HookPlace.LAST

    def __init__(self, names: Sequence[str], period: int):
        """
        Args:
            names: of signals. ``SIGTERM`` comes from ``kill``, Docker, Kubernetes and Slurm, ``SIGUSR1`` from Slurm's
                ``--signal=USR1@120``, 120 seconds before the end, ``SIGINT`` from Ctrl-C, ``SIGHUP`` from a terminal
                that closes. One that this process was started to ignore, as by nohup, stays ignored.
            period: iterations between two questions to the others, where there are several processes.
        """
        unknown = [name for name in names if not hasattr(signal.Signals, name)]
        if unknown:
            raise ValueError(f"HOOKS.StopOnSignal.SIGNALS: {unknown[0]!r} is no signal of this system.")
        self.signals = [signal.Signals[name] for name in names]
        self.period = period
        self.received: str | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._process = 0

    @classmethod
    def from_config(cls, cfg: CfgNode) -> StopOnSignal:
        return cls(cfg.HOOKS.StopOnSignal.SIGNALS, cfg.HOOKS.StopOnSignal.PERIOD)

    def before_train(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            logger.warning("StopOnSignal: only the main thread of a process gets signals, and this is another.")
            return
        self._process = os.getpid()
        heeded = [each for each in self.signals if signal.getsignal(each) is not signal.SIG_IGN]
        self._before = {each: signal.signal(each, self._receive) for each in heeded}

    def after_step(self) -> None:
        if not is_time_to_agree(self.trainer, self.period):
            return
        name = all_agree(self.received)
        if name:
            code = INTERRUPTED if name == "SIGINT" else TRY_AGAIN
            stop_training(self.trainer, f"{name} was received: the training stops.", code)

    def after_train(self) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)
        self._before = {}

    def _receive(self, number: int, frame: FrameType | None) -> None:
        # a data loader's worker, which is a copy of this process, ends as it always did
        if self.received or os.getpid() != self._process:
            signal.signal(number, self._before.get(signal.Signals(number), signal.SIG_DFL))
            os.kill(os.getpid(), number)
            return
        self.received = signal.Signals(number).name
