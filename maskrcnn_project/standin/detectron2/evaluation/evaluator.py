"""The loop that runs a model over a data loader and hands what it predicts to evaluators."""

from __future__ import annotations

import contextlib
import datetime
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableSequence
from dataclasses import dataclass, field
from typing import Any

import torch
from detectron2.utils.comm import get_world_size, is_main_process
from torch import nn

# Batches left out of the averages: the first ones pay for the choice of kernels and for filling the loader.
WARMUP_BATCHES = 5
# Seconds between two progress lines.
LOG_PERIOD = 5.0


class DatasetEvaluator:
    """Accumulates what a model predicts on a dataset, batch by batch, and turns it into metrics."""

    def reset(self) -> None:
        """Forget everything seen so far; called before each evaluation."""

    def process(self, inputs: Any, outputs: Any) -> None:
        """
        Take in one batch.

        Args:
            inputs: what the model was called with: a list of dicts, one per image.
            outputs: what the model returned: a list as long.
        """

    def evaluate(self) -> Mapping[str, Any] | None:
        """
        Metrics of all batches since ``reset``.

        Returns:
            task -> {metric -> value}; workers other than the main one may return None or {}.
        """
        return None


class DatasetEvaluators(DatasetEvaluator):
    """Several evaluators fed by one pass over the dataset."""

    def __init__(self, evaluators: Iterable[DatasetEvaluator]) -> None:
        super().__init__()
        self._evaluators = list(evaluators)

    def reset(self) -> None:
        for evaluator in self._evaluators:
            evaluator.reset()

    def process(self, inputs: Any, outputs: Any) -> None:
        for evaluator in self._evaluators:
            evaluator.process(inputs, outputs)

    def evaluate(self) -> Mapping[str, Any]:
        """
        The results of all evaluators in one ordered dict.

        Raises:
            ValueError: two evaluators report the same task.
        """
        merged: OrderedDict[str, Any] = OrderedDict()
        for evaluator in self._evaluators:
            results = evaluator.evaluate()
            if results is None or not is_main_process():
                continue
            twice = [task for task in results if task in merged]
            if twice:
                raise ValueError(
                    f"Every evaluator must report tasks of its own, but {type(evaluator).__name__} reports "
                    f"{twice[0]!r}, which one before it has reported; leave one out or rename its task."
                )
            merged.update(results)
        return merged


@dataclass
class _Stopwatch:
    """Seconds spent waiting for data, in the model and in the evaluator, warm-up left out."""

    total_batches: int
    measured_from: float = field(default_factory=lambda: time.perf_counter())
    measured_batches: int = 0
    data: float = 0.0
    compute: float = 0.0
    evaluation: float = 0.0
    last_line: float = field(default_factory=lambda: time.perf_counter())

    @property
    def warmup(self) -> int:
        return max(0, min(WARMUP_BATCHES, self.total_batches - 1))

    def begin_batch(self, index: int, data_since: float) -> None:
        if index == self.warmup:  # measure from here on: what lies before was warm-up
            self.measured_from = data_since
            self.measured_batches = 0
            self.data = self.compute = self.evaluation = 0.0

    def per_batch(self, seconds: float) -> float:
        return seconds / max(1, self.measured_batches)

    def progress(self, done: int, now: float) -> str:
        per_batch = self.per_batch(now - self.measured_from)
        left = datetime.timedelta(seconds=int(per_batch * (self.total_batches - done)))
        return (
            f"Inference done {done}/{self.total_batches}. "
            f"Dataloading: {self.per_batch(self.data):.4f} s/iter. "
            f"Inference: {self.per_batch(self.compute):.4f} s/iter. "
            f"Eval: {self.per_batch(self.evaluation):.4f} s/iter. "
            f"Total: {per_batch:.4f} s/iter. ETA={left}"
        )


def inference_on_dataset(
    model: Callable[[Any], Any],
    data_loader: Iterable[Any],
    evaluator: DatasetEvaluator | list[DatasetEvaluator] | None,
    callbacks: Mapping[str, Callable[[], Any]] | None = None,
) -> Mapping[str, Any]:
    """
    Run ``model`` once over ``data_loader`` without gradients and evaluate what it predicts.

    Args:
        model: called with each batch. An ``nn.Module`` is in eval mode for the while and restored after it.
        data_loader: yields batches and has a length.
        evaluator: one, a list of them, or None to run the model only (to measure its speed, say).
        callbacks: functions without arguments under the names ``on_start``, ``before_inference``,
            ``after_inference`` (around each call of the model) and ``on_end``.

    Returns:
        What ``evaluator.evaluate()`` returns, {} instead of None.
    """
    logger = logging.getLogger(__name__)
    total = len(data_loader)  # type: ignore[arg-type]
    logger.info("Start inference on %d batches", total)
    if evaluator is None:
        evaluator = DatasetEvaluators([])
    elif isinstance(evaluator, MutableSequence):
        evaluator = DatasetEvaluators(evaluator)
    call = _caller(callbacks)
    evaluator.reset()

    watch = _Stopwatch(total)
    with contextlib.ExitStack() as stack:
        if isinstance(model, nn.Module):
            stack.enter_context(inference_context(model))
        stack.enter_context(torch.no_grad())
        call("on_start")
        waiting_since = time.perf_counter()
        for index, inputs in enumerate(data_loader):
            watch.begin_batch(index, waiting_since)
            called = time.perf_counter()
            call("before_inference")
            outputs = model(inputs)
            call("after_inference")
            if torch.cuda.is_available():
                torch.cuda.synchronize()  # or the time of kernels still running would count as evaluation
            returned = time.perf_counter()
            evaluator.process(inputs, outputs)
            now = time.perf_counter()
            watch.data += called - waiting_since
            watch.compute += returned - called
            watch.evaluation += now - returned
            watch.measured_batches += 1
            if now - watch.last_line >= LOG_PERIOD:
                logger.info(watch.progress(index + 1, now))
                watch.last_line = now
            waiting_since = now
        call("on_end")

    _log_totals(logger, watch)
    results = evaluator.evaluate()
    return {} if results is None else results


def _caller(callbacks: Mapping[str, Callable[[], Any]] | None) -> Callable[[str], None]:
    functions = dict(callbacks or {})

    def call(name: str) -> None:
        if name in functions:
            functions[name]()

    return call


def _log_totals(logger: logging.Logger, watch: _Stopwatch) -> None:
    """Total and pure compute time, both counted from the end of the warm-up."""
    seconds = time.perf_counter() - watch.measured_from
    devices = get_world_size()
    for what, spent in (("time", seconds), ("pure compute time", watch.compute)):
        logger.info(
            "Total inference %s: %s (%.6f s / iter per device, on %d devices)",
            what,
            datetime.timedelta(seconds=int(spent)),
            watch.per_batch(spent),
            devices,
        )


@contextlib.contextmanager
def inference_context(model: nn.Module) -> Iterator[None]:
    """
    Eval mode for the while; each submodule gets back the mode that it had, also after an exception.

    (A model in training may hold parts kept in eval mode on purpose, e.g. frozen batch norms:
    ``model.train()`` on the whole would wake them.)
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
