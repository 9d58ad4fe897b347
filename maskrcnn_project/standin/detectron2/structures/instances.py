"""
Whatever is known about the objects of one image: boxes, classes, scores, masks, and fields of one's own.

Shapes: N objects; every field has N rows.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from detectron2.layers.wrappers import is_symbolic


class Instances:
    """
    A table of N objects: a field is an attribute, and every field has length N.

    >>> instances = Instances((480, 640), gt_boxes=Boxes(...))
    >>> instances.gt_classes = torch.tensor([0, 2])
    >>> instances[instances.gt_classes == 2].gt_boxes

    Fields are tensors, or anything with ``len`` and indexing (``Boxes``, ``PolygonMasks``, lists).
    """

    def __init__(self, image_size: tuple[int, int], **kwargs: Any) -> None:
        """
        Args:
            image_size: (height, width) of the image.
            kwargs: the first fields.
        """
        self._image_size = image_size
        self._fields: dict[str, Any] = {}
        for name, value in kwargs.items():
            self.set(name, value)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width)."""
        return self._image_size

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            self.set(name, value)

    def __getattr__(self, name: str) -> Any:
        # Asked only for what is not an ordinary attribute. "_fields" itself is missing while being unpickled.
        fields = self.__dict__.get("_fields")
        if fields is None or name not in fields:
            known = ", ".join(fields) if fields else "none"
            raise AttributeError(f"Cannot find field '{name}' in the given Instances! Its fields: {known}.")
        return fields[name]

    def set(self, name: str, value: Any) -> None:
        """
        Sets field ``name``.

        Raises:
            AssertionError: ``value`` is not as long as the fields that are there.
        """
        # Lengths may be symbols while a graph is recorded.
        if self._fields and not is_symbolic() and len(value) != len(self):
            raise AssertionError(
                f"Adding a field of length {len(value)} to an Instances of length {len(self)}: '{name}' must "
                f"have one entry for each object, as have {', '.join(self._fields)}."
            )
        self._fields[name] = value

    def has(self, name: str) -> bool:
        return name in self._fields

    def remove(self, name: str) -> None:
        del self._fields[name]

    def get(self, name: str) -> Any:
        """The field ``name``; KeyError without one."""
        return self._fields[name]

    def get_fields(self) -> dict[str, Any]:
        """Name -> value. Changing the dict changes the instances."""
        return self._fields

    def to(self, *args: Any, **kwargs: Any) -> Instances:
        """A copy whose fields were moved by their own ``to``; fields without one are shared."""
        moved = Instances(self._image_size)
        for name, value in self._fields.items():
            moved._fields[name] = value.to(*args, **kwargs) if hasattr(value, "to") else value
        return moved

    def __getitem__(self, item: int | slice | torch.Tensor) -> Instances:
        """
        Args:
            item: int, slice, (N,) bool tensor or (K,) integer tensor.

        Returns:
            The chosen objects; an int gives Instances of length one.
        """
        if isinstance(item, int):
            length = len(self)
            if not -length <= item < length:
                raise IndexError(f"Instances index {item} is out of range for length {length}.")
            item = slice(item % length, item % length + 1)
        chosen = Instances(self._image_size)
        for name, value in self._fields.items():
            chosen._fields[name] = _choose(value, item)
        return chosen

    def __len__(self) -> int:
        for value in self._fields.values():
            return value.__len__()
        raise NotImplementedError("Empty Instances does not support __len__: it has no field, so no number of objects.")

    def __iter__(self) -> Any:
        raise NotImplementedError("`Instances` object is not iterable: loop over range(len(instances)) and index it.")

    @staticmethod
    def cat(instance_lists: list[Instances]) -> Instances:
        """
        All objects of all, in order. They must be of one image size and have the same fields.

        A single one is handed back itself.
        """
        if not instance_lists or not all(isinstance(instances, Instances) for instances in instance_lists):
            raise AssertionError(f"Instances.cat needs at least one Instances, but was given {instance_lists!r}.")
        first = instance_lists[0]
        if len(instance_lists) == 1:
            return first
        size = first.image_size
        if not isinstance(size, torch.Tensor) and not is_symbolic():
            for other in instance_lists[1:]:
                if other.image_size != size:
                    raise AssertionError(
                        f"Instances.cat needs one image size for all, but got {size} and {other.image_size}."
                    )
        joined = Instances(size)
        for name in first._fields:
            joined._fields[name] = _join(name, [instances.get(name) for instances in instance_lists])
        return joined

    def __str__(self) -> str:
        number = len(self) if self._fields else 0
        fields = ", ".join(f"{name}: {value}" for name, value in self._fields.items())
        return (
            f"Instances(num_instances={number}, image_height={self._image_size[0]}, "
            f"image_width={self._image_size[1]}, fields=[{fields}])"
        )

    __repr__ = __str__


def _choose(value: Any, item: slice | torch.Tensor) -> Any:
    """Rows ``item`` of a field. Lists know only slices, so a tensor is turned into positions for them."""
    if isinstance(value, list) and isinstance(item, torch.Tensor):
        positions = item.nonzero().flatten() if item.dtype == torch.bool else item
        return [value[position] for position in positions.tolist()]
    return value[item]


def _join(name: str, values: list[Any]) -> Any:
    first = values[0]
    if isinstance(first, torch.Tensor):
        return torch.cat(values, dim=0)
    if isinstance(first, list):
        return list(itertools.chain.from_iterable(values))
    if hasattr(type(first), "cat"):
        return type(first).cat(values)
    raise ValueError(f"Instances.cat cannot join the field '{name}': {type(first).__name__} has no method `cat`.")
