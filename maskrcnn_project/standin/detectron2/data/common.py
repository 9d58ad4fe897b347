"""
Datasets made of datasets: a list held once for all workers, a mapped one, a sampled stream, batches of like
aspect.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import pickle
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from detectron2.utils.serialize import PicklableWrapper
from torch.utils import data

__all__ = [
    "AspectRatioGroupedDataset",
    "DatasetFromList",
    "MapDataset",
    "ToIterableDataset",
    "set_default_dataset_from_list_serialize_method",
]

# After this many failed items in a row one bad image is no longer the likely reason.
_RETRIES_BEFORE_WARNING = 3


class _SerializedList:
    """
    A read-only list held as two tensors: the pickled items end to end, and where each one ends.

    A list of Python objects is copied into every forked worker page by page, because reading an object
    changes its reference count; spawned workers get a whole copy. Tensors have one buffer, which forked
    workers share and which torch moves to shared memory for spawned ones.
    """

    def __init__(self, items: Iterable[Any]) -> None:
        joined, ends = bytearray(), []
        for item in items:
            joined += pickle.dumps(item, protocol=pickle.HIGHEST_PROTOCOL)
            ends.append(len(joined))
        self._ends = torch.tensor(ends, dtype=torch.int64)
        self._bytes = torch.frombuffer(joined, dtype=torch.uint8) if joined else torch.empty(0, dtype=torch.uint8)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> Any:
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"Item {index} was asked for in a dataset of {count}.")
        index %= count
        begin = int(self._ends[index - 1]) if index else 0
        # Unpickled from this process' own memory, never from a file.
        return pickle.loads(self._bytes[begin : int(self._ends[index])].numpy().data)


_default_serialize: Callable[[Sequence[Any]], Any] = _SerializedList


@contextlib.contextmanager
def set_default_dataset_from_list_serialize_method(new: Callable[[Sequence[Any]], Any]) -> Iterator[None]:
    """
    Within this context, :class:`DatasetFromList` holds its items by ``new`` where ``serialize=True``.

    Args:
        new: takes the list and returns an object with ``__len__`` and ``__getitem__``.
    """
    global _default_serialize
    before, _default_serialize = _default_serialize, new
    try:
        yield
    finally:
        _default_serialize = before


class DatasetFromList(data.Dataset):
    """A list as a torch dataset."""

    def __init__(self, lst: list, copy: bool = True, serialize: bool | Callable = True) -> None:
        """
        Args:
            lst: the items, each picklable where ``serialize`` is on.
            copy: return a deep copy of an item, so that changing it does not change the dataset. Without
                effect where ``serialize`` is on, which makes a new item each time.
            serialize: hold the items serialised once and shared by all workers; a function to hold them in
                another way.
        """
        if not callable(serialize) and not isinstance(serialize, bool):
            raise TypeError(f"'serialize' must be a bool or a function, but is {serialize!r}.")
        self._lst: Any = lst
        self._copy = copy
        self._serialize = bool(serialize)
        if self._serialize:
            self._lst = serialize(lst) if callable(serialize) else _default_serialize(lst)

    def __len__(self) -> int:
        return len(self._lst)

    def __getitem__(self, idx: int) -> Any:
        item = self._lst[idx]
        return copy.deepcopy(item) if self._copy and not self._serialize else item


class _MappedStream(data.IterableDataset):
    """
    An iterable dataset with a function over its items; items that the function maps to None are left out.
    """

    def __init__(self, dataset: Iterable[Any], map_func: Callable[[Any], Any]) -> None:
        self._dataset = dataset
        self._map_func = PicklableWrapper(map_func)

    def __len__(self) -> int:
        return len(self._dataset)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        for item in self._dataset:
            mapped = self._map_func(item)
            if mapped is not None:
                yield mapped


class MapDataset(data.Dataset):
    """
    A dataset with a function over its items.

    Where the function returns None (an image that cannot be used), another item is drawn in its place. Over
    an iterable dataset the result is iterable, and such items are left out.
    """

    def __new__(cls, dataset, map_func):
        if isinstance(dataset, data.IterableDataset):
            return _MappedStream(dataset, map_func)
        return super().__new__(cls)

    def __getnewargs__(self):  # pickle and copy call __new__ with these
        return self._dataset, self._map_func

    def __init__(self, dataset, map_func) -> None:
        """
        Args:
            dataset: a map-style or iterable dataset.
            map_func: takes an item and returns what is wanted of it, or None.
        """
        self._dataset = dataset
        self._map_func = PicklableWrapper(map_func)
        # Own generator: a bad item must not shift the random numbers of the augmentations that follow it.
        self._rng = random.Random(42)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, idx: int) -> Any:
        mapped = self._map_func(self._dataset[idx])
        if mapped is not None:
            return mapped
        return self._another_item(idx)

    def _another_item(self, idx: int) -> Any:
        """Items in random order, each tried once, until one can be used."""
        others = [i for i in range(len(self._dataset)) if i != idx]
        self._rng.shuffle(others)
        for tried, other in enumerate(others, start=1):
            if tried == _RETRIES_BEFORE_WARNING:
                logging.getLogger(__name__).warning(
                    "The mapper returned None for item %d and for %d more in a row.", idx, tried - 1
                )
            mapped = self._map_func(self._dataset[other])
            if mapped is not None:
                return mapped
        raise RuntimeError(
            f"The mapper returned None for every one of the {len(self._dataset)} items of the dataset: at "
            "least one must be usable."
        )


def _share_of_worker(iterator: Iterator[Any], chunk_size: int) -> Iterator[Any]:
    """Of every ``chunk_size * workers`` items, the ``chunk_size`` that belong to this data loader worker."""
    worker = data.get_worker_info()
    if worker is None or worker.num_workers == 1:
        yield from iterator
        return
    round_size = chunk_size * worker.num_workers
    first = chunk_size * worker.id
    while True:
        chunk = list(islice(iterator, round_size))
        yield from chunk[first : first + chunk_size]
        if len(chunk) < round_size:
            return


class ToIterableDataset(data.IterableDataset):
    """The items of a map-style dataset as a stream, in the order that a sampler gives."""

    def __init__(
        self,
        dataset: data.Dataset,
        sampler: data.Sampler,
        shard_sampler: bool = True,
        shard_chunk_size: int = 1,
    ) -> None:
        """
        Args:
            dataset: map-style.
            sampler: gives indices of ``dataset``.
            shard_sampler: each data loader worker takes its own share of the indices. Turn it off where the
                sampler does so itself.
            shard_chunk_size: indices that a worker takes in a row; the batch size, so that the images of one
                batch are also neighbours in the sampler's order.
        """
        if isinstance(dataset, data.IterableDataset):
            raise TypeError(
                f"ToIterableDataset needs a map-style dataset, but got the iterable {type(dataset).__name__}."
            )
        if not isinstance(sampler, data.Sampler):
            raise TypeError(f"ToIterableDataset needs a torch Sampler, but got {type(sampler).__name__}.")
        if shard_chunk_size < 1:
            raise ValueError(f"shard_chunk_size must be at least 1, but is {shard_chunk_size}.")
        self.dataset = dataset
        self.sampler = sampler
        self.shard_sampler = shard_sampler
        self.shard_chunk_size = shard_chunk_size

    def __iter__(self) -> Iterator[Any]:
        indices = iter(self.sampler)
        if self.shard_sampler:
            indices = _share_of_worker(indices, self.shard_chunk_size)
        for index in indices:
            yield self.dataset[index]

    def __len__(self) -> int:
        return len(self.sampler)  # type: ignore[arg-type]


class AspectRatioGroupedDataset(data.IterableDataset):
    """
    Batches of images that are all wide or all not wide, so that padding to one size wastes little.

    The order is nearly that of the underlying stream: an item waits at most until its group fills one batch.
    """

    def __init__(self, dataset: Iterable[dict[str, Any]], batch_size: int) -> None:
        """
        Args:
            dataset: gives dicts with "width" and "height" (pixels).
            batch_size: items in a batch.
        """
        self.dataset = dataset
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        groups: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
        for item in self.dataset:
            is_wide = item["width"] > item["height"]
            groups[is_wide].append(item)
            if len(groups[is_wide]) == self.batch_size:
                batch, groups[is_wide] = groups[is_wide], []
                yield batch
