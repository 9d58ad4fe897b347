"""Which part of the inputs this process does, where torchrun started several."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from detectron2.utils import comm

Item = TypeVar("Item")

# A process that is done waits for the slowest one; the usual 30 minutes of a group are short for a video.
MAX_WAIT = timedelta(days=30)


@dataclass(frozen=True)
class Shard:
    """Every ``size``-th item, beginning with the one at ``rank``. The process of rank 0 writes what is one file."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def of(self, items: Sequence[Item]) -> Sequence[Item]:
        """This process's part of ``items``, which are the same on every process."""
        return items[self.rank :: self.size]

    def has(self, number: int) -> bool:
        """Whether the item at place ``number`` is this process's."""
        return number % self.size == self.rank

    def wait(self) -> None:
        """Until all processes have come here."""
        comm.synchronize()

    def gathered(self, items: list[Item]) -> list[Item]:
        """On the first process, the items of all; elsewhere nothing."""
        return [item for part in comm.gather(items) for item in part]


@contextmanager
def join_shards() -> Iterator[Shard]:
    """This process's share; under torchrun it joins the others (over the CPU) and takes its own GPU, if there are."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or "RANK" not in os.environ:
        yield Shard()
        return
    dist.init_process_group("gloo", timeout=MAX_WAIT)
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    try:
        yield Shard(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
