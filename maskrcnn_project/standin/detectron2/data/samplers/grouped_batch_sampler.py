"""Batches whose items all belong to one group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from torch.utils.data import BatchSampler, Sampler

__all__ = ["GroupedBatchSampler"]


class GroupedBatchSampler(BatchSampler):
    """
    Wraps a sampler and gives batches of indices of one group, as near to the sampler's order as that allows.

    A batch is given as soon as it is full; what is left over when the sampler ends is not given.
    """

    def __init__(self, sampler, group_ids, batch_size) -> None:
        """
        Args:
            sampler: gives indices into ``group_ids``.
            group_ids: (N,) group of each item, any hashable ids.
            batch_size: indices in a batch.
        """
        if not isinstance(sampler, Sampler):
            raise TypeError(f"GroupedBatchSampler needs a torch Sampler, but got {type(sampler).__name__}.")
        group_ids = np.asarray(group_ids)
        if group_ids.ndim != 1:
            raise ValueError(f"group_ids must have shape (N,), but has {group_ids.shape}.")
        self.sampler = sampler
        self.group_ids = group_ids
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[list[int]]:
        waiting: dict[object, list[int]] = defaultdict(list)
        for index in self.sampler:
            group = self.group_ids[index].item()
            waiting[group].append(index)
            if len(waiting[group]) == self.batch_size:
                yield waiting.pop(group)

    def __len__(self) -> int:
        # TypeError, because list() asks for the length and takes only this one as "unknown".
        raise TypeError(
            "The number of grouped batches depends on the order of the samples, so GroupedBatchSampler has no length."
        )
