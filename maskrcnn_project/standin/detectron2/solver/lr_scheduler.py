"""
Learning rate schedules: a function of training progress, and the torch scheduler that multiplies it in.

``where`` is progress as a fraction of the whole training, in [0, 1]; a multiplier is 1 at the base rate.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Any

from fvcore.common.param_scheduler import (
    CompositeParamScheduler,
    ConstantParamScheduler,
    LinearParamScheduler,
    ParamScheduler,
)
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

WARMUP_METHODS = ("linear", "constant")


class WarmupParamScheduler(CompositeParamScheduler):
    """
    A schedule preceded by a warm-up, which lets large batches start without diverging (Goyal et al.,
    "Accurate, Large Minibatch SGD", section 2.2).
    """

    def __init__(
        self,
        scheduler: ParamScheduler,
        warmup_factor: float,
        warmup_length: float,
        warmup_method: str = "linear",
        rescale_interval: bool = False,
    ) -> None:
        """
        Args:
            scheduler: the schedule that follows.
            warmup_factor: the first value, as a fraction of ``scheduler(0)``.
            warmup_length: the part of the training that is warm-up, in [0, 1].
            warmup_method: ``linear`` climbs to the value where ``scheduler`` takes over, ``constant`` stays.
            rescale_interval: False: ``scheduler`` loses its first ``warmup_length``, so that its milestones
                stay where they were; True: it is squeezed into what is left and starts at its own beginning.

        Raises:
            ValueError: an unknown method, or a length outside [0, 1].
        """
        _check_warmup_method(warmup_method)
        if not 0 <= warmup_length <= 1:
            raise ValueError(f"warmup_length must be a fraction of the training in [0, 1], but is {warmup_length}.")
        first = warmup_factor * scheduler(0.0)
        handover = scheduler(0.0 if rescale_interval else warmup_length)
        warmup = LinearParamScheduler(first, handover) if warmup_method == "linear" else ConstantParamScheduler(first)
        super().__init__(
            [warmup, scheduler],
            lengths=[warmup_length, 1 - warmup_length],
            interval_scaling=["rescaled", "rescaled" if rescale_interval else "fixed"],
        )


class LRMultiplier(LRScheduler):
    """
    Sets every group's learning rate to its initial one times a multiplier of the progress, which is
    ``iteration / max_iter``. Call ``step()`` once per iteration.
    """

    def __init__(self, optimizer: Optimizer, multiplier: ParamScheduler, max_iter: int, last_iter: int = -1) -> None:
        """
        Args:
            optimizer: any torch optimizer.
            multiplier: progress in [0, 1] -> factor.
            max_iter: iterations in the whole training.
            last_iter: the last finished iteration when a training goes on, -1 at its beginning.

        Raises:
            ValueError: ``multiplier`` is not a ParamScheduler: it might take iterations instead of progress.
        """
        if not isinstance(multiplier, ParamScheduler):
            raise ValueError(
                "multiplier must be a fvcore.common.param_scheduler.ParamScheduler, "
                f"but is a {type(multiplier).__name__}."
            )
        self._multiplier = multiplier
        self._max_iter = max_iter
        super().__init__(optimizer, last_epoch=last_iter)

    def state_dict(self) -> dict[str, Any]:
        """Only what changes: the multiplier itself is rebuilt from the config."""
        return {"base_lrs": self.base_lrs, "last_epoch": self.last_epoch}

    def get_lr(self) -> list[Any]:
        """The learning rate of each group for the coming iteration; past the end, that of the end."""
        factor = self._multiplier(min(self.last_epoch / self._max_iter, 1.0))
        return [base_lr * factor for base_lr in self.base_lrs]


class WarmupMultiStepLR(LRScheduler):
    """Warm-up, then a factor ``gamma`` at each milestone. Counts iterations, not progress."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: list[int],
        gamma: float = 0.1,
        warmup_factor: float = 0.001,
        warmup_iters: int = 1000,
        warmup_method: str = "linear",
        last_epoch: int = -1,
    ) -> None:
        """Raises ValueError if ``milestones`` (iterations) do not increase or the method is unknown."""
        if list(milestones) != sorted(milestones):
            raise ValueError(f"milestones must increase, but are {list(milestones)}.")
        _check_warmup_method(warmup_method)
        self.milestones = list(milestones)
        self.gamma = gamma
        self.warmup_factor = warmup_factor
        self.warmup_iters = warmup_iters
        self.warmup_method = warmup_method
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The learning rate of each group for iteration ``last_epoch``."""
        warmup = _warmup_at(self.last_epoch, self.warmup_iters, self.warmup_factor, self.warmup_method)
        factor = warmup * self.gamma ** bisect_right(self.milestones, self.last_epoch)
        return [base_lr * factor for base_lr in self.base_lrs]


class WarmupCosineLR(LRScheduler):
    """Warm-up under half a cosine from the base learning rate to 0 (SGDR, Loshchilov and Hutter, eqn. 5)."""

    def __init__(
        self,
        optimizer: Optimizer,
        max_iters: int,
        warmup_factor: float = 0.001,
        warmup_iters: int = 1000,
        warmup_method: str = "linear",
        last_epoch: int = -1,
    ) -> None:
        """``max_iters`` is where the cosine reaches 0. Raises ValueError if the method is unknown."""
        _check_warmup_method(warmup_method)
        self.max_iters = max_iters
        self.warmup_factor = warmup_factor
        self.warmup_iters = warmup_iters
        self.warmup_method = warmup_method
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The learning rate of each group for iteration ``last_epoch``."""
        warmup = _warmup_at(self.last_epoch, self.warmup_iters, self.warmup_factor, self.warmup_method)
        factor = warmup * 0.5 * (1 + math.cos(math.pi * self.last_epoch / self.max_iters))
        return [base_lr * factor for base_lr in self.base_lrs]


def _warmup_at(iteration: int, warmup_iters: int, warmup_factor: float, method: str) -> float:
    """The warm-up's own factor: ``warmup_factor`` at iteration 0, 1 from ``warmup_iters`` on."""
    if iteration >= warmup_iters:
        return 1.0
    if method == "constant":
        return warmup_factor
    return warmup_factor + (1 - warmup_factor) * iteration / warmup_iters


def _check_warmup_method(method: str) -> None:
    if method not in WARMUP_METHODS:
        raise ValueError(f"The warm-up method must be one of {', '.join(WARMUP_METHODS)}, but is {method!r}.")
