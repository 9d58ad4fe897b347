"""
One step of training: gradients of one or more batches added up, in full or mixed precision, looked at before they
reach the weights.

Detectron2's own steps take one batch, and find a loss that is not finite on the main process alone, which leaves the
others waiting for it; so does a forward pass that raises FloatingPointError, as that of the RPN does. Here all
processes know of it before they exchange gradients, and the guard says what becomes of the step.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from detectron2.engine import SimpleTrainer, TrainerBase
from detectron2.utils import comm
from detectron2.utils.events import get_event_storage
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from maskrcnn_project.training.hooks.step_guard import StepGuard, StepState
from maskrcnn_project.training.sample_stream import TrainingBatches
from maskrcnn_project.training.seeds import seed_generators, seed_of

# GradScaler halves its scale at each overflow. Below 1 it makes small gradients smaller, and has given up.
MIN_SCALE = 1.0


class RefuseNonFiniteLoss:
    """Ends the training, on every process, when a loss of any is infinite or NaN, or a forward pass says so."""

    def admits(self, state: StepState) -> bool:
        gathered = comm.all_gather((state.failures, state.broken_losses()))
        failures = [said for each, _ in gathered for said in each]
        if failures:
            raise FloatingPointError(f"The forward pass failed at iteration {state.iteration}: {failures[0]}")
        broken = {name: value for _, each in gathered for name, value in each.items()}
        if broken:
            told = ", ".join(f"{name} = {value:g}" for name, value in broken.items())
            raise FloatingPointError(
                f"The loss became infinite or NaN at iteration {state.iteration} ({told}): lower SOLVER.BASE_LR, "
                "lengthen SOLVER.WARMUP_ITERS, or set SOLVER.CLIP_GRADIENTS.ENABLED True; the hook NonFiniteGuard "
                "says more."
            )
        return True


class TrainingStep(SimpleTrainer):
    """
    The inner trainer of a DefaultTrainer. An iteration is one step of the optimizer, over ``accumulate`` batches of
    each process: the mean of their gradients, as if each batch had its own process.

    That is the gradient of one large batch for the proposals' and boxes' losses, as long as every image gives its full
    number of sampled regions. The mask loss of a large batch is a mean over its foreground regions; here, as over
    several GPUs, it is a mean over the batches' means.

    Attributes:
        guard: asked before each step of the optimizer.
        done: the last iteration whose end the model is at; None while one changes it, and before the first.
    """

    guard: StepGuard
    done: int | None = None

    def __init__(
        self,
        model: nn.Module,
        data_loader: Iterable[list[dict[str, Any]]],
        optimizer: torch.optim.Optimizer,
        outer: TrainerBase,
        accumulate: int = 1,
        precision: torch.dtype | None = None,
    ):
        """
        Args:
            model, data_loader, optimizer: as for SimpleTrainer.
            outer: whose hooks see ``after_backward``; a weak proxy, because it holds this object.
            accumulate: batches per step, at least 1.
            precision: of the forward pass: float16 (with scaled losses) or bfloat16; None: as the weights are.
        """
        if accumulate < 1:
            raise ValueError(f"SOLVER.ACCUMULATE_STEPS must be at least 1, but is {accumulate}.")
        super().__init__(model, data_loader, optimizer)
        self.outer = outer
        self.accumulate = accumulate
        self.precision = precision
        self.device_type = next(model.parameters()).device.type
        self.grad_scaler = torch.amp.GradScaler(self.device_type, enabled=precision is torch.float16)
        self.guard = RefuseNonFiniteLoss()

    def run_step(self) -> None:
        assert self.model.training, "the model was left in evaluation mode"
        self.optimizer.zero_grad()
        batches, readers, data_time = [], [], 0.0
        failures: list[str] = []
        for index in range(self.accumulate):
            start = time.perf_counter()
            batches.append(next(self._data_loader_iter))
            data_time += time.perf_counter() - start
            self._seed(index)
            self.done = None
            with self._unsynchronised(index + 1 < self.accumulate):
                total, read = self._losses_of(batches[-1], failures)
                readers.append(read)
                has_failed = any(comm.all_gather(bool(failures)))
                if not has_failed:
                    self.grad_scaler.scale(total / self.accumulate).backward()
        if has_failed:
            end_exchange(self.model)
        else:
            self.after_backward()
        losses = [read() for read in readers]
        if not self.guard.admits(self._state(batches, losses, failures)):
            self.optimizer.zero_grad()
            self.done = self.iter
            return
        write_losses(losses, data_time, self.iter)
        self.grad_scaler.step(self.optimizer)
        self.grad_scaler.update()
        self.done = self.iter

    def after_backward(self) -> None:
        """The outer trainer's hooks: those of Detectron2's DefaultTrainer are registered there."""
        self.outer.after_backward()

    def _seed(self, index: int) -> None:
        """What the forward pass draws is a function of iteration and batch, so that a resumed run draws the same."""
        if isinstance(self.data_loader, TrainingBatches):
            seed_generators(seed_of(self.data_loader.seed, self.iter, index, comm.get_rank()))

    def _losses_of(
        self, batch: list[dict[str, Any]], failures: list[str]
    ) -> tuple[torch.Tensor, Callable[[], dict[str, float]]]:
        """
        The sum of the batch's losses, and a function that waits for their values. Where the forward pass raises
        FloatingPointError what it says is added to ``failures``, and there are no losses.
        """
        try:
            losses, total = forward_losses(self.model, batch, self.device_type, self.precision)
        except FloatingPointError as error:
            failures.append(str(error) or type(error).__name__)
            end_failed_forward(self.model)
            return torch.zeros(()), dict
        return total, begin_reading(losses)  # before the backward pass is queued, so that reading does not wait for it

    def _unsynchronised(self, more_follow: bool) -> AbstractContextManager:
        """Processes exchange their gradients once per step, at its last batch."""
        if more_follow and isinstance(self.model, DistributedDataParallel):
            return self.model.no_sync()
        return nullcontext()

    def _state(
        self, batches: list[list[dict[str, Any]]], losses: list[dict[str, float]], failures: list[str]
    ) -> StepState:
        scale = self.grad_scaler.get_scale()
        return StepState(self.iter, batches, losses, scale < MIN_SCALE, self.precision, scale, failures)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "grad_scaler": self.grad_scaler.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        if state_dict.get("grad_scaler") and self.grad_scaler.is_enabled():
            self.grad_scaler.load_state_dict(state_dict["grad_scaler"])


def forward_losses(
    model: nn.Module, batch: list[dict[str, Any]], device_type: str, precision: torch.dtype | None
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """
    The forward pass of training.

    Args:
        batch: samples of a mapper, see Detectron2's model input format.
        precision: float16 or bfloat16; None: as the weights are.

    Returns:
        The losses by name, each of one element, and their sum.
    """
    with torch.autocast(device_type, precision, enabled=precision is not None):
        losses = model(batch)
        if isinstance(losses, torch.Tensor):
            losses = {"total_loss": losses}
        return losses, torch.as_tensor(sum(losses.values()))


def take_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, batch: list[dict[str, Any]], precision: torch.dtype | None
) -> None:
    """One step of training outside of a trainer, for those who measure what it costs; within an EventStorage."""
    _, total = forward_losses(model, batch, next(model.parameters()).device.type, precision)
    optimizer.zero_grad()
    total.backward()
    optimizer.step()


def end_failed_forward(model: nn.Module) -> None:
    """
    DistributedDataParallel notes at the end of a forward pass whether the next one shares the buffers again. A process
    that did not get there would be alone in doing so.
    """
    if isinstance(model, DistributedDataParallel):
        model.require_forward_param_sync = model.require_backward_grad_sync


def end_exchange(model: nn.Module) -> None:
    """
    Exchanges gradients of 0 in place of those of a forward pass that one process could not finish. The others' one has
    made DistributedDataParallel expect an exchange, which else would begin in the next backward pass, without that
    process. Every process must call it.
    """
    if isinstance(model, DistributedDataParallel):
        model.reducer.prepare_for_backward([])
        nothing = [parameter.sum().float() * 0 for parameter in model.parameters() if parameter.requires_grad]
        torch.stack(nothing).sum().backward()


def begin_reading(losses: Mapping[str, torch.Tensor]) -> Callable[[], dict[str, float]]:
    """Starts one transfer of all ``losses`` (of one element each). Returns a function that waits for it alone."""
    values = torch.stack([loss.detach().float().reshape(()) for loss in losses.values()])
    if not values.is_cuda:
        return lambda: dict(zip(losses, values.tolist(), strict=True))
    host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    host.copy_(values, non_blocking=True)
    arrived = torch.cuda.Event()
    arrived.record()

    def wait() -> dict[str, float]:
        arrived.synchronize()
        return dict(zip(losses, host.tolist(), strict=True))

    return wait


def write_losses(losses: list[dict[str, float]], data_time: float, iteration: int) -> None:
    """
    Puts each loss, their sum as ``total_loss`` (means over batches and processes) and the slowest ``data_time`` into
    the storage of the main process. Every process must call it.
    """
    gathered = comm.gather((losses, data_time))
    if not comm.is_main_process():
        return
    storage = get_event_storage()
    storage.put_scalar("data_time", max(seconds for _, seconds in gathered), cur_iter=iteration)
    batches = [batch for share, _ in gathered for batch in share]
    means = {name: sum(batch[name] for batch in batches) / len(batches) for name in batches[0]}
    storage.put_scalar("total_loss", sum(means.values()), cur_iter=iteration)
    for name, value in means.items():
        if name != "total_loss":
            storage.put_scalar(name, value, cur_iter=iteration)


def install_training_step(trainer: Any, accumulate: int, precision: torch.dtype | None) -> None:
    """Makes TrainingStep the inner trainer of a DefaultTrainer, before its checkpoint is loaded."""
    outer: Any = weakref.proxy(trainer)
    trainer._trainer = TrainingStep(trainer.model, trainer.data_loader, trainer.optimizer, outer, accumulate, precision)
