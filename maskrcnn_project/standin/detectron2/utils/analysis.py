"""Counting operations and parameters of detection models; thin over ``fvcore.nn``."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import torch
from fvcore.nn import FlopCountAnalysis as _FlopCountAnalysis
from fvcore.nn import activation_count, parameter_count, parameter_count_table
from torch import nn

__all__ = [
    "FlopCountAnalysis",
    "activation_count_operators",
    "find_unused_parameters",
    "flop_count_operators",
    "parameter_count",
    "parameter_count_table",
]

# What fvcore counts although it fuses with a convolution or only copies. Operators that it has no count for
# (sums, sorting, suppression) cost next to nothing beside the convolutions either.
_NEGLIGIBLE = ("aten::batch_norm", "aten::upsample_nearest2d")


class FlopCountAnalysis(_FlopCountAnalysis):
    """
    fvcore's ``FlopCountAnalysis`` for models whose inputs and outputs are not only tensors.

    One multiply-add counts as one. The numbers depend on the image, since the heads see as many regions as
    there are.
    """

    def __init__(self, model: nn.Module, inputs: Any) -> None:
        """
        Args:
            model: a detection model, or any module.
            inputs: what it is called with: ``list[dict]`` for a detection model, a tuple for several
                arguments.
        """
        flat = _TensorsOnly(model, inputs)
        super().__init__(flat, flat.tensors)
        self.set_op_handle(**dict.fromkeys(_NEGLIGIBLE, _count_nothing))
        self.unsupported_ops_warnings(False)


def flop_count_operators(model: nn.Module, inputs: list[Any]) -> defaultdict[str, float]:
    """
    Giga multiply-adds of one inference, by operator.

    Args:
        model: a detection model; it is run in evaluation mode and left in the mode it was in.
        inputs: ``list[dict]``, as the model's forward takes it; one image tells the most.
    """
    analysis = _in_eval_mode(model, lambda: FlopCountAnalysis(model, inputs).by_operator())
    return defaultdict(float, {name: count / 1e9 for name, count in analysis.items()})


def activation_count_operators(model: nn.Module, inputs: list[Any], **kwargs: Any) -> defaultdict[str, float]:
    """Millions of activations (elements of convolutions' outputs) of one inference, by operator."""

    def count() -> Any:
        flat = _TensorsOnly(model, inputs)
        return activation_count(flat, flat.tensors, **kwargs)[0]

    return defaultdict(float, _in_eval_mode(model, count))


def find_unused_parameters(model: nn.Module, inputs: Any) -> list[str]:
    """
    Names of the trainable parameters that get no gradient from the losses of ``inputs``.

    The model must be in training mode and return a dict of losses, a loss, or a list of these. All gradients
    are lost.
    """
    assert model.training, "find_unused_parameters() looks at training: call model.train() first."
    model.zero_grad(set_to_none=True)
    losses = _tensors_in(model(*inputs) if isinstance(inputs, tuple) else model(inputs))
    sum(loss.sum() for loss in losses if loss.requires_grad).backward()  # type: ignore[union-attr]
    unused = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    model.zero_grad(set_to_none=True)
    return unused


def _count_nothing(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
    """A handle for ``set_op_handle``; None there would leave fvcore's own handle in force."""
    return Counter()


class _TensorsOnly(nn.Module):
    """The model as a function of tensors, which is what tracing takes: everything else is held fixed."""

    def __init__(self, model: nn.Module, inputs: Any) -> None:
        super().__init__()
        self.model = model
        self._arguments = inputs if isinstance(inputs, tuple) else (inputs,)
        self.tensors = tuple(_tensors_in(self._arguments))

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        replaced = iter(tensors)
        return tuple(_tensors_in(self.model(*_map_tensors(self._arguments, lambda _: next(replaced)))))


def _map_tensors(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """``value`` with each tensor within its lists, tuples and dicts changed, in order."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: _map_tensors(v, change) for key, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_map_tensors(v, change) for v in value)
    return value


def _tensors_in(value: Any) -> list[torch.Tensor]:
    """
    All tensors in lists, tuples, dicts, Instances (``get_fields``) and Boxes or masks (``tensor``), in order.
    """
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        return [t for v in value.values() for t in _tensors_in(v)]
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in _tensors_in(v)]
    if hasattr(value, "get_fields"):
        return _tensors_in(value.get_fields())
    return _tensors_in(getattr(value, "tensor", None)) if hasattr(value, "tensor") else []


def _in_eval_mode(model: nn.Module, count: Callable[[], Any]) -> Any:
    training = model.training
    fvcore_logger = logging.getLogger("fvcore")
    level = fvcore_logger.level
    fvcore_logger.setLevel(logging.ERROR)  # it lists the operators it has no count for
    model.eval()
    try:
        with torch.no_grad():
            return count()
    finally:
        model.train(training)
        fvcore_logger.setLevel(level)
