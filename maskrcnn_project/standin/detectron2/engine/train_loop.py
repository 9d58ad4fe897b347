"""
The training loop: hooks around steps, and the two kinds of step (plain, and with automatic mixed precision).

The order within one iteration: ``before_step`` of each hook, forward, backward, ``after_backward`` of each hook,
the optimizer's step, ``after_step`` of each hook.
"""

from __future__ import annotations

import concurrent.futures
import logging
import math
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from detectron2.utils import comm
from detectron2.utils._device_scalars import begin_fetch
from detectron2.utils.events import EventStorage, get_event_storage
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

__all__ = ["AMPTrainer", "HookBase", "SimpleTrainer", "TrainerBase"]

logger = logging.getLogger(__name__)


class HookBase:
    """
    Something that happens at certain moments of a training.

    ``self.trainer`` is set at registration. At ``before_step`` and ``after_step`` ``trainer.iter`` is the current
    iteration; at ``after_train`` it is ``trainer.max_iter`` if the training came to its end.
    """

    trainer: TrainerBase = None  # type: ignore[assignment]

    def before_train(self) -> None:
        """Before the first iteration."""

    def after_train(self) -> None:
        """After the last iteration, or after an exception."""

    def before_step(self) -> None:
        """Before each iteration."""

    def after_backward(self) -> None:
        """When the gradients are there and the parameters are not yet changed."""

    def after_step(self) -> None:
        """After each iteration."""

    def state_dict(self) -> dict[str, Any]:
        """What ``load_state_dict`` needs to go on after a resume, of plain types and tensors; empty: nothing."""
        return {}


class TrainerBase:
    """A loop of iterations with hooks. Subclasses define ``run_step``."""

    iter: int
    start_iter: int
    max_iter: int
    storage: EventStorage

    def __init__(self) -> None:
        self._hooks: list[HookBase] = []
        self.iter = 0
        self.start_iter = 0

    def register_hooks(self, hooks: list[HookBase | None]) -> None:
        """Adds hooks, to be run in the order of their registration. None is skipped."""
        for hook in hooks:
            if hook is None:
                continue
            assert isinstance(hook, HookBase), f"a hook must be a HookBase, but is a {type(hook).__name__}"
            # A proxy: trainer and hook would otherwise keep one another (and the model's memory) alive.
            hook.trainer = weakref.proxy(self)
            self._hooks.append(hook)

    def train(self, start_iter: int, max_iter: int) -> None:
        """Runs the iterations ``start_iter`` to ``max_iter - 1``."""
        logger.info("Starting training from iteration %d", start_iter)
        self.iter = self.start_iter = start_iter
        self.max_iter = max_iter
        with EventStorage(start_iter) as self.storage:
            try:
                self.before_train()
                for self.iter in range(start_iter, max_iter):
                    self.before_step()
                    self.run_step()
                    self.after_step()
                # by which hooks tell in after_train a training that finished from one that was interrupted
                self.iter += 1
            except Exception:
                logger.exception("Exception during training:")
                raise
            finally:
                self.after_train()

    def before_train(self) -> None:
        """Runs the hooks' ``before_train``."""
        for hook in self._hooks:
            hook.before_train()

    def after_train(self) -> None:
        """Runs the hooks' ``after_train``."""
        self.storage.iter = self.iter
        for hook in self._hooks:
            hook.after_train()

    def before_step(self) -> None:
        """Runs the hooks' ``before_step``."""
        # Kept equal, for whoever changes the iteration in between.
        self.storage.iter = self.iter
        for hook in self._hooks:
            hook.before_step()

    def after_backward(self) -> None:
        """Runs the hooks' ``after_backward``; ``run_step`` calls it."""
        for hook in self._hooks:
            hook.after_backward()

    def after_step(self) -> None:
        """Runs the hooks' ``after_step``."""
        for hook in self._hooks:
            hook.after_step()

    def run_step(self) -> None:
        """One iteration."""
        raise NotImplementedError(f"{type(self).__name__} must define run_step()")

    def state_dict(self) -> dict[str, Any]:
        """The last finished iteration and the state of the hooks."""
        last = self.iter if not hasattr(self, "max_iter") else min(self.iter, self.max_iter - 1)
        states = {name: state for name, hook in self._named_hooks().items() if (state := hook.state_dict())}
        return {"iteration": last, **({"hooks": states} if states else {})}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Sets the iteration and the state of the hooks; that of a hook which is not here is ignored."""
        self.iter = state_dict["iteration"]
        hooks = self._named_hooks()
        for name, state in state_dict.get("hooks", {}).items():
            if name in hooks:
                hooks[name].load_state_dict(state)  # type: ignore[attr-defined]
            else:
                logger.warning("The checkpoint has state of a hook %s, which this training lacks.", name)

    def _named_hooks(self) -> dict[str, HookBase]:
        """Hooks by the name of their class; the second of a class gets the suffix ``#2``, and so on."""
        named: dict[str, HookBase] = {}
        count: dict[str, int] = {}
        for hook in self._hooks:
            name = type(hook).__qualname__
            count[name] = count.get(name, 0) + 1
            named[name if count[name] == 1 else f"{name}#{count[name]}"] = hook
        return named


class SimpleTrainer(TrainerBase):
    """One model, one loader of batches, one optimizer: forward, backward, step."""

    def __init__(
        self,
        model: nn.Module,
        data_loader: Iterable,
        optimizer: torch.optim.Optimizer,
        gather_metric_period: int = 1,
        zero_grad_before_forward: bool = False,
        async_write_metrics: bool = False,
    ) -> None:
        """
        Args:
            model: takes a batch; returns a loss, or a dict of losses to be added. Put into training mode here.
            data_loader: endless batches.
            optimizer: over the model's parameters.
            gather_metric_period: losses are fetched, averaged over processes and checked every so many iterations.
            zero_grad_before_forward: False clears gradients after the forward pass, which overlaps with the device's
                work; True frees their memory for it.
            async_write_metrics: whether a thread of its own does the gathering. An error (a loss that is not
                finite) then comes up an iteration late.
        """
        super().__init__()
        model.train()
        self.model = model
        self.data_loader = data_loader
        self.optimizer = optimizer
        self.gather_metric_period = gather_metric_period
        self.zero_grad_before_forward = zero_grad_before_forward
        self.async_write_metrics = async_write_metrics
        self._data_loader_iter_obj: Iterator | None = None
        self._executor: concurrent.futures.ThreadPoolExecutor | None = None
        self._writing: list[concurrent.futures.Future] = []

    @property
    def _data_loader_iter(self) -> Iterator:
        # made when first used, so that worker processes start with the training
        if self._data_loader_iter_obj is None:
            self._data_loader_iter_obj = iter(self.data_loader)
        return self._data_loader_iter_obj

    def reset_data_loader(self, data_loader_builder: Callable[[], Iterable]) -> None:
        """Ends the present loader, then takes the one that ``data_loader_builder`` makes."""
        self._data_loader_iter_obj = None
        del self.data_loader  # its workers and shared memory go before the next ones come
        self.data_loader = data_loader_builder()

    def run_step(self) -> None:
        """One iteration, see the head of this file."""
        assert self.model.training, f"[{type(self).__name__}] the model was changed to eval mode"
        start = time.perf_counter()
        data = next(self._data_loader_iter)
        data_time = time.perf_counter() - start
        if self.zero_grad_before_forward:
            self.optimizer.zero_grad()
        losses, total = self._forward(data)
        # The numbers leave the device now and are read after backward is queued: reading them waits for the forward
        # pass alone, and a loss that is not finite is still found before it reaches the parameters.
        fetched = begin_fetch(losses) if self._is_gathering(self.iter) else lambda: losses
        if not self.zero_grad_before_forward:
            self.optimizer.zero_grad()
        self._backward(total)
        self.after_backward()
        if self.async_write_metrics and self._is_gathering(self.iter):
            self._write_in_background(fetched, data_time, self.iter)
        else:
            self._write_metrics(fetched(), data_time)
        self._step()

    def _forward(self, data: Any) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """The losses by name, and their sum."""
        losses = self.model(data)
        if isinstance(losses, torch.Tensor):
            return {"total_loss": losses}, losses
        return losses, sum(losses.values())  # type: ignore[return-value]

    def _backward(self, total: torch.Tensor) -> None:
        total.backward()

    def _step(self) -> None:
        self.optimizer.step()

    def _is_gathering(self, iteration: int) -> bool:
        return (iteration + 1) % self.gather_metric_period == 0

    def _write_metrics(
        self, loss_dict: Mapping[str, torch.Tensor], data_time: float, prefix: str = "", iter: int | None = None
    ) -> None:
        iteration = self.iter if iter is None else iter
        if self._is_gathering(iteration):
            SimpleTrainer.write_metrics(loss_dict, data_time, iteration, prefix)

    @staticmethod
    def write_metrics(loss_dict: Mapping[str, torch.Tensor], data_time: float, cur_iter: int, prefix: str = "") -> None:
        """
        Averages the losses over processes and puts them, their sum and the slowest ``data_time`` into the storage of
        the main process.

        Args:
            loss_dict: name -> tensor of one element.
            data_time: seconds that this process waited for its batch.
            cur_iter: the iteration they belong to.
            prefix: in front of ``total_loss``.

        Raises:
            FloatingPointError: a loss is infinite or NaN.
        """
        own = {name: float(value) for name, value in begin_fetch(loss_dict)().items()}
        gathered = comm.gather({**own, "data_time": data_time})
        if not comm.is_main_process():
            return
        storage = get_event_storage()
        storage.put_scalar("data_time", max(each.pop("data_time") for each in gathered), cur_iter=cur_iter)
        losses = {name: float(np.mean([each[name] for each in gathered])) for name in gathered[0]}
        total = sum(losses.values())
        if not math.isfinite(total):
            told = ", ".join(f"{name} = {value:g}" for name, value in losses.items())
            raise FloatingPointError(
                f"The loss became infinite or NaN at iteration {cur_iter} ({told}): lower SOLVER.BASE_LR, lengthen "
                "SOLVER.WARMUP_ITERS, enable SOLVER.CLIP_GRADIENTS, or look at the annotations of this batch."
            )
        storage.put_scalar(f"{prefix}total_loss", total, cur_iter=cur_iter)
        if len(losses) > 1:
            for name, value in losses.items():
                storage.put_scalar(name, value, cur_iter=cur_iter)

    def _write_in_background(
        self, fetched: Callable[[], Mapping[str, torch.Tensor]], data_time: float, iteration: int
    ) -> None:
        self._raise_from_background(wait=False)
        if self._executor is None:
            self._executor = concurrent.futures.ThreadPoolExecutor(max_workers=1)
        self._writing.append(self._executor.submit(lambda: self._write_metrics(fetched(), data_time, iter=iteration)))

    def _raise_from_background(self, wait: bool) -> None:
        """Lets an exception of the writing thread come up here."""
        while self._writing and (wait or self._writing[0].done()):
            error = self._writing.pop(0).exception()
            if error is not None:
                self._writing.clear()  # those that follow can only tell of its consequences
                raise error

    def after_train(self) -> None:
        """Waits for metrics that are being written, then runs the hooks' ``after_train``."""
        try:
            self._finish_writing()
        finally:
            super().after_train()

    def _finish_writing(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True)
            self._executor = None
        self._raise_from_background(wait=True)

    def state_dict(self) -> dict[str, Any]:
        """As ``TrainerBase.state_dict``, and the optimizer's."""
        return {**super().state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As ``TrainerBase.load_state_dict``, and the optimizer's."""
        super().load_state_dict(state_dict)
        self.optimizer.load_state_dict(state_dict["optimizer"])


class AMPTrainer(SimpleTrainer):
    """SimpleTrainer with forward pass and losses under autocast, and scaled gradients for float16."""

    def __init__(
        self,
        model: nn.Module,
        data_loader: Iterable,
        optimizer: torch.optim.Optimizer,
        gather_metric_period: int = 1,
        zero_grad_before_forward: bool = False,
        grad_scaler: Any = None,
        precision: torch.dtype = torch.float16,
        log_grad_scaler: bool = False,
        async_write_metrics: bool = False,
    ) -> None:
        """
        Args:
            model, data_loader, optimizer, gather_metric_period, zero_grad_before_forward, async_write_metrics: as
                for SimpleTrainer.
            grad_scaler: a ``torch.amp.GradScaler``; default: one for the model's device, at work for float16 only,
                because bfloat16 has the range of float32.
            precision: ``torch.float16`` or ``torch.bfloat16``.
            log_grad_scaler: whether to put the scale into the storage as ``[metric]grad_scaler``.
        """
        if isinstance(model, DataParallel) or (
            isinstance(model, DistributedDataParallel) and len(model.device_ids or []) > 1
        ):
            raise ValueError("AMPTrainer takes one device per process: start one process for each GPU.")
        super().__init__(
            model, data_loader, optimizer, gather_metric_period, zero_grad_before_forward, async_write_metrics
        )
        parameter = next(model.parameters(), None)
        self._device_type = parameter.device.type if parameter is not None else "cpu"
        if grad_scaler is None:
            grad_scaler = torch.amp.GradScaler(self._device_type, enabled=precision == torch.float16)
        self.grad_scaler = grad_scaler
        self.precision = precision
        self.log_grad_scaler = log_grad_scaler

    def run_step(self) -> None:
        """One iteration, see the head of this file."""
        super().run_step()
        if self.log_grad_scaler:
            get_event_storage().put_scalar("[metric]grad_scaler", self.grad_scaler.get_scale())

    def _forward(self, data: Any) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        with torch.autocast(self._device_type, dtype=self.precision):
            return super()._forward(data)

    def _backward(self, total: torch.Tensor) -> None:
        self.grad_scaler.scale(total).backward()

    def _step(self) -> None:
        self.grad_scaler.step(self.optimizer)
        self.grad_scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """As ``SimpleTrainer.state_dict``, and the scaler's."""
        return {**super().state_dict(), "grad_scaler": self.grad_scaler.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As ``SimpleTrainer.load_state_dict``, and the scaler's if both trainings have one at work."""
        super().load_state_dict(state_dict)
        if state_dict.get("grad_scaler"):
            self.grad_scaler.load_state_dict(state_dict["grad_scaler"])
