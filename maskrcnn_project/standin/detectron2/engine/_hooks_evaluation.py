"""Hooks that look at the model while it is trained: evaluation, the best checkpoint, precise batch norms."""

from __future__ import annotations

import logging
import math
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from detectron2.engine.train_loop import HookBase
from detectron2.evaluation.testing import flatten_results_dict
from detectron2.utils import comm
from detectron2.utils.events import EventStorage
from fvcore.common.checkpoint import Checkpointer
from fvcore.nn.precise_bn import get_bn_modules, update_bn_stats
from torch import nn

logger = logging.getLogger("detectron2.engine.hooks")  # the public module, as a filter on it expects


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
        # not after a training that broke off
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
        """Takes up the best value so far."""
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
