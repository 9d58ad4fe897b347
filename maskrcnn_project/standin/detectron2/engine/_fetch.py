"""Scalars from the device to the host without making the one wait for the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch


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
