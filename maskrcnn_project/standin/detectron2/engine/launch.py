"""One process for each GPU: started here, or joined where torchrun has started them."""

from __future__ import annotations

import gc
import logging
import os
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from detectron2.utils import comm

__all__ = ["DEFAULT_TIMEOUT", "launch"]

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT = timedelta(minutes=30)


def launch(
    main_func: Callable[..., Any],
    num_gpus_per_machine: int,
    num_machines: int = 1,
    machine_rank: int = 0,
    dist_url: str | None = None,
    args: tuple = (),
    timeout: timedelta = DEFAULT_TIMEOUT,
) -> None:
    """
    Runs ``main_func(*args)`` in one process for each GPU; with one process in all, right here.

    Under torchrun (``RANK`` and ``WORLD_SIZE`` in the environment) it joins torchrun's group instead: its numbers of
    processes and machines hold, and the arguments about them are not used.

    Args:
        main_func: a function at the top of a module, so that new processes can import it.
        num_gpus_per_machine: processes on each machine; without GPUs they work on the CPU.
        num_machines: machines, on each of which this is called.
        machine_rank: this machine's number, from 0.
        dist_url: where the processes meet, ``tcp://HOST:PORT`` of machine 0; ``auto``: a free port, for one machine.
        args: arguments of ``main_func``.
        timeout: after which a process that waits for another gives up.

    Raises:
        ProcessRaisedException: a started process raised; its traceback is in the message, the others are ended.
        ValueError: more processes than GPUs, or a ``dist_url`` that cannot be.
    """
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        _run_under_torchrun(main_func, args, timeout, num_machines * num_gpus_per_machine)
        return
    world_size = num_machines * num_gpus_per_machine
    if world_size <= 1:
        main_func(*args)
        return
    if torch.cuda.is_available() and num_gpus_per_machine > torch.cuda.device_count():
        raise ValueError(
            f"--num-gpus {num_gpus_per_machine} was asked for, but this machine has {torch.cuda.device_count()}."
        )
    url = _meeting_point(dist_url, num_machines)
    mp.start_processes(
        _worker,
        args=(main_func, args, world_size, num_gpus_per_machine, machine_rank, url, timeout),
        nprocs=num_gpus_per_machine,
        daemon=False,  # daemons could not start data loading workers
        start_method="spawn",  # CUDA does not survive a fork
    )


def _worker(
    local_rank: int,
    main_func: Callable[..., Any],
    args: tuple,
    world_size: int,
    processes_per_machine: int,
    machine_rank: int,
    dist_url: str,
    timeout: timedelta,
) -> None:
    """What a started process runs."""
    rank = machine_rank * processes_per_machine + local_rank
    _in_group(
        lambda: main_func(*args),
        local_rank,
        processes_per_machine,
        timeout,
        init_method=dist_url,
        world_size=world_size,
        rank=rank,
    )


def _run_under_torchrun(main_func: Callable[..., Any], args: tuple, timeout: timedelta, asked_for: int) -> None:
    world_size = int(os.environ["WORLD_SIZE"])
    if asked_for not in (1, world_size):
        logger.warning("Running in torchrun's %d process(es); the %d asked for do not count.", world_size, asked_for)
    local_rank = int(os.environ.get("LOCAL_RANK", os.environ["RANK"]))
    if world_size == 1 or dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(local_rank)
        main_func(*args)
        return
    local_size = int(os.environ.get("LOCAL_WORLD_SIZE", world_size))
    _in_group(lambda: main_func(*args), local_rank, local_size, timeout, init_method="env://")


def _in_group(
    body: Callable[[], Any], local_rank: int, local_size: int, timeout: timedelta, **group_arguments: Any
) -> None:
    """Joins the group of all processes, runs ``body`` and leaves."""
    has_gpu = torch.cuda.is_available()
    if has_gpu:
        torch.cuda.set_device(local_rank)
    try:
        dist.init_process_group(backend="nccl" if has_gpu else "gloo", timeout=timeout, **group_arguments)
    except Exception:
        logger.error("Joining the other processes failed (%s).", group_arguments)
        raise
    comm.create_local_process_group(local_size)
    # A process that is done early would take the meeting point with it, before others have joined.
    comm.synchronize()
    body()
    # Not after an exception: the others are elsewhere, and waiting for them would hide it.
    comm.forget_groups()
    gc.collect()  # models in reference cycles hold groups, too
    dist.destroy_process_group()


def _meeting_point(dist_url: str | None, num_machines: int) -> str:
    if dist_url in (None, "auto"):
        if num_machines > 1:
            raise ValueError(
                f"dist_url must be tcp://HOST:PORT of machine 0 to join {num_machines} machines, but is {dist_url!r}."
            )
        return f"tcp://127.0.0.1:{_free_port()}"
    assert dist_url is not None
    if num_machines > 1 and dist_url.startswith("file://"):
        logger.warning("file:// is unreliable between machines; use tcp://.")
    return dist_url


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))  # port 0: the system picks one that is free
        return probe.getsockname()[1]
