"""What to do when a GPU's memory does not suffice."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["retry_if_cuda_oom"]


def retry_if_cuda_oom(func: Callable[..., Any]) -> Callable[..., Any]:
    """
    Makes a function that, when the GPU runs out of memory, empties PyTorch's cache and tries again, and then
    tries on the CPU.

    For the last try, arguments that have ``device`` and ``to()`` and lie on a GPU (tensors, boxes, masks) are
    copied to the CPU, also inside lists, tuples and dicts; the result then lies on the CPU too. ``func`` must
    be able to run twice and on either device.
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if (first := _attempt(func, args, kwargs)) is not None:
            return first[0]
        torch.cuda.empty_cache()
        if (second := _attempt(func, args, kwargs)) is not None:
            return second[0]
        logging.getLogger(__name__).info("CUDA ran out of memory in %s: using the CPU", _name(func))
        return func(*_to_cpu(args), **_to_cpu(kwargs))

    return wrapper


def _attempt(func: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any] | None:
    """The result in a tuple, or None where memory did not suffice. Any other error passes through."""
    try:
        return (func(*args, **kwargs),)
    except torch.cuda.OutOfMemoryError:
        # Leaving the except block frees the traceback, whose frames hold the tensors of the failed try.
        return None


def _to_cpu(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _to_cpu(v) for key, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_to_cpu(v) for v in value)
    device = getattr(value, "device", None)
    on_gpu = isinstance(device, torch.device) and device.type == "cuda"
    return value.to(device="cpu") if on_gpu and hasattr(value, "to") else value


def _name(func: Callable[..., Any]) -> str:
    return getattr(func, "__qualname__", repr(func))
