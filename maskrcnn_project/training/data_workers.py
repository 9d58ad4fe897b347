"""
What the processes that load data do with signals.

A signal that stops a training comes to its whole process group, from ``timeout``, systemd or a queue: the workers leave
it to the training, which needs them for its last step and then ends them. They end when they are told to, when the
training is gone (they look for it), or at SIGTERM once it leaves.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
from functools import lru_cache
from types import FrameType

from detectron2.data.build import worker_init_reset_seed

IGNORED = ("SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2")


@lru_cache(maxsize=1)
def worker_start() -> WorkerStart:
    """``worker_init_fn`` for all DataLoaders of this process."""
    return WorkerStart()


class WorkerStart:
    """See :func:`worker_start`; it is made in the process that trains."""

    def __init__(self) -> None:
        self.leaving = multiprocessing.Event()
        # before multiprocessing's own, which then ends the workers that are left with SIGTERM and waits for them
        atexit.register(self.leaving.set)

    def __call__(self, number: int) -> None:
        worker_init_reset_seed(number)
        for name in IGNORED:
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._terminate)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        if self.leaving.is_set():
            os._exit(0)
