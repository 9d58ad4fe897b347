"""Scalars that are still on their way from a device, so that the host need not wait for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from fvcore.common.history_buffer import HistoryBuffer

# Values that may wait in one history before they are fetched unasked; bounds the memory if they are never read.
MAX_WAITING = 1000


class LazyHistory(HistoryBuffer):
    """A HistoryBuffer that takes device tensors and turns them into floats when it is read."""

    def __init__(self, max_length: int = 1000000) -> None:
        super().__init__(max_length)
        self._waiting: list[tuple[Any, float | None]] = []

    def update(self, value: Any, iteration: float | None = None) -> None:
        """Adds a number, or a tensor of one element, which may change or be freed afterwards."""
        if isinstance(value, torch.Tensor) and value.device.type != "cpu":
            if value.numel() != 1:
                raise ValueError(f"A scalar has one element, but got a tensor of shape {tuple(value.shape)}.")
            self._waiting.append((value.detach().clone().reshape(()), iteration))
            if len(self._waiting) > MAX_WAITING:
                fetch([self])
            return
        number = float(value.detach() if isinstance(value, torch.Tensor) else value)
        if self._waiting:
            self._waiting.append((number, iteration))  # behind those that wait, in order
        else:
            super().update(number, iteration)

    def settle(self, values: list[float]) -> None:
        """Takes the numbers that the waiting values turned out to be."""
        for value, (_, iteration) in zip(values, self._waiting, strict=True):
            super().update(value, iteration)
        self._waiting = []

    def latest(self) -> float:
        fetch([self])
        return super().latest()

    def median(self, window_size: int) -> float:
        fetch([self])
        return super().median(window_size)

    def avg(self, window_size: int) -> float:
        fetch([self])
        return super().avg(window_size)

    def global_avg(self) -> float:
        fetch([self])
        return super().global_avg()

    def values(self) -> list[tuple[float, float]]:
        fetch([self])
        return super().values()


def fetch(histories: Iterable[LazyHistory]) -> None:
    """Brings the waiting values of all ``histories`` to the host, in one transfer per device."""
    waiting = [h for h in histories if h._waiting]
    tensors: dict[torch.device, list[torch.Tensor]] = {}
    for history in waiting:
        for value, _ in history._waiting:
            if isinstance(value, torch.Tensor):
                tensors.setdefault(value.device, []).append(value.double() if _has_double(value) else value.float())
    fetched = {device: iter(torch.stack(values).tolist()) for device, values in tensors.items()}
    for history in waiting:
        history.settle([next(fetched[v.device]) if isinstance(v, torch.Tensor) else v for v, _ in history._waiting])


def _has_double(value: torch.Tensor) -> bool:
    return value.device.type != "mps"  # Apple's GPUs have no float64


def begin_fetch(losses: Mapping[str, Any]) -> Callable[[], Mapping[str, torch.Tensor]]:
    """
    Starts one transfer of all losses (of one element each) to the host.

    Returns:
        A function that waits for it, not for what the device was given later, and returns tensors on the CPU.
    """
    scalars = {name: torch.as_tensor(value).detach().reshape(()) for name, value in losses.items()}
    if len({value.device for value in scalars.values()}) != 1 or not next(iter(scalars.values())).is_cuda:
        return lambda: {name: value.cpu() for name, value in scalars.items()}
    values = torch.stack([value.float() for value in scalars.values()])
    host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    host.copy_(values, non_blocking=True)
    arrived = torch.cuda.Event()
    arrived.record()

    def wait() -> dict[str, torch.Tensor]:
        arrived.synchronize()
        return dict(zip(scalars, host.unbind(), strict=True))

    return wait
