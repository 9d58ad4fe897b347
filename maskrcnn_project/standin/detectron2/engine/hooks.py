"""Everything that can happen around the iterations of a training. Define your own by subclassing ``HookBase``."""

from __future__ import annotations

import datetime
import logging
import math
import operator
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from detectron2.engine._hooks_profiling import AutogradProfiler, TorchMemoryStats, TorchProfiler
from detectron2.engine.train_loop import HookBase
from detectron2.evaluation.testing import flatten_results_dict
from detectron2.solver import LRMultiplier
from detectron2.utils import comm
from detectron2.utils.events import EventStorage, EventWriter
from fvcore.common.checkpoint import Checkpointer
from fvcore.common.checkpoint import PeriodicCheckpointer as _PeriodicCheckpointer
from fvcore.common.param_scheduler import ParamScheduler
from fvcore.common.timer import Timer
from fvcore.nn.precise_bn import get_bn_modules, update_bn_stats
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler as _TorchScheduler

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

logger = logging.getLogger(__name__)


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
        """Continues the schedule where it was."""
        if isinstance(self.scheduler, _TorchScheduler):
            self.scheduler.load_state_dict(state_dict)


class EvalHook(HookBase):
    """Evaluates every so many iterations and after the training; results go into the storage as ``segm/AP``."""

    def __init__(self, eval_period: int, eval_function: Callable[[], Any], eval_after_train: bool = True) -> None:
        """
        Args:
            eval_period: iterations between two evaluations; 0: only after the training.
            eval_function: returns a nested dict of numbers, or nothing. Every process calls it at the same time.
            eval_after_train: whether to evaluate after the last iteration.
        """
        self._period = eval_period
        self._func: Callable[[], Any] | None = eval_function
        self._eval_after_train = eval_after_train

    def _do_eval(self) -> None:
        assert self._func is not None
        results = self._func()
        if results:
            assert isinstance(results, dict), (
                f"an evaluation function must return a dict, but returned a {type(results).__name__}"
            )
            numbers = {name: _number(name, value) for name, value in flatten_results_dict(results).items()}
            for name, value in numbers.items():
                self.trainer.storage.put_scalar(name, value, smoothing_hint=False)
        # The main process evaluates longest; the others would wait inside the next step, up to its time limit.
        comm.synchronize()

    def after_step(self) -> None:
        following = self.trainer.iter + 1
        # the evaluation that falls on the end is left to after_train
        if self._period > 0 and following % self._period == 0 and following != self.trainer.max_iter:
            self._do_eval()

    def after_train(self) -> None:
        # not after a training that was interrupted
        if self._eval_after_train and self.trainer.iter + 1 >= self.trainer.max_iter:
            self._do_eval()
        self._func = None  # a closure over the trainer, which could never be freed


class BestCheckpointer(HookBase):
    """
    Saves the model whenever a metric is better than ever before. Register it after the EvalHook.

    A metric that is missing, infinite or NaN never wins. The best value so far is part of the checkpoints, so that a
    resumed training does not overwrite a better model.
    """

    def __init__(
        self,
        eval_period: int,
        checkpointer: Checkpointer,
        val_metric: str,
        mode: str = "max",
        file_prefix: str = "model_best",
    ) -> None:
        """
        Args:
            eval_period: that of the EvalHook.
            checkpointer: saves.
            val_metric: name in the storage, such as ``segm/AP``.
            mode: ``max`` or ``min``, which is better.
            file_prefix: name of the file without ``.pth``.
        """
        if mode not in ("max", "min"):
            raise ValueError(f'BestCheckpointer: mode must be "max" or "min", but is {mode!r}.')
        self._period = eval_period
        self._checkpointer = checkpointer
        self._val_metric = val_metric
        self._is_better = operator.gt if mode == "max" else operator.lt
        self._file_prefix = file_prefix
        self.best_metric: float | None = None
        self.best_iter: int | None = None

    def _check(self) -> None:
        latest = self.trainer.storage.latest()
        if self._val_metric not in latest:
            if comm.is_main_process():  # results are put there alone
                known = ", ".join(name for name in latest if "/" in name) or "none"
                logger.warning("No metric %s to choose the best model by; there are: %s.", self._val_metric, known)
            return
        value, iteration = latest[self._val_metric]
        if not math.isfinite(value):
            logger.warning("%s is %s after iteration %d: not the best model.", self._val_metric, value, iteration)
            return
        if self.best_metric is not None and not self._is_better(value, self.best_metric):
            logger.info(
                "Not saving: %s is %.5f, the best is %.5f of iteration %s.",
                self._val_metric,
                value,
                self.best_metric,
                self.best_iter,
            )
            return
        self.best_metric, self.best_iter = float(value), int(iteration)
        self._checkpointer.save(self._file_prefix, iteration=self.best_iter)
        logger.info("Saved the best model: %s is %.5f.", self._val_metric, value)

    def after_step(self) -> None:
        following = self.trainer.iter + 1
        if self._period > 0 and following % self._period == 0 and following != self.trainer.max_iter:
            self._check()

    def after_train(self) -> None:
        if self.trainer.iter + 1 >= self.trainer.max_iter:
            self._check()

    def state_dict(self) -> dict[str, Any]:
        if self.best_metric is None:
            return {}
        return {"best_metric": self.best_metric, "best_iter": self.best_iter}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the best value so far."""
        self.best_metric, self.best_iter = state_dict["best_metric"], state_dict["best_iter"]


class PreciseBN(HookBase):
    """
    Replaces the running statistics of batch norms by true averages before evaluations (Wu and Johnson, "Rethinking
    'Batch' in BatchNorm", section 3).
    """

    def __init__(self, period: int, model: nn.Module, data_loader: Iterable, num_iter: int) -> None:
        """
        Args:
            period: iterations between two updates, and one at the end; 0: only at the end.
            model: its batch norms in training mode are updated. Others of its layers must not change state in a
                forward pass.
            data_loader: endless training batches.
            num_iter: batches to average over.
        """
        self._model = model
        self._data_loader = data_loader
        self._num_iter = num_iter
        self._period = period
        self._data_iter: Iterator | None = None
        self._disabled = not get_bn_modules(model)
        if self._disabled:
            logger.info("PreciseBN is disabled: the model has no batch norm in training mode.")

    def after_step(self) -> None:
        following = self.trainer.iter + 1
        if following == self.trainer.max_iter or (self._period > 0 and following % self._period == 0):
            self.update_stats()

    def update_stats(self) -> None:
        """Updates the statistics now."""
        if self._disabled:
            return
        if self._data_iter is None:
            self._data_iter = iter(self._data_loader)
        with EventStorage():  # what the model logs in these passes is not the training's
            update_bn_stats(self._model, self._data_iter, self._num_iter)


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"An evaluation must return a nested dict of numbers, but {name!r} is {value!r} (a {type(value).__name__})."
        ) from error
