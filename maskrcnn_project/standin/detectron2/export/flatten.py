"""
Rich inputs and outputs as flat tuples of tensors, which is all that ``torch.jit.trace`` and ``torch.export``
take.

A *schema* remembers how a structure was flattened, and rebuilds an equal structure from other values.
Instances take one value for each field, in the order of the fields' names, and then one for the image's size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from detectron2.layers.wrappers import is_symbolic, shapes_to_tensor
from detectron2.structures import BitMasks, Boxes, Instances, ROIMasks
from torch import nn

__all__ = ["Schema", "TracingAdapter", "flatten_to_tuple"]


@dataclass
class Schema:
    """How one structure was flattened. Call it with as many values to get the structure back."""

    def __call__(self, values: tuple[Any, ...]) -> Any:
        raise NotImplementedError


@dataclass
class IdentitySchema(Schema):
    """A leaf: a tensor, or a value (string, number, None) that cannot be traced."""

    def __call__(self, values: tuple[Any, ...]) -> Any:
        return values[0]


@dataclass
class ListSchema(Schema):
    """The parts of a list, each with the number of values that it takes."""

    parts: list[Schema]
    lengths: list[int]

    def __call__(self, values: tuple[Any, ...]) -> Any:
        if len(values) != sum(self.lengths):
            raise ValueError(f"{type(self).__name__} needs {sum(self.lengths)} values, but got {len(values)}.")
        rebuilt, start = [], 0
        for part, length in zip(self.parts, self.lengths, strict=True):
            rebuilt.append(part(values[start : start + length]))
            start += length
        return rebuilt


@dataclass
class TupleSchema(ListSchema):
    """Like that of a list, for a tuple."""

    def __call__(self, values: tuple[Any, ...]) -> Any:
        return tuple(super().__call__(values))


@dataclass
class DictSchema(ListSchema):
    """The values of a dict, in the order of their keys."""

    keys: list[str]

    def __call__(self, values: tuple[Any, ...]) -> Any:
        return dict(zip(self.keys, super().__call__(values), strict=True))


@dataclass
class InstancesSchema(DictSchema):
    """The fields, then the image's size as a (2,) tensor, which is variable in a traced graph."""

    def __call__(self, values: tuple[Any, ...]) -> Any:
        fields, size = super().__call__(values[:-1]), values[-1]
        if isinstance(size, torch.Tensor) and not is_symbolic():
            size = tuple(size.tolist())
        return Instances(size, **fields)


@dataclass
class TensorWrapSchema(Schema):
    """An object that wraps one tensor, such as ``Boxes``."""

    kind: type

    def __call__(self, values: tuple[Any, ...]) -> Any:
        return self.kind(values[0])


def flatten_to_tuple(obj: Any) -> tuple[tuple[Any, ...], Schema]:
    """
    The leaves of ``obj``, and the schema that rebuilds it: ``schema(leaves)`` equals ``obj``.

    Lists, tuples, dicts with string keys, Instances, Boxes, BitMasks and ROIMasks are taken apart; anything
    else is a leaf.
    """
    if isinstance(obj, Instances):
        leaves, fields = _flatten_dict(obj.get_fields())
        size = obj.image_size
        sides = size if isinstance(size, torch.Tensor) else shapes_to_tensor(list(size))
        return (*leaves, sides), InstancesSchema(fields.parts, fields.lengths, fields.keys)
    if isinstance(obj, (Boxes, BitMasks, ROIMasks)):
        return (obj.tensor,), TensorWrapSchema(type(obj))
    if isinstance(obj, Mapping):
        return _flatten_dict(obj)
    if isinstance(obj, (list, tuple)):
        kind = TupleSchema if isinstance(obj, tuple) else ListSchema
        leaves, parts, lengths = _flatten_all(obj)
        return leaves, kind(parts, lengths)
    return (obj,), IdentitySchema()


def _flatten_dict(mapping: Mapping[str, Any]) -> tuple[tuple[Any, ...], DictSchema]:
    for key in mapping:
        if not isinstance(key, str):
            raise KeyError(f"Only dicts with string keys can be flattened, but one has the key {key!r}.")
    keys = sorted(mapping)
    leaves, parts, lengths = _flatten_all([mapping[key] for key in keys])
    return leaves, DictSchema(parts, lengths, keys)


def _flatten_all(values: Any) -> tuple[tuple[Any, ...], list[Schema], list[int]]:
    flattened = [flatten_to_tuple(value) for value in values]
    leaves = tuple(leaf for part, _ in flattened for leaf in part)
    return leaves, [schema for _, schema in flattened], [len(part) for part, _ in flattened]


def _call(model: nn.Module, *inputs: Any) -> Any:
    return model(*inputs)


class TracingAdapter(nn.Module):
    """
    A model of rich inputs and outputs as one from tensors to tensors, ready for a tracer.

    >>> adapter = TracingAdapter(model, inputs)
    >>> traced = torch.jit.trace(adapter, adapter.flattened_inputs)
    >>> tensors, _ = flatten_to_tuple(other_inputs)
    >>> adapter.outputs_schema(traced(*tensors))  # what model(other_inputs) would return

    Attributes:
        flattened_inputs: tuple of tensors, the example inputs.
        inputs_schema: rebuilds rich inputs from such tensors; None where some example input is not a tensor.
        outputs_schema: rebuilds rich outputs; None before the first call, and where some output is not a tensor.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Any,
        inference_func: Callable[..., Any] | None = None,
        allow_non_tensor: bool = False,
    ) -> None:
        """
        Args:
            inputs: what ``model`` is called with: one argument, or a tuple of all.
            inference_func: called as ``inference_func(model, *inputs)``; by default calls ``model``.
            allow_non_tensor: inputs and outputs that are not tensors are left out of the flat tuples, for
                counting operations or drawing the graph: then only the example inputs themselves can be run.

        Raises:
            ValueError: an input is not a tensor, and ``allow_non_tensor`` is False.
        """
        super().__init__()
        parallel = (nn.parallel.DataParallel, nn.parallel.DistributedDataParallel)
        self.model = model.module if isinstance(model, parallel) else model
        self.inputs = inputs if isinstance(inputs, tuple) else (inputs,)
        self.inference_func = inference_func or _call
        self.allow_non_tensor = allow_non_tensor
        self.inputs_schema: Schema | None
        # torch.export puts a module's attributes back as they were before; what is inside this object stays.
        self._noted = SimpleNamespace(outputs_schema=None)
        leaves, self.inputs_schema = flatten_to_tuple(self.inputs)
        self.flattened_inputs = self._tensors_of(leaves, "input")
        if len(self.flattened_inputs) < len(leaves):
            self.inputs_schema = None

    @property
    def outputs_schema(self) -> Schema | None:
        return self._noted.outputs_schema

    def forward(self, *args: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Tensors as in ``flattened_inputs`` -> the output's tensors, by falling depth and rising name."""
        with torch.no_grad():
            outputs = self.inference_func(self.model, *self._rich_inputs(args))
        leaves, schema = flatten_to_tuple(outputs)
        tensors = self._tensors_of(leaves, "output")
        if len(tensors) < len(leaves):
            return tensors
        if self.outputs_schema is None:
            self._noted.outputs_schema = schema
        elif self.outputs_schema != schema:
            raise ValueError(
                "A model must always return the same structure to be traced, but it returned first "
                f"{self.outputs_schema} and then {schema}."
            )
        return tensors

    def _rich_inputs(self, args: tuple[torch.Tensor, ...]) -> tuple[Any, ...]:
        if self.inputs_schema is not None:
            return self.inputs_schema(args)
        same = len(args) == len(self.flattened_inputs)
        if not same or any(arg is not example for arg, example in zip(args, self.flattened_inputs, strict=True)):
            raise ValueError(
                "TracingAdapter was built from inputs that are not all tensors (allow_non_tensor=True), so it can "
                "only be run with its own flattened_inputs."
            )
        return self.inputs

    def _tensors_of(self, leaves: tuple[Any, ...], what: str) -> tuple[torch.Tensor, ...]:
        others = [leaf for leaf in leaves if not isinstance(leaf, torch.Tensor)]
        if others and not self.allow_non_tensor:
            raise ValueError(
                f"A model is traced from tensors to tensors, but an {what} holds {others[0]!r} of type "
                f"{type(others[0]).__name__}: leave it out (see inference_func), or set allow_non_tensor=True "
                "to trace for analysis only."
            )
        return tuple(leaf for leaf in leaves if isinstance(leaf, torch.Tensor))
