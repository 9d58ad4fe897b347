"""
Collective communication that also works with one process.

A *rank* is one process among all machines, a *local rank* one among those on this machine.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

_local_group: Any = None


def get_world_size() -> int:
    """Number of processes on all machines; 1 without distributed training."""
    return dist.get_world_size() if _is_distributed() else 1


def get_rank() -> int:
    """This process's number among all; 0 without distributed training."""
    return dist.get_rank() if _is_distributed() else 0


def is_main_process() -> bool:
    """Whether this is rank 0, which alone writes files."""
    return get_rank() == 0


def create_local_process_group(num_workers_per_machine: int) -> None:
    """
    Makes one group of processes per machine. Every process must call it, once, after ``init_process_group``.

    Args:
        num_workers_per_machine: processes per machine, the same on every machine. Rank r lies on machine
            r // num_workers_per_machine.
    """
    global _local_group
    assert _local_group is None, "create_local_process_group() was called twice in this process"
    world_size = get_world_size()
    if num_workers_per_machine < 1 or world_size % num_workers_per_machine:
        raise ValueError(
            f"{world_size} processes cannot be split into machines of {num_workers_per_machine}: start the "
            "same number of processes on every machine."
        )
    machine = get_rank() // num_workers_per_machine
    for index in range(world_size // num_workers_per_machine):
        first = index * num_workers_per_machine
        group = dist.new_group(list(range(first, first + num_workers_per_machine)))
        if index == machine:  # new_group is collective: every process makes every group and keeps its own
            _local_group = group


def forget_groups() -> None:
    """
    Drops this module's groups of processes, before ``destroy_process_group``: a group that is still referred to keeps
    its threads, and one that returns to Python while the interpreter is shut down aborts the process (SIGABRT).
    """
    global _local_group
    _local_group = None
    _gloo_group.cache_clear()


def get_local_process_group() -> Any:
    """The group of processes on this machine. AssertionError before ``create_local_process_group``."""
    assert _local_group is not None, (
        "There is no local process group: start with detectron2.engine.launch(), or call "
        "create_local_process_group() after init_process_group()."
    )
    return _local_group


def get_local_rank() -> int:
    """This process's number among those on its machine; 0 without distributed training."""
    if not _is_distributed():
        return 0
    if _local_group is None and "LOCAL_RANK" in os.environ:  # torchrun sets it
        return int(os.environ["LOCAL_RANK"])
    return dist.get_rank(group=get_local_process_group())


def get_local_size() -> int:
    """Number of processes on this machine; 1 without distributed training."""
    if not _is_distributed():
        return 1
    if _local_group is None and "LOCAL_WORLD_SIZE" in os.environ:  # torchrun sets it
        return int(os.environ["LOCAL_WORLD_SIZE"])
    return dist.get_world_size(group=get_local_process_group())


def synchronize() -> None:
    """Waits until every process has come here."""
    if get_world_size() == 1:
        return
    if dist.get_backend() == dist.Backend.NCCL:
        # Without a device NCCL guesses one from the rank, and hangs where the guess is wrong.
        dist.barrier(device_ids=[torch.cuda.current_device()])
    else:
        dist.barrier()


def all_gather(data: Any, group: Any = None) -> list[Any]:
    """
    Collects one picklable object from each rank.

    Args:
        data: this rank's object.
        group: a process group; default: all ranks, over gloo, so that tensors may lie on any device.

    Returns:
        The objects of all ranks in the group, in the order of their ranks, on every rank.
    """
    if get_world_size() == 1:
        return [data]
    group = _gloo_group() if group is None else group
    size = dist.get_world_size(group)
    if size == 1:
        return [data]
    gathered: list[Any] = [None] * size
    dist.all_gather_object(gathered, data, group=group)
    return gathered


def gather(data: Any, dst: int = 0, group: Any = None) -> list[Any]:
    """
    Collects one picklable object from each rank on one of them.

    Args:
        data: this rank's object.
        dst: the rank (among all) that receives.
        group: a process group; default: all ranks, over gloo.

    Returns:
        On ``dst`` the objects in the order of their ranks; elsewhere an empty list.
    """
    if get_world_size() == 1:
        return [data]
    group = _gloo_group() if group is None else group
    size = dist.get_world_size(group)
    if size == 1:
        return [data]
    receives = dist.get_rank() == dst
    gathered: list[Any] | None = [None] * size if receives else None
    dist.gather_object(data, gathered, dst=dst, group=group)
    return gathered if gathered is not None else []


def shared_random_seed() -> int:
    """
    A random number in [0, 2**31) that is the same on every rank: rank 0's draw from NumPy's global generator.
    """
    return int(all_gather(np.random.randint(2**31))[0])


def reduce_dict(input_dict: Mapping[str, torch.Tensor], average: bool = True) -> Mapping[str, torch.Tensor]:
    """
    Adds up (or averages) scalars of all ranks on rank 0, in one transfer.

    Args:
        input_dict: name -> tensor of one element, on the device that the process group's backend works on.
            The names must be the same on every rank.
        average: whether to divide by the number of ranks.

    Returns:
        The same names. The values are right on rank 0 only.
    """
    world_size = get_world_size()
    if world_size == 1 or not input_dict:
        return input_dict
    with torch.no_grad():
        names = sorted(input_dict)  # ranks may have filled their dicts in different orders
        values = torch.stack([input_dict[name] for name in names])
        dist.reduce(values, dst=0)
        if average and dist.get_rank() == 0:
            values /= world_size
        return dict(zip(names, values, strict=True))


def _is_distributed() -> bool:
    return dist.is_available() and dist.is_initialized()


@functools.lru_cache(maxsize=1)
def _gloo_group() -> Any:
    """All ranks over gloo, which carries pickled objects without passing through device memory."""
    return dist.group.WORLD if dist.get_backend() == dist.Backend.GLOO else dist.new_group(backend="gloo")
