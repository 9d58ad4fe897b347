"""Hooks of the training itself: callbacks, time, schedule, checkpoints, writers."""

from __future__ import annotations

import datetime
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from detectron2.engine.train_loop import HookBase
from detectron2.solver import LRMultiplier
from detectron2.utils.events import EventWriter
from fvcore.common.checkpoint import PeriodicCheckpointer as _PeriodicCheckpointer
from fvcore.common.param_scheduler import ParamScheduler
from fvcore.common.timer import Timer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler as _TorchScheduler

logger = logging.getLogger("detectron2.engine.hooks")  # the public module, as a filter on it expects


class CallbackHook(HookBase):
    """A hook made of functions, each of which takes the trainer."""

    def __init__(
        self,
        *,
        before_train: Callable[[Any], None] | None = None,
        after_train: Callable[[Any], None] | None = None,
        before_step: Callable[[Any], None] | None = None,
        after_step: Callable[[Any], None] | None = None,
    ) -> None:
        """Each may be None."""
        self._before_train = before_train
        self._after_train = after_train
        self._before_step = before_step
        self._after_step = after_step

    def before_train(self) -> None:
        if self._before_train:
            self._before_train(self.trainer)

    def after_train(self) -> None:
        if self._after_train:
            self._after_train(self.trainer)
        # They may be closures over the trainer, which could never be freed.
        self._before_train = self._after_train = self._before_step = self._after_step = None

    def before_step(self) -> None:
        if self._before_step:
            self._before_step(self.trainer)

    def after_step(self) -> None:
        if self._after_step:
            self._after_step(self.trainer)


class IterationTimer(HookBase):
    """Puts ``time``, the seconds of each iteration, into the storage, and logs the whole at the end."""

    def __init__(self, warmup_iter: int = 3) -> None:
        """``warmup_iter``: the iteration to count from, because caches and autotuning are cold at first."""
        self._warmup_iter = warmup_iter
        self._step_timer = Timer()
        self._start_time = time.perf_counter()
        self._total_timer = Timer()

    def before_train(self) -> None:
        self._start_time = time.perf_counter()
        self._total_timer.reset()
        self._total_timer.pause()

    def after_train(self) -> None:
        counted = self.trainer.storage.iter - self.trainer.start_iter - max(self._warmup_iter - 1, 0)
        total = time.perf_counter() - self._start_time
        training = self._total_timer.seconds()
        if counted > 0 and training > 0:
            # the timer is paused around hooks, so that the speed is that of the steps
            logger.info(
                "Overall training speed: %d iterations in %s (%.4f s / it)",
                counted,
                datetime.timedelta(seconds=int(training)),
                training / counted,
            )
        logger.info(
            "Total training time: %s (%s on hooks)",
            datetime.timedelta(seconds=int(total)),
            datetime.timedelta(seconds=int(total - training)),
        )

    def before_step(self) -> None:
        self._step_timer.reset()
        self._total_timer.resume()

    def after_step(self) -> None:
        done = self.trainer.storage.iter - self.trainer.start_iter + 1
        if done >= self._warmup_iter:
            self.trainer.storage.put_scalars(time=self._step_timer.seconds())
        else:
            self._start_time = time.perf_counter()
            self._total_timer.reset()
        self._total_timer.pause()


class PeriodicWriter(HookBase):
    """Lets writers write every so many iterations and after the training."""

    def __init__(self, writers: Sequence[EventWriter], period: int = 20) -> None:
        """``period``: iterations between two writings."""
        for writer in writers:
            assert isinstance(writer, EventWriter), f"a writer must be an EventWriter, but is a {type(writer).__name__}"
        self._writers = writers
        self._period = period

    def after_step(self) -> None:
        following = self.trainer.iter + 1
        if following % self._period == 0 or following == self.trainer.max_iter:
            for writer in self._writers:
                writer.write()

    def after_train(self) -> None:
        for writer in self._writers:
            # hooks before this one may have put something since, such as the last evaluation
            writer.write()
            writer.close()


class PeriodicCheckpointer(_PeriodicCheckpointer, HookBase):
    """fvcore's PeriodicCheckpointer as a hook: ``model_0000999.pth`` every period, ``model_final.pth`` at the end."""

    def before_train(self) -> None:
        self.max_iter = self.trainer.max_iter

    def after_step(self) -> None:
        self.step(self.trainer.iter)


class LRScheduler(HookBase):
    """Steps a learning rate scheduler after each iteration, and puts ``lr`` into the storage."""

    def __init__(
        self, optimizer: Optimizer | None = None, scheduler: _TorchScheduler | ParamScheduler | None = None
    ) -> None:
        """
        Args:
            optimizer: default: the trainer's.
            scheduler: default: the trainer's. A fvcore ParamScheduler becomes a multiplier of the base learning rate
                over the trainer's iterations.
        """
        self._optimizer = optimizer
        self._scheduler = scheduler
        self._best_param_group_id = 0

    @property
    def scheduler(self) -> Any:
        """The scheduler that is stepped."""
        return self.trainer.scheduler if self._scheduler is None else self._scheduler  # type: ignore[attr-defined]

    def before_train(self) -> None:
        self._optimizer = self._optimizer or self.trainer.optimizer  # type: ignore[attr-defined]
        if isinstance(self.scheduler, ParamScheduler):
            self._scheduler = LRMultiplier(
                self._optimizer, self.scheduler, self.trainer.max_iter, last_iter=self.trainer.iter - 1
            )
        self._best_param_group_id = LRScheduler.get_best_param_group_id(self._optimizer)

    @staticmethod
    def get_best_param_group_id(optimizer: Optimizer) -> int:
        """
        The parameter group whose learning rate stands for all in the log: the one of most parameters, or, where every
        parameter has a group of its own, the first with the most frequent learning rate.
        """
        groups = optimizer.param_groups
        largest = max(len(group["params"]) for group in groups)
        if largest > 1:
            return next(i for i, group in enumerate(groups) if len(group["params"]) == largest)
        frequent = Counter(group["lr"] for group in groups).most_common(1)[0][0]
        return next(i for i, group in enumerate(groups) if group["lr"] == frequent)

    def after_step(self) -> None:
        assert self._optimizer is not None
        lr = self._optimizer.param_groups[self._best_param_group_id]["lr"]
        self.trainer.storage.put_scalar("lr", lr, smoothing_hint=False)
        self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        return self.scheduler.state_dict() if isinstance(self.scheduler, _TorchScheduler) else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up the schedule where it was."""
        if isinstance(self.scheduler, _TorchScheduler):
            self.scheduler.load_state_dict(state_dict)
