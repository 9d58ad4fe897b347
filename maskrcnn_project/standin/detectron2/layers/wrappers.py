"""
Small wrappers over torch: a convolution that carries its norm and activation, losses that accept no input,
and helpers that mean the same in eager mode, in ``torch.jit.trace`` and in ``torch.export``.

Shapes: N images, C channels, H height and W width of a feature map.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import nn

BatchNorm2d = nn.BatchNorm2d
ConvTranspose2d = nn.ConvTranspose2d
Linear = nn.Linear
interpolate = F.interpolate

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


def is_symbolic() -> bool:
    """True while a graph is recorded: sizes may then be symbols, so checks of their values are left out."""
    return torch.jit.is_tracing() or torch.jit.is_scripting() or check_if_dynamo_compiling()


def check_if_dynamo_compiling() -> bool:
    """True inside ``torch.compile`` and ``torch.export``."""
    return torch.compiler.is_compiling()


def disable_torch_compiler(func: AnyFunction) -> AnyFunction:
    """Decorator: ``torch.compile`` leaves ``func`` and all that it calls in eager mode."""
    return torch.compiler.disable(func)


def shapes_to_tensor(x: list[int], device: torch.device | None = None) -> torch.Tensor:
    """
    The sizes ``x`` as one (len(x),) int64 tensor, which stays variable in a graph.

    ``torch.jit.trace`` hands sizes out as zero-dimensional tensors, ``torch.export`` as ``torch.SymInt``.
    """
    if not is_symbolic():
        return torch.as_tensor(x, device=device)
    sizes = [
        size.to(torch.int64) if isinstance(size, torch.Tensor) else torch.full((), size, dtype=torch.int64)
        for size in x
    ]
    stacked = torch.stack(sizes)
    return stacked if device is None else stacked.to(device)


@torch.jit.script_if_tracing
def move_device_like(src: torch.Tensor, dst: torch.Tensor) -> torch.Tensor:
    """``src`` on the device of ``dst``; a traced graph looks it up instead of fixing today's device."""
    return src.to(dst.device)


def cat(tensors: list[torch.Tensor], dim: int = 0) -> torch.Tensor:
    """``torch.cat`` that hands a single tensor through without copying it."""
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(f"cat needs a list or tuple of tensors, but was given {type(tensors).__name__}.")
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors, dim)


def split_per_image(rows: torch.Tensor, per_image: list[Any]) -> list[torch.Tensor]:
    """
    ``rows`` of all images as one tensor an image: as many rows as each of ``per_image`` is long.

    A single image gets ``rows`` themselves, because in a graph their number may be known only when it runs.
    """
    return [rows] if len(per_image) == 1 else list(rows.split([len(x) for x in per_image]))


def nonzero_tuple(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Indices of the nonzero elements, one (K,) tensor per axis; a scalar counts as one element."""
    return torch.atleast_1d(x).nonzero().unbind(1)


def empty_input_loss_func_wrapper(loss_func: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """
    Makes the mean of ``loss_func(input, target, reduction=...)`` over nothing 0 instead of NaN.

    The zero hangs on ``input``, so that every parameter still receives a (zero) gradient, as DDP demands.
    """

    @functools.wraps(loss_func)
    def loss(input: torch.Tensor, target: torch.Tensor, *, reduction: str = "mean", **kwargs: Any) -> torch.Tensor:
        if reduction == "mean" and target.numel() == 0:
            return input.sum() * 0.0
        return loss_func(input, target, reduction=reduction, **kwargs)

    return loss


cross_entropy = empty_input_loss_func_wrapper(F.cross_entropy)


class Conv2d(nn.Conv2d):
    """
    ``torch.nn.Conv2d`` followed by an optional norm and an optional activation.

    Takes the arguments of ``torch.nn.Conv2d`` and, by keyword only:
        norm: module applied to the convolution's output, or None.
        activation: callable applied last, or None.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        norm = kwargs.pop("norm", None)
        activation = kwargs.pop("activation", None)
        super().__init__(*args, **kwargs)
        self.norm = norm
        self.activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        x = self._conv_forward(x, self.weight, self.bias)
        if self.norm is not None:
            x = self.norm(x)
        if self.activation is not None:
            x = self.activation(x)
        return x
